"""The windows of small and of large states, on the host."""

import numpy as np
import pytest
import torch

from andersonn.solvers.layout import layout_of
from andersonn.solvers.window import NumpyWindow, TorchWindow

both = pytest.mark.parametrize("kind", [NumpyWindow, TorchWindow])


def push(window, *states):
    window.push(*(window.layout.block(state) for state in states))


def coefficients(window, ridge):
    return torch.as_tensor(window.coefficients(ridge))


def filled_window(kind, size=4, pushes=7, samples=3, width=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z = torch.zeros(samples, width, dtype=torch.float64)
    window = kind(size, layout_of(z), z)
    residuals = [torch.randn(samples, width, generator=generator, dtype=torch.float64) for _ in range(pushes + 1)]
    values = [torch.randn(samples, width, generator=generator, dtype=torch.float64) for _ in range(pushes + 1)]
    for k in range(pushes):
        push(window, residuals[k], residuals[k + 1], values[k], values[k + 1])
    return window, residuals, values


@both
def test_incremental_gram_equals_rebuilt_gram(kind):
    for pushes in (1, 3, 4, 7, 11):
        window, residuals, _ = filled_window(kind, pushes=pushes)
        k = window.filled
        rebuilt = torch.einsum("ird,jrd->rij", torch.as_tensor(window.dF)[:k], torch.as_tensor(window.dF)[:k])
        assert np.allclose(window.equations.gram[:, :k, :k], rebuilt)
        projection = torch.einsum("ird,rd->ri", torch.as_tensor(window.dF)[:k], residuals[-1])
        assert np.allclose(window.equations.projection[:, :k], projection)


@both
def test_coefficients_are_least_squares(kind):
    window, residuals, _ = filled_window(kind)
    gamma = coefficients(window, ridge=1e-14)
    for b in range(3):
        expected = torch.linalg.lstsq(
            torch.as_tensor(window.dF)[:, b].T, residuals[-1][b].unsqueeze(1)
        ).solution.squeeze(1)
        assert torch.allclose(gamma[b], expected, rtol=1e-8)


@both
def test_combination(kind):
    window, residuals, values = filled_window(kind)
    gamma = coefficients(window, ridge=1e-14)
    out = torch.empty_like(values[-1])
    expected = values[-1] - torch.einsum("ri,ird->rd", gamma, torch.as_tensor(window.dG))
    window.extrapolate(gamma.numpy(), window.layout.block(values[-1]), window.layout.block(out))
    assert torch.allclose(out, expected)
    reduced = window.reduced_residual(gamma.numpy(), window.layout.block(residuals[-1]))
    expected = residuals[-1] - torch.einsum("ri,ird->rd", gamma, torch.as_tensor(window.dF))
    assert torch.allclose(reduced, expected)


@both
def test_degenerate_columns_are_left_out(kind):
    z = torch.zeros(2, 5, dtype=torch.float64)
    window = kind(3, layout_of(z), z)
    r = torch.randn(2, 5, dtype=torch.float64)
    push(window, r, r, z, z + 1)  # no change at all: a zero column
    push(window, r, 2 * r, z, z + 1)
    push(window, 2 * r, 3 * r, z, z + 1)  # parallel to the one before
    gamma = coefficients(window, ridge=1e-10)
    assert torch.isfinite(gamma).all()
    assert (gamma[:, 0] == 0).all()
    fitted = torch.einsum("ri,ird->rd", gamma, torch.as_tensor(window.dF))
    assert torch.allclose(fitted, 3 * r, rtol=1e-6)


@both
def test_non_finite_samples_take_a_picard_step(kind):
    window, *_ = filled_window(kind)
    window.equations.gram[1] = float("nan")
    gamma = coefficients(window, ridge=1e-10)
    assert (gamma[1] == 0).all()
    assert (gamma[0] != 0).all()
