"""Maps whose samples affect each other: nothing is reported as converged above the tolerance; independent samples cost nothing."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from andersonn import Equilibrium
from andersonn.solvers import GMRES, Anderson, Broyden, FixedPointIteration, Status, fixed_point
from tests.solvers.problems import affine

SOLVERS = [
    FixedPointIteration(),
    Anderson(),
    Anderson(type="I"),
    Anderson(window=10, period=2),
    Anderson("auto"),
    Broyden(),
    GMRES(),
]


def graph(nodes=40, width=8, radius=0.95, seed=0):
    """A network of nodes in a ring: an affine map, each row its own sample though it depends on its neighbors."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(width, width, generator=generator, dtype=torch.float64)
    weight = weight + weight.T
    weight *= radius / torch.linalg.matrix_norm(weight, 2)
    shift = torch.randn(nodes, width, generator=generator, dtype=torch.float64)
    shift *= torch.logspace(-3, 0, nodes, dtype=torch.float64).unsqueeze(1)  # rows converge at different steps

    def f(z):
        return (0.5 * z + 0.25 * z.roll(1, 0) + 0.25 * z.roll(-1, 0)) @ weight + shift

    return f, torch.zeros_like(shift)


def residuals(f, z):
    g = f(z)
    return (g - z).norm(dim=1) / g.norm(dim=1)


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@pytest.mark.parametrize("max_steps", [20, 400])
@pytest.mark.parametrize("every", [None, 3])
def test_no_row_of_a_graph_is_converged_above_the_tolerance(solver, max_steps, every):
    f, z0 = graph()
    solver = replace(solver, rtol=1e-4, max_steps=max_steps, check_every=every)
    found = solver.solve(f, z0)
    actual = residuals(f, found.z)
    assert (actual[found.converged] <= 1.0001e-4).all()
    if found.converged.any():
        assert torch.allclose(found.residual, actual, rtol=1e-6)
    if max_steps == 400 and not isinstance(solver, Broyden | GMRES) and getattr(solver, "type", "II") == "II":
        assert found.all_converged
    assert found.trace.residual.shape == (found.evaluations, 40)


def test_rows_that_converged_go_on_when_their_neighbors_move_them():
    """One row has arrived at once; its neighbor, which it depends on, takes many steps and carries it away."""
    weight = torch.tensor([[0.0, 0.9], [0.0, 0.9]], dtype=torch.float64)

    def f(z):
        return weight @ z + torch.tensor([[1.0], [1e-3]], dtype=torch.float64)

    start = torch.tensor([[1.0], [1e-6]], dtype=torch.float64)
    found = FixedPointIteration(rtol=1e-3, max_steps=500).solve(f, start)
    assert found.all_converged
    assert (residuals(f, found.z) <= 1e-3).all()
    assert found.steps[0] == found.steps[1] > 10
    short = FixedPointIteration(rtol=1e-3, max_steps=12).solve(f, start)
    assert (residuals(f, short.z)[short.converged] <= 1e-3).all()
    assert not short.all_converged


def test_a_cell_with_batch_normalization():
    torch.manual_seed(0)

    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.norm = nn.Linear(16, 16), nn.BatchNorm1d(16, track_running_stats=False)

        def forward(self, z, x):
            return torch.tanh(0.2 * self.norm(self.linear(z)) + x)

    cell, x = Cell().double(), torch.randn(16, 16, dtype=torch.float64)
    for joint in (False, True):
        layer = Equilibrium(cell, Anderson(rtol=1e-6, max_steps=300, joint=joint))
        with torch.no_grad():
            z = layer(x)
            g = cell(z, x)
        assert layer.last.all_converged
        if joint:
            assert (g - z).norm() <= 1e-6 * g.norm()
        else:
            assert ((g - z).norm(dim=1) <= 1.0001e-6 * g.norm(dim=1)).all()


class Counted:
    """An independent affine map of samples with different rates, which does not say that it is independent."""

    def __init__(self, batch=12, width=6):
        self.calls = 0
        rates = torch.linspace(0.1, 0.95, batch, dtype=torch.float64).unsqueeze(1)
        self.rates = rates * torch.linspace(-0.8, 1.0, width, dtype=torch.float64)

    def __call__(self, z):
        self.calls += 1
        return self.rates * z + 1.0


