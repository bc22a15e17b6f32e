"""Writes that torch does not count: through ``.data`` and numpy, and to tensors of inference mode."""

from dataclasses import replace

import pytest
import torch

from andersonn.solvers import GMRES, Anderson, Broyden, FixedPointIteration, NewtonKrylov

ALL_KINDS = [
    Anderson(),
    Anderson("auto"),
    Broyden(),
    FixedPointIteration(),
    GMRES(),
    NewtonKrylov(products="differences"),
]


@pytest.mark.parametrize("solver", ALL_KINDS, ids=lambda solver: solver.name)
@pytest.mark.parametrize("large", [False, True])
def test_memory_that_torch_does_not_count_writes_to_is_copied(solver, large, monkeypatch):
    """In inference mode f may return its own input, or write again into what it returned: its values stay as they were."""
    if large:
        monkeypatch.setattr("andersonn.solvers.layout.SMALL", 0)
    with torch.inference_mode():
        x, own = torch.full((2, 3), 2.0), torch.zeros(2, 3)
        found = solver.solve(lambda z: x, torch.zeros(2, 3))
        assert found.all_converged
        assert torch.allclose(found.z, x, rtol=1e-6)
        assert torch.equal(x, torch.full((2, 3), 2.0))
        found = replace(solver, rtol=1e-6).solve(lambda z: torch.add(0.5 * z, 1.0, out=own), torch.zeros(2, 3))
        assert found.all_converged
        assert torch.allclose(found.z, x, rtol=1e-5)


def through_data(z):
    z.data.mul_(0.5)
    return z + 1.0


def through_numpy(z):
    z.numpy()[:] = 0.5
    return z + 1.0


@pytest.mark.parametrize("solver", ALL_KINDS, ids=lambda solver: solver.name)
@pytest.mark.parametrize("f", [through_data, through_numpy])
@pytest.mark.parametrize("large", [False, True])
def test_uncounted_writes_to_the_first_state_are_found_out(solver, f, large, monkeypatch):
    if large:
        monkeypatch.setattr("andersonn.solvers.layout.SMALL", 0)
    with pytest.raises(ValueError, match="f changed"):
        solver.solve(f, torch.ones(2, 3))
    broken = torch.tensor([[torch.nan, 1.0]])
    with pytest.raises(ValueError, match="NaN or infinity"):
        solver.solve(lambda z: 0.5 * z, broken)
