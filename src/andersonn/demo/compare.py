"""Anderson extrapolation beside forward iteration on one trained network, to equal tolerances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from andersonn.data.store import ImageStore
from andersonn.errors import UsageError
from andersonn.implicit.maps import cell_map
from andersonn.measure.clock import interleaved
from andersonn.measure.crossover import Curve, crossover
from andersonn.models import EquilibriumNetwork, ImageBatch, SolverConfig, row_batches
from andersonn.solvers import FixedPoint, Solver

SOLVERS = ("anderson", "forward")
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5)
REPEATS = 7
CURVE_STEPS = 40
CURVE_FLOOR = 2e-6
"""Relative residual near which single precision stops any solver; curves end here."""


@dataclass(frozen=True, eq=False)
class Problem:
    """The fixed-point problem a network poses for a batch, its input part done."""

    f: Callable[[Tensor], Tensor]
    z0: Tensor
    offsets: Tensor

    def solve(self, solver: Solver) -> FixedPoint:
        """Solves it."""
        return solver.solve(self.f, self.z0, self.offsets)


@torch.no_grad()
def problems(network: EquilibriumNetwork, store: ImageStore, indices: np.ndarray, max_rows: int) -> list[Problem]:
    """The problems of the batches that make up ``indices``, as the equilibrium layer poses them: structures that have
    converged can leave the batch.

    Raises:
        UsageError: the network is an explicit stack of layers.
    """
    if network.config.layers:
        raise UsageError(
            "no_equilibrium",
            f"this network is a stack of {network.config.layers} layers and poses no fixed-point problem",
            "give one trained with model.layers=0",
        )
    network.eval()
    cell = network.equilibrium.cell
    found = []
    for part in row_batches(store.n_rows, indices, max_rows):
        batch = ImageBatch.from_store(store, part)
        x = cell.prepare(network.encoder(batch), batch)
        z0 = cell.initial(x)
        found.append(Problem(cell_map(cell, x, z0, nest=None, compact=None, frozen=None), z0, cell.offsets(batch)))
    return found


def compare_inference(tasks: list[Problem], config: SolverConfig) -> dict[str, Any]:
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


def _all(tasks: list[Problem], solver: Solver) -> Callable[[], object]:
    return lambda: [task.solve(solver) for task in tasks]


def residual_curves(problem: Problem, config: SolverConfig) -> dict[str, Any]:
    """Residual against time of both solvers on one problem, and where Anderson's mixing has paid for itself.

    The residual is that of the slowest structure of the batch, which decides when the batch is done. Residuals repeat
    exactly; times are medians over :data:`REPEATS` interleaved runs. No structure leaves the batch, so that every
    evaluation is of the same size.
    """
    update = {"rtol": CURVE_FLOOR, "max_steps": CURVE_STEPS}
    solvers = {name: config.model_copy(update={"name": name, **update}).build() for name in SOLVERS}
    solvers = {name: replace(solver, compact=0.0) for name, solver in solvers.items()}
    runs: dict[str, list[FixedPoint]] = {name: [] for name in SOLVERS}
    for round_ in range(REPEATS + 1):
        for name, solver in solvers.items():
            solution = problem.solve(solver)
            if round_:
                runs[name].append(solution)
    curves = {}
    for name in SOLVERS:
        worst = runs[name][0].trace.residual.amax(dim=1).numpy()
        seconds = np.median([run.trace.seconds.numpy() for run in runs[name]], axis=0)
        curves[name] = Curve(seconds, worst)
    point = crossover(curves["anderson"], curves["forward"], CURVE_FLOOR)
    per_evaluation = {name: float(np.median(np.diff(curve.seconds))) for name, curve in curves.items()}
    return {
        "curves": {
            name: {"seconds": curve.seconds.tolist(), "residual": curve.residual.tolist()}
            for name, curve in curves.items()
        },
        "crossover": None if point is None else {"residual": point.residual, "seconds": point.seconds},
        "seconds_per_evaluation": per_evaluation,
        "mixing_penalty": per_evaluation["anderson"] / per_evaluation["forward"] - 1.0,
    }
