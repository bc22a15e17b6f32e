"""The convergence monitor: which samples have converged, their best iterates, and the trace of a solve.

Norms are computed where the state is; the monitor's few numbers a sample are numpy arrays on the host. A device is asked for
its norms only at a check (every ``check_every`` evaluations), so in between the host waits for nothing.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.layout import Block, Layout, PerSample
from andersonn.solvers.result import FixedPoint, Status, Trace

RUNNING = -1
TINY = 1e-300


class ConvergenceMonitor:
    """Status, best iterate and trace of each sample.

    Args:
        layout: of the whole batch.
        rtol, atol: a sample has converged when ‖f(z) − z‖ ≤ atol + rtol · ‖f(z)‖.
        max_seconds: when to give up, or None.
        recoveries: how often a sample may have a value that is not finite and go on all the same.

    Attributes:
        layout: of the present batch; samples that have stopped may have left it.
        active: the present batch's samples, int64 ``[b]``.
        running: which of them have not stopped, bool ``[b]``.
        scores: of the present batch at the latest check: relative residuals, or, with ``atol``, multiples of what is
            allowed, ``[b]``.
        sizes: ‖f(z) − z‖ of the present batch at the latest check, ``[b]``.
        seconds: since the start, at each evaluation.
        checks: evaluations and seconds at each check, when the work is known to be done.
        nonfinite_rows: rows of samples that stopped because they were not finite, or None.
    """

    def __init__(
        self, layout: Layout, rtol: float, atol: float, max_seconds: float | None, recoveries: int = 0
    ) -> None:
        self.whole = self.layout = layout
        self.rtol, self.atol, self.max_seconds = rtol, atol, max_seconds
        n = layout.samples
        self.active = np.arange(n)
        self.running = np.ones(n, dtype=bool)
        self.status = np.full(n, RUNNING, dtype=np.int8)
        self.residual = np.full(n, np.inf)
        self.score = np.full(n, np.inf)
        self.steps = np.zeros(n, dtype=np.int64)
        self.recoveries = np.full(n, recoveries)
        self.nonfinite_rows: Tensor | None = None
        self.scores = self.sizes = self.score
        self._all_running = True  # no sample of the whole batch has stopped
        self._best: Block | None = None
        self._finished: Tensor | None = None
        self._row_ids: Tensor | None = None
        self._unread: list[PerSample] = []
        self._history: list[np.ndarray] = []
        self.seconds: list[float] = []
        self.checks: list[tuple[int, float]] = []
        self.begin = time.perf_counter()

    def record(self, norms: PerSample) -> None:
        """Records the norms ``[b, 2]`` of residual and value of an evaluation, without reading them."""
        self._unread.append(norms)
        self.seconds.append(time.perf_counter() - self.begin)

    def check(self, step: int, z: Block, own: bool) -> None:
        """Reads the norms and checks the state ``z`` of every sample still running; if ``own`` is false, z is memory that f
        returned.

        Raises:
            ValueError: ``step`` is 0 and the initial state is not finite.
        """
        sizes, lengths, relative = self._read()
        self.sizes = sizes
        self.checks.append((len(self.seconds), self.seconds[-1]))
        score, limit = relative, self.rtol
        if self.atol > 0:  # the best iterate must not contradict what has converged
            score, limit = sizes / (self.atol + self.rtol * lengths), 1.0
        usual = self._all_running and np.minimum.reduce(score) > limit and np.maximum.reduce(relative) < np.inf
        if usual:
            self._check_without_stops(step, z, own, score, relative)
        else:
            self._check_with_stops(step, z, own, score, relative, limit)
        if self.max_seconds is not None and self.seconds[-1] > self.max_seconds:
            self.status[self.active[self.running]] = Status.OUT_OF_TIME
            self._stop(self.running.copy())
        self.scores = score

    def _check_without_stops(self, step: int, z: Block, own: bool, score: np.ndarray, relative: np.ndarray) -> None:
        """The fast path: the whole batch runs, is finite, and has not converged."""
        self._history.append(relative)
        better = score <= self.score
        self._keep_best(z, better, own)
        if _all(better):
            self.score, self.residual = score, relative
            self.steps.fill(step)
        else:
            self.score = np.where(better, score, self.score)
            self.residual = np.where(better, relative, self.residual)
            self.steps[better] = step

    def _check_with_stops(
        self, step: int, z: Block, own: bool, score: np.ndarray, relative: np.ndarray, limit: float
    ) -> None:
        """The general path: samples have stopped, now or before."""
        finite = np.isfinite(relative)
        if step == 0 and not _all(finite):
            _require_finite(z.t, self.layout)
        self._history.append(self._filled(relative))
        sound = self.running & finite
        done = sound & (score <= limit)
        better = sound & ((score <= self.score[self.active]) | done)
        self._keep_best(z, better, own)
        if self._all_running:  # these arrays may be entries of the history as well
            self.score, self.residual = self.score.copy(), self.residual.copy()
        who = self.active[better]
        self.score[who], self.residual[who], self.steps[who] = score[better], relative[better], step
        broken = self.running & ~finite
        forgiven = broken & (self.recoveries[self.active] > 0) & (step > 0)
        self.recoveries[self.active[forgiven]] -= 1
        stopped = (self.running & done) | (broken & ~forgiven)
        if not _none(stopped):
            self.status[self.active[done]] = Status.CONVERGED
            self.status[self.active[stopped & ~finite]] = Status.NONFINITE
            self._stop(stopped)

    @property
    def worst_excess(self) -> float:
        """The worst running residual at the latest check, as a multiple of what is allowed."""
        if self.atol == 0 == self.rtol:
            return math.inf
        worst = self.scores if self._all_running else self.scores[self.running]
        return float(np.maximum.reduce(worst)) / (1.0 if self.atol > 0 else self.rtol)

    def log_decrease(self, evaluations: int, to_least: bool = False) -> float:
        """Decrease of the logarithm of the worst running sample's relative residual per evaluation, over the latest
        ``evaluations``; ``to_least``: down to the least residual among them, for steps whose residuals rise and fall.
        """
        now = self.active[self.running]
        worst = [
            max(float(row[now].max()), TINY)
            for row in self._history[-evaluations - 1 :: 1 if to_least else evaluations]
        ]
        return math.log(worst[0] / min(worst[1:])) / evaluations

    @property
    def best(self) -> Block:
        """The best iterate of each sample of the present batch so far."""
        assert self._best is not None
        return self._best

    @property
    def any_running(self) -> bool:
        """Whether a sample of the present batch has not stopped."""
        return self._all_running or not _none(self.running)

    def _read(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The latest norms of residual and value, and their quotient; those of earlier evaluations go into the history."""
        unread: Any = self._unread  # tensors are read as one array
        self._unread = []
        if isinstance(unread[0], Tensor):
            unread = torch.stack(unread).cpu().numpy()
            self.seconds[-1] = time.perf_counter() - self.begin  # now the work is known to be done
        for norms in unread[:-1]:
            self._history.append(self._filled(_quotient(norms)))
        return unread[-1][:, 0], unread[-1][:, 1], _quotient(unread[-1])

    def _filled(self, relative: np.ndarray) -> np.ndarray:
        """An entry of the history: samples that have stopped, or are not finite, keep the residual they had."""
        fresh = self.running & np.isfinite(relative)
        known = self.residual.copy()
        known[self.active[fresh]] = relative[fresh]
        return known

    def _keep_best(self, z: Block, better: np.ndarray, own: bool) -> None:
        """Takes ``z`` as the best iterate of the samples in ``better``. As a rule all running samples have improved, and
        nothing is copied: the loop does not write into the best state.
        """
        if self._best is None or _all(better) or _all(better[self.running]):
            self._best, self._best_is_own = z, own
        elif not _none(better):
            if not self._best_is_own:
                self._best, self._best_is_own = self.layout.block(self._best.shaped.clone()), True
            self.layout.copy_rows(z, self._best, self._row_mask(better))

    def _stop(self, stopped: np.ndarray) -> None:
        """Puts aside the best iterates of samples that have just stopped."""
        if _none(stopped):
            return
        self._all_running = False
        self.running = self.running & ~stopped
        best = self._best
        assert best is not None  # no sample stops before the first check, which keeps its state
        if self._finished is None:
            if not self.any_running and self._row_ids is None:
                self._finished = best.t if self._best_is_own else best.t.clone()
                return
            self._finished = best.t.new_empty(self.whole.rows, self.whole.width)
        rows = self._rows(stopped)
        to = rows if self._row_ids is None else self._row_ids[rows]
        self._finished.index_copy_(0, to, best.t.index_select(0, rows))
        nonfinite = self.status[self.active] == Status.NONFINITE
        if not _none(nonfinite):
            self.nonfinite_rows = self._rows(nonfinite)

    def replace_nonfinite(self, z: Block, own: bool, out: Block) -> tuple[Block, bool]:
        """The next state with finite values in the rows that have run into NaN or infinity, so that f never sees them; in
        ``out`` if z is memory that f returned.
        """
        if self.nonfinite_rows is None:
            return z, own
        assert self._finished is not None
        if not own:
            out.t.copy_(z.t)
            z = out
        ids = self.nonfinite_rows if self._row_ids is None else self._row_ids[self.nonfinite_rows]
        z.t.index_copy_(0, self.nonfinite_rows, self._finished.index_select(0, ids))
        return z, True

    def blocks_in_use(self) -> list[Block]:
        """Memory that neither f nor the loop may write to."""
        return [] if self._best is None else [self._best]

    def compact(self) -> tuple[Tensor, Tensor]:
        """Drops all samples that have stopped from the batch; the indices of those that stay, and of their rows."""
        best = self._best
        assert best is not None
        samples = torch.from_numpy(np.flatnonzero(self.running)).to(best.t.device)
        self.layout, rows = self.layout.subset(samples)
        self.active = self.active[self.running]
        self.scores, self.sizes = self.scores[self.running], self.sizes[self.running]
        self.running = np.ones(len(self.active), dtype=bool)
        self._row_ids = rows if self._row_ids is None else self._row_ids[rows]
        self._best, self._best_is_own = self.layout.block(best.shaped.index_select(0, rows)), True
        self.nonfinite_rows = None
        return samples, rows

    def result(self, evaluations: int) -> FixedPoint:
        """The result of the solve; what still runs has run out of steps."""
        self.status[self.active[self.running]] = Status.MAX_STEPS
        self._stop(self.running.copy())
        z = self._finished
        assert z is not None
        trace = Trace(torch.from_numpy(np.stack(self._history)), torch.tensor(self.seconds, dtype=torch.float64))
        status, residual, steps = (
            torch.from_numpy(each).to(z.device) for each in (self.status, self.residual, self.steps)
        )
        return FixedPoint(z.view(self.whole.shape), status, residual, steps, evaluations, trace)

    def _row_mask(self, samples: np.ndarray) -> np.ndarray:
        """The present rows of the samples in a mask ``[b]``, as a mask."""
        return self.layout.row_mask(samples)

    def _rows(self, samples: np.ndarray) -> Tensor:
        """The same as indices, on the state's device."""
        assert self._best is not None
        return torch.from_numpy(np.flatnonzero(self._row_mask(samples))).to(self._best.t.device)


def _quotient(norms: np.ndarray) -> np.ndarray:
    return norms[:, 0] / np.maximum(norms[:, 1], TINY)


def _require_finite(z0: Tensor, layout: Layout) -> None:
    bad = layout.to_samples((~torch.isfinite(z0)).any(dim=1)) > 0
    if bad.any():
        raise ValueError(
            f"the initial state holds NaN or infinity in {int(bad.sum())} of {layout.samples} samples; give a finite z0, "
            "such as zeros"
        )


def _none(mask: np.ndarray) -> bool:
    """``not mask.any()``, five times faster on few samples."""
    return np.count_nonzero(mask) == 0


def _all(mask: np.ndarray) -> bool:
    return np.count_nonzero(mask) == mask.size
