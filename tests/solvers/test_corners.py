"""Maps and options of an unusual kind, on small and on large states."""

import time

import numpy as np
import pytest
import torch

from andersonn.solvers import Anderson, Broyden, FixedPointIteration
from andersonn.solvers.layout import layout_of
from tests.solvers.problems import affine, tanh_map


def symmetric(size=8, batch=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(size, size, generator=generator, dtype=torch.float64)
    A = A + A.T
    return 0.8 * A / torch.linalg.matrix_norm(A, 2), torch.randn(batch, size, generator=generator, dtype=torch.float64)


def solution_of(A, b):
    return torch.linalg.solve(torch.eye(len(A), dtype=A.dtype) - A, b.T).T


@pytest.fixture(params=["small", "large"])
def either_path(request, monkeypatch):
    if request.param == "large":
        monkeypatch.setattr("andersonn.solvers.layout.SMALL", 0)


@pytest.mark.parametrize("solver", [Anderson(), Broyden(), FixedPointIteration()], ids=lambda s: s.name)
def test_a_map_that_takes_gradients_of_its_argument(solver, either_path):
    """Each call gets an object of its own: gradients do not pile up on it."""
    A, b = symmetric()

    def f(z):
        with torch.enable_grad():
            z.requires_grad_()
            (0.5 * (z * z).sum() - 0.5 * ((z @ A) * z).sum() - (b * z).sum()).backward()
        return z.detach() - z.grad

    found = type(solver)(rtol=1e-8, max_steps=200).solve(f, torch.zeros_like(b))
    assert found.all_converged
    assert not found.z.requires_grad
    assert torch.allclose(found.z, solution_of(A, b), rtol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"type": "I"},
        {"max_condition": 1e6},
        {"sketch": 2},
        {"restart": 3},
        {"mixing": 0.7},
        {"mixing": "adaptive"},
        {"window_dtype": "float32"},
        {"check_every": 3},
    ],
    ids=str,
)
def test_automatic_choice_takes_the_other_options(options, either_path, one_thread):
    """On a map so dear that it extrapolates as a rule."""
    A, b = symmetric(200, 4)

    def dear(z):
        time.sleep(0.001)
        return z @ A + b

    found = Anderson("auto", rtol=1e-6, max_steps=400, **options).solve(dear, torch.zeros_like(b))
    assert found.all_converged
    assert torch.allclose(found.z, solution_of(A, b), rtol=1e-4, atol=1e-4)


def test_automatic_choice_refuses_a_period():
    with pytest.raises(ValueError, match="decides the period"):
        Anderson("auto", period=2)


@pytest.mark.parametrize("every", [2, 3, 4, 7])
def test_automatic_choice_while_samples_leave(every):
    class Rates:
        def __init__(self, rates):
            self.rates = rates

        def __call__(self, z):
            time.sleep(0.0005)
            return self.rates * z + 1.0

        def subset(self, samples, rows):
            return Rates(self.rates[rows])

    rates = torch.tensor([0.01, 0.05, 0.3, 0.5, 0.97, 0.98], dtype=torch.float64).unsqueeze(1)
    rates = rates * torch.linspace(-0.9, 1, 40, dtype=torch.float64)
    found = Anderson("auto", rtol=1e-8, max_steps=800, check_every=every).solve(Rates(rates), torch.zeros_like(rates))
    assert found.all_converged
    assert torch.allclose(found.z, 1 / (1 - rates), rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"max_condition": 1e6}], ids=str)
def test_products_too_large_for_the_precision_leave_columns_out(options):
    A, b = symmetric(12, 2)
    b = b * torch.tensor([[1.0], [1e22]], dtype=torch.float64)
    A, b = A.float(), b.float()
    found = Anderson(rtol=1e-5, max_steps=200, **options).solve(lambda z: z @ A + b, torch.zeros(2, 12))
    assert found.all_converged


def test_a_value_with_the_negative_bit():
    A, b = symmetric()
    f = lambda z: torch.complex(torch.zeros_like(z), -(z @ A + b)).conj().imag  # noqa: E731
    found = Anderson(rtol=1e-8).solve(f, torch.zeros_like(b))
    assert found.all_converged
    assert torch.allclose(found.z, solution_of(A, b), rtol=1e-6)


def test_an_expanded_value_is_measured_right():
    wide = torch.full((1, 1), 0.1).expand(1, 100_000)
    found = FixedPointIteration(rtol=1e-9, max_steps=1).solve(lambda z: wide, torch.zeros(1, 100_000))
    assert found.residual.item() == 0.0
    first = found.trace.residual[0, 0].item()
    assert first == pytest.approx(1.0, rel=1e-6)


def test_a_sample_that_has_arrived_does_not_change_the_others_norms(either_path):
    f, z0, solution = affine(20, 4, 0.9)
    start = z0.clone()
    start[1] = solution[1]
    found = Anderson(rtol=1e-8, max_steps=200).solve(f, start)
    assert found.all_converged
    layout = layout_of(torch.zeros(3, 4))
    rows = torch.tensor([[0.0] * 4, [3.0, 4.0, 0.0, 0.0], [1e-30, 0.0, 0.0, 0.0]])
    sizes = np.asarray(layout.block_norms(layout.block(rows)))[:, 0]
    assert sizes.tolist() == pytest.approx([0.0, 5.0, 1e-30])


@pytest.mark.parametrize("mixing", [1.0, 0.7])
def test_the_default_device_is_not_the_states(mixing, either_path):
    f, z0 = tanh_map(20, 3, 0.9)
    plain = Anderson(mixing=mixing, rtol=1e-8, max_steps=200).solve(f, z0)
    with torch.device("meta"):
        found = Anderson(mixing=mixing, rtol=1e-8, max_steps=200).solve(f, z0)
    assert torch.equal(found.z, plain.z)
