import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from andersonn.measuring.problems import FixedPointProblem, Formula
from andersonn.solvers import ForwardIteration
from contest.contestants import AUTO, INSTALL, OURS, Ours
from contest.peers import PEERS, JaxoptPeer, TorchPeer, everyone
from contest.recorder import Record
from contest.tutorial import tutorial_anderson

LIMIT = 60
ROOT = Path(__file__).parents[2]


def halve(xp, z, goal):
    return 0.5 * (z + goal)


def halving(dtype=torch.float64, batch=1, size=3):
    """Z ← (z + 1) / 2 from 0: the k-th state is 1 − 2^−k, so its residual relative to f is 1 / (2^(k + 1) − 1)."""
    z0 = torch.zeros(batch, size, dtype=dtype)
    return FixedPointProblem(Formula(halve, (), (torch.ones_like(z0),)), z0)


def installed(contestant):
    """A case, skipped where the peer is not installed; jax has tests in a process of its own."""
    return pytest.param(
        contestant,
        id=contestant.name,
        marks=[] if all(find_spec(p) for p in contestant.packages) else pytest.mark.skip(reason="not installed"),
    )


def by_name(name):
    return next(contestant for contestant in everyone() if contestant.name == name)


def test_names_are_unique_and_ours_come_first():
    names = [contestant.name for contestant in everyone()]
    assert len(set(names)) == len(names)
    assert [contestant.ours for contestant in everyone()] == [True] * len(OURS) + [False] * len(PEERS)


@pytest.mark.parametrize("contestant", [installed(by_name(n)) for n in ("forward iteration", "torchdeq forward")])
def test_forward_iteration_halves_the_residual(contestant):
    record = Record(1, stop=1e-3, limit=LIMIT)
    contestant.watch(halving(), record, 1e-3, LIMIT)
    exact = [1 / (2 ** (k + 1) - 1) for k in range(record.calls)]
    assert record.curve == pytest.approx(exact)
    assert record.evaluations(1e-3) == 10  # 1 / (2^10 − 1) < 1e-3


# All eigenvalues are equal, so one difference is enough: z0, one or two plain steps, the extrapolation.
HERE = [contestant for contestant in everyone() if not isinstance(contestant, JaxoptPeer)]
ACCELERATED = [contestant for contestant in HERE if contestant.kind != "forward"]


@pytest.mark.parametrize("contestant", [installed(c) for c in ACCELERATED])
def test_acceleration_solves_a_linear_problem(contestant):
    posed = halving()
    assert contestant.refusal(posed) is None
    record = Record(1, stop=1e-3, limit=LIMIT)
    contestant.watch(posed, record, 1e-3, LIMIT)
    needed = record.evaluations(1e-3)
    assert needed is not None
    if contestant.name == AUTO:  # which may find that plain steps are good enough here: ten of them
        assert 3 <= needed <= 10
    elif contestant.ours:
        assert needed == 3
    elif "scipy" not in contestant.name:
        assert 3 <= needed <= 10


@pytest.mark.parametrize("contestant", [installed(c) for c in HERE])
def test_the_timed_run_evaluates_as_often_as_it_is_told(contestant):
    calls = 0

    def counted(z):
        nonlocal calls
        calls += 1
        return torch.tanh(z @ matrix) + 0.1

    matrix = 0.5 * torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(0)).double()).Q
    posed = FixedPointProblem(counted, torch.zeros(1, 6, dtype=torch.float64))
    run = contestant.prepare(posed, 0.0, 7)
    for _ in range(2):  # again the same: nothing is kept from run to run
        calls = 0
        run()
        assert calls == 7


@pytest.mark.skipif(not (find_spec("jax") and find_spec("jaxopt")), reason="not installed")
def test_jaxopt_in_a_process_of_its_own():
    """Its threads would slow torch's down for all tests after it."""
    code = "from tests.benchmarks.contest import jaxopt_checks; jaxopt_checks.main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["solves", "float32", "float64", "refuses"]


def test_refusals():
    assert by_name("scipy Broyden").refusal(halving(batch=2)) == "not applicable: one sample only"
    assert TorchPeer("nobody", "anderson", print, ("no_such_package",)).refusal(halving()) == INSTALL
    assert JaxoptPeer(packages=("no_such_package",)).refusal(halving()) == INSTALL


def test_ours_get_tolerance_and_budget_from_the_contest():
    found = Ours("x", "forward", ForwardIteration()).prepare(halving(), 1e-30, 5)()
    assert found.evaluations == 5
    assert not found.all_converged


def test_the_tutorials_anderson_keeps_its_ridge_absolute():
    """Exact where the residual is large, plain averaging where it is small: what the relative ridge is against."""
    for scale, better in ((1.0, True), (1e-4, False)):
        z0 = torch.zeros(1, 4, dtype=torch.float64)
        goal = scale * torch.linspace(1, 2, 4, dtype=torch.float64)
        z = tutorial_anderson(lambda z, goal=goal: 0.5 * (z + goal), z0, max_iter=4, tol=0.0)
        plain = 0.5**3  # error of the third plain step
        error = ((z - goal).norm() / goal.norm()).item()
        assert (error < 0.01 * plain) is better
    assert tutorial_anderson(lambda z: z, torch.ones(1, 4), max_iter=4).shape == (1, 4)
