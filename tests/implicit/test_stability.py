import pytest
import torch

from andersonn import FixedPointIteration, jacobian_penalty, spectral_radius
from andersonn.implicit.stability import contraction_rate, radius_report
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


def test_penalty_over_more_vectors_is_less_noisy():
    A = contraction(6, 0.9, 5)
    z = torch.randn(1, 6, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(0)

    def spread(samples):
        return torch.stack([jacobian_penalty(z @ A.T, z, samples).detach() for _ in range(100)]).std()

    assert 2 < spread(1) / spread(16) < 8
    mean = jacobian_penalty(z @ A.T, z, samples=4000)
    assert float(mean.detach()) == pytest.approx(float(A.square().sum()) / 6, rel=0.1)
    with pytest.raises(ValueError, match="samples must be a whole number"):
        jacobian_penalty(z @ A.T, z, samples=0)


def test_a_sample_that_is_not_finite_spoils_no_other():
    rates = torch.tensor([[0.2], [float("nan")], [1.5]], dtype=torch.float64)
    found = spectral_radius(lambda z: rates * z, torch.ones(3, 4, dtype=torch.float64))
    assert torch.allclose(found, rates.squeeze(1), equal_nan=True)


def test_half_precision():
    A = contraction(12, 0.9, 1, dtype=torch.float32)
    z = torch.randn(2, 12)
    exact = torch.linalg.eigvals(A.bfloat16().float()).abs().max()
    found = spectral_radius(lambda z: z @ A.bfloat16().T, z.bfloat16())
    assert torch.allclose(found, exact.double(), rtol=0.03)


def test_report_of_radii():
    assert radius_report(torch.tensor([0.5, 0.25, 0.75])) == "spectral radius at z*: median 0.500, largest 0.750"
    line = radius_report(torch.tensor([0.5, 1.0, float("nan")], dtype=torch.float64))
    assert line == (
        "spectral radius at z*: median 0.500, largest 1.000; 1 of 3 at 1 or above, where fixed-point iteration does not "
        "converge; 1 of 3 not finite"
    )
    assert radius_report(torch.tensor([float("nan")])) == "1 of 1 not finite"
    with pytest.raises(ValueError, match="at least one sample"):
        radius_report(torch.empty(0))


def test_rate_of_a_forward_iteration_is_the_spectral_radius():
    rates = torch.tensor([[0.3], [0.8], [0.95]], dtype=torch.float64)
    solution = FixedPointIteration(rtol=1e-9, max_steps=100).solve(lambda z: rates * z + 1, torch.zeros(3, 4).double())
    assert solution.steps[0] < solution.steps[1] < 100  # the first two stopped early, the last did not
    assert torch.allclose(contraction_rate(solution.trace.residual), rates.squeeze(1), rtol=1e-2)


def test_rate_of_special_traces():
    nan, inf = float("nan"), float("inf")
    columns = {
        "geometric": ([1.0, 0.5, 0.25, 0.125], 0.5),
        "stopped": ([1.0, 0.5, 0.5, 0.5], 0.5),
        "growing": ([1.0, 2.0, 4.0, 8.0], 2.0),
        "old rate left out": ([1e9, 1.0, 0.5, 0.25], 0.5),
        "at once": ([1.0, 0.0, 0.0, 0.0], 0.0),
        "never moved": ([1.0, 1.0, 1.0, 1.0], nan),
        "not finite": ([inf, inf, inf, inf], nan),
        "finite later": ([inf, nan, 1.0, 0.5], 0.5),
    }
    trace = torch.tensor([values for values, _ in columns.values()], dtype=torch.float64).T
    expected = torch.tensor([rate for _, rate in columns.values()], dtype=torch.float64)
    assert torch.allclose(contraction_rate(trace, last=3), expected, equal_nan=True)
    assert contraction_rate(trace[:1]).isnan().all()
    with pytest.raises(ValueError, match="a rate needs two residuals"):
        contraction_rate(trace, last=1)
    with pytest.raises(TypeError, match=r"solution\.trace\.residual"):
        contraction_rate(trace[0])
