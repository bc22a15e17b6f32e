"""Steps under a guard: a stepper's own, and for the samples where they fail Broyden's or damped Picard steps."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.broyden import broyden_stepper
from andersonn.solvers.convergence_monitor import ConvergenceMonitor
from andersonn.solvers.guard import BROYDEN, DAMPED, Guard
from andersonn.solvers.layout import Block, Layout
from andersonn.solvers.solver import Evaluation, Map, Stepper

LONGEST_MEMORY = 50
"""Steps that Broyden's method keeps."""
RECOVERIES = 5


class Guarded(Stepper):
    """The steps of ``inner`` for all samples but those that the :class:`Guard` sends elsewhere."""

    def __init__(self, inner: Stepper, patience: int, max_steps: int, layout: Layout, like: Tensor) -> None:
        self.recoveries, self.needs_residuals = RECOVERIES, True
        self.inner, self.layout, self.like = inner, layout, like
        self.guard = Guard(layout.samples, patience, max_steps)
        self.start = layout.block(like)
        self.anchor: Block | None = None  # states to go back to
        self.keep_now: np.ndarray | None = None  # rows whose latest state becomes their anchor
        self.back: np.ndarray | None = None  # rows that go back to their anchor
        self.damped: tuple[Tensor, Tensor] | None = None  # rows that take damped steps ``[R, 1]``, and their β
        self.groups: list[_BroydenGroup] = []

    @property
    def place(self) -> Block | None:  # type: ignore[override]  # what the stepper inside says
        """Where the next residual is to be written."""
        return self.inner.place

    def unguarded(self) -> Stepper:
        """The stepper without its guard."""
        return self.inner.unguarded()

    def forget(self, samples: np.ndarray) -> None:
        """Starts afresh for these samples."""
        self.inner.forget(samples)
        for group in self.groups:
            group.stepper.forget(samples[group.samples])

    def counting(self, f: Map, state: Tensor) -> AbstractContextManager[None]:
        """Around the first evaluation."""
        return self.inner.counting(f, state)

    def observe(self, monitor: ConvergenceMonitor) -> None:
        """Lets the guard look at the progress."""
        self.inner.observe(monitor)
        if self.guard.look(monitor, self.inner.period):
            self._change(monitor)
        if self.guard.fresh is not None:
            self.inner.forget(self.guard.fresh)
            self.guard.fresh = None

    def _change(self, monitor: ConvergenceMonitor) -> None:
        guard, mask = self.guard, self.layout.row_mask
        for block, samples in ((self.start, guard.from_start), (monitor.best_block, guard.from_best)):
            if np.count_nonzero(samples):
                self._anchor(block, mask(samples))
        self.keep_now, self.back = (
            mask(samples) if np.count_nonzero(samples) else None for samples in (guard.from_now, guard.to_anchor)
        )
        if self.back is not None:
            self.inner.forget(guard.to_anchor)
        self._regroup()

    def _regroup(self) -> None:
        """Takes over who takes which steps, in the form that :meth:`_override` needs."""
        guard = self.guard
        self.groups = [part for group in self.groups if (part := group.of(guard.kind == BROYDEN)) is not None]
        new = guard.kind == BROYDEN
        for group in self.groups:
            new[group.samples] = False
        if np.count_nonzero(new):
            self.groups.append(_BroydenGroup(np.flatnonzero(new), self.layout, self.like))
        self.damped = None
        damped = guard.kind == DAMPED
        if np.count_nonzero(damped):
            to_rows, device = self.layout.to_rows, self.like.device
            rows, beta = (to_rows(torch.from_numpy(each).to(device)).unsqueeze(1) for each in (damped, guard.beta))
            self.damped = rows, beta.to(self.like.dtype)

    def _anchor(self, block: Block, rows: np.ndarray) -> None:
        """Keeps these rows to go back to."""
        if self.anchor is None:
            with torch.inference_mode(False):
                self.anchor = self.layout.block(self.like.new_empty(self.layout.shape))
        self.layout.copy_rows(block, self.anchor, rows)

    def advance(self, now: Evaluation, out: Block) -> Block:
        """The stepper's own step, replaced for the guard's samples."""
        if self.keep_now is not None:
            self._anchor(now.z, self.keep_now)
            self.keep_now = None
        if self.back is not None:
            now = self._finite(now)
        step = self.inner.advance(now, out)
        if self.damped is None and not self.groups and self.back is None:
            return step
        if step is not out:
            out.t.copy_(step.t)
        self._override(now, out)
        return out

    def _finite(self, now: Evaluation) -> Evaluation:
        """The same, with finite numbers where f gave none: else they would stay in the memory of the steps."""
        value = torch.where(now.g.t.isfinite(), now.g.t, now.z.t)
        residual = torch.where(now.r.t.isfinite(), now.r.t, 0.0)
        return now._replace(g=self.layout.block(value), r=self.layout.block(residual))

    def _override(self, now: Evaluation, out: Block) -> None:
        if self.damped is not None:
            rows, beta = self.damped
            out.t.copy_(torch.where(rows, now.z.t + beta * now.r.t, out.t))
        back, self.back = self.back, None
        for group in self.groups:
            if group.started or back is None:  # a sample that goes back begins with the next evaluation
                group.advance(now, out)
            group.started = True
        if back is not None:
            assert self.anchor is not None
            self.layout.copy_rows(self.anchor, out, back)

    def blocks_in_use(self) -> tuple[Block, ...]:
        """What the stepper still needs."""
        return self.inner.blocks_in_use()

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        self.inner.compact(samples, rows, layout)
        self.guard.compact(samples)
        self.layout = layout
        self.start = layout.block(self.start.t.index_select(0, rows))
        if self.anchor is not None:
            self.anchor = layout.block(self.anchor.t.index_select(0, rows))
        if self.damped is not None:
            damped, beta = self.damped
            self.damped = damped.index_select(0, rows), beta.index_select(0, rows)
        self.groups = [
            part for group in self.groups if (part := group.among(samples.cpu().numpy(), layout)) is not None
        ]


