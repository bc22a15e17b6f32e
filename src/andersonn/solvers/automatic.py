"""``Anderson("auto")``: whether to extrapolate, how often, and over which window, decided while solving.

What extrapolation saves is evaluations of f; what it costs is a mixing step. The stepper measures both on the solve itself.
It begins with plain steps and knows from them what an evaluation costs and how fast the worst running residual falls, so
how long forward iteration would still take. Then

- on a small state it remembers a few plain steps, which costs next to nothing, and *probes*: one least-squares problem
  over them predicts how far an extrapolated step would get. A probe is made when it costs little beside the time that
  forward iteration would still take, and followed when it promises more digits a second;
- on a larger state remembering costs memory traffic, so it extrapolates on trial, when that costs little.

While it extrapolates, it reviews every few evaluations whether digits a second come faster than plain steps gave them, and
rests on plain steps if they do not.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor

from andersonn.solvers.block import Block
from andersonn.solvers.convergence_monitor import Judge
from andersonn.solvers.layout import Layout
from andersonn.solvers.loop import Evaluation, Stepper

if TYPE_CHECKING:
    from andersonn.solvers.anderson import Anderson, Extrapolation

WINDOW, LONG_WINDOW = 10, 20
"""The long one for small states, where it costs little, if every evaluation extrapolates; with plain steps in between, a
difference spans several evaluations."""
SHORT_WINDOW, LARGE_STATE = 5, 2**20
"""The window of states of more bytes: there it costs most, and trained cells gain little from a longer one."""
PERIOD_UP_TO = ((0.1, 1), (0.75, 2), (math.inf, 3))
"""Period by the cost of mixing as a share of f's. A period of 2 costs no evaluations on most problems we measured, longer
ones some 10 % each; beyond 3, plain steps in between undo more than extrapolation gains where f expands somewhere."""
CHEAP = 0.3
"""Share of f's time up to which mixing at every evaluation is tried where a longer period does not do well."""
REMEMBERED, REMEMBERED_STATE = 5, 2**16
"""Plain steps that a probe looks back on, and bytes of the largest state for which that is cheaper than a trial."""
FIRST_THOUGHT = 4
"""Evaluations after which the fall of the residual says something."""
RARELY = 32
"""Evaluations between two thoughts at most, while stepping plainly."""
STAKE = 0.03
"""Share of the time of the whole solve by plain steps, as foreseen, that probes and trials may cost."""
PROMISE = 1.5
"""Digits a second that a probe must promise, by those of plain steps."""
BETTER = 1.1
"""Digits a second that extrapolation must give to go on, by those of plain steps: less is within what clocks stutter."""
STRETCH = 8
"""Evaluations over which a way of stepping is judged."""
LONGER = 4
"""How much longer each rest on plain steps is than the one before. The first is short: the speed of plain steps that
extrapolation was compared with may be that of quick modes, which have died since."""
MODEST = 0.1
"""By what share mixing may lengthen an evaluation to be tried without a stake: it saves more than that on most maps."""
WORTHWHILE = 6
"""Evaluations that must be left for extrapolation to be tried."""
STEP, PROBE = 7e-5, 2e-4
"""Seconds that a mixing step and a probe take besides moving memory."""
DEVICE_STEP, DEVICE_BANDWIDTH, CACHE_BANDWIDTH = 3e-4, 1e12, 2e10
"""The same of a device, and bytes a second that it moves, and that the host's cache does. All are first guesses, replaced by
measurement as soon as there is one."""


