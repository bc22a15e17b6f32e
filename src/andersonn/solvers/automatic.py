"""``Anderson("auto")``: whether to extrapolate, how often, and over which window, decided while solving.

What extrapolation saves is evaluations of f; what it costs is a mixing step. The stepper measures both on the solve itself:
seconds of an evaluation with and without mixing, and how fast the worst running residual falls in plain and in
extrapolating stretches. It begins with plain steps if f is cheap, at once with extrapolation if mixing costs next to
nothing beside f, and goes on the way that gains more digits a second. Plain steps slow down as a solve goes on (the
quick modes die first), so extrapolation that beats the early plain steps needs no further proof; one that does not is
compared with a fresh stretch of plain steps.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from andersonn.solvers.block import Block
from andersonn.solvers.judge import Judge
from andersonn.solvers.layout import Layout
from andersonn.solvers.loop import Evaluation, Stepper

if TYPE_CHECKING:
    from andersonn.solvers.anderson import Anderson, Extrapolation

WINDOW, SHORT_WINDOW, LARGE_STATE = 10, 5, 2**20  # a short window for states of more bytes, where it costs most
PERIOD_UP_TO = ((0.05, 1), (0.75, 2), (math.inf, 3))
"""Period by the cost of mixing as a share of f's. A period of 2 costs no evaluations on most problems we measured, longer
ones some 10 % each; beyond 3, plain steps in between undo more than extrapolation gains where f expands somewhere."""
NEGLIGIBLE = 0.03
"""Share of f's time that mixing may cost without any sign that it pays."""
EXPECTED_SAVING, FULL_SAVING_FROM = 0.2, 8
"""Share of the remaining evaluations that extrapolation is expected to save before it has been tried, if they are so many;
of fewer it saves a lesser share."""
TRIAL = 0.02
"""Share of the expected remaining time that a trial may cost where mixing is dear."""
STRETCH = 8
"""Evaluations over which a way of stepping is judged."""
DOUBT = ((0.08, 0.25), (0.15, 0.6), (math.inf, 1.0))
"""By what mixing adds to an evaluation's time: the share of the early plain speed below which extrapolation is doubted."""
REST = 4
"""Plain steps after a trial of extrapolation that did not pay, by the evaluations the trial took."""
MODEST, STEADY = 0.13, 0.6
"""Where mixing adds more than the first share to an evaluation's time, it is tried only once plain steps fall steadily: by no
less than the second share of their last stretch's fall. Then the two can be compared fairly."""
CHEAP = 0.3
"""Share of f's time up to which mixing at every evaluation is tried where a longer period does not do well."""
OVERHEAD = {"cpu": 4e-4, "device": 3e-4}  # seconds a mixing step takes besides moving memory
BANDWIDTH = {"cpu": 8e9, "device": 1e12}  # bytes a second; both are first guesses, replaced by measurement


class _Stretch:
    """How far the residual fell, and how many evaluations it took, since a way of stepping began."""

    def __init__(self, evaluations: int, excess: float) -> None:
        self.begin, self.top = evaluations, math.log(max(excess, 1e-300))
        self.evaluations, self.least = 0, self.top

    def add(self, evaluations: int, excess: float) -> None:
        self.evaluations = evaluations - self.begin
        self.least = min(self.least, math.log(max(excess, 1e-300)))

    @property
    def fall(self) -> float:
        """Fall of log residual by evaluation; 0 if it does not fall."""
        return (self.top - self.least) / max(self.evaluations, 1)


