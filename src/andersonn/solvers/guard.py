"""Which kind of step each sample takes, decided by its progress in counted evaluations: the guarantee of Anderson's method.

Extrapolation may circle for ever: on maps with kinks, on non-normal ones, or far from the solution. So a sample goes through
three kinds of step, each for as long as it makes progress: extrapolated steps, Broyden's steps, damped Picard steps, then
extrapolated ones again. It makes progress when, within its patience, its best residual halves, or the largest residual of
the second half is at most half that of the first. Steps that follow damped ones go on only if they reduce the residual
faster by evaluation than those did. The patience with damped steps grows :data:`LONGER`-fold each time that they gain as much
as the others. So the share of evaluations that failing steps can take falls to zero, and where damped steps converge, so does
the sample. Damped steps that fall steadily but too slowly are interrupted by trials of extrapolation
(:mod:`~andersonn.solvers.trials`); where those fail the sample goes back to damped steps at once.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from andersonn.solvers.convergence_monitor import ConvergenceMonitor
from andersonn.solvers.trials import Trials

EXTRAPOLATED, BROYDEN, DAMPED = range(3)
LOOK = 5
"""Evaluations between two looks at the progress: a look costs some of an extrapolation's time on a tiny state."""
PROGRESS = 0.5
FIRST_DAMPED, LONGER = 10, 3
LOST, LOST_LOOKS = 4.0, 2
"""Extrapolation has failed when at so many successive looks ‖f(z) − z‖ exceeds this multiple of its least."""
TRIED_BETAS, LEAST_BETA = (0.7, 1.0), 0.05
"""β of the first damped steps, and of the next ones. Then the better of both is kept."""
BLOWN_UP, LONG, COMING_DOWN = 1e5, 40, 0.8
"""Residuals of damped steps may rise for a while, on non-normal maps. β is halved where they rise so many times, or where
after so many evaluations they have not fallen and are not coming down: the largest of the second half exceeds this share of that of
the first."""
MIRAGE = 2.0
"""Where the relative residual was least, a sample is not taken to be nearer to the solution if its ‖f(z) − z‖ exceeds this multiple of
the least there: far from the solution the relative residual may be small only because the state is large."""


