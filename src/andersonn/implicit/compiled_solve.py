"""The forward solve of a layer with ``compile=True``: what of a layer is compiled, and what is refused by name."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from andersonn.implicit.bound_cell import BoundCell
from andersonn.solvers import FixedPoint, Solver
from andersonn.solvers.compiled import WAY_ROUND, solve_compiled


def solve_cell_compiled(solver: Solver, f: Any, start: Tensor, offsets: Tensor | None) -> FixedPoint:
    """The solve of a layer's map, a :class:`BoundCell`, by a compiled program.

    Raises:
        NotImplementedError: the layer does something around its cell's evaluations that no program does.
        TypeError, ValueError, RuntimeError: see :func:`~andersonn.solvers.compiled.solve_compiled`.
    """
    if not isinstance(f, BoundCell):
        raise NotImplementedError(f"compile=True keeps no states on the way (layer.states); {WAY_ROUND}")
    refused = {
        "a state of several parts": f.tree,
        "torch.autocast": f.autocast.enabled,
        "frozen random numbers (dropout in training mode)": f.randomness,
        "running statistics (batch normalization)": f.statistics,
    }
    found = [what for what, there in refused.items() if there]
    if found:
        raise NotImplementedError(f"compile=True does not work with {' and '.join(found)}; {WAY_ROUND}")
    return solve_compiled(solver, f.cell, (f.x,), start, offsets)


def refuse_transforms(compiled: bool) -> None:
    """Raises a NotImplementedError if the layer that is under a transform is compiled."""
    if compiled:
        raise NotImplementedError(
            f"compile=True does not work under torch.func transforms and in forward mode; {WAY_ROUND}"
        )
