"""Networks of the table's own: the shipped one trained further on the table, or one from random weights."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from andersonn.config import TrainConfig
from andersonn.constructing.candidates import Candidate, Targets, softmax
from andersonn.constructing.material import Material
from andersonn.constructing.measures import label_errors, number_errors, score_of
from andersonn.constructing.understanding import Understanding
from andersonn.data.records import Records
from andersonn.data.store import image_store
from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.inference.forward import Outputs, forward
from andersonn.inference.model_bundle import ModelBundle
from andersonn.progress import Progress
from andersonn.training.kernel_fitting import fit_kernel
from andersonn.training.run import train

FEWEST = 400
"""Training structures from which a network of the table's own is worth its time."""
LONGEST, SHORTEST = 40, 4
"""Passes over the training data."""
SECONDS_PER_ROW = 1.1e-4
"""A first guess of what a pass takes for each row of an image, before one is measured."""


@dataclass(frozen=True, eq=False)
class OwnNetwork:
    """A trained network as a candidate.

    Attributes:
        candidate: with its errors on the validation side.
        rival: the error of the best last layer on the same side, when fitted to the training side alone.
        bundle: the calibrated, tested model.
        folder: that it was trained into.
    """

    candidate: Candidate
    rival: float
    bundle: ModelBundle
    folder: Path


def with_sides(understood: Understanding, material: Material) -> Records:
    """The records with a column of their sides, so that a training divides them in the same way."""
    table = understood.records.table
    sides = np.full(len(table), "train", dtype=object)
    for side, indices in understood.sides.items():
        sides[indices] = side
    if "split" in table.column_names:
        table = table.drop_columns(["split"])
    return Records(table.append_column("split", pa.array(sides.tolist(), pa.string())), understood.records.source)


def passes_within(material: Material, seconds: float) -> int:
    """How many passes over the training data fit into so many seconds; 0 if too few."""
    rows = int(material.dataset.store.n_rows[material.dataset.sides["train"]].sum())
    fitting = int(seconds / max(rows * SECONDS_PER_ROW, 1e-9))
    return 0 if fitting < SHORTEST else min(fitting, LONGEST)


def own_network(
    understood: Understanding,
    material: Material,
    last_layer: Candidate,
    folder: Path,
    passes: int,
    seed: int,
    resume: bool,
    progress: Progress,
    from_shipped: bool = True,
) -> OwnNetwork | None:
    """Trains a network on the table and judges it on the validation side; None if it cannot be trained on it.

    Args:
        understood: the table.
        material: images and sides.
        last_layer: the best one, its rival.
        folder: for the training.
        passes: over the training data.
        seed: of the training.
        resume: go on with what is in the folder.
        progress: listener.
        from_shipped: start from the shipped network, else from random weights.
    """
    began = time.process_time()
    config = _config(material, passes, seed)
    start = material.start if from_shipped else None
    if not resume and folder.exists():
        shutil.rmtree(folder)
    try:
        bundle = train(material.task, with_sides(understood, material), config, folder, resume, progress, start)
    except UsageError as error:
        progress.say(f"no network of its own: {error.message}")
        return None
    side = material.dataset.sides["validation"]
    outputs = forward(bundle.network, image_store(understood.records, bundle.config.image), side)
    values = material.dataset.values[side]
    made = np.zeros(len(side), dtype=bool)
    errors = _errors(bundle, outputs, values, made, material.task)
    how = "trained further on the table" if from_shipped else "trained on the table from random weights"
    name = f"{material.start.task.name} network {'trained further' if from_shipped else 'from random weights'}"
    rival = _rival(material, last_layer, seed)
    candidate = Candidate(
        name=name,
        what=f"equilibrium network, {how}, {passes} passes",
        validation=errors,
        judged_on=len(side),
        cpu_seconds=time.process_time() - began,
        note=f"on the same {len(side)} validation structures the last layer has {rival:.3g}",
    )
    return OwnNetwork(candidate, rival, bundle, folder)


def _config(material: Material, passes: int, seed: int) -> TrainConfig:
    """Options of the shipped network, with one distribution as its answer, for so many passes."""
    own = material.start.config
    answer = {"answer": "classes" if material.task.answer == "label" else "distribution", "bins": 64}
    model = own.model.model_copy(update=answer)
    changed: dict[str, Any] = {
        "model": model, "epochs": passes, "seed": seed, "thresholds": None, "limit": None, "balance": 0.0,
        "conformers": 1, "learning_rate": min(own.learning_rate, 1e-3), "label_smoothing": 0.0,
    }  # fmt: skip
    return own.model_copy(update=changed)


def _errors(bundle: ModelBundle, outputs: Outputs, values: np.ndarray, made: np.ndarray, task: Task) -> dict[str, Any]:
    calibration = bundle.calibration
    if task.answer == "label":
        return label_errors(task.class_of(values), calibration.probabilities(outputs.scores, made), task.classes)
    estimates, _ = calibration.estimates(outputs.scores, outputs.quantiles, made)
    return number_errors(values, estimates)


def _rival(material: Material, last_layer: Candidate, seed: int) -> float:
    """Error of the last layer on the validation side, when fitted to the training side alone."""
    held = len(material.dataset.sides["train"])
    rest = np.arange(held, len(material.fitted))
    targets = Targets.of(material)
    folds = np.concatenate([np.arange(held) % 2 + 1, np.zeros(len(rest), dtype=np.int64)])
    assert last_layer.fitted is not None  # a last layer has one
    # As one fold, the validation side is answered by the training side alone.
    found = fit_kernel(
        material.of_fitted, targets.scaled, folds, last_layer.extra["parts"], targets.scaled_edges, seed
    ).mean[rest]
    values = material.values[rest]
    if material.task.answer == "label":
        labels = material.task.class_of(values)
        return score_of(label_errors(labels, softmax(3.0 * found), material.task.classes))
    estimates = found[:, 0] * targets.spread + targets.center
    return score_of(number_errors(values, np.maximum(estimates, material.task.lowest)))
