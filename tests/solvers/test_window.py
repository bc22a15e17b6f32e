import torch

from andersonn.solvers.layout import Layout
from andersonn.solvers.window import Window


def push(window, *states):
    window.push(*(window.layout.block(state) for state in states))


def coefficients(window, ridge):
    return torch.as_tensor(window.coefficients(ridge))


def filled_window(size=4, pushes=7, samples=3, width=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z = torch.zeros(samples, width, dtype=torch.float64)
    window = Window(size, Layout(z), z)
    residuals = [torch.randn(samples, width, generator=generator, dtype=torch.float64) for _ in range(pushes + 1)]
    values = [torch.randn(samples, width, generator=generator, dtype=torch.float64) for _ in range(pushes + 1)]
    for k in range(pushes):
        push(window, residuals[k], residuals[k + 1], values[k], values[k + 1])
    return window, residuals, values


def test_incremental_gram_equals_rebuilt_gram():
    for pushes in (1, 3, 4, 7, 11):
        window, residuals, _ = filled_window(pushes=pushes)
        k = window.filled
        rebuilt = torch.einsum("ird,jrd->rij", window.dF[:k], window.dF[:k])
        assert torch.allclose(window.gram[:, :k, :k], rebuilt)
        assert torch.allclose(window.projection[:, :k], torch.einsum("ird,rd->ri", window.dF[:k], residuals[-1]))


def test_coefficients_are_least_squares():
    window, residuals, _ = filled_window()
    gamma = coefficients(window, ridge=1e-14)
    for b in range(3):
        expected = torch.linalg.lstsq(window.dF[:, b].T, residuals[-1][b].unsqueeze(1)).solution.squeeze(1)
        assert torch.allclose(gamma[b], expected, rtol=1e-8)


def test_combination():
    window, residuals, values = filled_window()
    gamma = coefficients(window, ridge=1e-14)
    out = torch.empty_like(values[-1])
    expected = values[-1] - torch.einsum("ri,ird->rd", gamma, window.dG)
    window.combine(window.dG, gamma, values[-1], out)
    assert torch.allclose(out, expected)
    window.extrapolate(gamma.numpy(), window.layout.block(values[-1]), window.layout.block(out.zero_()))
    assert torch.allclose(out, expected)


def test_degenerate_columns_are_left_out():
    z = torch.zeros(2, 5, dtype=torch.float64)
    window = Window(3, Layout(z), z)
    r = torch.randn(2, 5, dtype=torch.float64)
    push(window, r, r, z, z + 1)  # no change at all: a zero column
    push(window, r, 2 * r, z, z + 1)
    push(window, 2 * r, 3 * r, z, z + 1)  # parallel to the one before
    gamma = coefficients(window, ridge=1e-10)
    assert torch.isfinite(gamma).all()
    assert (gamma[:, 0] == 0).all()
    fitted = torch.einsum("ri,ird->rd", gamma, window.dF)
    assert torch.allclose(fitted, 3 * r, rtol=1e-6)


def test_non_finite_samples_take_a_plain_step():
    window, *_ = filled_window()
    window.gram[1] = float("nan")
    gamma = coefficients(window, ridge=1e-10)
    assert (gamma[1] == 0).all()
    assert (gamma[0] != 0).all()
