"""Trials of extrapolation in the course of damped Picard steps that are too slow for the steps allowed.

Where extrapolation failed far from the solution, damped steps may have come near to it, and then reduce the residual at a steady rate. There
extrapolation saves most. It is tried again from such a state, with a window of the latest differences alone. If it does not reduce the
residual further than damped steps would have, the sample goes back to that state, and the next trial needs twice as long a fall. It is
tried only if damped steps would need :data:`HOPELESS` times the evaluations that are left: so a trial can hardly cost a sample
its solution.
"""

from __future__ import annotations

import numpy as np

STEADY, LONGER = 30, 2
"""Evaluations over which the residual must fall from look to look before the first trial; and how many times longer for each next one."""
RECENT = 10
"""Of these, the latest, whose differences a trial begins with."""
TRIAL = 15
"""Evaluations of a trial."""
HOPELESS = 3.0


class Trials:
    """Which samples begin a trial, and which have lost it.

    Args:
        samples: B.

    Attributes:
        running: samples in a trial, bool ``[B]``.
        rate: fall of the log of the residual by evaluation with the damped steps before, ``[B]``.
        fresh: samples whose window is cleared now, bool ``[B]``.
    """

    def __init__(self, samples: int) -> None:
        self.before = np.full(samples, np.inf)  # residual at the look before
        self.top = np.full(samples, np.inf)  # and where the present fall began
        self.span = np.zeros(samples, dtype=np.int64)  # evaluations since
        self.needed = np.full(samples, STEADY)
        self.begin, self.least = (np.full(samples, np.inf) for _ in range(2))
        self.rate = np.zeros(samples)
        self.taken = np.zeros(samples, dtype=np.int64)
        self.running, self.fresh = np.zeros(samples, dtype=bool), np.zeros(samples, dtype=bool)

    def beginning(self, damped: np.ndarray, now: np.ndarray, limit: float, evaluations: int, left: float) -> np.ndarray:
        """Samples that begin a trial now, bool ``[B]``.

        Args:
            damped: samples that take damped steps, and have not just gone back to an earlier state, bool ``[B]``.
            now: residuals, ``[B]``.
            limit: the residual to be reached.
            evaluations: since the look before.
            left: evaluations that are left.
        """
        falls = damped & (now < self.before) & np.isfinite(self.before)
        self.top = np.where(falls & (self.span == 0), self.before, self.top)
        self.span = np.where(falls, self.span + evaluations, 0)
        self.before = np.where(damped, now, np.inf)
        fresh_from = self.needed - RECENT
        self.fresh = falls & (self.span >= fresh_from) & (self.span - evaluations < fresh_from)
        ready = falls & (self.span >= self.needed)
        if not np.count_nonzero(ready):
            return ready
        with np.errstate(all="ignore"):
            rate = np.log(self.top / now) / self.span
            ready &= np.log(now / limit) > HOPELESS * left * rate
        self.rate = np.where(ready, rate, self.rate)
        self.begin, self.least = np.where(ready, now, self.begin), np.where(ready, np.inf, self.least)
        self.taken = np.where(ready, 0, self.taken)
        self.running = self.running | ready
        return ready

    def lost(self, now: np.ndarray, evaluations: int) -> np.ndarray:
        """Samples whose trial ends now without success, bool ``[B]``; those that succeed leave the trial, too."""
        if not np.count_nonzero(self.running):
            return self.running
        self.taken = self.taken + evaluations
        self.least = np.where(self.running, np.fmin(self.least, now), self.least)
        due = self.running & (self.taken >= TRIAL)
        lost = due & ~(self.least <= self.begin * np.exp(-self.rate * self.taken))
        self.running = self.running & ~due
        self.end(lost)
        return lost

    def end(self, samples: np.ndarray) -> None:
        """Trials of these samples have failed."""
        self.running = self.running & ~samples
        self.needed = np.where(samples, LONGER * self.needed, self.needed)
        self.span, self.before = np.where(samples, 0, self.span), np.where(samples, np.inf, self.before)

    def compact(self, keep: np.ndarray) -> None:
        """Goes on with these samples alone, int64 ``[b]``."""
        for name, value in vars(self).items():
            setattr(self, name, value[keep])
