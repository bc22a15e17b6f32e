"""Newton's method against closed forms: its iterates, its line search, its products, and what it counts."""

import math
from dataclasses import replace

import pytest
import torch

from andersonn import Equilibrium
from andersonn.solvers import Anderson, Broyden, NewtonKrylov, Status
from tests.solvers.problems import affine, tanh_map
from tests.solvers.test_broyden import rotations
from tests.solvers.test_loop import rates_map

DOUBLE = {"dtype": torch.float64}


def slow_rotations():
    """A hundred unknowns that turn by up to a radian: more eigenvalues near the unit circle than a usual window holds."""
    n = 100
    matrix = torch.zeros(n, n, **DOUBLE)
    for i, angle in enumerate(torch.linspace(0.05, 1.0, n // 2).tolist()):
        turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], **DOUBLE)
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = 0.995 * turn
    b = torch.randn(3, n, generator=torch.Generator().manual_seed(0), **DOUBLE)
    solution = torch.linalg.solve(torch.eye(n, **DOUBLE) - matrix, b.T).T
    return (lambda z: z @ matrix.T + b), torch.zeros_like(b), solution


@pytest.mark.parametrize("products", ["auto", "forward", "differences"])
def test_it_arrives_where_windows_do_not(products):
    f, z0, solution = slow_rotations()
    budget = {"rtol": 1e-8, "max_steps": 300}
    found = NewtonKrylov(window=100, products=products, **budget).solve(f, z0)
    assert found.all_converged
    assert torch.allclose(found.z, solution, rtol=1e-5, atol=1e-5)
    for other in (Anderson(window=20, **budget), Broyden(**budget)):
        assert not other.solve(f, z0).converged.any()


def test_rotations_near_the_unit_circle_need_few_products():
    matrix = rotations(0.995)
    f, z0 = (lambda z: z @ matrix.T + 1.0), torch.zeros(1, 20, **DOUBLE)
    found = NewtonKrylov(rtol=1e-9, max_steps=60).solve(f, z0)
    assert found.all_converged
    assert torch.allclose(found.z[0], torch.linalg.solve(torch.eye(20, **DOUBLE) - matrix, torch.ones(20, **DOUBLE)))


def states_of(solver, f, z0):
    states = []

    def watched(z):
        states.append(z.clone())
        return f(z)

    return solver.solve(watched, z0), states


def test_in_one_dimension_it_is_newtons_method():
    """One product makes the direction exact, so every second evaluation is at Newton's next iterate."""
    z0 = torch.tensor([[0.2]], **DOUBLE)
    found, states = states_of(NewtonKrylov(rtol=1e-15, max_steps=30, products="forward"), torch.cos, z0)
    z, iterates = 0.2, [0.2]
    while abs(math.cos(z) - z) > 1e-15 * abs(math.cos(z)):
        z += (math.cos(z) - z) / (1 + math.sin(z))
        iterates.append(z)
    taken = [float(state) for state in states[::2]]
    assert len(taken) >= 4
    assert taken == pytest.approx(iterates[: len(taken)], rel=1e-9)
    assert found.evaluations <= 2 * len(iterates) + 1
    assert float(found.z) == pytest.approx(0.7390851332151607, rel=1e-14)


@pytest.mark.parametrize("products", ["forward", "differences"])
def test_the_line_search_saves_newton_from_overshooting(products):
    """Newton's method for atan z = 0 diverges from |z| > 1.3917: each full step is longer than the one before."""
    z0 = torch.tensor([[3.0], [-20.0], [0.5]], **DOUBLE)
    solver = NewtonKrylov(rtol=0.0, atol=1e-9, max_steps=80, products=products)
    found = solver.solve(lambda z: z - torch.atan(z), z0)
    assert found.all_converged
    assert torch.allclose(found.z, torch.zeros_like(z0), atol=1e-8)
    z = 3.0
    for _ in range(5):
        z -= math.atan(z) * (1 + z * z)
    assert abs(z) > 1e6


def test_a_step_out_of_the_domain_is_shortened():
    """The first step for log z = 0 from 3 leads to −0.3, where the logarithm is NaN."""
    z0 = torch.tensor([[3.0], [0.9]], **DOUBLE)
    found, states = states_of(NewtonKrylov(rtol=1e-10, max_steps=60), lambda z: z - torch.log(z), z0)
    assert min(float(state.min()) for state in states) < 0
    assert found.all_converged
    assert torch.allclose(found.z, torch.ones_like(z0))


