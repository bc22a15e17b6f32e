import pytest
import torch

from andersonn import jacobian_penalty, spectral_radius
from tests.solvers.problems import contraction


def test_against_eigenvalues():
    for n, seed in ((3, 0), (10, 1), (15, 2)):
        A = contraction(n, 0.8, seed)
        z = torch.randn(2, n, dtype=torch.float64)
        assert torch.allclose(spectral_radius(lambda z, A=A: z @ A.T, z), torch.full((2,), 0.8, dtype=torch.float64))


def test_each_sample_has_its_own():
    rates = torch.tensor([[0.2], [0.9], [1.5]], dtype=torch.float64)
    found = spectral_radius(lambda z: rates * z, torch.ones(3, 4, dtype=torch.float64))
    assert torch.allclose(found, rates.squeeze(1))


def test_rotation_has_radius_one():
    """Power iteration on the norm gets complex eigenvalues wrong."""
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    assert torch.allclose(spectral_radius(lambda z: z @ turn.T, torch.randn(3, 2)), torch.ones(3, dtype=torch.float64))


def test_nonlinear_map_at_its_fixed_point():
    A, b = contraction(8, 1.2, 3), torch.randn(1, 8, dtype=torch.float64)
    z = torch.zeros(1, 8, dtype=torch.float64)

    def f(z):
        return torch.tanh(z @ A.T + b)

    for _ in range(300):
        z = f(z)
    jacobian = torch.autograd.functional.jacobian(lambda v: f(v.unsqueeze(0))[0], z[0])
    assert torch.allclose(spectral_radius(f, z), torch.linalg.eigvals(jacobian).abs().max(), rtol=1e-6)


def test_ragged_samples():
    offsets = torch.tensor([0, 1, 4])
    rates = torch.tensor([[0.3], [0.5], [0.6], [0.7]], dtype=torch.float64)
    found = spectral_radius(lambda z: rates * z, torch.ones(4, 2, dtype=torch.float64), offsets)
    assert torch.allclose(found, torch.tensor([0.3, 0.7], dtype=torch.float64))


def test_large_map_is_close_from_below():
    A = contraction(300, 0.9, 4, symmetric=True)
    found = spectral_radius(lambda z: z @ A.T, torch.randn(2, 300, dtype=torch.float64), iterations=40)
    assert (found <= 0.9 + 1e-9).all()
    assert (found > 0.87).all()


def test_constant_map_has_radius_zero():
    assert spectral_radius(lambda z: torch.ones_like(z) + 0 * z, torch.ones(2, 3)).tolist() == [0.0, 0.0]
    assert spectral_radius(lambda z: torch.ones(2, 3), torch.ones(2, 3)).tolist() == [0.0, 0.0]


def test_in_inference_mode():
    A = contraction(5, 0.8, 0)
    with torch.inference_mode():
        found = spectral_radius(lambda z: z @ A.T, torch.randn(2, 5, dtype=torch.float64))
    assert torch.allclose(found, torch.full((2,), 0.8, dtype=torch.float64))


def test_penalty_is_the_mean_squared_jacobian():
    A = contraction(6, 0.9, 5).requires_grad_()
    z = torch.randn(400, 6, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(0)
    penalty = jacobian_penalty(z @ A.T, z)
    assert float(penalty.detach()) == pytest.approx(float(A.detach().square().sum()) / 6, rel=0.1)
    penalty.backward()
    assert torch.allclose(A.grad, 2 * A.detach() / 6, rtol=0.6, atol=0.05)
