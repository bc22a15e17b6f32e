"""Residual against evaluations and against time, on the problems that a trained network poses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from andersonn.comparison.own.contenders import FORWARD
from andersonn.comparison.own.watched import require_equilibrium, waiter
from andersonn.data.store import ImageStore
from andersonn.implicit.bound_cell import cell_map
from andersonn.measuring.clock import turns
from andersonn.measuring.crossover import Curve, crossover
from andersonn.models import Ensemble, EquilibriumNetwork, ImageBatch, lead, row_batches
from andersonn.solvers import FixedPoint, Solver

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
def problems(
    network: EquilibriumNetwork | Ensemble, store: ImageStore, indices: np.ndarray, max_rows: int
) -> list[Problem]:
    """The problems of the batches that make up ``indices``, as the equilibrium layer poses them: structures that have
    converged can leave the batch. Of an ensemble, those of its first member.

    Raises:
        UsageError: the network is an explicit stack of layers.
    """
    require_equilibrium(network.config)
    network = lead(network).eval()
    cell = network.equilibrium.cell
    device = next(network.parameters()).device
    found = []
    for part in row_batches(store.n_rows, indices, max_rows):
        batch = ImageBatch.from_store(store, part).to(device)
        x = cell.prepare(network.encoder(batch), batch)
        z0 = cell.initial(x)
        found.append(Problem(cell_map(cell, x, z0, nest=None, compact=None, frozen=None), z0, cell.offsets(batch)))
    return found


def residual_curves(problem: Problem, solvers: Mapping[str, Solver], repeats: int) -> dict[str, Any]:
    """Residual against time of some solvers on one problem, and where each has overtaken forward iteration for good.

    The residual is that of the slowest structure of the batch, which decides when the batch is done. No structure leaves
    the batch, so that every evaluation is of the same size and the cost of mixing can be told.

    Args:
        problem: one batch.
        solvers: by name, with ``"forward"`` among them.
        repeats: interleaved runs after one that does not count; times are medians over them.

    Returns:
        ``curves`` (``seconds`` and ``residual`` at each evaluation), ``crossovers`` (None where forward iteration is ahead
        at the lowest residual), ``seconds_per_evaluation`` and ``mixing_penalties``: by how much an evaluation with its step
        costs more than one of forward iteration, as a share.
    """
    exact = {"rtol": CURVE_FLOOR, "max_steps": CURVE_STEPS, "compact": 0.0, "check_every": 1}
    things = {name: (lambda s=replace(solver, **exact): problem.solve(s)) for name, solver in solvers.items()}
    found = turns(things, repeats, synchronize=waiter(problem.z0.device))
    curves = {name: _curve([solution for _, solution in rounds]) for name, rounds in found.items()}
    costs = {name: float(np.median(np.diff(curve.seconds))) for name, curve in curves.items() if len(curve.seconds) > 1}
    points = {name: crossover(curves[name], curves[FORWARD], CURVE_FLOOR) for name in curves if name != FORWARD}
    return {
        "structures": len(problem.offsets) - 1,
        "curves": {
            name: {
                "seconds": curve.seconds.tolist(),
                "residual": [r if math.isfinite(r) else None for r in curve.residual.tolist()],
            }
            for name, curve in curves.items()
        },
        "crossovers": {
            name: None if point is None else {"residual": point.residual, "seconds": point.seconds}
            for name, point in points.items()
        },
        "seconds_per_evaluation": costs,
        "mixing_penalties": {
            name: costs[name] / costs[FORWARD] - 1.0 for name in points if {name, FORWARD} <= costs.keys()
        },
    }


def _curve(runs: list[FixedPoint]) -> Curve:
    """Residuals of one run, and of the runs like it the median times: a solver that minds the clock need not do the
    same in each, so the run of middle length is taken then.
    """
    chosen = sorted(runs, key=lambda run: float(run.trace.seconds[-1]))[len(runs) // 2]
    residual = chosen.trace.residual.amax(dim=1).numpy()
    alike = [run for run in runs if torch.equal(run.trace.residual, chosen.trace.residual)]
    return Curve(np.median([run.trace.seconds.numpy() for run in alike], axis=0), residual)
