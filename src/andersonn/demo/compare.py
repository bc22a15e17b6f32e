"""Anderson extrapolation beside Picard iteration on one trained network, to several tolerances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from andersonn.measuring.clock import interleaved
from andersonn.measuring.problems import FixedPointProblem
from andersonn.models import SolverConfig
from andersonn.solvers import Solver

SOLVERS = ("anderson", "forward")
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5)
REPEATS = 7


def compare_inference(tasks: list[FixedPointProblem], config: SolverConfig) -> dict[str, Any]:
    """Evaluations, steps and seconds of both solvers over all problems, at each of :data:`TOLERANCES`."""
    table: dict[str, Any] = {name: [] for name in SOLVERS}
    for rtol in TOLERANCES:
        solvers = {n: config.model_copy(update={"name": n, "rtol": rtol, "max_steps": 200}).build() for n in SOLVERS}
        solved = {n: [task.solve(solver) for task in tasks] for n, solver in solvers.items()}
        times = interleaved({n: _all(tasks, solver) for n, solver in solvers.items()}, REPEATS)
        for name in SOLVERS:
            steps = torch.cat([s.steps for s in solved[name]]).double()
            converged = torch.cat([s.converged for s in solved[name]])
            table[name].append(
                {
                    "rtol": rtol,
                    "evaluations": sum(s.evaluations for s in solved[name]),
                    "mean_steps": float(steps.mean()),
                    "most_steps": int(steps.max()),
                    "converged": float(converged.double().mean()),
                    "seconds": times[name].median,
                    "seconds_quartiles": [times[name].low, times[name].high],
                }
            )
    return {"tolerances": list(TOLERANCES), "batches": len(tasks), "repeats": REPEATS, **table}


def _all(tasks: list[FixedPointProblem], solver: Solver) -> Callable[[], object]:
    return lambda: [task.solve(solver) for task in tasks]
