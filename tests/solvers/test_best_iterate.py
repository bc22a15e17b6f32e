"""What a solve returns of a sample that it did not solve: no state that has run away, and not the initial one."""

import numpy as np
import pytest
import torch

from andersonn.solvers import Anderson, Broyden, FixedPointIteration
from andersonn.solvers.best_iterate import RUNAWAY, BestTogether, improves
from andersonn.solvers.compiled_loop import Recipe, loop_of
from tests.pretend_accelerator import PretendAccelerator, host

SOLVERS = {
    "Picard": FixedPointIteration(max_steps=100),
    "Anderson": Anderson(max_steps=100),
    "auto": Anderson("auto", max_steps=100),
    "Broyden": Broyden(max_steps=100),
}


def growing(x, slope=1.05):
    """z ↦ relu(slope · z + x) with x > 0: without a fixed point; its relative residual falls while z grows."""
    return lambda z: torch.relu(slope * z + x)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("joint", [False, True])
def test_a_state_that_has_run_away_is_not_returned(name, joint):
    x = torch.linspace(0.5, 1.5, 8, dtype=torch.float64).view(4, 2)
    f, sizes = growing(x), []

    def watched(z):
        value = f(z)
        residual = value - z
        sizes.append(residual.norm().expand(4) if joint else residual.norm(dim=1))
        return value

    solver = SOLVERS[name]
    found = type(solver)(**{**vars(solver), "joint": joint}).solve(watched, torch.zeros_like(x))
    assert not found.converged.any()
    returned = f(found.z) - found.z
    size = returned.norm().expand(4) if joint else returned.norm(dim=1)
    assert (size <= RUNAWAY * (1 + 1e-9) * torch.stack(sizes).nan_to_num(nan=np.inf).amin(0)).all()
    assert (found.steps > 0).all()
    assert torch.allclose(found.residual, size / (f(found.z).norm().expand(4) if joint else f(found.z).norm(dim=1)))


def test_samples_that_affect_each_other_keep_no_state_that_has_run_away():
    """Sample 0 converges alone at first, and then is carried away by the others."""
    x = torch.ones(3, 2, dtype=torch.float64)

    def f(z):
        others = torch.relu(1.05 * z[1:] + x[1:])
        return torch.cat([0.01 * torch.relu(z[1:].sum() - 100.0) + 0.5 * z[:1], others])

    found = FixedPointIteration(max_steps=200).solve(f, torch.zeros_like(x))
    assert not found.converged.any()
    assert float((f(found.z) - found.z).norm()) < 20.0  # 1,000 and more at the end


def test_a_solve_of_fixed_length_returns_no_state_that_has_run_away():
    x = torch.ones(4, 2)
    solver = FixedPointIteration(rtol=0.0, max_steps=60)
    with PretendAccelerator() as device:
        there = device.put(x)
        found = solver.solve(lambda z: torch.relu(1.05 * z + there), device.put(torch.zeros(4, 2)))
        z, steps = host(found.z), host(found.steps)
    assert ((growing(x)(z) - z).norm(dim=1) <= RUNAWAY * x.norm(dim=1) * (1 + 1e-5)).all()
    assert (steps > 0).all()


def test_the_loop_to_be_compiled_keeps_the_same_state():
    x = torch.ones(4, 2, dtype=torch.float64)

    def while_loop(going_on, step, carried):
        while bool(going_on(*carried)):
            carried = step(*carried)
        return carried

    recipe = Recipe((4, 2), 4, 0, 1.0, 0.0, np.inf, np.inf, 60)
    tolerances = torch.tensor([1e-3, 0.0], dtype=torch.float64)
    end = loop_of(recipe, while_loop)(growing(x), (), torch.zeros_like(x), tolerances)
    found = FixedPointIteration(max_steps=59).solve(growing(x), torch.zeros_like(x))
    assert torch.equal(end.best, found.z)
    assert torch.equal(end.best_at, found.steps)


def test_the_rule():
    score, kept = np.array([0.5, 0.2, 0.1, 0.9]), np.full(4, 0.4)
    size, kept_size, least = np.array([1.0, 1.0, 9.0, 1.0]), np.array([1.0, 1.0, 1.0, 9.0]), np.ones(4)
    assert improves(score, size, kept, kept_size, least).tolist() == [False, True, False, True]
    together = BestTogether()
    one = np.ones(1)
    assert [
        together.improves(score * one, size * one) for score, size in ((0.5, 1), (0.2, 9), (0.4, 1.5), (0.3, 5))
    ] == [
        True,
        False,
        True,
        False,
    ]
    assert not together.improves(one[:0], one[:0])
