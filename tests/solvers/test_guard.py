"""Anderson's method where extrapolation fails: the guard sends samples on, and the automatic choice counts."""

import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from andersonn.solvers import Anderson, FixedPointIteration, Status
from andersonn.solvers.automatic import LONGEST_WINDOW
from andersonn.solvers.costs import EvaluationCost
from andersonn.solvers.guard import DAMPED, Guard
from tests.solvers.problems import affine, tanh_map

DOUBLE = torch.float64
VARIANTS = [
    {"window": 5},
    {"window": 10},
    {"window": 20},
    {"window": 5, "type": "I"},
    {"window": 5, "mixing": "adaptive"},
    {"window": 5, "restart": 5},
    {"window": 5, "period": 2},
    {"window": "auto"},
]


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def not_normal(radius=0.9, coupling=6.0, size=64, batch=4):
    """Upper triangular: residuals grow a thousandfold before they fall."""
    A = torch.triu(normal(0, size, size), 1) * coupling / size**0.5 + torch.diag(
        torch.linspace(-radius, radius, size, dtype=DOUBLE)
    )
    b = normal(1, batch, size)
    return (lambda z: z @ A.T + b), torch.zeros_like(b)


def trap(batch=3):
    """A steep map inside, where Picard steps of a lost sample would jump about for ever; solution of cos-like sloshing."""
    b = 0.3 * normal(2, batch, 6)
    return (lambda z: b - 6.0 * torch.tanh(z) + 0.2 * torch.roll(torch.tanh(3 * z), 1, dims=1)), torch.zeros_like(b)


def explosive(limit=3.0):
    """One that has no value beyond a limit, which long steps pass."""
    rates = torch.linspace(-0.5, 0.985, 12, dtype=DOUBLE)
    shift = (1 - rates) * torch.linspace(0.1, 2.0, 12, dtype=DOUBLE) * torch.tensor([[1.0], [0.5]], dtype=DOUBLE)

    def f(z):
        value = rates * z + shift + 0.05 * (z[:, :1] - z).pow(3).clamp(-1, 1)
        return torch.where((z.abs() > limit).any(dim=1, keepdim=True), torch.nan, value)

    return f, torch.zeros(2, 12, dtype=DOUBLE)


def true_residuals(f, z):
    value = f(z)
    return (value - z).norm(dim=1) / value.norm(dim=1)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("make", [not_normal, trap, explosive], ids=lambda make: make.__name__)
def test_what_damped_steps_solve_is_solved(options, make):
    f, z0 = make()
    budget = {"rtol": 1e-6, "max_steps": 600}
    damped = [FixedPointIteration(mixing=beta, **budget).solve(f, z0).all_converged for beta in (1.0, 0.5, 0.2)]
    assert any(damped)
    found = Anderson(**options, **budget).solve(f, z0)
    assert found.all_converged, found.describe()
    assert (true_residuals(f, found.z) <= 1.001e-6).all()


def test_without_the_guard_a_sample_may_break_or_circle():
    """The maps above are no easy ones."""
    broken = [
        not Anderson(window=window, patience=None, rtol=1e-6, max_steps=600).solve(*make()).all_converged
        for window in (5, 10, 20)
        for make in (not_normal, trap, explosive)
    ]
    assert any(broken)


class Hiccup:
    """A slow map that gives one sample no value at the evaluations named."""

    def __init__(self, *when):
        self.f, self.z0, self.solution = affine(30, 3, 0.97)
        self.when, self.calls = when, 0

    def __call__(self, z):
        self.calls += 1
        value = self.f(z)
        if self.calls in self.when:
            value[1] = torch.nan
        return value


@pytest.mark.parametrize("window", [5, "auto"])
@pytest.mark.parametrize("large", [False, True])
def test_a_sample_that_breaks_goes_on_from_its_best_iterate(window, large, monkeypatch):
    if large:
        monkeypatch.setattr("andersonn.solvers.layout.SMALL", 0)
    budget = {"rtol": 1e-8, "max_steps": 600}
    f = Hiccup(8, 30)
    assert Anderson(window=window, patience=None, **budget).solve(f, f.z0).status.tolist() == [0, Status.NONFINITE, 0]
    f = Hiccup(8, 30)
    found = Anderson(window=window, **budget).solve(f, f.z0)
    assert found.all_converged
    assert torch.allclose(found.z, f.solution, rtol=1e-5)


