import copy
import pickle
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from andersonn.implicit.warm_start import WarmStarts
from andersonn.solvers import Anderson
from tests.solvers.problems import tanh_map


def rows(*values, width=3, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype).unsqueeze(1).expand(-1, width).contiguous()


def test_known_keys_get_their_state_and_others_the_template():
    store = WarmStarts()
    store.put([1, "b"], rows(10.0, 20.0))
    found = store.get(["b", 2, 1, "1"], rows(1.0, 2.0, 3.0, 4.0))
    assert found[:, 0].tolist() == [20.0, 2.0, 10.0, 4.0]  # the string "1" is another key than 1
    assert (store.hits, store.misses, len(store), store.bytes) == (2, 2, 2, 2 * 3 * 8)
    store.put([1], rows(11.0))
    assert store.get([1], rows(0.0))[0, 0] == 11.0
    assert len(store) == 2


@pytest.mark.parametrize("keys", [torch.tensor([5, 7]), np.array([5, 7]), [np.int64(5), 7], (5, 7), range(5, 9, 2)])
def test_kinds_of_keys(keys):
    store = WarmStarts()
    store.put(keys, rows(1.0, 2.0))
    assert store.get([7, 5], rows(0.0, 0.0))[:, 0].tolist() == [2.0, 1.0]


def test_neither_side_shares_memory():
    store, state, template = WarmStarts(), rows(1.0, 2.0), rows(8.0, 9.0)
    store.put([0, 1], state)
    state.zero_()
    for keys in ([0, 1], [0, 5], [4, 5]):
        store.get(keys, template).fill_(-1)
    store.get([0], template[:1]).fill_(-1)
    assert template[:, 0].tolist() == [8.0, 9.0]
    assert store.get([0, 1], template)[:, 0].tolist() == [1.0, 2.0]


def test_names_and_shapes_are_kept_apart():
    store = WarmStarts()
    store.put([1], rows(1.0))
    store.put([1], rows(2.0), name="adjoint")
    assert store.get([1], rows(0.0), name="adjoint")[0, 0] == 2.0
    assert store.get([1], rows(0.0, width=4))[0, 0] == 0.0  # of another shape: the template's
    assert store.misses == 1
    store.put([1], rows(3.0, width=4))
    assert store.get([1], rows(0.0, width=4))[0, 0] == 3.0
    assert store.bytes == (3 + 4) * 8


def test_ragged_samples_and_images_and_single_vectors():
    store = WarmStarts()
    store.put(["a", "b", "c"], torch.arange(12.0).view(6, 2), torch.tensor([0, 1, 3, 6]))
    template = -torch.ones(7, 2)
    found = store.get(["c", "x", "a", "b"], template, torch.tensor([0, 3, 4, 6, 7]))  # a and b have other lengths now
    assert found.tolist() == [[6, 7], [8, 9], [10, 11], *[[-1, -1]] * 4]
    found = store.get(["b", "a"], template[:3], torch.tensor([0, 2, 3]))
    assert found.tolist() == [[2, 3], [4, 5], [0, 1]]
    image = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    store.put([0, 1], image)
    assert torch.equal(store.get([1, 2, 0], torch.zeros(3, 3, 4, 4)), torch.stack([image[1], 0 * image[0], image[0]]))
    store.put(["v"], torch.arange(5.0))
    assert torch.equal(store.get(["v"], torch.zeros(5)), torch.arange(5.0))


def test_what_is_not_finite_or_not_wanted_stays_out():
    store = WarmStarts()
    store.put(range(4), rows(1.0, 2.0, 3.0, 4.0))
    state = rows(5.0, 6.0, 7.0, 8.0)
    state[1, 2], state[2, 0] = float("nan"), -float("inf")
    store.put(range(4), state, keep=torch.tensor([True, True, True, False]))
    assert store.get(range(4), rows(*[0.0] * 4))[:, 0].tolist() == [5.0, 2.0, 3.0, 4.0]
    assert store.skipped == 2
    ragged = torch.ones(5, 2)
    ragged[2, 1] = float("nan")
    store.put(["x", "y", "z"], ragged, torch.tensor([0, 1, 3, 5]))
    assert store.get(["y"], torch.zeros(2, 2), torch.tensor([0, 2])).sum() == 0
    assert store.get(["z"], torch.zeros(2, 2), torch.tensor([0, 2])).sum() == 4


