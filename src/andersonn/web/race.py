"""Plain, damped and Anderson iteration on maps that contract less and less, made of the one that a structure poses."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from andersonn.data.store import ImageStore
from andersonn.errors import InputError
from andersonn.implicit import spectral_radius
from andersonn.inference.forward import MAX_ROWS
from andersonn.inference.predictor import Predictor
from andersonn.measuring.curves import CURVE_FLOOR, CURVE_STEPS
from andersonn.measuring.problems import FixedPointProblem, problems
from andersonn.solvers import Anderson, FixedPointIteration, Solver
from andersonn.structures.image import NodeNeighborImage

RATES = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.1, 1.3)
FEW_RATES = (0.4, 0.8, 0.95, 1.1)
LARGE = 300
"""Rows of an image beyond which :data:`FEW_RATES` are tried."""
WINDOWS = (1, 2, 3, 5, 8)
DAMPING = 0.5
TRUSTED = 1e-4
"""Residual up to which a solution is taken for the fixed point."""
EXACT: dict[str, Any] = {"rtol": CURVE_FLOOR, "max_steps": CURVE_STEPS, "compact": 0.0, "check_every": 1}


@torch.no_grad()
def race(scientist: Predictor, image: NodeNeighborImage) -> dict[str, Any]:
    """Residuals of three iterations on z ↦ z* + g (f(z) − f(z*)), where f is the network's map of this image and z* its fixed
    point. The fixed point stays, and g scales how fast f contracts.

    Returns:
        ``rtol`` of the model; ``own_rate``: the spectral radius of the derivative of f at z*, by which a plain step multiplies a small error
        in the end; ``rates``: each with ``rate`` (that radius, of the scaled map), ``plain``, ``damped`` and ``anderson`` (window →
        residual at each evaluation, None where it is not finite); ``damping``.

    Raises:
        InputError: the model is a stack of layers, or finds no fixed point here.
    """
    options = scientist.bundle.config.model
    if options.layers:
        raise InputError("no_fixed_point", "this model is a stack of layers", "ask a model with an equilibrium")
    store = ImageStore.from_images([image], image.recipe)
    (problem,) = problems(scientist.bundle.network, store, np.array([0]), MAX_ROWS)
    solution = problem.solve(Anderson(**EXACT | {"max_steps": 200}))
    with torch.enable_grad():
        own = float(spectral_radius(problem.f, solution.z, problem.offsets).max())
    if not (math.isfinite(own) and own > 0.0 and float(solution.residual.max()) < TRUSTED):
        raise InputError("no_fixed_point", "the iteration does not settle on this input", "try another structure")
    star, image_of_star = solution.z, problem.f(solution.z)
    solvers: dict[str, Solver] = {"plain": FixedPointIteration(), "damped": FixedPointIteration(mixing=DAMPING)}
    found = []
    for rate in RATES if len(image) <= LARGE else FEW_RATES:
        scaled = _scaled(problem, star, image_of_star, rate / own)
        curves = {name: _residuals(scaled, solver) for name, solver in solvers.items()}
        of_windows = {str(m): _residuals(scaled, Anderson(window=m)) for m in WINDOWS}
        found.append({"rate": rate, **curves, "anderson": of_windows})
    return {"rtol": options.solver.rtol, "own_rate": own, "damping": DAMPING, "rates": found}


def _scaled(problem: FixedPointProblem, star: Tensor, image_of_star: Tensor, gain: float) -> FixedPointProblem:
    def f(z: Tensor) -> Tensor:
        return star + gain * (problem.f(z) - image_of_star)

    return problem._replace(f=f)


def _residuals(problem: FixedPointProblem, solver: Solver) -> list[float | None]:
    trace = problem.solve(replace(solver, **EXACT)).trace
    assert trace is not None
    return [r if math.isfinite(r) else None for r in trace.residual.amax(dim=1).tolist()]