class Automatic(Stepper):
    """The stepper of ``Anderson(window="auto")``."""

    def __init__(self, options: Anderson, layout: Layout, like: Tensor) -> None:
        self.options, self.layout, self.like = options, layout, like
        self.inner: Extrapolation | None = None
        self.extrapolating, self.settled, self.steady = False, False, False
        self.last_fall, self.rested, self.trial = 0.0, 0, STRETCH
        self.stretch: _Stretch | None = None
        self.longest_period = PERIOD_UP_TO[-1][1]
        self.other_speed: float | None = None  # of the way not taken, when it was last taken
        self.plain, self.mixed = deque(maxlen=9), deque(maxlen=9)  # seconds of the latest evaluations of each kind
        self.seen = (0, 0.0)
        state = layout.rows * layout.width * like.element_size()
        self.window = WINDOW if state <= LARGE_STATE else SHORT_WINDOW
        kind = "cpu" if like.device.type == "cpu" else "device"
        self.next_thought, self.plain_cost = 0, 0.0
        self.mixing_cost = OVERHEAD[kind] + (2 * self.window + 8) * state / BANDWIDTH[kind]

    def observe(self, judge: Judge) -> None:
        """Decides how to step until the next look."""
        if self.settled:
            return
        evaluations, excess = len(judge.seconds), judge.excess
        self._clock(evaluations, judge.seconds[-1])
        if self.stretch is None:
            self.stretch = _Stretch(evaluations, excess)
            if self.mixing_cost <= NEGLIGIBLE * self._period() * self.plain_cost:
                self._extrapolate()
            return
        self.stretch.add(evaluations, excess)
        if evaluations >= self.next_thought:
            self._weigh()
            self.next_thought = evaluations + (
                1 if self.extrapolating or self.other_speed else max(1, evaluations // 4)
            )
            (self._review if self.extrapolating else self._consider)(evaluations, excess)

    def _clock(self, evaluations: int, seconds: float) -> None:
        """Books the time since the last look for the kind of step taken since."""
        n, spent = evaluations - self.seen[0], seconds - self.seen[1]
        self.seen = (evaluations, seconds)
        if not self.extrapolating:
            self.plain.append(spent / n)
            if n == evaluations:
                self.plain_cost = spent / n
        elif n > 1:  # a mixture: take what plain steps cost off
            period = self.inner.period
            self.mixed.append(max(spent / n - self.plain_cost * (1 - 1 / period), spent / n / period) * period)
        else:
            (self.mixed if self.inner.just_mixed else self.plain).append(spent)

    def _weigh(self) -> None:
        """Seconds of a plain evaluation, and what mixing adds to it: medians, since clocks stutter."""
        self.plain_cost = sorted(self.plain)[len(self.plain) // 2]
        if len(self.mixed) > 2:
            self.mixing_cost = max(sorted(self.mixed)[len(self.mixed) // 2] - self.plain_cost, 0.0)

    def _period(self) -> int:
        share = self.mixing_cost / self.plain_cost
        return min(next(period for limit, period in PERIOD_UP_TO if share <= limit), self.longest_period)

    def _speed(self, fall: float, extrapolating: bool) -> float:
        """Fall of log residual by second."""
        extra = self.mixing_cost / self.inner.period if extrapolating else 0.0
        return fall / max(self.plain_cost + extra, 1e-9)

    def _consider(self, evaluations: int, excess: float) -> None:
        """While stepping plainly: is it time to extrapolate?"""
        stretch = self.stretch
        speed = self._speed(stretch.fall, False)
        if self.other_speed is not None:  # a trial of plain steps, to be compared with the extrapolation before it
            if stretch.evaluations >= STRETCH:
                self.settled = self.other_speed >= speed
                if self.settled:
                    self._extrapolate()
                else:
                    self._rest(evaluations, excess)
            return
        if stretch.evaluations < 2 or evaluations < self.rested:
            return
        remaining = math.log(max(excess, 1.0)) / stretch.fall if stretch.fall > 0 else math.inf
        remaining = min(remaining, self.options.max_steps + 1 - evaluations)
        cost, extra = self.plain_cost, self.mixing_cost / self._period()
        saving = EXPECTED_SAVING * min(1.0, remaining / FULL_SAVING_FROM)
        worth_it = saving * cost > (1 - saving) * extra or STRETCH * extra < TRIAL * remaining * cost
        whole = stretch.evaluations >= STRETCH
        self.steady = whole and stretch.fall >= STEADY * self.last_fall > 0
        if worth_it and (extra <= MODEST * cost or self.steady or stretch.fall <= 0):
            self._extrapolate(diverging=stretch.fall <= 0)
            self._turn(evaluations, excess, speed)
        elif whole:
            self.last_fall = stretch.fall
            self.stretch = _Stretch(evaluations, excess)

    def _review(self, evaluations: int, excess: float) -> None:
        """While extrapolating: does it pay?"""
        stretch = self.stretch
        self.inner.period = self._period()
        if stretch.evaluations < max(self.trial, 3 * self.inner.period):
            return
        speed, extra = self._speed(stretch.fall, True), self.mixing_cost / self.inner.period
        doubt = 1.0 if self.steady else next(share for limit, share in DOUBT if extra <= limit * self.plain_cost)
        if stretch.fall > 0 and (self.other_speed is None or speed >= doubt * self.other_speed):
            self.stretch = _Stretch(evaluations, excess)
        elif self.inner.period > 1 and self.mixing_cost <= CHEAP * self.plain_cost:  # perhaps f bears no plain steps
            self.longest_period = self.inner.period = 1
            self.stretch = _Stretch(evaluations, excess)
        elif self.steady:
            self._rest(evaluations, excess)
        else:
            self.extrapolating = False
            self._turn(evaluations, excess, speed)

    def _rest(self, evaluations: int, excess: float) -> None:
        """Steps plainly for a while; the next trial of extrapolation will be longer, and the rest after it as well."""
        self.extrapolating = False
        self.rested = evaluations + REST * self.trial
        self.trial *= 2
        self._turn(evaluations, excess, None)

    def _turn(self, evaluations: int, excess: float, other_speed: float | None) -> None:
        self.stretch, self.other_speed = _Stretch(evaluations, excess), other_speed

    def _extrapolate(self, diverging: bool = False) -> None:
        from andersonn.solvers.anderson import Extrapolation

        self.extrapolating = True
        if self.inner is None:
            mixing = "adaptive" if diverging and self.options.mixing == 1.0 else self.options.mixing
            chosen = replace(self.options, window=self.window, mixing=mixing)
            self.inner = Extrapolation(chosen, self.layout, self.like)
            self.inner.period = self._period()

    def advance(self, now: Evaluation, out: Block) -> Block:
        """An extrapolating step or a plain one."""
        return self.inner.advance(now, out) if self.extrapolating else now.g

    def kept(self) -> tuple[Block, ...]:
        """What the extrapolation keeps."""
        return () if self.inner is None else self.inner.kept()

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        self.layout = layout
        if self.inner is not None:
            self.inner.compact(samples, rows, layout)