def test_the_last_of_equal_keys_counts():
    store = WarmStarts()
    state = rows(1.0, 2.0, 3.0)
    state[2] = float("nan")
    store.put(["a", "a", "a"], state)
    assert store.get(["a", "a"], rows(0.0, 0.0))[:, 0].tolist() == [2.0, 2.0]
    assert len(store) == 1


def test_lower_precision():
    store = WarmStarts(dtype=torch.bfloat16)
    store.put([0, 1], rows(1.0, 1e30))
    assert store.bytes == 2 * 3 * 2
    found = store.get([0, 1], rows(0.0, 0.0))
    assert found.dtype == torch.float64
    assert torch.allclose(found, rows(1.0, 1e30), rtol=0.01)
    half = WarmStarts(dtype=torch.float16)
    half.put([0, 1], rows(1.0, 1e5))
    assert half.get([0, 1], rows(-1.0, -1.0))[:, 0].tolist() == [1.0, -1.0]  # 1e5 is beyond float16
    assert half.skipped == 1
    wide = WarmStarts()
    wide.put([0], rows(1e5))
    assert wide.get([0], rows(0.0, dtype=torch.float16)).isfinite().all()
    wide.put([1], rows(1.0, dtype=torch.float32))
    assert wide.get([0, 1], rows(0.0, 0.0, dtype=torch.float32))[:, 0].tolist() == [1e5, 1.0]


def test_the_bound_on_memory_drops_the_least_recently_used():
    store = WarmStarts(max_bytes=3 * 24 + 23)
    store.put([0, 1, 2], rows(0.0, 1.0, 2.0))
    store.get([0], rows(0.0))  # now 1 is the oldest
    store.put([3], rows(3.0))
    assert store.get([0, 1, 2, 3], rows(*[-1.0] * 4))[:, 0].tolist() == [0.0, -1.0, 2.0, 3.0]
    store.put(range(10, 20), rows(*range(10)))
    assert store.get(range(10, 20), rows(*[-1.0] * 10))[:, 0].tolist() == [-1.0] * 7 + [7.0, 8.0, 9.0]
    store.put(["large"], torch.ones(1, 12, dtype=torch.float64))  # larger than the bound: leaves the others alone
    assert (len(store), store.skipped) == (3, 1)


class Model:
    """The same in plain words: an ordered dict of lists."""

    def __init__(self, most):
        self.most, self.states = most, OrderedDict()

    def bytes(self):
        return sum(8 * len(values) for values in self.states.values())

    def put(self, key, values):
        if 8 * len(values) > self.most or any(v != v for v in values):
            return
        self.states.pop(key, None)
        while self.bytes() + 8 * len(values) > self.most:
            self.states.popitem(last=False)
        self.states[key] = values

    def get(self, key, template):
        if len(self.states.get(key, ())) != len(template):
            return template
        self.states.move_to_end(key)
        return self.states[key]


SAMPLES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(1, 3), st.sampled_from([1.0, 2.0, 3.0, float("nan")]), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["s", "t"]), SAMPLES), max_size=12), st.integers(1, 90))
def test_against_a_plain_model(calls, most):
    store, model = WarmStarts(max_bytes=most), Model(most)
    for count, (write, name, samples) in enumerate(calls):
        keys = [key for key, *_ in samples]
        lists = [[value + 10 * count] * length for _, length, value, _ in samples]
        state = torch.tensor([*chain(*lists)], dtype=torch.float64).unsqueeze(1)
        offsets = torch.tensor([0, *(length for _, length, *_ in samples)]).cumsum(0)
        if write:
            keep = [wish for *_, wish in samples]
            store.put(keys, state, offsets, name, keep=torch.tensor(keep))
            for key, values, wish in zip(keys, lists, keep):
                if wish:
                    model.put((name, key), values)
        else:
            expected = [*chain(*(model.get((name, key), values) for key, values in zip(keys, lists)))]
            found = store.get(keys, state, offsets, name)[:, 0]
            assert torch.equal(found.nan_to_num(nan=-1), torch.tensor(expected).double().nan_to_num(nan=-1))
        assert store.bytes == model.bytes() <= most
        assert len(store) == len(model.states)


