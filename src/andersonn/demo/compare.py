"""Anderson extrapolation beside Picard iteration, plain and damped, on one trained network, to several tolerances.

Each solver gets the same first state and may leave converged crystals out of the batch; none gets another aid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from andersonn.measuring.clock import interleaved
from andersonn.measuring.contenders import BUDGET, DAMPED, FORWARD
from andersonn.measuring.problems import FixedPointProblem
from andersonn.models import SolverConfig
from andersonn.solvers import Solver

MIXING = 0.8
"""β of the damped baseline: of 0.5, 0.7 and 0.8 it needs the fewest evaluations here; with 0.9, nearly plain, they are an eighth fewer."""
SOLVERS: dict[str, dict[str, Any]] = {
    "anderson": {"name": "anderson"},
    FORWARD: {"name": "forward"},
    DAMPED: {"name": "forward", "mixing": MIXING},
}
"""Name → options of the solver; all else is the same."""
TOLERANCES = (1e-2, 1e-3, 1e-4)
REPEATS = 3


def contestants(config: SolverConfig, rtol: float | None = None) -> dict[str, Solver]:
    """Each solver with the model's options; a budget of steps that none runs out of, as far as it converges at all."""
    common = {"rtol": config.rtol if rtol is None else rtol, "max_steps": max(BUDGET, config.max_steps)}
    return {name: config.model_copy(update=common | options).build() for name, options in SOLVERS.items()}


def compare_inference(tasks: list[FixedPointProblem], config: SolverConfig) -> dict[str, Any]:
    """Evaluations and seconds of each solver over all problems, at each of :data:`TOLERANCES`."""
    table: dict[str, Any] = {name: [] for name in SOLVERS}
    for rtol in TOLERANCES:
        solvers = contestants(config, rtol)
        solved = {n: [task.solve(solver) for task in tasks] for n, solver in solvers.items()}
        times = interleaved({n: _all(tasks, solver) for n, solver in solvers.items()}, REPEATS, warmup=0)
        for name in SOLVERS:
            needed = torch.cat([s.steps for s in solved[name]]).double() + 1
            converged = torch.cat([s.converged for s in solved[name]])
            table[name].append(
                {
                    "rtol": rtol,
                    "evaluations": float(needed.mean()),
                    "most_evaluations": int(needed.max()),
                    "cell_calls": sum(s.evaluations for s in solved[name]),
                    "converged": float(converged.double().mean()),
                    "seconds": times[name].median,
                    "seconds_quartiles": [times[name].low, times[name].high],
                }
            )
    return {"tolerances": list(TOLERANCES), "batches": len(tasks), "repeats": REPEATS, **table}


def _all(tasks: list[FixedPointProblem], solver: Solver) -> Callable[[], object]:
    return lambda: [task.solve(solver) for task in tasks]
