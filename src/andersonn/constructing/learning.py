"""How the error falls with the number of structures, and what twice as many would give."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from andersonn.constructing.candidates import FOR_COMPARISON, Candidate, Targets, errors_of_answers
from andersonn.constructing.material import Material
from andersonn.constructing.measures import score_of
from andersonn.training.kernel_fitting import answers_of_some

SHARES = (0.125, 0.25, 0.5)
DRAWS = 2
FEWEST = 25
SLOWEST = 1500
"""Structures of a share; larger shares are cut to it, as a curve needs no more."""


def learning_curve(material: Material, chosen: Candidate, seed: int) -> list[dict[str, float]]:
    """Errors of the chosen last layer, or of a forest, with shares of the structures, ``n, error, spread``, each without folds; with all last.

    Args:
        material: images and labels.
        chosen: the last layer, or the forest.
        seed: of the draws.
    """
    random, n = np.random.default_rng(seed), len(material.fitted)
    found: list[dict[str, float]] = []
    for share in SHARES:
        size = min(int(share * n), SLOWEST)
        if size < FEWEST or (found and size <= found[-1]["n"]):
            continue
        draws = [random.permutation(n)[:size] for _ in range(DRAWS)]
        errors = [
            chosen.extra["error_of"](rows) if chosen.baseline else _error_of(material, chosen, rows) for rows in draws
        ]
        found.append({"n": size, "error": float(np.mean(errors)), "spread": float(np.std(errors))})
    return [*found, {"n": n, "error": chosen.score, "spread": 0.0}]


def _error_of(material: Material, chosen: Candidate, rows: np.ndarray) -> float:
    """Of a share of the structures. The search for the covariance begins at that of all structures."""
    assert chosen.fitted is not None  # it is a last layer
    part = replace(material, fitted=material.fitted[rows], folds=material.folds[rows])
    targets, start = Targets.of(part), chosen.fitted.parameters
    mean = answers_of_some(
        material.likeness, rows, targets.scaled, part.folds, chosen.extra["parts"], start, FOR_COMPARISON
    )
    return score_of(errors_of_answers(mean, targets, part))


def at_twice(curve: list[dict[str, float]]) -> dict[str, Any] | None:
    """The error that a power law through the last points of a curve gives for twice the structures; None without three points or
    where the curve does not fall.
    """
    if len(curve) < 3:
        return None
    x = np.log([point["n"] for point in curve[-3:]])
    y = np.log([max(point["error"], 1e-12) for point in curve[-3:]])
    slope, _ = np.polyfit(x, y, 1)
    if slope >= 0:
        return None
    n = 2 * int(curve[-1]["n"])
    # Through the last point, which is known best.
    return {"n": n, "error": float(curve[-1]["error"] * math.exp(slope * math.log(2.0)))}
