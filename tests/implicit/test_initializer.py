import pytest
import torch
from torch import nn

from andersonn.implicit.initializer import LinearInitializer
from andersonn.solvers import Anderson
from tests.solvers.problems import contraction


def test_begins_with_zeros():
    assert torch.equal(LinearInitializer(4)(torch.randn(2, 3, 4)), torch.zeros(2, 3, 4))
    assert LinearInitializer(4, state_width=6)(torch.randn(5, 4)).shape == (5, 6)


def test_learns_the_solution_of_a_linear_layer():
    """z = A z + x has z* = (I − A)⁻¹ x, which a linear guess can reach; then the solver has nothing left to do."""
    torch.manual_seed(0)
    A = contraction(5, 0.8, 0)
    inverse = torch.linalg.inv(torch.eye(5, dtype=torch.float64) - A)
    guess = LinearInitializer(5).double()
    optimizer = torch.optim.LBFGS(guess.parameters(), max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-16)
    x = torch.randn(64, 5, dtype=torch.float64)

    def loss():
        optimizer.zero_grad()
        z = x @ inverse.T
        value = ((guess(x) - z).square().sum(dim=1) / z.square().sum(dim=1)).mean()
        value.backward()
        return value

    optimizer.step(loss)
    assert torch.allclose(guess.linear.weight, inverse, atol=1e-3)
    fresh = torch.randn(8, 5, dtype=torch.float64)
    cold, warm = (
        Anderson(rtol=1e-3).solve(lambda z: z @ A.T + fresh, z0)
        for z0 in (torch.zeros_like(fresh), guess(fresh).detach())
    )
    assert warm.evaluations <= 2 < cold.evaluations


def test_bad_use():
    with pytest.raises(ValueError, match=r"x has shape \(2, 3\); this LinearInitializer was made for \[\.\.\., 4\]"):
        LinearInitializer(4)(torch.zeros(2, 3))
    with pytest.raises(TypeError, match="not dict; write an nn.Module that maps your x"):
        LinearInitializer(4)({"x": torch.zeros(2, 4)})
    for options in ({"width": 0}, {"width": 2, "state_width": -1}):
        with pytest.raises(ValueError, match="must be a whole number"):
            LinearInitializer(**options)
    assert isinstance(LinearInitializer(2), nn.Module)