def test_a_map_without_values_ends_soon_and_honestly():
    f = Hiccup(*range(6, 600))
    found = Anderson(rtol=1e-8, max_steps=500).solve(f, f.z0)
    assert found.status.tolist() == [0, Status.NONFINITE, 0]
    assert found.steps[1] < 6
    assert found.z.isfinite().all()


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
def test_guarded_samples_leave_the_others_alone(large, ragged, monkeypatch):
    """One bad sample in the batch: the good ones take the same steps as without it."""
    if large:
        monkeypatch.setattr("andersonn.solvers.layout.SMALL", 0)
    easy, _ = tanh_map(64, 3, 0.8)
    hard, zeros = not_normal(batch=1)

    class Both:
        def __call__(self, z):
            return torch.cat([easy(z[:3]), hard(z[3:])])

    z0 = torch.cat([torch.zeros(3, 64, dtype=DOUBLE), zeros])
    offsets = torch.arange(5) if ragged else None
    solver = Anderson(rtol=1e-8, max_steps=900)
    found = solver.solve(Both(), z0, offsets)
    alone = solver.solve(easy, z0[:3])
    assert found.all_converged
    assert torch.equal(found.steps[:3], alone.steps)
    assert torch.allclose(found.z[:3], alone.z, rtol=1e-12)


def test_samples_leave_while_others_take_other_steps():
    """Groups are renumbered when the batch shrinks."""
    A = torch.triu(normal(0, 40, 40), 1) * 1.1 + torch.diag(torch.linspace(-0.9, 0.9, 40, dtype=DOUBLE))
    scale = torch.tensor([0.0, 1.0, 0.2, 0.9, 0.5, 0.95], dtype=DOUBLE).unsqueeze(1)

    class Mixed:
        def __init__(self, scale, shift):
            self.scale, self.shift = scale, shift

        def __call__(self, z):
            return self.scale * (z @ A.T) + self.shift

        def subset(self, samples, rows):
            return Mixed(self.scale[rows], self.shift[rows])

    f = Mixed(scale, normal(1, 6, 40))
    solver = Anderson(rtol=1e-7, max_steps=900)
    small = solver.solve(f, torch.zeros(6, 40, dtype=DOUBLE))
    whole = replace(solver, compact=0.0).solve(f, torch.zeros(6, 40, dtype=DOUBLE))
    assert small.all_converged
    assert torch.equal(small.steps, whole.steps)
    assert torch.allclose(small.z, whole.z, rtol=1e-3)  # the map magnifies the rounding of other products


def test_damped_steps_that_blow_up_undamped_are_damped():
    """β = 1 is tried once; where residuals blow up with it, it is halved and not tried again."""
    guard = Guard(1, 30, 100)
    still = {"running": np.ones(1, dtype=bool), "active": np.arange(1), "score": np.full(1, 1e-3), "limit": 1e-6}

    def look(evaluations, score):
        scores = np.full(1, score)
        return guard.look(SimpleNamespace(scores=scores, sizes=scores, seconds=[0.0] * evaluations, **still))

    look(1, 1.0)
    guard.kind[:], guard.beta[:], guard.begin[:], guard.rates[:, 0] = DAMPED, 1.0, 1e-3, 0.1
    assert look(10, 1e3)
    assert guard.beta.tolist() == [0.5]
    guard.patience[:, DAMPED], guard.least[:, 0], guard.mark[:] = 10, 9e-4, 9e-4
    assert look(40, 8e-4)  # below the residual at which they began, but not by half: they pause
    assert guard.beta.tolist() == [0.7]


def test_a_window_longer_than_the_state_does_not_stall():
    f, z0 = tanh_map(8, 4, 0.95)
    short = Anderson(window=5, rtol=1e-8, max_steps=200).solve(f, z0)
    for window in (8, 10, 20, 50):
        assert Anderson(window=window, rtol=1e-8, max_steps=200).solve(f, z0).steps.max() <= short.steps.max() + 2


@pytest.mark.parametrize("large", [False, True])
def test_the_automatic_window_grows(large, monkeypatch):
    """On a dear map it reaches what a long fixed window does."""
    if large:
        monkeypatch.setattr("andersonn.solvers.layout.SMALL", 0)
    f, z0, solution = affine(60, 3, 0.99)
    W = torch.eye(1200, dtype=DOUBLE)

    def dear(z):
        return f(z) + 0 * (W[:, :1200] @ W).sum()

    budget = {"rtol": 1e-8, "max_steps": 300}
    chosen = Anderson("auto", **budget).solve(dear, z0)
    # Fixed windows take as many evaluations of the cheap map, which has the same values.
    long = Anderson(window=LONGEST_WINDOW, **budget).solve(f, z0)
    short = Anderson(window=5, **budget).solve(f, z0)
    assert chosen.all_converged
    assert chosen.evaluations <= long.evaluations + 2
    assert chosen.evaluations < 0.6 * short.evaluations
    assert torch.allclose(chosen.z, solution, rtol=1e-5)


