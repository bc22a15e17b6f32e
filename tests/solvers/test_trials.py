"""Extrapolation tried again where damped steps fall steadily, but too slowly for the steps allowed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from andersonn.solvers import Anderson, FixedPointIteration, guarded
from andersonn.solvers.guard import DAMPED, LOOK, Guard
from andersonn.solvers.trials import HOPELESS, RECENT, STEADY, TRIAL, Trials
from tests.pretend_accelerator import PretendAccelerator, host
from tests.solvers.problems import affine, contraction


def falling(trials, rate, left, looks, damped=True, start=1.0, limit=1e-8):
    """Looks at residuals of one sample that fall by ``rate``; at which evaluations a trial began, and a window was cleared."""
    begun, fresh = [], []
    for look in range(1, looks + 1):
        now = np.array([start * np.exp(-rate * LOOK * look)])
        if trials.beginning(np.array([damped]), now, limit, LOOK, left)[0]:
            begun.append(LOOK * look)
        if trials.fresh[0]:
            fresh.append(LOOK * look)
    return begun, fresh


def test_a_trial_begins_after_a_steady_fall_that_is_too_slow():
    rate = 0.01
    needed = np.log(np.exp(-rate * (STEADY + LOOK)) / 1e-8) / rate  # evaluations that damped steps would still take
    begun, fresh = falling(Trials(1), rate, 0.99 * needed / HOPELESS, 20)
    assert begun[0] == STEADY + LOOK  # the first look has none before it
    assert fresh == [STEADY - RECENT + LOOK]
    assert falling(Trials(1), rate, needed, 20)[0] == []  # damped steps may do
    assert falling(Trials(1), rate, 1, 20, damped=False) == ([], [])
    assert falling(Trials(1), -rate, 1, 20) == ([], [])  # residuals rise


def test_a_fall_that_is_interrupted_begins_anew():
    trials = Trials(1)
    assert falling(trials, 0.01, 1, STEADY // LOOK)[0] == []
    trials.beginning(np.array([True]), np.array([2.0]), 1e-8, LOOK, 1)
    assert falling(trials, 0.01, 1, STEADY // LOOK - 1)[0] == []


@pytest.mark.parametrize("success", [True, False])
def test_how_a_trial_ends(success):
    trials = Trials(2)
    both = np.ones(2, dtype=bool)
    for look in range(8):
        begun = trials.beginning(both, np.array([0.9**look, 1.0]), 1e-8, LOOK, 1)
        if begun.any():
            break
    assert begun.tolist() == trials.running.tolist() == [True, False]
    reached = trials.begin[0] * np.exp(-trials.rate[0] * TRIAL) * (0.99 if success else 1.01)
    residuals = [np.array([each, 1.0]) for each in (10.0, reached, 10.0)]  # the least counts
    ends = [trials.lost(now, LOOK).tolist() for now in residuals]
    assert ends == [[False, False], [False, False], [not success, False]]
    assert not trials.running.any()
    assert trials.needed.tolist() == [STEADY if success else 2 * STEADY, STEADY]
    trials.compact(np.array([1]))
    assert trials.needed.tolist() == [STEADY]
    assert trials.running.shape == trials.fresh.shape == (1,)


class DampedFirst(Guard):
    """One that begins with damped steps, and keeps to them."""

    def __init__(self, *options):
        super().__init__(*options)
        self.kind[:], self.begin[:], self.patience[:, DAMPED] = DAMPED, 1e30, 10_000

    def look(self, *options):
        return super().look(*options) or self.seen == 0  # who takes which steps is taken over at a change


@pytest.mark.parametrize("window", [5, "auto"])
@pytest.mark.parametrize("place", ["host", "device"])
def test_slow_damped_steps_end_in_a_solution(window, place, monkeypatch):
    """On a map where nothing is left to do but to extrapolate."""
    monkeypatch.setattr(guarded, "Guard", DampedFirst)
    f, z0, solution = affine(30, 3, 0.995, symmetric=True)
    matrix = contraction(30, 0.995, symmetric=True)
    budget = {"rtol": 1e-7, "max_steps": 200}
    assert not FixedPointIteration(**budget, mixing=0.7).solve(f, z0).all_converged
    solver = Anderson(window, **budget)

    def solved():
        if place != "device":
            return solver.solve(f, z0)
        with PretendAccelerator() as device:
            weight, shift = device.put(matrix.T.contiguous()), device.put(f(z0))
            found = solver.solve(lambda z: z @ weight + shift, device.put(z0))
            return replace(found, z=host(found.z), status=host(found.status))

    with monkeypatch.context() as patch:
        patch.setattr("andersonn.solvers.trials.HOPELESS", np.inf)
        assert not solved().all_converged
    found = solved()
    assert found.all_converged
    assert STEADY < found.evaluations < 160
    assert torch.allclose(found.z, solution, rtol=1e-4, atol=1e-3)
