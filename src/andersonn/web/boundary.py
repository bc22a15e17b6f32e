"""Class probabilities at other cuts than those a model was trained for: how probable it is that the quantity lies above.

Three rules, told apart in every result, and ``none``, without cuts, for answers with a label alone:

``distribution``, for answers that are read from one distribution of the quantity, by a network or by the geometry of pores: its
    mass above the cut. :func:`curve_of` has the whole of it, so that a page moves cuts without asking again and says what
    ``with_thresholds`` would say.

``model``, for a dipole head. The head takes |μ| for the center of a logistic distribution of a learned width and gives a
    class the mass between its cuts, so that other cuts can be asked of the same head. The temperature, and the doubt about
    a generated geometry, are those that were fitted at the trained cut; at another they have not been tested.

``estimate``, for all other heads, whose classes are learned at fixed cuts. Estimate and 90 % interval are taken for the
    median and the 5 % and 95 % points of a distribution that is logistic to either side. Not calibrated as classes. Where
    the lowest class is the quantity being exactly zero, its calibrated probability is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from andersonn.data.store import ImageStore
from andersonn.data.tasks import Task
from andersonn.inference.by_geometry import PoreQuestion
from andersonn.inference.prediction import Prediction
from andersonn.inference.predictor import Predictor
from andersonn.models import ImageBatch, members_of
from andersonn.structures.image import NodeNeighborImage

STEPS = 150
"""Cuts on the grid, about."""
ROUND = tuple(m * 10.0**e for e in range(-6, 7) for m in (1, 2, 5))
"""Steps that a grid may have."""
CERTAIN = 1e-9
"""Probabilities nearer to 0 and 1 are taken for these at the ends of a curve."""
NARROW = 1e-3
"""Least distance, in the task's unit, of the median from the end of the interval."""


def shown_range(task: Task) -> tuple[float, float]:
    """Where the page's axis of the quantity begins and ends, in the task's unit: from 0 to three times the highest
    threshold; where a threshold is negative or the highest is 0, as far beyond the thresholds to either side.
    """
    first, last = task.thresholds[0], task.thresholds[-1]
    if first >= 0.0 and last > 0.0:
        return 0.0, 3.0 * last
    beyond = 2.0 * (max(last - first, abs(first), abs(last)) or 1.0)
    return max(first - beyond, task.lowest), min(last + beyond, task.highest)


def grid(task: Task) -> np.ndarray:
    """Cuts in the task's unit, float64 ``[G]``, at round steps over the :func:`shown_range`, and the task's own."""
    lowest, highest = shown_range(task)
    step = min(ROUND, key=lambda s: abs((highest - lowest) / s - STEPS))
    return np.union1d(np.round(np.arange(lowest, highest + step / 2, step), 6), task.thresholds)


def curve_of(prediction: Prediction, question: PoreQuestion | None) -> dict[str, Any] | None:
    """The distribution that an answer was read from; None of answers that were read from none.

    Args:
        prediction: the answer.
        question: what was asked of pores, where their geometry answers.

    Returns:
        Of a network ``quantity``; of pores ``window`` and, for classes by width, ``cavity``. Each has ``cuts`` ``[K]``, rising, in the
        quantity's unit, and ``above`` ``[K]``, the probability of more, falling; it is straight in between. Of equal cuts the
        first has the probability of reaching it. A pore width reaches the first threshold if the window does, and others if the
        cavity does too.
    """
    if question is not None:
        lines = question.knots(prediction.pores)
        return {name: {"cuts": cuts.tolist(), "above": above.tolist()} for name, (cuts, above) in lines.items()}
    found = prediction.distribution
    if found is None or prediction.kind == "label":
        return None
    above = 1.0 - found.cdf[0]
    bends = np.flatnonzero((above > CERTAIN) & (above < 1.0 - CERTAIN))
    kept = slice(*(int(bends[0]) - 1 if bends[0] else 0, int(bends[-1]) + 2)) if len(bends) else slice(None)
    return {"quantity": {"cuts": found.edges[kept].tolist(), "above": above[kept].tolist()}}


def boundary(
    scientist: Predictor, prediction: Prediction, images: list[NodeNeighborImage], made: bool
) -> dict[str, Any]:
    """Probability of the quantity being above each cut.

    Args:
        scientist: who answered; its network must not be in use by another thread.
        prediction: the answer.
        images: of the structure and of its further conformers.
        made: whether a reader made the geometry.

    Returns:
        ``rule``, ``cuts`` ``[G]`` and ``above`` ``[G]``, falling; ``curve`` as of :func:`curve_of`.
    """
    if not scientist.task.has_estimate:
        return {"rule": "none", "cuts": [], "above": [], "curve": None}
    cuts = grid(scientist.task)
    if scientist.pores is not None:
        rule, above = "distribution", scientist.pores.above(prediction.pores, cuts)
    elif (found := prediction.distribution) is not None:
        rule, above = "distribution", np.array([1.0 - found.below(cut, or_at=True)[0] for cut in cuts.tolist()])
    elif scientist.bundle.config.model.head == "dipole":
        rule, above = "model", _of_dipole_head(scientist, images, made, cuts)
    else:
        rule, above = "estimate", above_by_estimate(prediction, scientist.task, cuts)
    curve = curve_of(prediction, scientist.pores)
    return {"rule": rule, "cuts": cuts.tolist(), "above": np.round(above, 5).tolist(), "curve": curve}


def above_by_estimate(prediction: Prediction, task: Task, cuts: np.ndarray) -> np.ndarray:
    """The rule ``estimate``, ``[G]``."""
    low, high = prediction.interval90
    below = max(prediction.value - low, NARROW)
    beyond = max(high - prediction.value, NARROW)
    apart = cuts - prediction.value
    scaled = np.log(19.0) * np.where(apart < 0, apart / below, apart / beyond)  # logistic: 5 % at ln 19 from the median
    above = 1.0 / (1.0 + np.exp(np.clip(scaled, -500.0, 500.0)))
    if task.zero_is_class:
        return np.minimum(above, 1.0 - prediction.probabilities[task.classes[0]])
    return above


@torch.no_grad()
def _of_dipole_head(scientist: Predictor, images: list[NodeNeighborImage], made: bool, cuts: np.ndarray) -> np.ndarray:
    """The rule ``model``, ``[G]``: the mean over conformers and members, then the calibration."""
    store = ImageStore.from_images(images, scientist.recipe)
    batch = ImageBatch.from_store(store, np.arange(len(images)))
    found = np.zeros((len(cuts), 2))
    members = members_of(scientist.bundle.network)
    for member in members:
        rows, features, _ = member.solved(batch)
        assert isinstance(member.dipole.unit, Tensor)
        unit = float(member.dipole.unit)
        try:
            for k, cut in enumerate(cuts.tolist()):
                member.set_units(unit, (cut,))
                scores, _, _ = member.dipole(rows, features, batch)
                found[k] += scores.double().softmax(dim=1).mean(dim=0).numpy() / len(members)
        finally:
            member.set_units(unit, scientist.task.thresholds)
    scores = np.log(np.maximum(found, 1e-300))
    return scientist.bundle.calibration.probabilities(scores, np.full(len(cuts), made))[:, 1]
