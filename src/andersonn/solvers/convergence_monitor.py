"""The convergence monitor: which samples have converged, their best iterates, and the trace of a solve.

Norms are computed where the state is; the monitor's few numbers a sample are numpy arrays on the host. A device is asked for
its norms only at a check, which need not be that of the latest evaluation (:class:`~andersonn.solvers.reading.Reading`).

**Samples that affect each other.** Each sample keeps the state at which it converged, so the state returned is put together
from several evaluations. Where a map may mix samples, that state must itself have been evaluated: samples that have
converged are held at their states while the others go on, and each check checks them again. The solve is *settled* when
one evaluation found all samples within the tolerance at the states they keep. If a held sample is found outside, the map mixes
samples: from then on all iterate together, and converge at one evaluation or not at all. On independent samples none of this costs an
evaluation. A map with a method ``subset`` says itself that it treats each sample on its own, and nothing is held.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.best_iterate import BestTogether, improves
from andersonn.solvers.layout import Block, Layout, PerSample
from andersonn.solvers.reading import Reading
from andersonn.solvers.result import FixedPoint, Status, Trace

RUNNING = -1
TINY = 1e-300


class ConvergenceMonitor:
    """Status, best iterate and trace of each sample.

    Args:
        layout: of the whole batch.
        rtol, atol: a sample has converged when ‖f(z) − z‖ ≤ atol + rtol · ‖f(z)‖.
        max_seconds: when to give up, or None.
        independent: whether each sample's value is known to depend on its own state only.
        late: whether norms are read while the device works on; see ``behind`` of :meth:`check`.
        recoveries: how often a sample may have a value that is not finite and go on all the same.

    Attributes:
        layout: of the present batch; samples that have stopped may have left it.
        active: the present batch's samples, int64 ``[b]``.
        running: which of them have not stopped, bool ``[b]``.
        scores: of the present batch at the latest check: relative residuals, or, with ``atol``, multiples of what is
            allowed, ``[b]``.
        sizes: ‖f(z) − z‖ of the present batch at the latest check, ``[b]``.
        seconds: since the start, at each evaluation.
        mixed: whether samples were found to affect each other.
        reopened: samples that the latest check set going again, bool ``[b]``, or None.
    """

    def __init__(
        self,
        layout: Layout,
        rtol: float,
        atol: float,
        max_seconds: float | None,
        independent: bool = True,
        late: bool = False,
        recoveries: int = 0,
    ) -> None:
        self.whole = self.layout = layout
        self.rtol, self.atol, self.max_seconds = rtol, atol, max_seconds
        self.limit = 1.0 if atol > 0 else rtol  # of scores
        self.independent, self.late, self.recoveries = independent, late, np.full(layout.samples, recoveries)
        self.mixed = False
        self._seen: np.ndarray | None = None  # samples whose kept state the latest evaluation checked saw
        self.reopened: np.ndarray | None = None
        n = layout.samples
        self.active = np.arange(n)
        self.running = np.ones(n, dtype=bool)
        self.status = np.full(n, RUNNING, dtype=np.int8)
        self.residual = np.full(n, np.inf)
        self.score = np.full(n, np.inf)
        self.steps = np.zeros(n, dtype=np.int64)
        self.scores = self.sizes = self._least_size = self._best_size = self.score
        self._together: BestTogether | None = None  # of samples that affect each other
        self._held: np.ndarray | None = None  # samples that keep their state in the next evaluation, [b]
        self._held_rows: tuple[Tensor, Tensor] | None = None  # their rows in the present batch and in the whole one
        self._found_held = True  # whether those two are up to date
        self._held_in_state: np.ndarray | None = None  # of the latest state
        self._all_running = True  # no sample of the whole batch has stopped
        self._best: Block | None = None
        self._finished: Tensor | None = None
        self._row_ids: Tensor | None = None
        self._unread: list[tuple[PerSample, np.ndarray | None]] = []  # norms, and the samples held in that state
        self._history: list[np.ndarray] = []
        self.seconds: list[float] = []
        self.begin = time.perf_counter()

    def record(self, norms: PerSample) -> None:
        """Records the norms ``[b, 2]`` of residual and value of an evaluation, without waiting for them."""
        self._unread.append((Reading(norms) if self.late else norms, self._held_in_state))
        self.seconds.append(time.perf_counter() - self.begin)

    def check(self, step: int, z: Block, own: bool, behind: int = 0) -> None:
        """Reads the norms and checks the state ``z`` of every sample still running.

        Args:
            step: number of the evaluation, from 0.
            z: its state.
            own: false if z is memory that f returned.
            behind: evaluations recorded since.

        Raises:
            ValueError: ``step`` is 0 and the initial state is not finite.
        """
        score, relative, held = self._read(behind)
        self.reopened = None
        usual = self._all_running and np.minimum.reduce(score) > self.limit and np.maximum.reduce(relative) < np.inf
        if usual:
            self._check_without_stops(step, z, own, score, relative)
        else:
            self._check_with_stops(step, z, own, score, relative, held)
        if self.max_seconds is not None and self.seconds[-1] > self.max_seconds:
            self.status[self.active[self.running]] = Status.OUT_OF_TIME
            self._stop(self.running.copy())
        self.scores = score if usual else np.nan_to_num(score, nan=np.inf, posinf=np.inf)

    def _check_without_stops(self, step: int, z: Block, own: bool, score: np.ndarray, relative: np.ndarray) -> None:
        """The fast path: the whole batch runs, is finite, and has not converged."""
        self._history.append(relative)
        self._least_size = np.minimum(self._least_size, self.sizes)
        better = improves(score, self.sizes, self.score, self._best_size, self._least_size)
        self._keep_best(z, better, own)
        if _all(better):
            self._best_size, self.score, self.residual = self.sizes, score, relative
            self.steps.fill(step)
        else:
            self._best_size = np.where(better, self.sizes, self._best_size)
            self.score = np.where(better, score, self.score)
            self.residual = np.where(better, relative, self.residual)
            self.steps[better] = step

    def _check_with_stops(
        self, step: int, z: Block, own: bool, score: np.ndarray, relative: np.ndarray, held: np.ndarray | None
    ) -> None:
        """The general path: samples have stopped, now or before."""
        finite = np.isfinite(relative)
        if step == 0 and not _all(finite):
            _require_finite(z.t, self.layout)
        within = finite & (score <= self.limit)
        if held is not None and not self.independent:
            lost = held & ~within
            if not _none(lost):
                self._reopen(lost)
        self._history.append(self._filled(relative))
        sound = self.running & finite
        done = sound & within
        if self.mixed:
            done, better = self._check_together(done, sound, score)
        else:
            better = done | (sound & self._improves(score, sound))
        if not self.independent:
            if self.late:
                better, done = self._take_moved(better, done, within, held)
            self._seen = better if held is None else better | (held & (within | ~self.running))
        self._keep_best(z, better, own)
        if self._all_running:  # these arrays may be entries of the history as well
            self.score, self.residual = self.score.copy(), self.residual.copy()
            self._best_size = self._best_size.copy()
        who = self.active[better]
        self.score[who], self.residual[who], self.steps[who] = score[better], relative[better], step
        self._best_size[who] = self.sizes[better]
        broken = self.running & ~finite
        forgiven = broken & (self.recoveries[self.active] > 0) & (step > 0)
        self.recoveries[self.active[forgiven]] -= 1
        stopped = done | (broken & ~forgiven)
        if not _none(stopped):
            self.status[self.active[done]] = Status.CONVERGED
            self.status[self.active[stopped & ~finite]] = Status.NONFINITE
            self._stop(stopped)

    def _improves(self, score: np.ndarray, sound: np.ndarray) -> np.ndarray:
        """Which samples of the present batch are at a better state than the one that they keep."""
        now = self.active
        self._least_size = self._least_size.copy()  # it may be the norms themselves
        self._least_size[now] = np.fmin(self._least_size[now], np.where(sound, self.sizes, math.inf))
        return improves(score, self.sizes, self.score[now], self._best_size[now], self._least_size[now])

    def _reopen(self, lost: np.ndarray) -> None:
        """Sets all samples that had converged going again, if one of them, held at its state, is no more within the tolerance."""
        converged = self.status == Status.CONVERGED  # of the whole batch: samples are held where none leave it
        if _none(lost & converged):
            return
        self.mixed, self.reopened = True, converged
        self.status[converged] = RUNNING
        self.running = self.running | converged
        self._found_held = False

    def _check_together(self, done: np.ndarray, sound: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which samples have converged and which have improved, of samples that affect each other: all or none."""
        if _all(done[self.running]):
            return done, done
        self._together = self._together or BestTogether()
        return np.zeros_like(done), sound & self._together.improves(score[sound], self.sizes[sound])

    def _take_moved(
        self, better: np.ndarray, done: np.ndarray, within: np.ndarray, held: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """A sample whose convergence was read late has moved on since; it takes this state where all samples are within the
        tolerance.
        """
        converged = self.status == Status.CONVERGED
        kept = np.zeros_like(better) if held is None else held & ~self.running
        moved = converged & ~kept
        if not _none(moved) and _all(within | (kept & ~converged)):
            better, done = better | moved, done | moved
        return better, done

    @property
    def verified(self) -> bool:
        """Whether the latest evaluation checked saw the states that all samples keep, as far as it matters: some have converged,
        and samples may affect each other.
        """
        if self.independent or self._seen is None:
            return True
        return _all(self._seen) or (not self.mixed and _none(self.status == Status.CONVERGED))

    @property
    def worst_excess(self) -> float:
        """The worst running residual at the latest check, as a multiple of what is allowed."""
        if self.atol == 0 == self.rtol:
            return math.inf
        worst = self.scores if self._all_running else self.scores[self.running]
        return float(np.maximum.reduce(worst)) / self.limit

    def log_decrease(self, evaluations: int, to_least: bool = False) -> float:
        """Decrease of the logarithm of the worst running sample's relative residual per evaluation, over the latest
        ``evaluations``; ``to_least``: down to the least residual among them, for steps whose residuals rise and fall.
        """
        now, evaluations = self.active[self.running], min(evaluations, len(self._history) - 1)
        worst = [
            max(float(row[now].max()), TINY)
            for row in self._history[-evaluations - 1 :: 1 if to_least else evaluations]
        ]
        return math.log(worst[0] / min(worst[1:])) / evaluations

    @property
    def best_block(self) -> Block:
        """The best iterate of each sample of the present batch so far."""
        assert self._best is not None
        return self._best

    @property
    def any_running(self) -> bool:
        """Whether a sample of the present batch has not stopped."""
        return self._all_running or not _none(self.running)

    def _read(self, behind: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Scores and relative residuals of the evaluation ``behind`` the latest, ``[b]``, and the samples held in it; those of
        evaluations before it go into the history.
        """
        end = len(self._unread) - behind
        unread, self._unread = self._unread[:end], self._unread[end:]
        norms: Any = [each for each, _ in unread]
        if isinstance(norms[0], Reading):
            norms = [norms[0].array()]
        elif isinstance(norms[0], Tensor):  # as one array
            norms = torch.stack(norms).cpu().double().numpy()
        if not isinstance(unread[0][0], np.ndarray):
            self.seconds[-1] = time.perf_counter() - self.begin  # now the work is known to be done
        for each in norms[:-1]:
            self._history.append(self._filled(each[:, 0] / np.maximum(each[:, 1], TINY)))
        self.sizes, lengths = norms[-1].T
        relative = self.sizes / np.maximum(lengths, TINY)
        # The best iterate must not contradict what has converged.
        score = self.sizes / (self.atol + self.rtol * lengths) if self.atol > 0 else relative
        return score, relative, unread[-1][1]

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
                self._best, self._best_is_own = self.layout.block(self._best.t.clone()), True
            self.layout.copy_rows(z, self._best, self.layout.row_mask(better))

    def _stop(self, stopped: np.ndarray, final: bool = False) -> None:
        """Puts aside the best iterates of samples that have just stopped; ``final``: there is no evaluation to come."""
        if _none(stopped):
            return
        self._all_running = False
        self.running = self.running & ~stopped
        best = self._best
        assert best is not None  # no sample stops before the first check, which keeps its state
        if self._finished is None:
            if self._row_ids is None and (final or self.verified) and not self.any_running:
                self._finished = best.t if self._best_is_own else best.t.clone()
                return
            self._finished = best.t.new_empty(self.whole.rows, self.whole.width)
        rows = self._rows(stopped)
        to = rows if self._row_ids is None else self._row_ids[rows]
        self._finished.index_copy_(0, to, best.t.index_select(0, rows))
        self._found_held = False

    def hold(self, z: Block, own: bool, out: Block) -> tuple[Block, bool]:
        """The next state with the states that samples keep: of those that failed, so that f sees no NaN or infinity of theirs,
        and, where samples may affect each other, of all that have stopped. In ``out`` if z is memory that f returned.
        """
        if not self._found_held:
            held = self.status[self.active] == Status.NONFINITE if self.independent else ~self.running
            rows = self._rows(held)
            self._held, self._held_rows, self._found_held = None, None, True
            if len(rows):
                self._held, self._held_rows = held, (rows, rows if self._row_ids is None else self._row_ids[rows])
        self._held_in_state = self._held
        if self._held_rows is None:
            return z, own
        assert self._finished is not None
        if not own:
            out.t.copy_(z.t)
            z = out
        rows, ids = self._held_rows
        if z.a is not None:
            z.a[rows.numpy()] = self._finished.numpy()[ids.numpy()]
        else:
            z.t.index_copy_(0, rows, self._finished.index_select(0, ids))
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
        self._best, self._best_is_own = self.layout.block(best.t.index_select(0, rows)), True
        self._held, self._held_rows, self._found_held, self._held_in_state = None, None, True, None
        return samples, rows

    def check_returned(self, norms: PerSample) -> None:
        """Takes in the norms of one more evaluation, at the state that :meth:`result` gave: samples not within the tolerance
        there have not converged.
        """
        self._unread, self.late = [(norms, None)], False
        self.seconds.append(time.perf_counter() - self.begin)
        score, relative, _ = self._read(0)
        self.status[(self.status == Status.CONVERGED) & ~(score <= self.limit)] = Status.MAX_STEPS
        self.residual = np.where(np.isfinite(relative), relative, self.residual)
        self._history.append(self.residual.copy())

    def result(self, evaluations: int) -> FixedPoint:
        """The result of the solve; what still runs has run out of steps."""
        self.status[self.active[self.running]] = Status.MAX_STEPS
        if self.mixed and self.verified:  # at one state, evaluated with all samples
            self.status[self.running & (self.score <= self.limit)] = Status.CONVERGED
        self._stop(self.running.copy(), final=True)
        z = self._finished
        assert z is not None
        self._history.extend([self.residual.copy()] * (evaluations - len(self._history)))  # not needed, so not read
        trace = Trace(torch.from_numpy(np.stack(self._history)), torch.tensor(self.seconds, dtype=torch.float64))
        residual = torch.from_numpy(self.residual).to(z.device, self.whole.exact)
        status, steps = (torch.from_numpy(each).to(z.device) for each in (self.status, self.steps))
        return FixedPoint(z.view(self.whole.shape), status, residual, steps, evaluations, trace)

    def _rows(self, samples: np.ndarray) -> Tensor:
        """The same as indices, on the state's device."""
        assert self._best is not None
        return torch.from_numpy(np.flatnonzero(self.layout.row_mask(samples))).to(self._best.t.device)


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
