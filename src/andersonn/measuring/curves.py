"""Residual against evaluations and against time, on the problems that a trained network poses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from andersonn.measuring.clock import turns, waiter
from andersonn.measuring.contenders import FORWARD
from andersonn.measuring.problems import FixedPointProblem
from andersonn.solvers import FixedPoint, Solver

CURVE_STEPS = 40
CURVE_FLOOR = 2e-6
"""Relative residual near which single precision stops any solver; curves end here."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Residual against time of one solver.

    Attributes:
        seconds: rising, ``[T]``.
        residual: at these times, ``[T]``.
    """

    seconds: np.ndarray
    residual: np.ndarray

    def time_to(self, level: float) -> float:
        """Seconds until the residual is at or under ``level`` for the first time; infinity if never."""
        reached = np.flatnonzero(self.residual <= level)
        return float(self.seconds[reached[0]]) if len(reached) else float("inf")


def crossover(costlier: Curve, plain: Curve, floor: float = 0.0) -> dict[str, float] | None:
    """The point from which on the costlier solver stays ahead: ``residual``, at which it is ahead and at every lower one, and
    ``seconds``, when it reaches that; None if it is behind at the end.

    Levels are those that either curve reaches; a level that only one of them reaches is won by that one. Differences
    under ``floor``, where rounding decides, count for neither.
    """
    costlier, plain = (Curve(c.seconds, np.maximum(c.residual, floor)) for c in (costlier, plain))
    levels = np.unique(np.concatenate([costlier.residual, plain.residual]))
    levels = levels[np.isfinite(levels)]
    best = None
    for level in levels:  # from the lowest up, as long as the costlier one is ahead
        mine, other = costlier.time_to(level), plain.time_to(level)
        if not mine < other:
            break
        best = {"residual": float(level), "seconds": mine}
    return best


def residual_curves(problem: FixedPointProblem, solvers: Mapping[str, Solver], repeats: int) -> dict[str, Any]:
    """Residual against time of some solvers on one problem, and where each has overtaken Picard iteration for good.

    The residual is that of the slowest structure of the batch, which decides when the batch is done. No structure leaves
    the batch, so that every evaluation is of the same size and the cost of mixing can be told.

    Args:
        problem: one batch.
        solvers: by name, with ``"forward"`` among them.
        repeats: interleaved runs after one that does not count; times are medians over them.

    Returns:
        ``curves`` (``seconds`` and ``residual`` at each evaluation), ``crossovers`` (None where Picard iteration is ahead
        at the lowest residual), ``seconds_per_evaluation`` and ``mixing_penalties``: by how much an evaluation with its step
        costs more than one of Picard iteration, as a share.
    """
    exact: dict[str, Any] = {"rtol": CURVE_FLOOR, "max_steps": CURVE_STEPS, "compact": 0.0, "check_every": 1}
    things = {name: (lambda s=replace(solver, **exact): problem.solve(s)) for name, solver in solvers.items()}
    found = turns(things, repeats, synchronize=waiter(problem.z0.device))
    curves = {name: _curve([solution for _, solution in rounds]) for name, rounds in found.items()}
    costs = {name: float(np.median(np.diff(curve.seconds))) for name, curve in curves.items() if len(curve.seconds) > 1}
    points = {name: crossover(curves[name], curves[FORWARD], CURVE_FLOOR) for name in curves if name != FORWARD}
    return {
        "structures": problem.samples,
        "curves": {
            name: {
                "seconds": curve.seconds.tolist(),
                "residual": [r if math.isfinite(r) else None for r in curve.residual.tolist()],
            }
            for name, curve in curves.items()
        },
        "crossovers": points,
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
