import gc
import math
import pickle
import warnings
import weakref

import pytest
import torch
from torch import nn

from andersonn.implicit.monitor import DriftMonitor, WellPosednessWarning
from andersonn.solvers import FixedPointIteration


class Scale:
    """z ← rate z + 1 with a rate for each row; remembers the size of the states it saw."""

    def __init__(self, rates, offsets=None):
        self.rates = torch.as_tensor(rates, dtype=torch.float64).view(-1, 1)
        self.offsets, self.seen = offsets, []

    def __call__(self, z):
        self.seen.append(len(z))
        return self.rates * z + 1

    def state(self):
        return torch.ones(len(self.rates), 3, dtype=torch.float64)

    def watched_by(self, monitor):
        solution = FixedPointIteration(rtol=1e-3, max_steps=20).solve(self, self.state(), self.offsets)
        self.seen.clear()
        monitor.observe(self, solution.z, self.offsets, solution)
        return monitor


class Divisible(Scale):
    def subset(self, samples, rows):
        assert len(samples) <= len(rows)
        part = type(self)(self.rates[rows])
        part.seen = self.seen
        return part


@pytest.fixture
def quiet():
    gc.collect()  # what earlier tests left warns now, if it does
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_measures_every_so_often(quiet):
    monitor = DriftMonitor(every=3)
    assert monitor.report() == "no measurement yet: 0 solves so far, one in 3 is measured"
    f = Scale([0.2, 0.5, 0.94])
    for call in range(1, 8):
        f.watched_by(monitor)
        assert len(f.seen) == (call % 3 == 0)
    assert [reading.call for reading in monitor.history] == [3, 6]
    reading = monitor.history[0]
    assert (reading.median, reading.largest) == pytest.approx((0.5, 0.94))
    assert reading.converged == pytest.approx(2 / 3)  # 0.94 needs more than 20 steps
    assert monitor.report() == (
        "spectral radius at z* at solve 6: median 0.500, largest 0.940 (worst so far 0.940 at solve 3, limit 0.95); "
        "67% of samples converged"
    )


def test_warns_once_for_each_crossing():
    monitor, warned = DriftMonitor(every=1, limit=0.9), []
    for rate in (0.5, 0.95, 1.2, 0.97, 0.8, 0.93):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Scale([0.3, 0.1, rate]).watched_by(monitor)
        warned.append(len(caught))
        assert all(issubclass(item.category, WellPosednessWarning) for item in caught)
    assert warned == [0, 1, 0, 0, 0, 1]
    assert max(reading.largest for reading in monitor.history) == pytest.approx(1.2)


def test_the_warning_names_cause_and_cure():
    with pytest.warns(WellPosednessWarning) as caught:
        Scale([0.5, 0.6, 1.25, 0.4]).watched_by(DriftMonitor(every=1))
    (message,) = [str(item.message) for item in caught]
    for part in ("up to 1.250", "median 0.5", "limit 0.95", "solve 1", "25% of samples unconverged"):
        assert part in message
    for cure in ("bound_norm", "jacobian_penalty", "learning rate", "mixing"):
        assert cure in message


def test_a_few_samples_of_a_divisible_map(quiet):
    f = Divisible(torch.linspace(0.1, 0.9, 50))
    monitor = DriftMonitor(every=1, samples=4)
    largest = set()
    for _ in range(6):
        f.watched_by(monitor)
        assert f.seen == [4]
        largest.add(round(monitor.history[-1].largest, 6))
    assert len(largest) > 1  # others each time
    small = Divisible([0.1, 0.2])
    small.watched_by(monitor)
    assert small.seen == [2]
    assert monitor.history[-1].largest == pytest.approx(0.2)


def test_ragged_samples_of_a_divisible_map(quiet):
    lengths = torch.tensor([3, 1, 4, 2, 5, 1, 2])
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    rates = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], dtype=torch.float64)

    class Checked(Divisible):
        def subset(self, samples, rows):
            # the rows of exactly these samples, in order
            assert torch.equal(rows, torch.cat([torch.arange(offsets[s], offsets[s + 1]) for s in samples]))
            self.expected = rates[samples]
            part = Divisible(self.rates[rows])
            part.seen = self.seen
            return part

    f = Checked(rates.repeat_interleave(lengths), offsets)
    monitor = DriftMonitor(every=1, samples=3)
    for _ in range(4):
        f.watched_by(monitor)
        assert monitor.history[-1].largest == pytest.approx(float(f.expected.max()))
        assert monitor.history[-1].median == pytest.approx(float(f.expected.median()))
    whole = Scale(rates.repeat_interleave(lengths), offsets).watched_by(DriftMonitor(every=1))
    assert whole.history[0].largest == pytest.approx(0.7)


def test_leaves_random_numbers_gradients_and_memory_alone(quiet):
    cell = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Tanh()).double()
    with torch.no_grad():
        cell[0].weight.mul_(0.5)
    solution = FixedPointIteration(max_steps=5).solve(lambda z: 0.1 * z + 1, torch.zeros(4, 6, dtype=torch.float64))
    monitor, before = DriftMonitor(every=1), torch.get_rng_state()

    def f(z):
        return cell(z)

    with torch.no_grad():
        monitor.observe(f, solution.z, None, solution)
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in cell.parameters())
    assert not solution.z.requires_grad
    dead = weakref.ref(f)
    del f
    gc.collect()
    assert dead() is None


def test_survives_samples_that_are_not_finite():
    monitor = DriftMonitor(every=1)
    Scale([0.5, math.nan]).watched_by(monitor)
    assert monitor.history[0].largest == pytest.approx(0.5)
    assert monitor.history[0].converged == 0.5
    Scale([math.nan]).watched_by(monitor)
    assert math.isnan(monitor.history[1].largest)
    assert "largest nan (worst so far 0.500 at solve 1" in monitor.report()


def test_pickles_with_its_history(quiet):
    monitor = Scale([0.5]).watched_by(DriftMonitor(every=1, limit=0.8))
    twin = pickle.loads(pickle.dumps(monitor))
    assert twin.history == monitor.history
    assert twin.report() == monitor.report()
    assert repr(twin) == "DriftMonitor(every=1, limit=0.8, iterations=12, samples=8)"


def test_bad_use():
    for bad in ({"every": 0}, {"iterations": 1.5}, {"samples": -1}):
        with pytest.raises(ValueError, match=f"{next(iter(bad))} must be a whole number"):
            DriftMonitor(**bad)
    with pytest.raises(ValueError, match="limit must be a number, greater than 0"):
        DriftMonitor(limit=0)
