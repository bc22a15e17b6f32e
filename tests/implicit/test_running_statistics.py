"""Running statistics of normalizations are updated once a forward pass."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from andersonn import (
    Anderson,
    DriftMonitor,
    Equilibrium,
    ImplicitGradient,
    NeumannGradient,
    OneStepGradient,
    PhantomGradient,
)
from tests.implicit.cells import Tanh, unrolled

RULES = [ImplicitGradient(), NeumannGradient(), OneStepGradient(), PhantomGradient(steps=4)]
X = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SOLVER = Anderson(rtol=1e-10, max_steps=100)


class Normalized(Tanh):
    """Batch normalization of what comes of the state."""

    def __init__(self, **options):
        super().__init__(3, 0.5)
        self.norm = nn.BatchNorm1d(3, **options).double()
        self.calls = 0

    def forward(self, z, x):
        self.calls += 1
        return torch.tanh(0.3 * self.norm(z @ self.weight.T + x) + x)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("gradients", [True, False])
def test_one_update_a_forward_pass(rule, gradients):
    cell = Normalized()
    layer = Equilibrium(cell, SOLVER, rule, monitor=DriftMonitor(every=1))
    for count in (1, 2, 3):
        with torch.set_grad_enabled(gradients):
            z = layer(X)
        assert cell.norm.num_batches_tracked.item() == count
        if gradients:
            z.square().sum().backward()
        assert cell.norm.num_batches_tracked.item() == count
        assert cell.norm.track_running_stats
    assert cell.calls > 12
    layer.eval()(X)
    assert cell.norm.num_batches_tracked.item() == 3


def test_the_update_is_that_of_the_solution():
    cell, momentum = Normalized(momentum=0.25), 0.25
    layer = Equilibrium(cell, SOLVER)
    with torch.no_grad():
        inner = layer(X) @ cell.weight.T + X
    assert torch.allclose(cell.norm.running_mean, momentum * inner.mean(0), atol=1e-9)
    assert torch.allclose(cell.norm.running_var, 1 - momentum + momentum * inner.var(0), atol=1e-9)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_second_derivatives_and_two_passes_leave_them_alone(momentum):
    cell = Normalized(momentum=momentum)
    layer, x, found = Equilibrium(cell, SOLVER), X.clone().requires_grad_(), []
    for run in (layer, lambda x: unrolled(cell, x, steps=60)):
        before = cell.norm.num_batches_tracked.item()
        loss = run(x).pow(3).sum() + run(0.5 * x).pow(3).sum()
        (slope,) = torch.autograd.grad(loss, x, create_graph=True)
        found.append([slope, *torch.autograd.grad(slope.square().sum(), [x, cell.weight, cell.norm.weight])])
        if run is layer:
            assert cell.norm.num_batches_tracked.item() == before + 2
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_instance_normalization_and_a_frozen_module():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.instance = nn.InstanceNorm1d(2, track_running_stats=True)
            self.frozen = nn.BatchNorm1d(2)
            self.frozen.running_mean.fill_(0.3)

        def forward(self, z, x):
            return torch.tanh(0.2 * self.instance(z) + 0.1 * self.frozen(z) + x)

    cell, x = Both(), X.float().view(4, 2, 3)
    cell.frozen.eval()
    z = Equilibrium(cell, Anderson(rtol=1e-6))(x)
    assert torch.allclose(
        cell.instance.running_mean, 0.1 * z.mean(dim=(0, 2)), atol=1e-5
    )  # PyTorch counts no batches here
    assert cell.frozen.num_batches_tracked.item() == 0
    assert torch.equal(cell.frozen.running_mean, torch.full((2,), 0.3))


def test_samples_that_share_statistics_stay_in_the_batch():
    cell = Normalized()
    layer = Equilibrium(cell, SOLVER, compact=True)
    z = layer(X)
    assert layer.last.all_converged
    assert torch.allclose(z, unrolled(cell, X, steps=80))


def test_an_error_puts_the_statistics_back():
    class Fails(Normalized):
        def forward(self, z, x):
            super().forward(z, x)
            raise ArithmeticError

    cell = Fails()
    mean = cell.norm.running_mean
    with pytest.raises(ArithmeticError):
        Equilibrium(cell)(X)
    assert cell.norm.running_mean is mean
    assert cell.norm.track_running_stats


def test_threads_that_share_a_layer_count_each_pass_once():
    cell = Normalized()
    layer, interval = Equilibrium(cell, SOLVER), sys.getswitchinterval()

    def work():
        for _ in range(20):
            layer(X)

    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work) for _ in range(4)]:
                done.result()
    finally:
        sys.setswitchinterval(interval)
    assert cell.norm.num_batches_tracked.item() == 80
    assert cell.norm.track_running_stats


def test_a_layer_within_a_cell_leaves_them_alone_too():
    class Outer(Normalized):
        def __init__(self):
            super().__init__()
            self.inner = Equilibrium(Normalized(), SOLVER)

        def forward(self, z, x):
            return super().forward(z, x + 0.1 * self.inner(z))

    cell = Outer()
    Equilibrium(cell, SOLVER)(X)
    assert cell.norm.num_batches_tracked.item() == 1
    assert cell.inner.cell.norm.num_batches_tracked.item() == 1


def test_an_empty_batch_does_not_count():
    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def forward(self, z, x):
            return 0.2 * (self.norm(z) if len(z) else z) + x

    cell = Linear()
    Equilibrium(cell)(torch.zeros(0, 3))
    assert cell.norm.num_batches_tracked.item() == 0
