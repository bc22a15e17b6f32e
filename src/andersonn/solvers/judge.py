"""Who has converged: the books that the loop keeps on each sample, on the host.

Norms are computed where the state is; the books are a few numbers a sample, in numpy. The device is asked for its norms
only when the loop looks (every ``check_every`` evaluations), so in between nothing waits for it.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.layout import Layout
from andersonn.solvers.result import FixedPoint, Status, Trace

RUNNING = -1
TINY = 1e-300


class Judge:
    """Status, best iterate and trace of each sample.

    Args:
        layout: of the whole batch.
        rtol, atol: a sample has converged when ‖f(z) − z‖ ≤ atol + rtol · ‖f(z)‖.
        max_seconds: when to give up, or None.

    Attributes:
        layout: of the present batch; samples that have stopped may have left it.
        active: the present batch's samples, int64 ``[b]``.
        running: which of them have not stopped, bool ``[b]``.
    """

    def __init__(self, layout: Layout, rtol: float, atol: float, max_seconds: float | None) -> None:
        self.whole = self.layout = layout
        self.rtol, self.atol, self.max_seconds = rtol, atol, max_seconds
        n = layout.samples
        self.active = np.arange(n)
        self.running = np.ones(n, dtype=bool)
        self.status = np.full(n, RUNNING, dtype=np.int8)
        self.residual = np.full(n, np.inf)
        self.score = np.full(n, np.inf)
        self.steps = np.zeros(n, dtype=np.int64)
        self._latest = self.score
        self.broken: Tensor | None = None
        self._best: Tensor | None = None
        self._finished: Tensor | None = None
        self._row_ids: Tensor | None = None
        self._unread: list[Tensor] = []
        self._history: list[np.ndarray] = []
        self.seconds: list[float] = []
        self.begin = time.perf_counter()

    def note(self, norms: Tensor) -> None:
        """Remembers the norms ``[b, 2]`` of residual and value of an evaluation, without reading them."""
        self._unread.append(norms)
        self.seconds.append(time.perf_counter() - self.begin)

    def look(self, step: int, z: Tensor, own: bool) -> None:
        """Reads the norms and judges the state ``z [r, D]`` of every sample still running; if ``own`` is false, z is
        memory of f's.
        """
        with np.errstate(all="ignore"):
            sizes, lengths, relative = self._read()
            allowed = self.atol + self.rtol * lengths
            # What is best must not contradict what has converged.
            score = sizes / allowed if self.atol > 0 else relative
        finite = np.isfinite(relative)
        if step == 0 and not _all(finite):
            _require_finite(z, self.layout)
        sound = self.running & finite
        done = sound & (sizes <= allowed)
        self.seconds[-1] = time.perf_counter() - self.begin
        if _none(done) and _all(sound) and len(sound) == len(self.status):  # the usual case, quickly
            better = score <= self.score
            self._keep_best(z, better, own)
            who = better = slice(None) if _all(better) else better
        else:
            better = sound & ((score <= self.score[self.active]) | done)
            self._keep_best(z, better, own)
            who = self.active[better]
        self.score[who], self.residual[who], self.steps[who] = score[better], relative[better], step
        stopped = self.running & (done | ~finite)
        if not _none(stopped):
            self.status[self.active[done]] = Status.CONVERGED
            self.status[self.active[stopped & ~finite]] = Status.NONFINITE
            self._retire(stopped)
        if self.max_seconds is not None and self.seconds[-1] > self.max_seconds:
            self.status[self.active[self.running]] = Status.OUT_OF_TIME
            self._retire(self.running.copy())
        self._latest = score

    @property
    def excess(self) -> float:
        """The worst running residual at the latest look, as a multiple of what is allowed (if nothing is, of ‖f(z)‖)."""
        unit = 1.0 if self.atol > 0 or self.rtol == 0 else self.rtol
        return float(self._latest[self.running].max()) / unit

    @property
    def any_running(self) -> bool:
        """Whether a sample of the present batch has not stopped."""
        return not _none(self.running)

    def _read(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The latest norms of residual and value, and their quotient; all unread ones go into the history."""
        unread, self._unread = self._unread, []
        values = (unread[0].unsqueeze(0) if len(unread) == 1 else torch.stack(unread)).cpu().numpy()
        relative = values[:, :, 0] / np.maximum(values[:, :, 1], TINY)
        for row in relative:
            fresh = self.running & np.isfinite(row)
            if len(row) < len(self.residual) or not _all(fresh):
                known = self.residual.copy()
                known[self.active[fresh]] = row[fresh]
                row = known
            self._history.append(row)
        return values[-1, :, 0], values[-1, :, 1], relative[-1]

    def _keep_best(self, z: Tensor, better: np.ndarray, own: bool) -> None:
        """No copy where all running samples got better, as a rule: the loop writes nowhere into the best state."""
        if self._best is None or _all(better) or _all(better[self.running]):
            self._best, self._best_is_own = z, own
        elif not _none(better):
            if not self._best_is_own:
                self._best, self._best_is_own = self._best.clone(), True
            rows = self._rows(better)
            self._best.index_copy_(0, rows, z.index_select(0, rows))

    def _retire(self, stopped: np.ndarray) -> None:
        """Lays the best states of samples that have just stopped aside."""
        if _none(stopped):
            return
        self.running &= ~stopped
        if self._finished is None:
            if not self.any_running and self._row_ids is None:
                self._finished = self._best if self._best_is_own else self._best.clone()
                return
            self._finished = self._best.new_empty(self.whole.rows, self.whole.width)
        rows = self._rows(stopped)
        to = rows if self._row_ids is None else self._row_ids[rows]
        self._finished.index_copy_(0, to, self._best.index_select(0, rows))
        broken = self.status[self.active] == Status.NONFINITE
        if not _none(broken):
            self.broken = self._rows(broken)

    def mend(self, z: Tensor, own: bool, out: Tensor) -> tuple[Tensor, bool]:
        """Puts rows that have run into NaN or infinity back to finite values, so that f never sees one of ours."""
        if self.broken is None:
            return z, own
        if not own:
            z = out.copy_(z)
        ids = self.broken if self._row_ids is None else self._row_ids[self.broken]
        return z.index_copy_(0, self.broken, self._finished.index_select(0, ids)), True

    def kept(self) -> list[Tensor]:
        """Tensors that f must not write to."""
        return [] if self._best is None else [self._best]

    def compact(self) -> tuple[Tensor, Tensor]:
        """Drops all samples that have stopped from the batch; the places of those that stay, and of their rows."""
        device = self._best.device
        samples = torch.from_numpy(np.flatnonzero(self.running)).to(device)
        self.layout, rows = self.layout.subset(samples)
        self.active = self.active[self.running]
        self.running = np.ones(len(self.active), dtype=bool)
        self._row_ids = rows if self._row_ids is None else self._row_ids[rows]
        self._best, self._best_is_own = self._best.index_select(0, rows), True
        self.broken = None
        return samples, rows

    def result(self, evaluations: int) -> FixedPoint:
        """The record; what still runs has run out of steps."""
        self.status[self.active[self.running]] = Status.MAX_STEPS
        self._retire(self.running.copy())
        z = self._finished
        trace = Trace(torch.from_numpy(np.stack(self._history)), torch.tensor(self.seconds, dtype=torch.float64))
        books = (torch.from_numpy(each).to(z.device) for each in (self.status, self.residual, self.steps))
        return FixedPoint(z.view(self.whole.shape), *books, evaluations, trace)

    def _rows(self, samples: np.ndarray) -> Tensor:
        """The present rows of the samples in a mask ``[b]``."""
        rows = samples if self.layout.lengths is None else np.repeat(samples, self.layout.lengths.cpu().numpy())
        return torch.from_numpy(np.flatnonzero(rows)).to(self._best.device)


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
