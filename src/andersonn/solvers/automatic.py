"""``Anderson("auto")``: whether to extrapolate, how often, and over which window, decided while solving.

What extrapolation saves is evaluations of f; what it costs is the time of an extrapolated step. The stepper measures both on
the solve itself. It begins with Picard steps and measures what an evaluation costs and how fast the worst running
residual falls, which gives the time that Picard steps alone would still take. Then

- on a small state it keeps the values of a few Picard steps, which costs next to nothing, and makes a *prediction*: one
  least-squares problem over them says how far an extrapolated step would get. A prediction is made when it costs little
  beside the time that Picard steps would still take, and followed when it promises more digits a second;
- on a larger state keeping values costs memory traffic, so it makes a *trial* of extrapolation, when that costs little.

While it extrapolates, it reviews every few evaluations whether digits a second come faster than Picard steps gave them, and
pauses, taking Picard steps, if they do not.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import replace
from itertools import pairwise

from torch import Tensor

from andersonn.solvers.convergence_monitor import ConvergenceMonitor
from andersonn.solvers.extrapolation import AndersonOptions, Extrapolation
from andersonn.solvers.layout import Block, Layout, NumpyLayout
from andersonn.solvers.solver import Evaluation, Stepper

WINDOW, LONG_WINDOW = 10, 20
"""The long one for small states, where it costs little, if every evaluation extrapolates; with Picard steps in between, a
difference spans several evaluations."""
SHORT_WINDOW, LARGE_STATE = 5, 2**20
"""The window of states of more bytes: there it costs most, and trained cells gain little from a longer one."""
PERIOD_UP_TO = ((0.1, 1), (0.75, 2), (math.inf, 3))
"""Period by the cost of an extrapolation relative to an evaluation. A period of 2 costs no evaluations on most problems we
measured, longer ones some 10 % each; beyond 3, Picard steps in between undo more than extrapolation gains where f expands
somewhere."""
CHEAP = 0.3
"""Relative cost up to which extrapolation at every evaluation is tried where a longer period does not do well."""
KEPT_STEPS, KEPT_STATE = 5, 2**16
"""Picard steps that a prediction uses, and bytes of the largest state for which keeping them is cheaper than a trial."""
FIRST_DECISION = 4
"""Evaluations after which the fall of the residual is informative."""
LONGEST_INTERVAL = 32
"""Evaluations between two decisions at most, while taking Picard steps."""
TRIAL_SHARE = 0.03
"""Share of the expected time of the whole solve by Picard steps that predictions and trials may cost."""
PREDICTED_GAIN = 1.5
"""Digits a second that a prediction must promise, relative to Picard steps."""
LEAST_GAIN = 1.1
"""Digits a second that extrapolation must give to go on, relative to Picard steps: less is within the noise of clocks."""
STRETCH = 8
"""Evaluations over which a way of stepping is measured."""
PAUSE_GROWTH = 4
"""How much longer each pause is than the one before. The first is short: the speed of Picard steps that extrapolation was
compared with may be that of quickly decaying modes, which have died since."""
NEGLIGIBLE = 0.1
"""Share by which extrapolation may lengthen an evaluation to be tried whatever the rest of the solve takes: it saves more
than that on most maps."""
LEAST_REMAINING = 6
"""Evaluations that must be left for extrapolation to be tried."""
STEP_SECONDS, PREDICTION_SECONDS = 7e-5, 2e-4
"""What an extrapolated step and a prediction take besides moving memory."""
DEVICE_STEP_SECONDS, DEVICE_BANDWIDTH, CACHE_BANDWIDTH = 3e-4, 1e12, 2e10
"""The same of a device, and bytes a second that it moves, and that the host's cache does. All are first guesses, replaced by
measurement as soon as there is one."""


class Costs:
    """Seconds of an evaluation with a Picard step, and what an extrapolation adds to one: estimated first, then measured.

    Args:
        layout, like: of the state.
        predictable: whether the normal equations tell what a step would leave (those of type I do not).

    Attributes:
        window: that suits the size of the state.
        keeps_steps: whether a prediction from the last Picard steps is cheaper than a trial.
    """

    def __init__(self, layout: Layout, like: Tensor, predictable: bool = True) -> None:
        state = layout.rows * layout.width * like.element_size()
        self.window = SHORT_WINDOW if state > LARGE_STATE else WINDOW
        self.passes = 2 * self.window + 16  # over the state's memory, in an extrapolation
        self.evaluation = 0.0
        self.keeps_steps = predictable and isinstance(layout, NumpyLayout) and state <= KEPT_STATE
        self.extrapolation: float | None = None  # until the bandwidth is measured
        if not layout.on_host:
            self.extrapolation = DEVICE_STEP_SECONDS + self.passes * state / DEVICE_BANDWIDTH
        elif self.keeps_steps:
            self.extrapolation = STEP_SECONDS + self.passes * state / CACHE_BANDWIDTH

    def ratio(self) -> float:
        """Cost of an extrapolation relative to an evaluation."""
        assert self.extrapolation is not None
        return self.extrapolation / self.evaluation

    def measure_bandwidth(self, now: Evaluation, out: Block) -> None:
        """Of the host, by the second of two copies: the first has to fetch the memory."""
        out.t.copy_(now.g.t)
        begin = time.perf_counter()
        out.t.copy_(now.g.t)
        self.extrapolation = STEP_SECONDS + self.passes * (time.perf_counter() - begin) / 2

    def measure_evaluation(self, checks: list[tuple[int, float]], evaluations: int) -> None:
        """From the checks at the latest evaluations, all of them with Picard steps."""
        self.evaluation = max(_median_seconds(checks, evaluations, 1), 1e-9)

    def measure_extrapolation(self, checks: list[tuple[int, float]], evaluations: int, period: int) -> None:
        """From the checks at the latest evaluations, every period-th with an extrapolation."""
        self.extrapolation = max(_median_seconds(checks, evaluations, period) - period * self.evaluation, 0.0)


def _median_seconds(checks: list[tuple[int, float]], evaluations: int, period: int) -> float:
    """Median time of ``period`` evaluations among the latest ones (clocks are noisy). Only the time at a check counts: in
    between an accelerator's work is queued, not done.
    """
    now = checks[-1][0]
    marks = [check for check in checks[-evaluations - 1 :] if check[0] >= now - evaluations]
    if now - marks[0][0] == len(marks) - 1:  # a check at each evaluation: whole periods, from the latest back
        marks = marks[::-1][::period][::-1]
    took = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(marks))
    return took[len(took) // 2] * period


class AutomaticExtrapolation(Stepper):
    """The stepper of ``Anderson(window="auto")``: takes Picard steps, or those of an :class:`Extrapolation` with the window,
    period and β that the measured costs suggest.
    """

    def __init__(self, options: AndersonOptions, layout: Layout, like: Tensor) -> None:
        self.options, self.layout, self.like = options, layout, like
        self.costs = Costs(layout, like, options.type == "II")
        self.inner: Extrapolation | None = None  # None while taking Picard steps
        self.since, self.next_decision, self.pause_end = 1, FIRST_DECISION, 0  # in evaluations
        self.trial = self.pause = STRETCH
        self.gained = False  # whether the latest stretch of extrapolation did better than Picard steps
        self.measuring, self.keeping = False, False
        self.history: deque[tuple[Block, Block]] = deque(maxlen=KEPT_STEPS)
        self.picard_decrease = 0.0  # of log residual by evaluation
        self.tried_speed = 0.0  # the same by second, of the latest extrapolation that was given up
        self.longest_period = PERIOD_UP_TO[-1][1]
        self.lost = 0.0  # seconds, on predictions and trials that did not pay
        self.monitor: ConvergenceMonitor | None = None

    def observe(self, monitor: ConvergenceMonitor) -> None:
        """Decides how to step until the next decision."""
        if len(monitor.seconds) >= self.next_decision:
            self.monitor = monitor
            (self._consider_extrapolation if self.inner is None else self._review)(len(monitor.seconds))

    def _consider_extrapolation(self, evaluations: int) -> None:
        """While taking Picard steps: is it time to extrapolate?"""
        costs, monitor = self.costs, self.monitor
        assert monitor is not None
        recent = min(evaluations - self.since, STRETCH)
        costs.measure_evaluation(monitor.checks, recent)
        decrease = monitor.log_decrease(max(1, recent // 2 if evaluations < STRETCH else recent))
        self.picard_decrease = decrease
        self.next_decision = evaluations + max(4, min(evaluations // 2, LONGEST_INTERVAL))
        remaining = math.log(max(monitor.worst_excess, 1.0)) / decrease if decrease > 0 else math.inf
        remaining = min(remaining, self.options.max_steps + 1 - evaluations)
        if evaluations < self.pause_end or remaining < LEAST_REMAINING or self.keeping:
            return
        allowance = TRIAL_SHARE * (evaluations + remaining) * costs.evaluation - self.lost
        if costs.extrapolation is None:
            self.measuring, self.next_decision = True, evaluations + 1
        elif decrease <= 0 or self.tried_speed >= LEAST_GAIN * decrease / costs.evaluation:
            self._extrapolate(self._fresh(diverging=decrease <= 0))
        elif costs.keeps_steps:
            self.keeping = PREDICTION_SECONDS + costs.extrapolation < allowance
        elif costs.extrapolation <= NEGLIGIBLE * self._period() * costs.evaluation or self._trial_seconds() < allowance:
            self._extrapolate(self._fresh())

    def _review(self, evaluations: int) -> None:
        """While extrapolating: does it pay?"""
        monitor, costs, inner = self.monitor, self.costs, self.inner
        assert monitor is not None
        assert inner is not None
        period, taken = inner.period, evaluations - self.since
        self.next_decision = evaluations + STRETCH
        costs.measure_extrapolation(monitor.checks, taken, period)
        assert costs.extrapolation is not None
        decrease = monitor.log_decrease(taken, to_least=True)
        speed = decrease / (costs.evaluation + costs.extrapolation / period)
        gains = decrease > 0 and speed >= LEAST_GAIN * self.picard_decrease / costs.evaluation
        if gains or self.gained:  # residuals rise and fall: one bad stretch after a good one is allowed
            self.since, self.gained = evaluations, gains
        elif decrease <= 0 and period > 1 and costs.ratio() <= CHEAP:  # Picard steps in between may diverge
            self.longest_period = inner.period = 1
            self.since = evaluations
        else:
            self.tried_speed = speed
            self._pause(evaluations)

    def _pause(self, evaluations: int) -> None:
        """Takes Picard steps for a while; the next trial of extrapolation will be longer, and the pause after it much longer."""
        self.lost += self._trial_seconds()
        self.inner = None
        self.pause_end = evaluations + self.pause
        self.trial, self.pause = 2 * self.trial, PAUSE_GROWTH * self.pause
        self.since, self.next_decision = evaluations, evaluations + STRETCH

    def _extrapolate(self, inner: Extrapolation) -> None:
        assert self.monitor is not None
        self.inner, self.since, self.gained = inner, len(self.monitor.seconds), False
        self.next_decision = self.since + max(self.trial, 3 * inner.period)
        self.keeping = False
        self.history.clear()

    def _trial_seconds(self) -> float:
        """What a trial of extrapolation costs."""
        assert self.costs.extrapolation is not None
        return self.trial * self.costs.extrapolation / self._period()

    def _period(self) -> int:
        ratio = self.costs.ratio()
        return min(next(period for limit, period in PERIOD_UP_TO if ratio <= limit), self.longest_period)

    def _fresh(self, diverging: bool = False) -> Extrapolation:
        """An extrapolation with the window, period and β that the measured costs suggest."""
        period = self._period()
        mixing = "adaptive" if diverging and self.options.mixing == 1.0 else self.options.mixing
        window = LONG_WINDOW if period == 1 and self.costs.keeps_steps else self.costs.window
        return Extrapolation(replace(self.options, window=window, mixing=mixing, period=period), self.layout, self.like)

    def advance(self, now: Evaluation, out: Block) -> Block:
        """An extrapolated step or a Picard step."""
        if self.inner is not None:
            return self.inner.advance(now, out)
        if self.keeping and len(self.history) == KEPT_STEPS:
            return self._predict(now, out) or now.g
        if self.keeping:
            self.history.append((now.r, now.g))
        elif self.measuring:
            self.costs.measure_bandwidth(now, out)
            self.measuring = False
        return now.g

    def _predict(self, now: Evaluation, out: Block) -> Block | None:
        """The extrapolated step over the kept ones, if its least squares promise enough; extrapolation then goes on."""
        begin, monitor, costs = time.perf_counter(), self.monitor, self.costs
        inner = self._fresh()
        inner.take_over(self.history)
        proposed = inner.advance(now, out)
        assert inner.window is not None
        assert monitor is not None
        assert costs.extrapolation is not None
        factor = inner.window.remaining(inner.gamma, now.norms[:, 0]) / now.norms[:, 0]
        scores, running = monitor.scores, monitor.running
        worst = float((scores * factor)[running].max()) / float(scores[running].max())
        promised = -math.log(max(worst, 1e-300))
        gain = promised / (costs.evaluation + costs.extrapolation)
        if gain >= PREDICTED_GAIN * self.picard_decrease / costs.evaluation:
            self._extrapolate(inner)
            return proposed
        self.lost += time.perf_counter() - begin
        self.keeping = False
        self.history.clear()
        return None

    def blocks_in_use(self) -> tuple[Block, ...]:
        """What the extrapolation, or a prediction to come, still needs."""
        if self.inner is not None:
            return self.inner.blocks_in_use()
        return tuple(block for pair in self.history for block in pair) if self.keeping else ()

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        self.layout = layout

        def part(block: Block) -> Block:
            return layout.block(block.shaped.index_select(0, rows))

        self.history = deque(((part(r), part(g)) for r, g in self.history), maxlen=KEPT_STEPS)
        if self.inner is not None:
            self.inner.compact(samples, rows, layout)
