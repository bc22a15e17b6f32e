"""The forward solve of a layer with ``compile=True``: what of a layer is compiled, and what is refused by name."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from andersonn.implicit.bound_cell import BoundCell
from andersonn.solvers import FixedPoint, Solver
from andersonn.solvers.compiled import WAY_ROUND, solve_compiled


def solve_cell_compiled(
    solver: Solver, f: BoundCell, start: Tensor, offsets: Tensor | None, recorded: bool
) -> FixedPoint:
    """The solve of a layer's map by a compiled program; ``recorded``: states on the way are asked for.

    Raises:
        NotImplementedError: the layer does something around its cell's evaluations that no program does.
        TypeError, ValueError, RuntimeError: see :func:`~andersonn.solvers.compiled.solve_compiled`.
    """
    refused: dict[str, Any] = {
        "a state of several parts": f.tree,
        "torch.autocast": f.autocast.enabled,
        "frozen random numbers (dropout in training mode)": f.randomness,
        "running statistics (batch normalization)": f.statistics,
        "states on the way (layer.states)": recorded,
    }
    found = [what for what, there in refused.items() if there]
    if found:
        raise NotImplementedError(f"compile=True does not work with {' and '.join(found)}; {WAY_ROUND}")
    return solve_compiled(solver, f.cell, (f.x,), start, offsets)
