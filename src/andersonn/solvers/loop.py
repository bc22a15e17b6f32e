"""The one loop all solvers share: evaluate, judge each sample, stop or take the solver's next step.

A solver differs from another only in its *stepper*: how it turns the latest state, f's value and the residual into the
next state. Everything about stopping lives here and in :mod:`~andersonn.solvers.convergence_monitor`: per-sample convergence,
non-finite values, the best iterate, budgets, the trace, and dropping samples that have stopped from the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.block import Block, difference
from andersonn.solvers.convergence_monitor import Judge
from andersonn.solvers.layout import Layout
from andersonn.solvers.refusals import refuse_unsupported
from andersonn.solvers.result import FixedPoint

if TYPE_CHECKING:
    from andersonn.solvers.solver import Solver

Map = Callable[[Tensor], Tensor]
LOOK_EVERY_ON_DEVICE = 8
CHANGED = "f changed its argument, or memory that it had returned before; let it return a new tensor at each call"


class Evaluation(NamedTuple):
    """What a stepper sees: state ``z``, ``g = f(z)`` and ``r = g − z``, each ``[R, D]``, and the norms of r and g, float64
    ``[B, 2]``, in numpy on the host, on the device elsewhere.
    """

    z: Block
    g: Block
    r: Block
    norms: Tensor | np.ndarray


class Stepper:
    """Proposes the next state; a base that keeps nothing."""

    def advance(self, now: Evaluation, out: Block) -> Block:
        """The next state: ``out`` with it written there, or ``now.g`` itself."""
        raise NotImplementedError

    def kept(self) -> tuple[Block, ...]:
        """Past evaluations that it still needs."""
        return ()

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone; their rows, and the layout that they have then."""

    def observe(self, judge: Judge) -> None:
        """Called at each look, before ``advance``."""


class _Pool:
    """Buffers of the state's size, handed out in turn."""

    def __init__(self, layout: Layout, like: Tensor) -> None:
        self.layout, self.kind = layout, {"dtype": like.dtype, "device": like.device}
        self.buffers: list[Block] = []

    def take(self, *busy: Block) -> Block:
        """One that is none of those in ``busy``."""
        for buffer in self.buffers:
            if buffer not in busy:
                return buffer
        with torch.inference_mode(False):  # tensors made in inference mode do not count how often they are written to
            self.buffers.append(self.layout.block(torch.empty(self.layout.shape, **self.kind)))
        return self.buffers[-1]


def iterate(f: Map, z0: Tensor, layout: Layout, stepper: Stepper, options: Solver) -> FixedPoint:
    """Runs a stepper from ``z0`` until every sample has converged, failed, or met a budget.

    A sample converges at the first state looked at with ‖f(z) − z‖ ≤ atol + rtol · ‖f(z)‖, and keeps that state.
    """
    judge = Judge(layout, options.rtol, options.atol, options.max_seconds)
    every = options.check_every or (1 if z0.device.type == "cpu" else LOOK_EVERY_ON_DEVICE)
    pool = _Pool(layout, z0)
    z, own, g = pool.take(), True, None
    z.t.copy_(layout.flat(z0.detach()))
    for step in range(options.max_steps + 1):
        kept = (*stepper.kept(), *judge.kept())
        g = evaluate(f, z, judge.layout, kept if g is None else (g, *kept))
        with np.errstate(all="ignore"):  # of samples that overflow
            r = difference(g, z, pool.take(z, *kept))
            norms = judge.layout.sizes(r, g)
            judge.note(norms)
            last = step == options.max_steps
            looking = last or step % every == 0
            if looking:
                judge.look(step, z, own)
                if last or not judge.any_running:
                    break
                stepper.observe(judge)
            out = pool.take(z, r, *stepper.kept(), *judge.kept())
            z = stepper.advance(Evaluation(z, g, r, norms), out)
            z, own = judge.mend(z, z is out, out)
        if looking and worth_compacting(f, judge, options.compact):
            samples, rows = judge.compact()
            f = f.subset(samples, rows)
            stepper.compact(samples, rows, judge.layout)
            pool, g = _Pool(judge.layout, z.t), None
            z, own = judge.layout.block(z.shaped.index_select(0, rows)), True
    return judge.result(step + 1)


def worth_compacting(f: Map, judge: Judge, share: float) -> bool:
    """Whether at most this share of the batch still runs, and f knows how to leave samples out."""
    running, size = np.count_nonzero(judge.running), len(judge.running)
    return running < size and running <= share * size and hasattr(f, "subset")


def evaluate(f: Map, z: Block, layout: Layout, past: Sequence[Block]) -> Block:
    """f(z), checked; f must leave z and the blocks in ``past`` as they are."""
    counted = [block.t for block in (z, *past) if block.counted]
    versions = [tensor._version for tensor in counted]
    value = f(z.shaped.view(layout.shape))  # an object of its own at each call: f may hang gradients on it
    if versions != [tensor._version for tensor in counted]:
        raise ValueError(CHANGED)
    _check(value, z, layout)
    if value.requires_grad:
        value = value.detach()
    if value.is_neg():  # a view of a conjugate, such as the imaginary part of one
        value = value.resolve_neg()
    if len(counted) <= len(past) and any(not each.counted and _same_memory(value, each.t) for each in past):
        raise ValueError(CHANGED)  # memory that f returned before, written to without being counted
    if _same_memory(value, z.t):
        with torch.inference_mode(False):
            value = value.clone(memory_format=torch.contiguous_format)
    return layout.block(value)


def _check(value: object, z: Block, layout: Layout) -> None:
    """Raises unless f returned a state."""
    if not isinstance(value, Tensor):
        raise TypeError(f"f returned {type(value).__name__}; it must return a tensor shaped as its argument")
    if value.shape != layout.shape:
        raise ValueError(f"f maps shape {tuple(layout.shape)} to {tuple(value.shape)}; it must keep the shape")
    if value.is_complex():
        refuse_unsupported(value)
    if value.dtype != z.t.dtype or value.device != z.t.device:
        raise TypeError(
            f"f maps {z.t.dtype} on {z.t.device} to {value.dtype} on {value.device}; it must keep dtype and device "
            "(cast its result, or give z0 the dtype and device that f returns)"
        )


def _same_memory(a: Tensor, b: Tensor) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