@pytest.mark.parametrize("solver", SOLVERS[:4], ids=str)
def test_independent_samples_cost_nothing_and_keep_their_states(solver):
    f = Counted()
    solver = replace(solver, rtol=1e-7, max_steps=500)
    found = solver.solve(f, torch.zeros_like(f.rates))
    assert found.all_converged
    assert f.calls == found.evaluations == int(found.steps.max()) + 1
    for b in (0, 5, 11):
        alone = solver.solve(lambda z, b=b: f.rates[b : b + 1] * z + 1.0, torch.zeros(1, 6, dtype=torch.float64))
        assert alone.steps[0] == found.steps[b]
        assert torch.allclose(alone.z[0], found.z[b], rtol=1e-12)


def test_out_of_steps_with_an_earlier_best_state_costs_one_evaluation_more():
    """Row 0 converges; row 1 leaves its best state, and returns to it at the end: row 0 must have been checked with it."""

    def f(z):
        first = 0.5 * z[:1] + 0.5 + 0.01 * (z[1:] - 1.0).abs()
        return torch.cat([first, torch.where((z[1:] - 1.0).abs() < 0.1, z[1:] * 1.3, 1.0 + 0.9 * (z[1:] - 1.0))])

    start = torch.tensor([[3.0], [2.0]], dtype=torch.float64)
    found = FixedPointIteration(rtol=1e-3, max_steps=60).solve(f, start)
    assert (residuals(f, found.z)[found.converged] <= 1e-3).all()


def test_samples_out_of_time_are_judged_with_the_rest():
    f, z0 = graph()
    found = FixedPointIteration(rtol=1e-4, max_steps=10**5, max_seconds=1e-3).solve(f, z0)
    assert (residuals(f, found.z)[found.converged] <= 1.0001e-4).all()


@pytest.mark.parametrize("solver", [*SOLVERS[:4], SOLVERS[5], SOLVERS[6]], ids=str)
@pytest.mark.parametrize("offsets", [None, torch.arange(0, 41, 4)])
def test_joint_is_one_sample(solver, offsets):
    f, z0 = graph()
    solver = replace(solver, rtol=1e-6, max_steps=400)
    found = replace(solver, joint=True).solve(f, z0, offsets)
    single = solver.solve(lambda z: f(z.reshape(40, 8)).reshape(1, -1), z0.reshape(1, -1))
    samples = 40 if offsets is None else 10
    assert found.status.shape == found.residual.shape == found.steps.shape == (samples,)
    assert found.trace.residual.shape == (found.evaluations, samples)
    assert found.all_converged
    assert found.evaluations == single.evaluations
    assert torch.allclose(found.z, single.z.reshape(40, 8), rtol=1e-9)
    assert math.isclose(found.residual[0], (f(found.z) - found.z).norm() / f(found.z).norm(), rel_tol=1e-6)


def test_gradients_of_a_joint_layer_are_those_of_an_unrolled_twin():
    f, z0 = graph(nodes=10)
    shift = torch.randn_like(z0).requires_grad_()
    layer = Equilibrium(lambda z, x: f(z) + x, Anderson(rtol=1e-10, max_steps=400, joint=True))
    (exact,) = torch.autograd.grad(layer(shift).square().sum(), shift)
    z = z0
    for _ in range(400):
        z = f(z) + shift
    (unrolled,) = torch.autograd.grad(z.square().sum(), shift)
    assert torch.allclose(exact, unrolled, rtol=1e-6)
    assert layer.last_adjoint.all_converged


def test_a_failed_sample_does_not_count_as_mixing():
    f, z0, _ = affine(5, 4, 0.5)

    def spoiled(z):
        g = f(z).clone()
        g[1] = math.nan
        return g

    found = fixed_point(spoiled, z0)
    assert found.status.tolist() == [Status.CONVERGED, Status.NONFINITE, Status.CONVERGED, Status.CONVERGED]
