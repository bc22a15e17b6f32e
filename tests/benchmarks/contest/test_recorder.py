import numpy as np
import pytest
import torch

from andersonn.measuring.problems import FixedPointProblem, Formula, relative_residual, relative_size
from contest.recorder import Enough, Record, Recorder, stop_after


def halve(xp, z, goal):
    return 0.5 * (z + goal)


def two_samples():
    """Towards 1 by halves, from 0 and from 0.5: residual / value = 2^-k / (2 - 2^-k) from 0."""
    goals = torch.ones(2, 3, dtype=torch.float64)
    return FixedPointProblem(Formula(halve, (), (goals,)), torch.tensor([[0.0] * 3, [0.5] * 3]).double())


def test_evaluations_are_counted_to_the_first_state_that_meets_the_tolerance():
    posed, record = two_samples(), Record(2)
    f, z = Recorder(posed, record), posed.z0
    for _ in range(12):
        z = f(z)
    exact = [0.5**k / (2 - 0.5**k) for k in range(12)]  # the first sample is the slower one
    np.testing.assert_allclose(record.curve, exact)
    assert record.evaluations(1e-3) == next(k for k, r in enumerate(exact) if r <= 1e-3) + 1
    assert record.evaluations(1e-9) is None
    assert record.calls == 12


def test_a_sample_once_solved_stays_solved():
    record = Record(2)
    record.add(np.array([0, 1]), np.array([1e-6, 1.0]))
    record.add(np.array([0, 1]), np.array([1.0, 1e-6]))
    assert record.evaluations(1e-5) == 2


def test_samples_left_out_keep_their_place():
    posed, record = two_samples(), Record(2)
    f = Recorder(posed, record)
    f(posed.z0)
    part = f.subset(torch.tensor([1]), torch.tensor([1]))
    value = part(torch.ones(1, 3, dtype=torch.float64))
    assert torch.equal(value, torch.ones(1, 3, dtype=torch.float64))
    assert record.best.tolist() == [1.0, 0.0]
    assert not hasattr(Recorder(FixedPointProblem(torch.cos, posed.z0), record), "subset")


def test_a_watched_run_ends_when_solved_when_lost_and_at_the_limit():
    solved = Record(1, stop=1e-3, limit=100)
    with pytest.raises(Enough):
        solved.add(np.array([0]), np.array([1e-3]))
    limited = Record(1, limit=2)
    limited.add(np.array([0]), np.array([1.0]))
    with pytest.raises(Enough):
        limited.add(np.array([0]), np.array([1.0]))
    assert not limited.overflow
    lost = Record(2, stop=1e-3, limit=100)
    for _ in range(4):
        lost.add(np.array([0, 1]), np.array([1.0, np.nan]))
    with pytest.raises(Enough):
        lost.add(np.array([0, 1]), np.array([1.0, np.inf]))
    assert lost.overflow


def test_nan_after_success_is_no_overflow():
    record = Record(1, stop=1e-3)
    record.add(np.array([0]), np.array([1e-4]))
    record.add(np.array([0]), np.array([np.nan]))
    assert not record.overflow
    assert record.evaluations(1e-3) == 1


def test_residuals_of_ragged_samples():
    z, value = torch.zeros(3, 2), torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 1.0]])
    value_off = value + torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    lengths = torch.tensor([1, 2])
    assert relative_residual(z, value, lengths).tolist() == [1.0, 1.0]
    expected = [0.0, 1 / 2**0.5]
    assert relative_size(value_off - value, value, lengths).tolist() == pytest.approx(expected)
    assert relative_residual(z, z).tolist() == [0.0, 0.0, 0.0]


def test_stop_after_lets_exactly_so_many_evaluations_happen():
    calls = []
    f = stop_after(lambda z: calls.append(z) or z, 3)
    f(0), f(1)
    with pytest.raises(Enough):
        f(2)
    assert calls == [0, 1, 2]