@pytest.mark.parametrize("products", ["forward", "differences"])
@pytest.mark.parametrize("max_steps", [1, 2, 3, 7, 20, 60])
def test_every_call_of_f_counts(products, max_steps):
    f, z0 = tanh_map(30, 3, 0.95)
    found, states = states_of(NewtonKrylov(rtol=1e-13, max_steps=max_steps, products=products), f, z0)
    assert found.evaluations == len(states) <= max_steps + 1
    assert found.trace.residual.shape == (found.evaluations, 3)
    gap = (f(found.z) - found.z).norm(dim=1) / f(found.z).norm(dim=1)
    assert torch.allclose(found.residual, gap, rtol=1e-6, atol=1e-15)


class NoForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        return torch.cos(z)


@pytest.mark.parametrize("f", [NoForward.apply, lambda z: torch.cos(z.detach())], ids=["no rule", "detached"])
def test_maps_without_forward_derivatives(f):
    z0 = torch.tensor([[0.2, 0.9]], **DOUBLE)
    found, states = states_of(NewtonKrylov(rtol=1e-10), f, z0)
    assert found.all_converged
    assert found.evaluations == len(states)
    assert torch.allclose(found.z, torch.full_like(z0, 0.7390851332151607))
    with pytest.raises(TypeError, match="products='differences'"):
        NewtonKrylov(products="forward").solve(f, z0)


def test_products_of_the_map_itself():
    f, z0, solution = affine(20, 2, 0.8)
    calls = []

    class Map:
        def __call__(self, z):
            return f(z)

        def linear(self, v):
            calls.append(v)
            return f(v) - f(torch.zeros_like(v))

    found = NewtonKrylov(rtol=1e-10).solve(Map(), z0)
    assert torch.allclose(found.z, solution, rtol=1e-8)
    assert found.evaluations == len(calls) + 2  # the start and the step: one direction suffices


@pytest.mark.parametrize("repeat", [1, 3])
def test_samples_that_have_converged_leave_the_batch(repeat):
    offsets = torch.arange(0, 6 * repeat + 1, repeat) if repeat > 1 else None
    f = rates_map(repeat)
    f.rates[:repeat] = 0.0
    z0 = torch.zeros_like(f.shift)
    z0[:repeat] = f.shift[:repeat]
    found = NewtonKrylov(rtol=1e-8, max_steps=300, compact=1.0).solve(f, z0, offsets)
    assert found.all_converged
    assert found.steps[0] == 0
    assert f.log[0] == 6 * repeat > max(f.log[1:])
    assert torch.allclose(found.z, f.shift / (1 - f.rates), rtol=1e-6)


def test_states_of_several_parts_and_single_precision():
    f, z0 = tanh_map(30, 4, 0.9, dtype=torch.float32)
    whole = NewtonKrylov(rtol=1e-5, max_steps=200).solve(f, z0)
    parts = NewtonKrylov(rtol=1e-5, max_steps=200).solve(
        lambda s: dict(zip("ab", f(torch.cat([s["a"], s["b"]], dim=1)).split([10, 20], dim=1))),
        {"a": z0[:, :10], "b": z0[:, 10:]},
    )
    assert whole.all_converged
    assert torch.allclose(torch.cat([parts.z["a"], parts.z["b"]], dim=1), whole.z, atol=1e-5)


def test_a_layer_gives_the_gradients_that_it_gives_with_anderson():
    class Cell(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(6, 6, **DOUBLE)

        def forward(self, z, x):
            return torch.tanh(0.7 * self.linear(z) + x)

    torch.manual_seed(0)
    cell, x = Cell(), torch.randn(3, 6, **DOUBLE)
    gradients = []
    for solver in (Anderson(window=6), NewtonKrylov()):
        layer = Equilibrium(cell, replace(solver, rtol=1e-12, max_steps=200))
        cell.zero_grad()
        layer(x).square().sum().backward()
        assert layer.last.all_converged
        assert layer.last_adjoint.all_converged
        gradients.append(cell.linear.weight.grad.clone())
    assert torch.allclose(*gradients, rtol=1e-8, atol=1e-10)


def test_out_of_time_and_misuse():
    f, z0, _ = affine(30, 2, 0.99)
    late = NewtonKrylov(rtol=1e-12, max_steps=10**6, max_seconds=1e-9).solve(f, z0)
    assert late.status.tolist() == [Status.OUT_OF_TIME] * 2
    with pytest.raises(ValueError, match="products must be one of"):
        NewtonKrylov(products="jvp")
    with pytest.raises(ValueError, match="window"):
        NewtonKrylov(window=0)
    with pytest.raises(TypeError, match="call solve"):
        NewtonKrylov().stepper(None, None)
