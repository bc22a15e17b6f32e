"""``Anderson("auto")``: whether to extrapolate, how often, and over which window, decided while solving.

What extrapolation saves is evaluations of f; what it costs is a mixing step. The stepper measures both on the solve itself:
seconds an evaluation, and the rate at which the worst running residual falls, in plain and in extrapolating stretches.
It begins with plain steps if f is cheap, at once with extrapolation if a mixing step costs next to nothing beside f, and
thereafter stays with the way that gains more digits a second.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from andersonn.solvers.judge import Judge
from andersonn.solvers.layout import Layout
from andersonn.solvers.loop import Evaluation

if TYPE_CHECKING:
    from andersonn.solvers.anderson import Anderson, Extrapolation

WINDOW = 10
LARGE_WINDOW_BYTES = 2**28  # beyond this a shorter window
SHORT_WINDOW = 5
PERIODS = (1, 2, 3, 4)
NEGLIGIBLE = 0.05
"""Share of f's time that mixing may cost without any sign that it pays."""
EXPECTED_SAVING, FULL_SAVING_FROM = 0.3, 30
"""Share of the remaining evaluations that extrapolation is expected to save before it has been tried, if they are so many;
of fewer it saves a lesser share."""
TRIAL = 0.03
"""Share of the expected remaining time that a trial may cost where mixing is dear."""
STRETCH = 8
"""Evaluations over which a way of stepping is judged."""
LEAST_REMAINING = 4
OVERHEAD = {"cpu": 2.5e-4, "device": 1.5e-4}  # seconds a mixing step takes besides moving memory: some 25 small operations
BANDWIDTH = {"cpu": 8e9, "device": 1e12}  # bytes a second; both are first guesses, replaced by measurement


class _Stretch:
    """Evaluations and seconds since a way of stepping began, and how far the residual fell."""

    def __init__(self, evaluations: int, seconds: float, excess: float) -> None:
        self.start = (evaluations, seconds, math.log(max(excess, 1e-300)))
        self.now = self.start

    def add(self, evaluations: int, seconds: float, excess: float) -> None:
        self.now = (evaluations, seconds, min(self.now[2], math.log(max(excess, 1e-300))))

    @property
    def evaluations(self) -> int:
        return self.now[0] - self.start[0]

    @property
    def fall(self) -> float:
        """Fall of log residual by evaluation; not positive if it does not fall."""
        return (self.start[2] - self.now[2]) / max(self.evaluations, 1)

    @property
    def cost(self) -> float:
        """Seconds by evaluation."""
        return (self.now[1] - self.start[1]) / max(self.evaluations, 1)

    @property
    def speed(self) -> float:
        """Fall of log residual by second."""
        return self.fall / max(self.cost, 1e-9)


class Automatic:
    """The stepper of ``Anderson(window="auto")``."""

    def __init__(self, options: Anderson, layout: Layout, like: Tensor) -> None:
        self.options, self.layout, self.like = options, layout, like
        self.inner: Extrapolation | None = None
        self.extrapolating = False
        self.stretch: _Stretch | None = None
        self.other_speed: float | None = None  # of the way not taken, when it was last taken
        self.plain_cost = math.inf
        state = layout.rows * layout.width * like.element_size()
        self.window = WINDOW if 2 * WINDOW * state <= LARGE_WINDOW_BYTES else SHORT_WINDOW
        kind = "cpu" if like.device.type == "cpu" else "device"
        self.mixing_cost = OVERHEAD[kind] + (2 * self.window + 8) * state / BANDWIDTH[kind]

    def observe(self, judge: Judge) -> None:
        """Decides how to step until the next look."""
        evaluations, seconds, excess = len(judge.seconds), judge.seconds[-1], judge.excess
        if self.stretch is None:
            self.stretch = _Stretch(evaluations, seconds, excess)
            if self.mixing_cost <= NEGLIGIBLE * PERIODS[1] * seconds / evaluations:
                self._switch(True, 1 if self.mixing_cost <= NEGLIGIBLE * seconds / evaluations else 2)
            return
        self.stretch.add(evaluations, seconds, excess)
        if self.extrapolating:
            self._review(evaluations, seconds, excess)
        else:
            self._consider(evaluations, seconds, excess)

    def _consider(self, evaluations: int, seconds: float, excess: float) -> None:
        """While stepping plainly: is it time to extrapolate?"""
        stretch = self.stretch
        if stretch.evaluations < 2:
            return
        self.plain_cost = stretch.cost
        fall, remaining = stretch.fall, math.inf
        if fall > 0:
            remaining = max(math.log(max(excess, 1.0)) / fall, 0.0)
        remaining = min(remaining, self.options.max_steps + 1 - evaluations)
        if stretch.evaluations >= STRETCH:  # the rate changes as the solve goes on: judge by the latest evaluations
            self.stretch = _Stretch(evaluations, seconds, excess)
            if self.other_speed is not None:
                if self.other_speed > stretch.speed:
                    self._switch(True, self.inner.options.period, speed=stretch.speed)
                return
        if self.other_speed is not None or remaining < LEAST_REMAINING:
            return
        period = next((p for p in PERIODS if self.mixing_cost <= 2 * NEGLIGIBLE * p * stretch.cost), PERIODS[-1])
        plain = remaining * stretch.cost
        saving = EXPECTED_SAVING * min(1.0, remaining / FULL_SAVING_FROM)
        mixing = (1 - saving) * remaining * self.mixing_cost / period
        trial = STRETCH * self.mixing_cost / period
        if mixing < saving * plain / 2 or trial < TRIAL * plain:
            self._switch(True, period, speed=stretch.speed, diverging=fall <= 0)
            self.stretch = _Stretch(evaluations, seconds, excess)

    def _review(self, evaluations: int, seconds: float, excess: float) -> None:
        """While extrapolating: does it pay?"""
        stretch = self.stretch
        if stretch.evaluations < max(STRETCH, 3 * self.inner.options.period):
            return
        self.stretch = _Stretch(evaluations, seconds, excess)
        if self.other_speed is not None and stretch.speed < self.other_speed:
            self.extrapolating, self.other_speed = False, stretch.speed

    def _switch(self, on: bool, period: int, speed: float | None = None, diverging: bool = False) -> None:
        from andersonn.solvers.anderson import Extrapolation

        self.extrapolating, self.other_speed = on, speed
        if self.inner is None:
            mixing = "adaptive" if diverging and self.options.mixing == 1.0 else self.options.mixing
            chosen = replace(self.options, window=self.window, period=period, mixing=mixing)
            self.inner = Extrapolation(chosen, self.layout, self.like)

    def advance(self, now: Evaluation, out: Tensor) -> Tensor:
        return self.inner.advance(now, out) if self.extrapolating else now.g

    def kept(self) -> list[Tensor]:
        return [] if self.inner is None else self.inner.kept()

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        self.layout, self.like = layout, self.like[:0]
        if self.inner is not None:
            self.inner.compact(samples, rows, layout)
