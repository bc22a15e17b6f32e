"""States so large or small that squares have no number in their precision."""

import pytest
import torch

from andersonn.solvers import GMRES, Broyden
from tests.solvers.problems import affine

SCALES = {torch.float32: [1e-30, 1e-20, 1e16, 1e20, 1e36], torch.float64: [1e-300, 1e-160, 1e160, 1e290]}


@pytest.mark.parametrize("solver", [Broyden(rtol=1e-4, max_steps=200), GMRES(rtol=1e-4, max_steps=200)], ids=str)
@pytest.mark.parametrize("dtype", SCALES, ids=str)
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("offsets", [None, torch.tensor([0, 1, 3])], ids=["dense", "ragged"])
def test_scale_changes_no_step(solver, dtype, large, offsets, monkeypatch):
    """Also where samples of one batch differ by it."""
    if large:
        monkeypatch.setattr("andersonn.solvers.layout.SMALL", 0)
    g, z0, solution = affine(20, 3, 0.9)
    for scale in SCALES[dtype]:
        by_row = torch.tensor([[1.0], [scale], [scale]], dtype=torch.float64)

        def f(z, by_row=by_row):
            return (g(z.double() / by_row) * by_row).to(dtype)

        def plain(z):
            return g(z.double()).to(dtype)

        found = solver.solve(f, z0.to(dtype), offsets)
        expected = solver.solve(plain, z0.to(dtype), offsets)
        assert found.all_converged, (scale, found)
        assert abs(found.evaluations - expected.evaluations) <= 2, scale
        error = (found.z.double() / by_row - solution).norm(dim=1)
        assert (error <= 1e-2 * solution.norm(dim=1)).all(), (scale, error)
