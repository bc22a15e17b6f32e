"""The interface of a solver, and the function that calls one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import field, replace
from typing import Any

import torch
from torch import Tensor

from andersonn.solvers.layout import Layout
from andersonn.solvers.loop import Stepper, iterate
from andersonn.solvers.nest import Nest
from andersonn.solvers.options import options, require_count, require_number
from andersonn.solvers.result import FixedPoint


@options
class Solver(ABC):
    """A way to solve z = f(z). Subclasses are frozen option sets; they keep nothing between solves.

    Attributes:
        rtol, atol: a sample converges when ‖f(z) − z‖ ≤ atol + rtol · ‖f(z)‖.
        max_steps: updates of z at most; f is called once more than that at most.
        max_seconds: time after which samples that still run stop with status ``OUT_OF_TIME``; None: no limit.
        check_every: evaluations between two looks at the residuals. On an accelerator each look makes the host wait;
            None takes 1 on a CPU, 8 elsewhere. Samples converge only when looked at.
        compact: samples that have stopped leave the batch when at most this share of it still runs, if f can leave
            samples out: if it has a method ``subset(samples, rows)`` that takes int64 indices of the samples to keep and of
            their rows, and returns f for those alone. 0: never.
    """

    rtol: float = field(default=1e-3, kw_only=True)
    atol: float = field(default=0.0, kw_only=True)
    max_steps: int = field(default=50, kw_only=True)
    max_seconds: float | None = field(default=None, kw_only=True)
    check_every: int | None = field(default=None, kw_only=True)
    compact: float = field(default=0.7, kw_only=True)

    def __post_init__(self) -> None:
        require_number("rtol", self.rtol)
        require_number("atol", self.atol)
        require_count("max_steps", self.max_steps)
        require_number("compact", self.compact, most=1)
        if self.max_seconds is not None:
            require_number("max_seconds", self.max_seconds, above=0)
        if self.check_every is not None:
            require_count("check_every", self.check_every)

    @property
    def name(self) -> str:
        """The solver's name in reports."""
        return type(self).__name__

    @abstractmethod
    def stepper(self, layout: Layout, like: Tensor) -> Stepper:
        """A fresh stepper for states of this layout, dtype and device."""

    @torch.no_grad()
    def solve(self, f: Callable[[Any], Any], z0: Any, offsets: Tensor | None = None) -> FixedPoint:
        """Solves z = f(z) from ``z0`` without recording gradients; see :func:`fixed_point`."""
        if isinstance(z0, Tensor):
            return self._iterate(f, z0, Layout(z0, offsets))
        nest = Nest(z0)
        found = self.solve(nest.lift(f), nest.pack(z0), offsets)
        return replace(found, z=nest.unpack(found.z))

    def _iterate(self, f: Callable[[Tensor], Tensor], z0: Tensor, layout: Layout) -> FixedPoint:
        return iterate(f, z0, layout, self.stepper(layout, z0), self)


def fixed_point(
    f: Callable[[Any], Any], z0: Any, solver: Solver | None = None, offsets: Tensor | None = None
) -> FixedPoint:
    """Finds z with z = f(z), each sample of the batch on its own.

    Args:
        f: maps a state to a state of equal shape, dtype and device, sample by sample. It must not change the state
            it is given, nor keep it (the solver writes into that memory later), nor write again into a tensor that it
            has returned. If it has a method ``subset`` (see :class:`Solver`), converged samples cost nothing more.
        z0: initial state ``[B, …]`` with one sample an entry of dimension 0, or ``[R, …]`` with ``offsets``. A vector
            without offsets is a single sample. A nest of tensors (dict, list, tuple, named tuple) with equal
            dimension 0 and dtype is one state of several parts; f then takes and gives such nests.
        solver: default :class:`~andersonn.solvers.anderson.Anderson`.
        offsets: int64 ``[B + 1]``: sample b owns rows ``offsets[b]`` to ``offsets[b + 1]`` of the state.

    Returns:
        A :class:`FixedPoint`; look at its ``status`` before you trust ``z``.

    Raises:
        TypeError, ValueError: f does not keep shape, dtype or device, or changes memory it must leave alone; the state
            is empty or not floating-point.

    Examples:
        >>> import torch
        >>> import andersonn as an
        >>> solution = an.fixed_point(torch.cos, torch.zeros(2, 3), an.Anderson(rtol=1e-6))
        >>> round(solution.z[0, 0].item(), 4), solution.all_converged
        (0.7391, True)
    """
    if solver is None:
        from andersonn.solvers.anderson import Anderson

        solver = Anderson()
    return solver.solve(f, z0, offsets)
