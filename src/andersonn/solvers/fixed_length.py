"""Solves of fixed length on an accelerator: tolerance 0, so that nothing has to be read before the result is looked at.

Best iterates, residuals and statuses stay on the device. After one solve of the same shape has run, another neither reads from
the device nor copies to it, which recording it as a CUDA graph needs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from andersonn.solvers.best_iterate import improves
from andersonn.solvers.convergence_monitor import ConvergenceMonitor
from andersonn.solvers.layout import Block, Layout
from andersonn.solvers.result import FixedPoint, Status, Trace


class FixedLengthMonitor(ConvergenceMonitor):
    """The monitor of a solve that takes all its steps.

    Unlike its base class it does not refuse an initial state with NaN, and does not hold samples that have failed: their status is
    ``NONFINITE``, and their state the best one all the same.

    Args:
        layout: of the batch, on an accelerator.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout, 0.0, 0.0, None)
        self.best: Tensor | None = None
        self.relative: list[Tensor] = []
        self.kept: Tensor | None = None  # relative residual and ‖f(z) − z‖ of the best states, and the least ‖f(z) − z‖
        self.best_steps: Tensor | None = None

    def check(self, step: int, z: Block, own: bool, behind: int = 0) -> None:
        """Keeps each sample's best state, without reading which it is."""
        norms, _ = self._unread.pop()
        now = norms[:, 0] / norms[:, 1].clamp_min(torch.finfo(norms.dtype).tiny)
        self.relative.append(now)
        both = torch.stack([now, norms[:, 0]])
        if self.best is None or self.kept is None or self.best_steps is None:
            self.best, both = z.t.clone(), torch.nan_to_num(both, nan=torch.inf)
            self.kept = torch.cat([both, both[1:]])
            self.best_steps = torch.zeros_like(now)
            return
        least = torch.fmin(self.kept[2], both[1])
        better = improves(both[0], both[1], self.kept[0], self.kept[1], least)
        torch.where(self.layout.to_rows(better).unsqueeze(1), z.t, self.best, out=self.best)
        self.best_steps = torch.where(better, step, self.best_steps)
        self.kept = torch.cat([torch.where(better, both, self.kept[:2]), least.unsqueeze(0)])

    def result(self, evaluations: int) -> FixedPoint:
        """The result; its tensors, the trace's residuals included, are on the device."""
        assert self.best is not None
        assert self.kept is not None
        assert self.best_steps is not None
        residuals, least = torch.stack(self.relative), self.kept[0]
        status = torch.where(least == 0, int(Status.CONVERGED), int(Status.MAX_STEPS))
        status = torch.where(residuals.isfinite().all(dim=0), status, int(Status.NONFINITE)).to(torch.int8)
        trace = Trace(residuals, torch.tensor(self.seconds, dtype=torch.float64))
        z, steps = self.best.view(self.whole.shape), self.best_steps.long()
        return FixedPoint(z, status, least, steps, evaluations, trace)
