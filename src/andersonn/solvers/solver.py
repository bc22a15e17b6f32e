"""The interface of a solver, and the one loop that solvers share: evaluate f, check each sample, stop or take the next step.

A solver differs from another only in its *stepper*: how it turns the latest state, f's value and the residual into the
next state. Everything about stopping lives here and in :mod:`~andersonn.solvers.convergence_monitor`: per-sample convergence,
non-finite values, the best iterate, budgets, the trace, and dropping samples that have stopped from the batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.convergence_monitor import ConvergenceMonitor
from andersonn.solvers.fixed_length import FixedLengthMonitor
from andersonn.solvers.layout import Block, Layout, PerSample, layout_of
from andersonn.solvers.options import options, require_count, require_number
from andersonn.solvers.pytree import SubsettableMap, tree_of
from andersonn.solvers.result import FixedPoint, nothing_to_solve

Map = Callable[[Tensor], Tensor]
CHANGED = "f changed its argument, or memory that it had returned before; let it return a new tensor at each call"


class Evaluation(NamedTuple):
    """What a stepper gets: state ``z``, ``g = f(z)`` and ``r = g − z``, each ``[R, D]``, and the norms of r and g, float64
    ``[B, 2]``, in numpy on the host, on the device elsewhere.
    """

    z: Block
    g: Block
    r: Block
    norms: PerSample

    def picard_step(self, mixing: float, out: Block) -> Block:
        """Z + mixing · r: ``g`` itself, or in ``out``."""
        if mixing == 1.0:
            return self.g
        torch.add(self.z.t, self.r.t, alpha=mixing, out=out.t)
        return out


class Stepper:
    """Proposes the next state; this base class keeps nothing.

    Attributes:
        recoveries: how often a sample may run into NaN or infinity and go on, since the stepper goes back to a finite state.
        place: where the next residual is to be written, or None: anywhere.
        needs_residuals: whether it looks at the residuals to decide how to step.
        period: evaluations between two extrapolations, which a guard's patience is counted in; 0 while it makes none.
    """

    recoveries = 0
    place: Block | None = None
    needs_residuals = False
    period: int = 1

    def advance(self, now: Evaluation, out: Block) -> Block:
        """The next state: ``out`` with it written there, or ``now.g`` itself."""
        raise NotImplementedError

    def blocks_in_use(self) -> tuple[Block, ...]:
        """Past evaluations that it still needs."""
        return ()

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone; their rows, and the layout that they have then."""

    def counting(self, f: Map, state: Tensor) -> AbstractContextManager[None]:
        """Around the first evaluation of a solve: for a stepper that needs to know what it costs."""
        return nullcontext()

    def unguarded(self) -> Stepper:
        """The same without what needs the monitor to keep it from failing, for a solve in which nobody reads residuals."""
        return self

    def forget(self, samples: np.ndarray) -> None:
        """Starts afresh for the samples in a mask ``[B]``: their next state is another than was proposed."""

    def observe(self, monitor: ConvergenceMonitor) -> None:
        """Called after each check, before ``advance``."""


