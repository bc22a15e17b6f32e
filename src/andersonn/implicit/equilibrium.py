"""The equilibrium layer: infinitely many weight-tied layers as one fixed point."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from andersonn.implicit.gradient import ImplicitGradient
from andersonn.solvers import Anderson, FixedPoint, Solver


class Equilibrium(nn.Module):
    """A deep equilibrium layer: returns z* with z* = cell(z*, x).

    Args:
        cell: ``cell(z, x)`` → tensor shaped as z. ``x`` is whatever the cell understands. A cell may have a method
            ``initial(x)`` that gives the first state; otherwise x must be a tensor and the first state is zeros
            shaped as x.
        solver: of the forward problem, and of the adjoint one unless ``gradient`` names another.
        gradient: rule of the backward pass.

    Attributes:
        last: :class:`~andersonn.solvers.FixedPoint` of the last forward solve, its ``z`` detached.
        last_adjoint: the same for the last backward pass.
    """

    def __init__(self, cell: nn.Module, solver: Solver | None = None, gradient: ImplicitGradient | None = None) -> None:
        super().__init__()
        self.cell = cell
        self.solver = solver or Anderson()
        self.gradient = gradient or ImplicitGradient()
        self.last: FixedPoint | None = None
        self.last_adjoint: FixedPoint | None = None

    def forward(self, x: Any, z0: Tensor | None = None, offsets: Tensor | None = None) -> Tensor:
        """Solves for z* and, if gradients are recorded, attaches the backward pass.

        Args:
            x: input of the cell.
            z0: first state (a warm start); default from the cell, or zeros.
            offsets: rows of each sample, as in :func:`andersonn.solvers.fixed_point`.
        """
        return self.solve(x, z0, offsets)[0]

    def solve(self, x: Any, z0: Tensor | None = None, offsets: Tensor | None = None) -> tuple[Tensor, FixedPoint]:
        """As :meth:`forward`, with the record of this very solve beside z* (threads that share a layer would overwrite
        each other's ``last``).
        """

        def f(z: Tensor) -> Tensor:
            return self.cell(z, x)

        solution = self.solver.solve(f, self._initial(x) if z0 is None else z0, offsets)
        self.last = solution
        if not torch.is_grad_enabled():
            return solution.z.clone(), solution
        return self.gradient.attach(f, solution.z, offsets, self.solver, self._record_adjoint), solution

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles leave the records of past solves behind."""
        return super().__getstate__() | {"last": None, "last_adjoint": None}

    def _record_adjoint(self, solution: FixedPoint) -> None:
        self.last_adjoint = solution

    def _initial(self, x: Any) -> Tensor:
        if hasattr(self.cell, "initial"):
            return self.cell.initial(x)
        if isinstance(x, Tensor):
            return torch.zeros_like(x, requires_grad=False)
        raise TypeError(
            f"no first state: x is {type(x).__name__}; give z0, or give {type(self.cell).__name__} a method initial(x)"
        )

    def extra_repr(self) -> str:
        """Shown by print(layer)."""
        return f"solver={self.solver}, gradient={self.gradient}"