def test_the_automatic_choice_knows_no_clock():
    """A busy machine changes nothing."""
    f, z0 = tanh_map(30, 4, 0.97)
    rest = iter(np.random.default_rng(0).exponential(2e-4, 10_000))

    def disturbed(z):
        time.sleep(next(rest))
        return f(z)

    solver = Anderson("auto", rtol=1e-7, max_steps=400)
    quiet, busy = solver.solve(f, z0), solver.solve(disturbed, z0)
    assert torch.equal(quiet.trace.residual, busy.trace.residual)
    assert torch.equal(quiet.z, busy.z)


def test_an_evaluation_is_counted_once_for_each_map_and_shape():
    weight = torch.eye(50)

    def f(z):
        return torch.tanh(z @ weight)

    def cost(state):
        found = EvaluationCost(f, state)
        before = found.seconds
        with found.counting("cpu"):
            f(state)
        return before, found.seconds

    small, large = torch.zeros(2, 50), torch.zeros(2000, 50)
    unknown, seconds = cost(small)
    assert unknown is None
    assert cost(small) == (seconds, seconds)
    assert cost(large)[0] is None
    assert cost(large)[1] > 5 * seconds


def test_what_cannot_be_counted_is_taken_to_cost_much():
    """A map that never calls torch is extrapolated from the first step."""
    rates = np.linspace(-0.9, 0.95, 30)

    class InNumpy:
        __slots__ = ()

        def __call__(self, z):
            return torch.from_numpy(rates * z.numpy() + 1.0)

    found = Anderson("auto", rtol=1e-8, max_steps=200).solve(InNumpy(), torch.zeros(2, 30, dtype=DOUBLE))
    assert found.all_converged
    assert found.evaluations < 40


def test_where_steps_are_few_cost_does_not_matter():
    """A tiny map, on which Picard steps are cheapest, but too slow for the steps allowed."""
    f, z0 = tanh_map(8, 4, 0.95)
    budget = {"rtol": 1e-8, "max_steps": 50}
    assert not FixedPointIteration(**budget).solve(f, z0).all_converged
    assert Anderson("auto", **budget).solve(f, z0).all_converged


@pytest.mark.parametrize("joint", [False, True])
def test_states_of_a_single_sample_take_other_steps_too(joint):
    """A vector, and a whole state judged as one: the group of Broyden's steps has any shape."""
    z0 = torch.full((8,), 0.3, dtype=DOUBLE) if not joint else torch.full((4, 2), 0.3, dtype=DOUBLE)
    found = Anderson(rtol=1e-8, max_steps=120, joint=joint).solve(lambda z: 3 * torch.cos(5 * z) + 0.1 * z.sum(), z0)
    assert found.z.shape == z0.shape
    assert found.z.isfinite().all()
    f, zeros = trap(1)
    assert (
        Anderson(rtol=1e-8, max_steps=400, joint=joint)
        .solve(lambda z: f(z.view(1, 6)).view_as(z), zeros[0])
        .all_converged
    )


@pytest.mark.parametrize(
    "solver", [Anderson(rtol=0.1), Anderson(rtol=0.1, max_steps=9, mixing=0.5), Anderson("auto", rtol=0.1)]
)
def test_samples_that_affect_each_other_and_break_are_not_called_converged(solver):
    """Random mixing maps without values beyond a limit: a status of convergence holds at the state returned."""
    converged = 0
    for seed in range(90):
        A, b, limit = 0.6 * normal(seed, 3, 3).abs(), normal(seed + 1000, 3, 1), 1.0 + (seed % 10) / 10

        def f(z, A=A, b=b, limit=limit):
            return torch.where((A @ z).abs() > limit, torch.nan, torch.tanh(2 * A @ z) + b)

        found = solver.solve(f, torch.zeros(3, 1, dtype=DOUBLE))
        converged += int(found.converged.sum())
        assert (true_residuals(f, found.z)[found.converged] <= 0.1 * (1 + 1e-9)).all()
    assert converged > 18