@options
class Solver(ABC):
    """A way to solve z = f(z). Subclasses are frozen option sets; they keep nothing between solves.

    Attributes:
        rtol, atol: a sample converges when ‖f(z) − z‖ ≤ atol + rtol · ‖f(z)‖.
        max_steps: updates of z at most; f is called once more than that at most.
        max_seconds: time after which samples that still run stop with status ``OUT_OF_TIME``; None: no limit.
        check_every: evaluations between two checks of the residuals; samples converge only at a check, for which the host
            waits. None: at every evaluation, and on an accelerator without waiting: residuals are read while the
            next evaluation runs, so that a solve ends one evaluation after the one it returns. With ``rtol`` and ``atol`` 0 an
            accelerator then takes all steps and reads nothing (:mod:`~andersonn.solvers.fixed_length`).
        compact: samples that have stopped leave the batch when at most this share of it still runs. For that f needs a
            method ``subset(samples, rows)``: it takes int64 indices of the samples to keep and of their rows, and returns f
            for those alone. 0: never.
        joint: treat the whole state as one sample, with one residual: for maps whose samples affect each other, such
            as graphs whose nodes are rows, or cells with batch normalization. All samples then get the same status, residual and
            number of steps.
    """

    rtol: float = field(default=1e-3, kw_only=True)
    atol: float = field(default=0.0, kw_only=True)
    max_steps: int = field(default=50, kw_only=True)
    max_seconds: float | None = field(default=None, kw_only=True)
    check_every: int | None = field(default=None, kw_only=True)
    compact: float = field(default=0.7, kw_only=True)
    joint: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        require_number("rtol", self.rtol)
        require_number("atol", self.atol)
        require_count("max_steps", self.max_steps)
        require_number("compact", self.compact, most=1)
        if self.max_seconds is not None:
            require_number("max_seconds", self.max_seconds, above=0)
        if self.check_every is not None:
            require_count("check_every", self.check_every)
        if not isinstance(self.joint, bool):
            raise ValueError(f"joint must be True or False, not {self.joint!r}")

    @property
    def name(self) -> str:
        """The solver's name in reports."""
        return type(self).__name__

    @abstractmethod
    def stepper(self, layout: Layout, like: Tensor) -> Stepper:
        """A fresh stepper for states of this layout, dtype and device."""

    @torch.no_grad()
    def solve(self, f: Callable[[Any], Any], z0: Any, offsets: Tensor | None = None) -> FixedPoint:
        """Solves z = f(z) from ``z0`` without recording gradients; see :func:`andersonn.solvers.fixed_point`."""
        tree = tree_of(z0, offsets)
        if tree is None:
            layout = layout_of(z0, offsets, self.joint)
            found = self._iterate(f, z0, layout) if z0.numel() else nothing_to_solve(z0, layout.samples)
            return found.for_each(Layout(z0, offsets).samples) if self.joint else found
        found = self.solve(tree.lift(f), tree.pack(z0), offsets)
        return replace(found, z=tree.unpack(found.z))

    def _iterate(self, f: Map, z0: Tensor, layout: Layout) -> FixedPoint:
        """Steps from ``z0`` until every sample has converged, failed, or met a budget.

        A sample converges at the first state checked with ‖f(z) − z‖ ≤ atol + rtol · ‖f(z)‖, and keeps that state.
        """
        stepper = self.stepper(layout, z0)
        late = self.check_every is None and not layout.on_host
        unlimited = late and self.rtol == self.atol == 0 and self.max_seconds is None
        fixed_length = unlimited and not stepper.unguarded().needs_residuals
        monitor = ConvergenceMonitor(
            layout, self.rtol, self.atol, self.max_seconds, hasattr(f, "subset"), late, stepper.recoveries
        )
        if fixed_length:
            stepper, monitor, late = stepper.unguarded(), FixedLengthMonitor(layout), False
        unchecked: tuple[int, Block, bool] | None = None  # the evaluation whose norms are being read
        buffers = _Buffers(layout, z0)
        z, own, g = buffers.take(), True, None  # own: z is memory of ours, not what f returned
        z.t.copy_(layout.flat(z0.detach()))
        for step in range(self.max_steps + 1):
            waiting = () if unchecked is None else (unchecked[1],)
            in_use = (*stepper.blocks_in_use(), *monitor.blocks_in_use(), *waiting)
            with stepper.counting(f, z.shaped) if step == 0 else nullcontext():
                g = evaluate(f, z, monitor.layout, in_use if g is None else (g, *in_use))
            if step == 0 and layout.on_host and not torch.equal(z.t, layout.flat(z0.detach())):
                refuse_changed(z, z0, layout)
            with np.errstate(all="ignore"):  # of samples that overflow
                place = stepper.place or buffers.take(z, *in_use, paired=not layout.on_host)
                r = monitor.layout.subtract(g, z, place)
                norms = monitor.layout.block_norms(r, g)
                monitor.record(norms)
                last = step == self.max_steps
                if late:
                    now = (step, z, own)
                    checking = unchecked is not None or last
                    unchecked = self._check_late(f, monitor, unchecked, now, last)
                else:
                    checking = last or step % (self.check_every or 1) == 0
                    if checking:
                        monitor.check(step, z, own)
                if checking:
                    running = monitor.any_running
                    if last or (not running and monitor.verified):
                        break
                    if running:
                        stepper.observe(monitor)
                    if monitor.reopened is not None:
                        stepper.forget(monitor.reopened)
                out = buffers.take(z, r, *stepper.blocks_in_use(), *monitor.blocks_in_use())
                z = stepper.advance(Evaluation(z, g, r, norms), out)
                z, own = monitor.hold(z, z is out, out)
            if checking and worth_compacting(f, monitor, self.compact):
                samples, rows = monitor.compact()
                f = f.subset(samples, rows)
                stepper.compact(samples, rows, monitor.layout)
                buffers, g = _Buffers(monitor.layout, z.t), None
                z, own = monitor.layout.block(z.t.index_select(0, rows)), True
        return monitor.result(step + 1) if monitor.verified else checked_again(f, monitor, step + 1)

    def _check_late(
        self,
        f: Map,
        monitor: ConvergenceMonitor,
        before: tuple[int, Block, bool] | None,
        now: tuple[int, Block, bool],
        last: bool,
    ) -> tuple[int, Block, bool] | None:
        """Checks the evaluation before the present one, whose norms have arrived meanwhile. Waits for the present one, too, if it
        is the last one, or if samples leave the batch next. Returns what is still unchecked.
        """
        if before is not None:
            monitor.check(*before, behind=1)
        if (last or worth_compacting(f, monitor, self.compact)) and (monitor.any_running or not monitor.verified):
            monitor.check(*now)
            return None
        return now


