"""``Anderson(window="auto")``: decides whether, when and how to extrapolate, so that no option is needed.

All decisions are counts: of evaluations, of residuals, and of what an evaluation and an extrapolation cost
(:mod:`~andersonn.solvers.costs`). So the same input takes the same path on every machine, however busy it is.

- Where an extrapolation costs little beside an evaluation, it extrapolates from the first step. The window grows as it fills,
  up to :data:`LONGEST_WINDOW` differences: most maps that a short window leaves unsolved need no more.
- Elsewhere it begins with Picard steps. When the fall of the residual says how many would still be needed, it extrapolates
  if that can pay, with some Picard steps between two extrapolations. It then reviews every few evaluations whether the
  residual falls faster for its cost than Picard steps made it fall, and pauses if not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from torch import Tensor

from andersonn.solvers.convergence_monitor import ConvergenceMonitor
from andersonn.solvers.costs import EvaluationCost, extrapolation_seconds
from andersonn.solvers.extrapolation import AndersonOptions, Extrapolation
from andersonn.solvers.layout import Block, Layout
from andersonn.solvers.solver import Evaluation, Stepper

WINDOW, LONGEST_WINDOW, SHORT_WINDOW = 10, 50, 5
LARGE_STATE, MOST_MEMORY = 2**20, 2**28
"""Bytes: of a state whose window begins short, since there it costs most; and of the longest window."""
CHEAP = 0.3
"""Cost of an extrapolation, relative to an evaluation, up to which it extrapolates from the first step."""
PERIOD_UP_TO = ((CHEAP, 1), (0.75, 2), (math.inf, 3))
"""Period by the relative cost of an extrapolation. A period of 2 costs no evaluations on most problems we measured, longer
ones some 10 % each. Beyond 3, Picard steps in between undo more than extrapolation gains where f expands somewhere."""
FIRST_DECISION = 4
"""Evaluations after which the fall of the residual is informative."""
LEAST_REMAINING = 6
"""Evaluations that must be left for extrapolation to be tried."""
HURRY = 0.5
"""It extrapolates, whatever that costs, where Picard steps would need more than this share of the steps that are left."""
LONGEST_INTERVAL = 32
"""Evaluations between two decisions at most, while taking Picard steps."""
TRIAL_SHARE = 0.1
"""Share of the expected cost of the whole solve by Picard steps that trials of extrapolation may cost."""
LEAST_GAIN = 1.1
"""By how much faster for its cost extrapolation must reduce the residual to go on."""
STRETCH = 8
"""Evaluations over which a way of stepping is measured."""
PAUSE_GROWTH = 4
"""How much longer each pause is than the one before. The first is short: the speed of Picard steps that extrapolation was
compared with may be that of quickly decaying modes, which have died since."""


class AutomaticExtrapolation(Stepper):
    """Takes Picard steps, or those of an :class:`Extrapolation` with the window and period that their costs suggest.

    Attributes:
        ratio: cost of an extrapolation relative to an evaluation; 0 until the evaluation is known.
    """

    needs_residuals = True

    def __init__(self, options: AndersonOptions, layout: Layout, like: Tensor) -> None:
        self.options, self.layout, self.like = options, layout, like
        state = layout.rows * layout.width * like.element_size()
        self.window = SHORT_WINDOW if state > LARGE_STATE else WINDOW
        self.longest = max(self.window, min(LONGEST_WINDOW, MOST_MEMORY // (2 * state)))
        self.ratio = 0.0
        self.inner: Extrapolation | None = None  # None while taking Picard steps
        self.since, self.next_decision, self.pause_end = 1, FIRST_DECISION, 0  # in evaluations
        self.trial = self.pause = STRETCH
        self.hurried = False  # whether Picard steps would not be done within the steps allowed
        self.gained = False  # whether the latest stretch of extrapolation did better than Picard steps
        self.picard_decrease = 0.0  # of log residual by evaluation
        self.tried_speed = 0.0  # the same by cost, of the latest extrapolation that was given up
        self.longest_period = PERIOD_UP_TO[-1][1]
        self.lost = 0.0  # evaluations' worth of cost of trials that did not pay

    @property
    def period(self) -> int:  # type: ignore[override]  # what the extrapolation says
        """Evaluations between two extrapolations; 0 while it takes Picard steps."""
        return 0 if self.inner is None else self.inner.period

    @contextmanager
    def counting(self, f: Callable[[Tensor], Tensor], state: Tensor) -> Iterator[None]:
        """Counts what an evaluation costs; where that cannot be counted, it is taken to cost much."""
        cost = EvaluationCost(f, state)
        with cost.counting(state.device.type):
            yield
        if cost.seconds is not None:
            self.ratio = extrapolation_seconds(self.layout, self.like.element_size(), self.window) / cost.seconds
        if self.ratio <= CHEAP:
            self.inner, self.next_decision = self._fresh(), self.options.max_steps + 2

    def observe(self, monitor: ConvergenceMonitor) -> None:
        """Decides how to step until the next decision."""
        if self.inner is not None:
            self.inner.observe(monitor)
        evaluations = len(monitor.seconds)
        if evaluations >= self.next_decision:
            (self._consider_extrapolation if self.inner is None else self._review)(evaluations, monitor)

    def _consider_extrapolation(self, evaluations: int, monitor: ConvergenceMonitor) -> None:
        """While taking Picard steps: is it time to extrapolate?"""
        recent = min(evaluations - self.since, STRETCH)
        decrease = monitor.log_decrease(max(1, recent // 2 if evaluations < STRETCH else recent))
        self.picard_decrease = decrease
        self.next_decision = evaluations + max(4, min(evaluations // 2, LONGEST_INTERVAL))
        remaining, left = self._picard_remaining(monitor), self.options.max_steps + 1 - evaluations
        self.hurried = remaining > HURRY * left
        remaining = min(remaining, left)
        if evaluations < self.pause_end or remaining < LEAST_REMAINING:
            return
        allowance = TRIAL_SHARE * (evaluations + remaining) - self.lost
        if self.hurried or self.tried_speed >= LEAST_GAIN * decrease or self._trial_cost() < allowance:
            self._extrapolate(self._fresh(diverging=decrease <= 0), evaluations)

    def _picard_remaining(self, monitor: ConvergenceMonitor) -> float:
        """Evaluations that Picard steps would still take, by the latest fall of the residual."""
        excess = max(monitor.worst_excess, 1.0)
        return math.log(excess) / self.picard_decrease if self.picard_decrease > 0 else math.inf

    def _review(self, evaluations: int, monitor: ConvergenceMonitor) -> None:
        """While extrapolating: does it pay?"""
        inner = self.inner
        assert inner is not None
        period, taken = inner.period, evaluations - self.since
        self.next_decision = evaluations + STRETCH
        decrease = monitor.log_decrease(taken, to_least=True)
        speed = decrease / (1.0 + self.ratio / period)
        gains = decrease > 0 and speed >= LEAST_GAIN * self.picard_decrease
        # Residuals rise and fall: one bad stretch after a good one is allowed. Where steps run out, cost does not matter.
        if gains or self.gained or (self.hurried and decrease >= self.picard_decrease):
            self.since, self.gained = evaluations, gains
        elif decrease <= 0 and period > 1:  # Picard steps in between may diverge
            self.longest_period = inner.period = 1
            self.since = evaluations
        else:
            self.tried_speed = speed
            self._pause(evaluations)

    def _pause(self, evaluations: int) -> None:
        """Takes Picard steps for a while; the next trial of extrapolation will be longer, and the pause after it much longer."""
        self.lost += self._trial_cost()
        self.inner = None
        self.pause_end = evaluations + self.pause
        self.trial, self.pause = 2 * self.trial, PAUSE_GROWTH * self.pause
        self.since, self.next_decision = evaluations, evaluations + STRETCH

    def _extrapolate(self, inner: Extrapolation, evaluations: int) -> None:
        self.inner, self.since, self.gained = inner, evaluations, False
        self.next_decision = evaluations + max(self.trial, 3 * inner.period)

    def _trial_cost(self) -> float:
        """What a trial of extrapolation costs, in evaluations."""
        return self.trial * self.ratio / self._period()

    def _period(self) -> int:
        return min(next(period for limit, period in PERIOD_UP_TO if self.ratio <= limit), self.longest_period)

    def _fresh(self, diverging: bool = False) -> Extrapolation:
        """An extrapolation with the window, period and β that the costs suggest."""
        options = self.options
        mixing = "adaptive" if diverging and options.mixing == 1.0 else options.mixing
        options = replace(options, window=self.window, mixing=mixing, period=self._period())
        return Extrapolation(options, self.layout, self.like, 0 if options.restart else self.longest)

    def advance(self, now: Evaluation, out: Block) -> Block:
        """An extrapolated step or a Picard step."""
        step = now.g if self.inner is None else self.inner.advance(now, out)
        self.place = None if self.inner is None else self.inner.place
        return step

    def forget(self, samples: np.ndarray) -> None:
        """Clears the window of these samples."""
        if self.inner is not None:
            self.inner.forget(samples)

    def blocks_in_use(self) -> tuple[Block, ...]:
        """What the extrapolation still needs."""
        return () if self.inner is None else self.inner.blocks_in_use()

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        self.layout = layout
        if self.inner is not None:
            self.inner.compact(samples, rows, layout)
            self.place = self.inner.place
