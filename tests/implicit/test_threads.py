"""Threads that share a layer keep their own records."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from andersonn import Anderson, Equilibrium, LinearInitializer
from tests.implicit.cells import Tanh


def test_records_belong_to_the_thread_that_solved():
    layer = Equilibrium(Tanh(3, 0.5), Anderson(rtol=1e-8, max_steps=60))
    layer(torch.zeros(7, 3, dtype=torch.float64))
    barrier, found = threading.Barrier(3, timeout=60), {}

    def work(samples):
        assert layer.last is None
        assert layer.last_adjoint is None
        x = torch.randn(samples, 3, dtype=torch.float64, requires_grad=True)
        z = layer(x)
        barrier.wait()  # all have solved
        found[samples] = [len(layer.last.status), layer.last.z.shape[0]]
        z.sum().backward()
        barrier.wait()
        found[samples] += [len(layer.last_adjoint.status)]

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work, n) for n in (2, 3, 4)]:
            done.result()
    assert found == {n: [n, n, n] for n in (2, 3, 4)}
    assert len(layer.last.status) == 7
    assert layer.last_adjoint is None


def test_a_backward_pass_in_another_thread_is_recorded_where_the_forward_pass_ran():
    """As on a GPU, whose backward pass has a thread of its own."""
    layer = Equilibrium(Tanh(3, 0.5))
    z = layer(torch.ones(2, 3, dtype=torch.float64))
    other = threading.Thread(target=z.sum().backward)
    other.start()
    other.join()
    assert len(layer.last_adjoint.status) == 2


def test_copies_and_pickles_work_and_hold_no_records():
    layer = Equilibrium(Tanh(3, 0.5), initializer=LinearInitializer(3).double())
    x = torch.ones(2, 3, dtype=torch.float64)
    z = layer(x)
    layer.last_adjoint = layer.last
    for twin in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.last is None
        assert twin.last_adjoint is None
        assert torch.equal(twin(x), z)
        assert twin.last is not layer.last
    assert layer.last is layer.last_adjoint
    layer.last_adjoint = None
    assert layer.last_adjoint is None