class _Buffers:
    """Blocks of the state's size, reused in turn."""

    def __init__(self, layout: Layout, like: Tensor) -> None:
        self.layout = layout
        self.kind: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
        self.blocks: list[Block] = []

    def take(self, *busy: Block, paired: bool = False) -> Block:
        """One that is none of those in ``busy``; ``paired``: with a pair."""
        for block in self.blocks:
            if block not in busy and (block.pair is not None) == paired:
                return block
        with torch.inference_mode(False):  # tensors made in inference mode do not count how often they are written to
            if paired:
                pair = torch.empty(2, self.layout.rows, self.layout.width, **self.kind)
                self.blocks.append(self.layout.block(pair[0], pair))
            else:
                self.blocks.append(self.layout.block(torch.empty(self.layout.shape, **self.kind)))
        return self.blocks[-1]


def worth_compacting(f: Map, monitor: ConvergenceMonitor, share: float) -> TypeGuard[SubsettableMap]:
    """Whether at most this share of the batch still runs, and f can leave samples out."""
    running, size = np.count_nonzero(monitor.running), len(monitor.running)
    return bool(running < size and running <= share * size and hasattr(f, "subset"))


def checked_again(f: Map, monitor: ConvergenceMonitor, evaluations: int) -> FixedPoint:
    """The result after one more evaluation. Samples converged while others ran out of steps and have returned to an earlier
    state; those that converged may depend on them.
    """
    layout = monitor.layout
    z = layout.block(monitor.result(evaluations).z)
    g = evaluate(f, z, layout, [])
    with np.errstate(all="ignore"):
        r = layout.subtract(g, z, layout.block(torch.empty_like(z.t)))
        monitor.check_returned(layout.block_norms(r, g))
    return monitor.result(evaluations + 1)


def evaluate(f: Map, z: Block, layout: Layout, past: Sequence[Block]) -> Block:
    """f(z), checked.

    Args:
        f: the map.
        z: the state.
        layout: of the state.
        past: blocks that f must leave unchanged, as it must z.

    Raises:
        TypeError, ValueError: f returned no state of this shape, dtype and device, or wrote into memory that it must not.
    """
    counted = [block.t for block in (z, *past) if block.counted]
    versions = [tensor._version for tensor in counted]
    value = f(z.shaped.view(layout.shape))  # an object of its own at each call: f may record gradients on it
    if versions != [tensor._version for tensor in counted]:
        raise ValueError(CHANGED)
    _check_value(value, z, layout)
    if value.requires_grad:
        value = value.detach()
    if value.is_neg():  # a view of a conjugate, such as the imaginary part of one
        value = value.resolve_neg()
    if value.is_inference() or _same_memory(value, z.t):  # f may write there again, and torch would not count that
        with torch.inference_mode(False):
            value = value.clone(memory_format=torch.contiguous_format)
    return layout.block(value)


def refuse_changed(z: Block, z0: Tensor, layout: Layout) -> None:
    """Checks on the host, after the first evaluation, that the state is still the initial one: torch does not count writes
    through ``.data`` or numpy. A map that begins to write so only later is not found out.

    Raises:
        ValueError: f wrote to its argument.
    """
    if layout.on_host:
        first = layout.flat(z0.detach())
        if not torch.isclose(z.t, first, rtol=0.0, atol=0.0, equal_nan=True).all():  # NaN is refused by name
            raise ValueError(CHANGED)


def _check_value(value: object, z: Block, layout: Layout) -> None:
    """Raises unless f returned a state."""
    if not isinstance(value, Tensor):
        raise TypeError(f"f returned {type(value).__name__}; it must return a tensor shaped as its argument")
    if value.shape != layout.shape:
        raise ValueError(f"f maps shape {tuple(layout.shape)} to {tuple(value.shape)}; it must keep the shape")
    if value.dtype != z.t.dtype or value.device != z.t.device:
        raise TypeError(
            f"f maps {z.t.dtype} on {z.t.device} to {value.dtype} on {value.device}; it must keep dtype and device "
            "(cast its result, or give z0 the dtype and device that f returns)"
        )


def _same_memory(a: Tensor, b: Tensor) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
