"""The one loop all solvers share: evaluate, judge each sample, stop or take the solver's next step.

A solver differs from another only in its *stepper*: how it turns the latest state, f's value and the residual into the
next state. Everything about stopping lives here: per-sample convergence and freezing, non-finite values, the best
iterate, the trace.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from andersonn.solvers.layout import Layout
from andersonn.solvers.result import FixedPoint, Status, Trace

RUNNING = -1
TINY = 1e-300
CHANGED = "f changed its argument, or memory that it had returned before; let it return a new tensor at each call"


class Stepper(Protocol):
    """Proposes the next state."""

    def advance(self, z: Tensor, g: Tensor, r: Tensor, out: Tensor) -> Tensor:
        """The next state, written into ``out``, or ``g`` itself. ``z`` state, ``g = f(z)``, ``r = g − z``: ``[R, D]``."""


class _Judge:
    """Per-sample bookkeeping: status, best iterate, trace. All vectors are ``[B]``."""

    def __init__(self, layout: Layout, device: torch.device, rtol: float, atol: float) -> None:
        self.layout, self.rtol, self.atol = layout, rtol, atol
        size = (layout.samples,)
        self.status = torch.full(size, RUNNING, dtype=torch.int8, device=device)
        self.residual = torch.full(size, float("inf"), dtype=torch.float64, device=device)
        self.score = self.residual.clone()
        self.running = self.status == RUNNING
        self.steps = torch.zeros(size, dtype=torch.int64, device=device)
        self.best: Tensor | None = None
        self.history: list[Tensor] = []
        self.seconds: list[float] = []
        self.begin = time.perf_counter()

    def look(self, step: int, z: Tensor, g: Tensor, r: Tensor) -> None:
        """Judges the evaluation g = f(z) of every sample still running."""
        size, length = self.layout.norms(r, g).unbind(dim=1)
        finite = torch.isfinite(size + length)
        sound = self.running & finite
        relative = size / length.clamp_min(TINY)
        allowed = self.atol + self.rtol * length
        done = sound & (size <= allowed)
        score = size / allowed if self.atol > 0 else relative  # what is best must not contradict what has converged
        better = sound & ((score <= self.score) | done)
        self._keep(z, better, step)
        self.score = torch.where(better, score, self.score)
        self.residual = torch.where(better, relative, self.residual)
        self.steps.masked_fill_(better, step)
        self.status.masked_fill_(done, Status.CONVERGED).masked_fill_(self.running & ~finite, Status.NONFINITE)
        self.history.append(torch.where(sound, relative, self.residual))
        self.running = self.status == RUNNING
        self.seconds.append(time.perf_counter() - self.begin)

    def _keep(self, z: Tensor, better: Tensor, step: int) -> None:
        if step == 0 or bool((better | ~self.running).all()):
            self.best = z  # no copy: stopped samples hold their best state, and the loop leaves this buffer alone
        elif bool(better.any()):
            self.best = torch.where(self.layout.to_rows(better).unsqueeze(1), z, self.best)

    def freeze(self, z: Tensor, out: Tensor) -> Tensor:
        """The next state with samples that have stopped put back to where they stopped; in ``out`` if there are any,
        since ``z`` may be memory of f's.
        """
        if bool(self.running.all()):
            return z
        return torch.where(self.layout.to_rows(self.running).unsqueeze(1), z, self.best, out=out)

    def result(self, evaluations: int, own: list[Tensor]) -> FixedPoint:
        """The record; the best state is copied unless its memory is one of ``own``, since it may be f's."""
        self.status[self.running] = Status.MAX_STEPS
        trace = Trace(torch.stack(self.history), torch.tensor(self.seconds, dtype=torch.float64))
        best = self.best if any(self.best is buffer for buffer in own) else self.best.clone()
        z = best.reshape(self.layout.shape)
        return FixedPoint(z, self.status, self.residual, self.steps, evaluations, trace)


def iterate(
    f: Callable[[Tensor], Tensor],
    z0: Tensor,
    layout: Layout,
    stepper: Stepper,
    rtol: float,
    atol: float,
    max_steps: int,
) -> FixedPoint:
    """Runs a stepper from ``z0`` until every sample has converged, failed, or made ``max_steps`` updates.

    A sample converges at the first state with ‖f(z) − z‖ ≤ atol + rtol · ‖f(z)‖ and is frozen there.
    """
    judge = _Judge(layout, z0.device, rtol, atol)
    with torch.inference_mode(False):  # tensors made in inference mode do not count how often they are written to
        z = layout.flat(z0.detach()).clone(memory_format=torch.contiguous_format)
        buffers = [z, torch.empty_like(z), torch.empty_like(z)]
        residuals = [torch.empty_like(z), torch.empty_like(z)]
    g = None
    for step in range(max_steps + 1):
        g = _evaluate(f, z, layout, [kept for kept in (z, g, judge.best) if kept is not None])
        r = torch.sub(g, z, out=residuals[step % 2])
        judge.look(step, z, g, r)
        if step == max_steps or not bool(judge.running.any()):
            break
        out = next(b for b in buffers if b is not z and b is not judge.best)
        z = judge.freeze(stepper.advance(z, g, r, out), out)
    return judge.result(step + 1, buffers)


def _evaluate(f: Callable[[Tensor], Tensor], z: Tensor, layout: Layout, kept: list[Tensor]) -> Tensor:
    """f(z) as ``[R, D]``, checked; f must leave the tensors in ``kept`` as they are."""
    versions = [_version(tensor) for tensor in kept]
    value = f(z.view(layout.shape))
    if versions != [_version(tensor) for tensor in kept]:
        raise ValueError(CHANGED)
    if not isinstance(value, Tensor):
        raise TypeError(f"f returned {type(value).__name__}; it must return a tensor shaped as its argument")
    if value.shape != layout.shape:
        raise ValueError(f"f maps shape {tuple(layout.shape)} to {tuple(value.shape)}; it must keep the shape")
    if value.dtype != z.dtype or value.device != z.device:
        raise TypeError(
            f"f maps {z.dtype} on {z.device} to {value.dtype} on {value.device}; it must keep dtype and device "
            "(cast its result, or give z0 the dtype and device that f returns)"
        )
    value = layout.flat(value.detach())
    if any(tensor.is_inference() and _same_memory(value, tensor) for tensor in kept):
        raise ValueError(CHANGED)  # memory that f returned before, written to without being counted
    if _same_memory(value, z):
        with torch.inference_mode(False):
            return value.clone()
    return value


def _same_memory(a: Tensor, b: Tensor) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def _version(tensor: Tensor) -> int:
    """How often a tensor's memory was written to; tensors made in inference mode do not count that."""
    return 0 if tensor.is_inference() else tensor._version