class Costs:
    """Seconds of a plain evaluation, and what a mixing step adds to one: guessed first, then measured.

    Args:
        layout, like: of the state.
        predictable: whether the small matrices tell what a step would leave (of type I they do not).

    Attributes:
        window: that the state is worth.
        remembers: whether a probe over remembered steps is cheaper than a trial.
    """

    def __init__(self, layout: Layout, like: Tensor, predictable: bool = True) -> None:
        state = layout.rows * layout.width * like.element_size()
        self.window = SHORT_WINDOW if state > LARGE_STATE else WINDOW
        self.passes = 2 * self.window + 16  # over the state's memory, in a mixing step
        self.plain = 0.0
        self.remembers = predictable and layout.small and state <= REMEMBERED_STATE
        self.mixing: float | None = None  # until the bandwidth is measured
        if not layout.on_host:
            self.mixing = DEVICE_STEP + self.passes * state / DEVICE_BANDWIDTH
        elif self.remembers:
            self.mixing = STEP + self.passes * state / CACHE_BANDWIDTH

    def share(self) -> float:
        """What mixing costs by what an evaluation costs."""
        return self.mixing / self.plain

    def measure_bandwidth(self, now: Evaluation, out: Block) -> None:
        """Of the host, by the second of two copies: the first has to fetch the memory."""
        out.t.copy_(now.g.t)
        begin = time.perf_counter()
        out.t.copy_(now.g.t)
        self.mixing = STEP + self.passes * (time.perf_counter() - begin) / 2

    def read_plain(self, looks: list[tuple[int, float]], evaluations: int) -> None:
        """From the looks at the latest evaluations, all of them plain."""
        self.plain = max(_median_step(looks, evaluations, 1), 1e-9)

    def read_mixed(self, looks: list[tuple[int, float]], evaluations: int, period: int) -> None:
        """From the latest evaluations, every period-th with a mixing step."""
        self.mixing = max(_median_step(looks, evaluations, period) - period * self.plain, 0.0)