class _BroydenGroup:
    """Samples that began to take Broyden's steps together.

    Attributes:
        samples: of the batch, int64 ``[b]``, increasing.
        started: whether their first step has been taken.
    """

    def __init__(self, samples: np.ndarray, layout: Layout, like: Tensor) -> None:
        self.samples, self.whole, self.started = samples, layout, False
        self.layout, self.rows = layout.subset(torch.from_numpy(samples).to(like.device))
        self.stepper = broyden_stepper(LONGEST_MEMORY, None, self.layout, like)

    def advance(self, now: Evaluation, out: Block) -> None:
        """Their steps, written to their rows of ``out``."""
        z, g, r = (self.layout.block(block.t.index_select(0, self.rows)) for block in (now.z, now.g, now.r))
        part = self.layout.block(torch.empty_like(z.t))
        self.stepper.advance(Evaluation(z, g, r, now.norms), part)
        out.t.index_copy_(0, self.rows, part.t)

    def of(self, mask: np.ndarray) -> _BroydenGroup | None:
        """Those in a mask over the batch ``[B]``; None if there are none."""
        return self._part(mask[self.samples], self.samples, self.whole)

    def among(self, kept: np.ndarray, layout: Layout) -> _BroydenGroup | None:
        """Those that stay when the batch goes on with the ``kept`` samples alone, renumbered."""
        number = np.full(self.whole.samples, -1)
        number[kept] = np.arange(len(kept))
        return self._part(number[self.samples] >= 0, number[self.samples], layout)

    def _part(self, stay: np.ndarray, numbers: np.ndarray, whole: Layout) -> _BroydenGroup | None:
        if not np.count_nonzero(stay):
            return None
        if np.count_nonzero(stay) < len(stay):
            samples = torch.from_numpy(np.flatnonzero(stay)).to(self.rows.device)
            self.layout, rows = self.layout.subset(samples)
            self.stepper.compact(samples, rows, self.layout)
        self.samples, self.whole = numbers[stay], whole
        self.rows = whole.subset(torch.from_numpy(self.samples).to(self.rows.device))[1]
        return self
