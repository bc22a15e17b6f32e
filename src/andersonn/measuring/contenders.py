"""Who is compared: the model's Anderson, the automatic choice, and plain Picard iteration, to equal tolerance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from andersonn.models import SolverConfig
from andersonn.solvers import Anderson, ForwardIteration, Solver

FORWARD = "forward"
DAMPED = "damped"
NAMES = {
    "anderson": "Anderson",
    "auto": "Anderson, auto",
    FORWARD: "Picard iteration",
    DAMPED: "damped Picard iteration",
}
BUDGET = 200
"""Steps that each may take at least: a solver cut off before the tolerance would look faster than it is."""


def contenders(config: SolverConfig, rtol: float | None = None, compact: bool = True) -> dict[str, Solver]:
    """The three solvers; they differ in how they step alone.

    Picard iteration is undamped: damping slows it down wherever it converges without. All may leave converged samples
    out of the batch.

    Args:
        config: window, mixing and tolerance of the model's own solver.
        rtol: another tolerance for all of them.
        compact: whether samples that have converged leave the batch.
    """
    own = config.model_copy(update={"name": "anderson"}).build()
    common: dict[str, Any] = {
        "rtol": own.rtol if rtol is None else rtol,
        "max_steps": max(BUDGET, own.max_steps),
        "compact": own.compact if compact else 0.0,
    }
    return {
        "anderson": replace(own, **common),
        "auto": Anderson(window="auto", **common),
        FORWARD: ForwardIteration(**common),
    }
