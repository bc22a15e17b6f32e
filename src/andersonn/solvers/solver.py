"""The interface of a solver, and the function that calls one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from andersonn.solvers.layout import Layout
from andersonn.solvers.loop import Stepper, iterate
from andersonn.solvers.options import require_count, require_number
from andersonn.solvers.result import FixedPoint


class Solver(ABC):
    """A way to solve z = f(z). Subclasses are frozen option sets; they keep nothing between solves.

    Every solver has the options ``rtol``, ``atol`` (a sample converges when ‖f(z) − z‖ ≤ atol + rtol · ‖f(z)‖) and
    ``max_steps`` (updates of z; f is called once more than that at most).
    """

    rtol: float
    atol: float
    max_steps: int

    def __post_init__(self) -> None:
        require_number("rtol", self.rtol)
        require_number("atol", self.atol)
        require_count("max_steps", self.max_steps)

    @property
    def name(self) -> str:
        """The solver's name in reports."""
        return type(self).__name__

    @abstractmethod
    def stepper(self, layout: Layout, like: Tensor) -> Stepper:
        """A fresh stepper for states of this layout, dtype and device."""

    @torch.no_grad()
    def solve(self, f: Callable[[Tensor], Tensor], z0: Tensor, offsets: Tensor | None = None) -> FixedPoint:
        """Solves z = f(z) from ``z0`` without recording gradients; see :func:`fixed_point`."""
        layout = Layout(z0, offsets)
        return iterate(f, z0, layout, self.stepper(layout, z0), self.rtol, self.atol, self.max_steps)


def fixed_point(
    f: Callable[[Tensor], Tensor], z0: Tensor, solver: Solver | None = None, offsets: Tensor | None = None
) -> FixedPoint:
    """Finds z with z = f(z), each sample of the batch on its own.

    Args:
        f: maps a state to a state of equal shape, dtype and device, sample by sample. It must not change the state
            it is given, nor keep it (the solver writes into that memory later), nor write again into a tensor that it
            has returned.
        z0: initial state ``[B, …]`` with one sample an entry of dimension 0, or ``[R, …]`` with ``offsets``. A vector
            without offsets is a single sample.
        solver: default :class:`~andersonn.solvers.anderson.Anderson`.
        offsets: int64 ``[B + 1]``: sample b owns rows ``offsets[b]`` to ``offsets[b + 1]`` of the state.

    Returns:
        A :class:`FixedPoint`; look at its ``status`` before you trust ``z``.

    Raises:
        TypeError, ValueError: f does not keep shape, dtype or device, or changes memory it must leave alone; the state
            is empty or not floating-point.
    """
    if solver is None:
        from andersonn.solvers.anderson import Anderson

        solver = Anderson()
    return solver.solve(f, z0, offsets)