class Guard:
    """The kind of step of each sample.

    Args:
        samples: B.
        patience: evaluations within which a sample must make progress with extrapolated steps, and with Broyden's.
        max_steps: of the solve.

    Attributes:
        kind: of step, ``[B]``.
        beta: of damped steps, ``[B]``.
        to_anchor: samples that go back to their anchor now, bool ``[B]``: to where their damped steps began, or paused.
        fresh: samples whose window is to be cleared, bool ``[B]``; None: none. Who does so sets it back to None.
        from_now, from_best, from_start: samples whose anchor becomes their latest, best, or initial state, bool ``[B]``.
    """

    def __init__(self, samples: int, patience: int, max_steps: int) -> None:
        self.max_steps = max_steps
        self.trials: Trials | None = None  # none before the first damped steps
        # extrapolates in a trial, or since one succeeded
        self.again = np.zeros(samples, dtype=bool)
        self.kind = np.zeros(samples, dtype=np.int64)
        self.patience = np.tile([patience, patience, FIRST_DAMPED], (samples, 1))
        self.mark = np.full(samples, np.inf)  # the best residual when the present patience began
        self.peaks = np.zeros((samples, 2))  # largest residuals of its two halves
        self.since = np.zeros(samples, dtype=np.int64)  # evaluations since it began
        self.first: np.ndarray | None = None  # relative residual and ‖f(z) − z‖ at the initial state, ``[B, 2]``
        self.least = np.full((samples, 2), np.inf)  # the least of both
        self.lowest = np.full(samples, np.inf)  # least ‖f(z) − z‖ with the present kind of steps
        # relative residual of a best iterate that is not trusted, since which the sample has started again; infinite: none
        self.distrusted = np.full(samples, np.inf)
        self.size_of_best = np.full(samples, np.inf)  # ‖f(z) − z‖ where the relative residual was least
        self.lost = np.zeros(samples, dtype=np.int64)  # successive looks at which a sample was lost
        self.fresh: np.ndarray | None = None
        self.to_anchor, self.from_now, self.from_best, self.from_start = (
            np.zeros(samples, dtype=bool) for _ in range(4)
        )
        self.beta = np.full(samples, TRIED_BETAS[0])
        self.rates = np.full((samples, len(TRIED_BETAS)), np.nan)  # of damped steps with the tried β
        self.damped_rate = np.full(samples, np.inf)  # decrease of log residual by evaluation; infinite: never tried
        self.begin = np.full(samples, np.inf)  # residual at the anchor
        self.best_at_pause = np.full(samples, np.inf)  # least residual when damped steps paused
        # evaluations, and least residual, when the present steps began
        self.entered = np.tile([0.0, np.inf], (samples, 1))
        self.gain = np.zeros((samples, 3))  # by kind: fall of the log of the least residual by evaluation, last time
        self.seen = 0

    def look(self, monitor: ConvergenceMonitor, period: int = 1) -> bool:
        """Takes in the latest residuals; whether a sample changes its steps now.

        Args:
            monitor: knows the residuals.
            period: evaluations between two extrapolations, as many times longer is the patience with them; 0: there are
                none now, and nobody loses patience with them.
        """
        if self.first is None:
            self.first = np.stack([monitor.scores, monitor.sizes], axis=1)
            self.entered[:, 1] = monitor.scores
        broken = monitor.running & ~np.isfinite(monitor.scores)
        taken = len(monitor.seconds) - self.seen
        if taken < LOOK and not np.count_nonzero(broken):
            return False
        self.seen += taken
        self.since += taken
        now, running = monitor.scores, monitor.running
        self._follow(now, monitor.sizes)
        if period == 0:
            self._restart(self.kind == EXTRAPOLATED)
        rows = np.arange(len(now))
        patience = self.patience[rows, self.kind] * np.where(self.kind == EXTRAPOLATED, max(period, 1), 1)
        late = self._late(now, patience, rows) & running
        damped = self.kind == DAMPED
        blown = damped & running & ~(now <= BLOWN_UP * self.begin)
        late |= ~damped & broken
        late |= (self.kind == EXTRAPOLATED) & (self.lost >= LOST_LOOKS * max(period, 1)) & running
        changes = bool(np.count_nonzero(late | blown))
        self.to_anchor, self.from_now, self.from_best, self.from_start = np.zeros((4, len(now)), dtype=bool)
        kept = monitor.score[monitor.active]
        if changes:
            self._change(now, late & ~blown, blown, kept)
        if self.trials is None and not np.count_nonzero(self.kind == DAMPED):
            return changes
        left = self.max_steps + 1 - self.seen if period else np.inf  # while there is no extrapolation nobody tries it
        return self._try_again(now, running, kept, monitor.limit, taken, left) or changes

    def _try_again(
        self, now: np.ndarray, running: np.ndarray, kept: np.ndarray, limit: float, taken: int, left: float
    ) -> bool:
        """Begins and ends trials of extrapolation; whether there are any."""
        self.trials = self.trials or Trials(len(now))
        lost = self.trials.lost(now, taken) & running
        damped = (self.kind == DAMPED) & running & ~self.to_anchor
        begins = self.trials.beginning(damped, now, limit, taken, left)
        self.fresh = self.trials.fresh if np.count_nonzero(self.trials.fresh) else None
        if not np.count_nonzero(lost | begins):
            return False
        self.kind = np.where(begins, EXTRAPOLATED, np.where(lost, DAMPED, self.kind))
        self.again = (self.again | begins) & ~lost
        self.damped_rate = np.where(begins, self.trials.rate, self.damped_rate)
        self.begin = np.where(begins, now, self.begin)
        self.distrusted = np.where(begins, np.fmin(self.distrusted, kept), self.distrusted)
        self.lowest[begins] = np.inf
        self.entered[begins, 0], self.entered[begins, 1] = self.seen, self.least[begins, 0]
        self.from_now, self.to_anchor = self.from_now | begins, self.to_anchor | lost
        self._restart(begins | lost)
        return True

    def _follow(self, now: np.ndarray, sizes: np.ndarray) -> None:
        """Keeps the least residuals, and which samples are lost."""
        self.size_of_best = np.where(now < self.least[:, 0], sizes, self.size_of_best)
        self.least = np.fmin(self.least, np.stack([now, sizes], axis=1))
        self.lowest = np.fmin(self.lowest, sizes)
        self.lost = np.where(sizes > LOST * self.lowest, self.lost + 1, 0)

    def _late(self, now: np.ndarray, patience: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Samples whose patience has ended without progress; a new one begins for those that have made progress."""
        half = (self.since > patience // 2).astype(int)
        self.peaks[rows, half] = np.fmax(self.peaks[rows, half], now)
        late = self.since >= patience
        progressed = self.least[:, 0] <= PROGRESS * self.mark
        progressed |= late & (self.peaks[:, 1] <= PROGRESS * self.peaks[:, 0])
        # Damped steps that crawl end with their patience, however long that has grown: extrapolation is tried again.
        progressed &= (self.kind != DAMPED) | (self.since <= self.patience[:, EXTRAPOLATED])
        self._restart(progressed)
        return late & ~progressed

    def _restart(self, samples: np.ndarray) -> None:
        """A new patience begins for these samples."""
        if np.count_nonzero(samples):
            self.mark[samples], self.since[samples] = self.least[samples, 0], 0
            self.peaks[samples], self.lost[samples] = 0.0, 0

    def _change(self, now: np.ndarray, late: np.ndarray, blown: np.ndarray, kept: np.ndarray) -> None:
        """Goes on to the next kind of step, or to another β; ``kept``: residuals of the monitor's best iterates."""
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.nan_to_num(np.log(self.mark / self.least[:, 0]) / np.maximum(self.since, 1), nan=0.0, posinf=0.0)
        damped = self.kind == DAMPED
        fell = now < self.begin
        rising = ~fell & (self.peaks[:, 1] > COMING_DOWN * self.peaks[:, 0])
        weaker = blown | (late & damped & rising & (self.patience[:, DAMPED] >= LONG))
        pauses = late & damped & fell
        fails = late & ~damped & ((rate <= self.damped_rate) | ~np.isfinite(now))
        self.rates[blown & (self.beta == TRIED_BETAS[1]), 1] = -np.inf  # tried, and worse than any other
        self.beta[weaker] = np.maximum(self.beta[weaker] / 2, LEAST_BETA)
        self._choose_beta(pauses, rate)
        self.damped_rate = np.where(pauses, rate, self.damped_rate)
        self._anchor(now, fails, pauses, kept)
        self.to_anchor = fails | weaker
        self._leave(late & damped, fails | pauses)
        self._restart(late | blown)

    def _leave(self, crawling: np.ndarray, leaving: np.ndarray) -> None:
        """Takes note of what the steps that end have gained; damped ones get more patience unless the others gain more."""
        for kind in (EXTRAPOLATED, BROYDEN, DAMPED):
            ends = leaving & (self.kind == kind)
            fall = np.log(np.maximum(self.entered[ends, 1] / self.least[ends, 0], 1.0))
            self.gain[ends, kind] = fall / np.maximum(self.seen - self.entered[ends, 0], 1)
        better = self.gain[:, DAMPED] >= self.gain[:, :DAMPED].max(axis=1)
        self.patience[crawling & (better | ~leaving), DAMPED] *= LONGER
        self.lowest[leaving] = np.inf
        self.entered[leaving, 0], self.entered[leaving, 1] = self.seen, self.least[leaving, 0]
        following = np.where(self.again & (self.kind == EXTRAPOLATED), DAMPED, (self.kind + 1) % 3)
        self.kind = np.where(leaving, following, self.kind)
        if self.trials is not None:
            self.trials.end(self.trials.running & leaving)
        self.again &= ~leaving

    def _anchor(self, now: np.ndarray, fails: np.ndarray, pauses: np.ndarray, kept: np.ndarray) -> None:
        """Chooses where samples go back to."""
        assert self.first is not None
        best = self.least[:, 0]
        mirage = self.size_of_best > np.minimum(PROGRESS * self.first[:, 1], MIRAGE * self.least[:, 1])
        self.from_start = fails & mirage & np.isinf(self.distrusted)
        self.distrusted = np.where(self.from_start, kept, self.distrusted)
        self.least[self.from_start] = self.first[self.from_start]
        gained = best <= PROGRESS * self.best_at_pause  # else damped steps go on from where they paused
        self.from_best = fails & gained & (best < self.begin) & (kept < self.distrusted)
        self.best_at_pause = np.where(pauses, best, self.best_at_pause)
        self.from_now = pauses
        for samples, residual in ((self.from_start, self.first[:, 0]), (self.from_best, best), (pauses, now)):
            self.begin = np.where(samples, residual, self.begin)

    def _choose_beta(self, samples: np.ndarray, rate: np.ndarray) -> None:
        """After a stretch of damped steps: the next β that has not been tried, or the better of the two."""
        for i, beta in enumerate(TRIED_BETAS):
            tried = samples & (self.beta == beta)
            self.rates[tried, i] = rate[tried]
        second = samples & np.isnan(self.rates[:, 1])
        self.beta[second & ~np.isnan(self.rates[:, 0])] = TRIED_BETAS[1]
        both = samples & ~np.isnan(self.rates).any(axis=1)
        self.beta[both] = np.where(self.rates[both, 1] > self.rates[both, 0], TRIED_BETAS[1], TRIED_BETAS[0])

    def compact(self, samples: Tensor) -> None:
        """Goes on with these samples alone."""
        keep = samples.cpu().numpy()
        if self.trials is not None:
            self.trials.compact(keep)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(self, name, value[keep])