def _median_step(looks: list[tuple[int, float]], evaluations: int, period: int) -> float:
    """Median time of ``period`` evaluations, over looks at the latest ones: clocks stutter. Only what is done at a look
    counts: in between an accelerator's work is asked for, not done.
    """
    now = looks[-1][0]
    marks = [look for look in looks[-evaluations - 1 :] if look[0] >= now - evaluations]
    if now - marks[0][0] == len(marks) - 1:  # a look at each evaluation: whole periods, from the latest back
        marks = marks[::-1][::period][::-1]
    took = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(marks))
    return took[len(took) // 2] * period


class Automatic(Stepper):
    """The stepper of ``Anderson(window="auto")``."""

    def __init__(self, options: Anderson, layout: Layout, like: Tensor) -> None:
        self.options, self.layout, self.like = options, layout, like
        self.costs = Costs(layout, like, options.type == "II")
        self.inner: Extrapolation | None = None
        self.since, self.next_thought, self.rested = 1, FIRST_THOUGHT, 0  # evaluations
        self.trial = self.rest = STRETCH
        self.paid = False  # whether the latest stretch of extrapolation did
        self.measuring, self.recording = False, False
        self.history: deque[tuple[Block, Block]] = deque(maxlen=REMEMBERED)
        self.plain_fall = 0.0  # of log residual by evaluation
        self.tried_speed = 0.0  # the same by second, of the latest extrapolation that was given up
        self.longest_period = PERIOD_UP_TO[-1][1]
        self.spent = 0.0  # seconds, on probes and trials that did not pay
        self.judge: Judge | None = None

    def observe(self, judge: Judge) -> None:
        """Decides how to step until the next look."""
        if len(judge.seconds) >= self.next_thought:
            self.judge = judge
            (self._consider if self.inner is None else self._review)(len(judge.seconds))

    def _consider(self, evaluations: int) -> None:
        """While stepping plainly: is it time to extrapolate?"""
        costs, judge = self.costs, self.judge
        lately = min(evaluations - self.since, STRETCH)
        costs.read_plain(judge.looks, lately)
        self.plain_fall = fall = judge.fall(max(1, lately // 2 if evaluations < STRETCH else lately))
        self.next_thought = evaluations + max(4, min(evaluations // 2, RARELY))
        left = math.log(max(judge.excess, 1.0)) / fall if fall > 0 else math.inf
        left = min(left, self.options.max_steps + 1 - evaluations)
        if evaluations < self.rested or left < WORTHWHILE or self.recording:
            return
        stake = STAKE * (evaluations + left) * costs.plain - self.spent
        if costs.mixing is None:
            self.measuring, self.next_thought = True, evaluations + 1
        elif fall <= 0 or self.tried_speed >= BETTER * fall / costs.plain:
            self._extrapolate(self._fresh(diverging=fall <= 0))
        elif costs.remembers:
            self.recording = PROBE + costs.mixing < stake
        elif costs.mixing <= MODEST * self._period() * costs.plain or self._price_of_trial() < stake:
            self._extrapolate(self._fresh())

    def _review(self, evaluations: int) -> None:
        """While extrapolating: does it pay?"""
        judge, costs, period, taken = self.judge, self.costs, self.inner.period, evaluations - self.since
        self.next_thought = evaluations + STRETCH
        costs.read_mixed(judge.looks, taken, period)
        fall = judge.fall(taken, to_least=True)
        speed = fall / (costs.plain + costs.mixing / period)
        pays = fall > 0 and speed >= BETTER * self.plain_fall / costs.plain
        if pays or self.paid:  # residuals rise and fall: one bad stretch after a good one is forgiven
            self.since, self.paid = evaluations, pays
        elif fall <= 0 and period > 1 and costs.share() <= CHEAP:  # perhaps f bears no plain steps
            self.longest_period = self.inner.period = 1
            self.since = evaluations
        else:
            self.tried_speed = speed
            self._rest(evaluations)

    def _rest(self, evaluations: int) -> None:
        """Steps plainly for a while; the next trial of extrapolation will be longer, and the rest after it much longer."""
        self.spent += self._price_of_trial()
        self.inner = None
        self.rested = evaluations + self.rest
        self.trial, self.rest = 2 * self.trial, LONGER * self.rest
        self.since, self.next_thought = evaluations, evaluations + STRETCH

    def _extrapolate(self, inner: Extrapolation) -> None:
        self.inner, self.since, self.paid = inner, len(self.judge.seconds), False
        self.next_thought = self.since + max(self.trial, 3 * inner.period)
        self.recording = False
        self.history.clear()

    def _price_of_trial(self) -> float:
        return self.trial * self.costs.mixing / self._period()

    def _period(self) -> int:
        share = self.costs.share()
        return min(next(period for limit, period in PERIOD_UP_TO if share <= limit), self.longest_period)

    def _fresh(self, diverging: bool = False) -> Extrapolation:
        from andersonn.solvers.anderson import Extrapolation

        period = self._period()
        mixing = "adaptive" if diverging and self.options.mixing == 1.0 else self.options.mixing
        window = LONG_WINDOW if period == 1 and self.costs.remembers else self.costs.window
        return Extrapolation(replace(self.options, window=window, mixing=mixing, period=period), self.layout, self.like)

    def advance(self, now: Evaluation, out: Block) -> Block:
        """An extrapolating step or a plain one."""
        if self.inner is not None:
            return self.inner.advance(now, out)
        if self.recording and len(self.history) == REMEMBERED:
            return self._probe(now, out) or now.g
        if self.recording:
            self.history.append((now.r, now.g))
        elif self.measuring:
            self.costs.measure_bandwidth(now, out)
            self.measuring = False
        return now.g

    def _probe(self, now: Evaluation, out: Block) -> Block | None:
        """The extrapolated step over the remembered ones, if its least squares promise enough; extrapolation then goes on."""
        begin, judge, costs = time.perf_counter(), self.judge, self.costs
        inner = self._fresh()
        inner.recall(self.history)
        proposed = inner.advance(now, out)
        shrunk = inner.window.predicted(inner.gamma, now.norms[:, 0]) / now.norms[:, 0]
        worst = float((judge.scores * shrunk)[judge.running].max()) / float(judge.scores[judge.running].max())
        promised = -math.log(max(worst, 1e-300))
        if promised / (costs.plain + costs.mixing) >= PROMISE * self.plain_fall / costs.plain:
            self._extrapolate(inner)
            return proposed
        self.spent += time.perf_counter() - begin
        self.recording = False
        self.history.clear()
        return None

    def kept(self) -> tuple[Block, ...]:
        """What the extrapolation keeps, and what is remembered."""
        if self.inner is not None:
            return self.inner.kept()
        return tuple(block for pair in self.history for block in pair) if self.recording else ()

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        self.layout = layout
        parts = (tuple(layout.block(each.shaped.index_select(0, rows)) for each in pair) for pair in self.history)
        self.history = deque(parts, maxlen=REMEMBERED)
        if self.inner is not None:
            self.inner.compact(samples, rows, layout)
