"""Broyden's method against the dense update, a theorem on affine maps, and the memory it may take."""

import math

import pytest
import torch

from andersonn.solvers import Broyden
from tests.solvers.problems import tanh_map
from tests.tape import live_bytes


@pytest.mark.parametrize("steps", [3, 6, 11, 40])
def test_broyden_equals_the_dense_update(steps):
    """The recurrence without stored matrices makes the steps of the textbook's rank-one update of the inverse."""
    f, z0 = tanh_map(60, 1, 0.9)
    states = []

    def watched(z):
        states.append(z.clone())
        return f(z)

    Broyden(rtol=0.0, max_steps=steps, safeguard=None).solve(watched, z0)
    z, inverse = z0[0], torch.eye(60, dtype=torch.float64)
    r = f(z0)[0] - z
    for k in range(steps):
        assert torch.allclose(states[k][0], z, rtol=1e-9, atol=1e-10)
        s = inverse @ r
        z = z + s
        new = f(z.unsqueeze(0))[0] - z
        y = r - new
        inverse = inverse + torch.outer(s - inverse @ y, s @ inverse) / (s @ inverse @ y)
        r = new


def rotations(radius, n=20):
    """Rotations by different angles in n / 2 planes, times the radius."""
    matrix = torch.zeros(n, n, dtype=torch.float64)
    for i, angle in enumerate(torch.linspace(0.05, math.pi, n // 2).tolist()):
        turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = radius * turn
    return matrix


def upper_triangular(n, off):
    generator = torch.Generator().manual_seed(0)
    above = torch.triu(torch.randn(n, n, generator=generator, dtype=torch.float64), 1)
    return off * above + torch.diag(torch.linspace(-0.9, 0.9, n, dtype=torch.float64))


@pytest.mark.parametrize(
    "matrix",
    [rotations(0.99), rotations(0.995), rotations(1.05), upper_triangular(40, 0.3)],
    ids=["rotations 0.99", "rotations 0.995", "rotations 1.05", "upper triangular"],
)
def test_affine_maps_take_two_steps_an_unknown_at_most(matrix):
    """D. M. Gay, SIAM J. Numer. Anal. 16, 623 (1979). Restarts at pivots of some 1e-3 break it."""
    n = len(matrix)
    b = torch.randn(4, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = Broyden(window=2 * n, rtol=1e-8, max_steps=2 * n).solve(lambda z: z @ matrix.T + b, torch.zeros_like(b))
    assert found.all_converged
    solution = torch.linalg.solve(torch.eye(n, dtype=torch.float64) - matrix, b.T).T
    assert torch.allclose(found.z, solution, rtol=1e-4, atol=1e-5)


def test_a_singular_update_restarts_its_sample_alone():
    """The residual r of the first sample has ⟨r, J r⟩ = ‖r‖², which makes its first pivot zero."""
    slopes = torch.tensor([[0.5, 1.5, 0.2], [0.5, -0.5, 0.2]], dtype=torch.float64)
    b = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float64)

    def states_of(slopes, b, z0):
        states = []

        def f(z):
            states.append(z.clone())
            return slopes * z + b

        assert Broyden(rtol=1e-10, max_steps=20).solve(f, z0).all_converged
        return states

    both = states_of(slopes, b, torch.zeros_like(b))
    restarted = states_of(slopes[:1], b[:1], both[1][:1])
    alone = states_of(slopes[1:], b[1:], torch.zeros_like(b[1:]))
    for first, second in zip(restarted, both[1:], strict=False):
        assert torch.allclose(first[0], second[0], rtol=1e-12)
    for first, second in zip(alone, both, strict=False):
        assert torch.allclose(first[0], second[1], rtol=1e-12)


@pytest.mark.parametrize(("width", "steps"), [(4, 10), (4, 40), (500, 10), (500, 40)])
def test_memory_grows_with_the_steps_taken(width, steps):
    """Steps and their products, B × steps² numbers, are allocated as they come, not for the whole window."""
    batch, most = 64, 0
    f, z0 = tanh_map(width, batch, 0.9)

    def watched(z):
        nonlocal most
        most = max(most, live_bytes() - before)
        return f(z)

    before = live_bytes()
    Broyden(window=200, rtol=0.0, max_steps=200).solve(Stopping(watched, steps), z0)
    allocated = 2 * max(steps, 16)
    states, products = batch * width * 8, batch * 8
    assert 0 < most <= states * (allocated + 8) + products * (allocated**2 + 8)
    assert most < 0.5 * (states + products * 200) * 200


class Stopping:
    """A map that turns into NaN after so many evaluations, which ends the solve."""

    def __init__(self, f, evaluations):
        self.f, self.left = f, evaluations

    def __call__(self, z):
        self.left -= 1
        return self.f(z) if self.left >= 0 else torch.full_like(z, math.nan)