def test_starts_save_evaluations():
    f, z0 = tanh_map(20, 6, 0.9)
    store, solver, keys = WarmStarts(), Anderson(rtol=1e-8, max_steps=200), range(6)
    first = solver.solve(f, store.get(keys, z0))
    store.put(keys, first.z, keep=first.converged)
    again = solver.solve(f, store.get(keys, z0))
    assert again.evaluations == 1 < first.evaluations


def test_in_inference_mode_and_out_of_it():
    store = WarmStarts()
    with torch.inference_mode():
        store.put([0, 1], rows(1.0, 2.0))
    store.put([0, 1], rows(3.0, 4.0))
    with torch.inference_mode():
        store.put([0], rows(5.0))
        assert store.get([0, 1, 2], rows(0.0, 0.0, 9.0))[:, 0].tolist() == [5.0, 4.0, 9.0]
        template = rows(0.0, 0.0)
    found = store.get([0, 7], template)
    (found * torch.ones(3, dtype=torch.float64, requires_grad=True)).sum().backward()  # a plain tensor
    live = rows(1.0).requires_grad_()
    store.put([0], live * 2)
    assert not store.get([0], live).requires_grad


def test_copies_and_pickles_are_empty():
    store = WarmStarts(max_bytes=1000, dtype=torch.bfloat16)
    store.put([1], rows(1.0))
    for twin in (copy.deepcopy(store), pickle.loads(pickle.dumps(store))):
        assert (len(twin), twin.bytes, twin.max_bytes, twin.dtype) == (0, 0, 1000, torch.bfloat16)
        twin.put([1], rows(2.0))
    assert store.get([1], rows(0.0))[0, 0] == 1.0
    assert repr(store) == "WarmStarts(1 states, 6 of 1,000 bytes, 1 of 1 found)"
    store.clear()
    assert (len(store), store.bytes, store.hits) == (0, 0, 0)


def test_threads_may_share_a_store():
    store = WarmStarts(max_bytes=5 * 800)

    def work(thread):
        for i in range(200):
            value = float(thread)
            store.put([i % 7], torch.full((1, 100), value, dtype=torch.float64))
            found = store.get([i % 7], torch.full((1, 100), -1.0, dtype=torch.float64))
            assert (found == found[0, 0]).all()  # never half of one state and half of another
            assert store.bytes <= 5 * 800

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_bad_use():
    store = WarmStarts()
    with pytest.raises(ValueError, match="3 keys for 2 samples; give one key a sample"):
        store.put([1, 2, 3], rows(1.0, 2.0))
    with pytest.raises(ValueError, match="1 keys for 2 samples"):
        store.get([1], rows(1.0, 2.0))
    for keys in ([1.5], [None], [True], torch.tensor([1.5])):
        with pytest.raises(TypeError, match="keys must be whole numbers or strings"):
            store.put(keys, rows(1.0))
    with pytest.raises(TypeError, match=r"for a single sample give \['a'\]"):
        store.put("a", rows(1.0))
    with pytest.raises(TypeError, match="keys must be whole numbers or strings"):
        store.put(None, rows(1.0))
    with pytest.raises(ValueError, match="keep must be a bool mask of the 2 samples"):
        store.put([1, 2], rows(1.0, 2.0), keep=torch.tensor([True]))
    with pytest.raises(ValueError, match="offsets must be a vector from 0"):
        store.put([1, 2], rows(1.0, 2.0), torch.tensor([0, 1, 5]))
    with pytest.raises(ValueError, match="max_bytes must be a whole number"):
        WarmStarts(max_bytes=0)
    with pytest.raises(TypeError, match="dtype must be a floating-point"):
        WarmStarts(dtype=torch.int32)
