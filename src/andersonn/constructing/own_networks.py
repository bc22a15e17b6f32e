"""Networks of the table's own: the shipped one trained further on the training side, alone and under a last layer."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from andersonn.config import TrainConfig
from andersonn.constructing.candidates import WORDS, Candidate, Targets, errors_of_answers
from andersonn.constructing.material import Material, with_sides
from andersonn.constructing.measures import label_errors, number_errors
from andersonn.constructing.understanding import Understanding
from andersonn.data.store import keep_plain
from andersonn.errors import UsageError
from andersonn.inference.forward import Outputs, forward
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import EquilibriumNetwork
from andersonn.progress import Progress
from andersonn.training.kernel_fitting import Fitted, fit_kernel
from andersonn.training.run import train

FEWEST = 100
"""Training structures from which a network is trained further."""
LONGEST, SHORTEST = 15, 3
"""Passes over the training data."""
MOST_SHOWN = 20_000
"""Structures shown in all passes together, unless :data:`SHORTEST` passes show more: a table of thousands needs fewer passes."""
SECONDS_PER_ROW = 1.2e-4
"""What a pass takes for each row of an image, on a core of 2024, about."""
BINS = 64


@dataclass(frozen=True, eq=False)
class Adapted:
    """A shipped network that was trained further.

    Attributes:
        alone: the network as a candidate, measured on the validation side.
        under_last_layer: a last layer on the states of the shipped and of this network, fitted to training and validation side; measured
            on the validation side, when fitted to the training side.
        rival: what the best last layer on the shipped network alone has on the same side, fitted to the same.
        bundle: the trained network, calibrated and tested by its training.
        material: with the states of both networks.
    """

    alone: Candidate
    under_last_layer: Candidate
    rival: dict[str, Any]
    bundle: ModelBundle
    material: Material


def passes_within(material: Material, seconds: float) -> int:
    """How many passes over the training data are worth while and fit into so many seconds; 0 if too few."""
    train_side = material.dataset.sides["train"]
    rows = int(material.dataset.store.n_rows[train_side].sum())
    fitting = int(seconds / max(rows * SECONDS_PER_ROW, 1e-9))
    wanted = int(np.clip(MOST_SHOWN // max(len(train_side), 1), SHORTEST, LONGEST))
    return 0 if fitting < SHORTEST else min(fitting, wanted)


def adapt(
    understood: Understanding,
    material: Material,
    last_layer: Candidate,
    folder: Path,
    passes: int,
    seed: int,
    resume: bool,
    progress: Progress,
) -> Adapted | None:
    """Trains the shipped network further on the training side and measures it; None, with a message, if it cannot be trained.

    Args:
        understood: the table.
        material: images and sides.
        last_layer: the best one on the shipped network.
        folder: for the training.
        passes: over the training data.
        seed: of the training.
        resume: go on with what is in the folder.
        progress: listener.
    """
    began = time.process_time()
    if not resume and folder.exists():
        shutil.rmtree(folder)
    config, records = _config(material, passes, seed), with_sides(understood)
    store = keep_plain(records, material.dataset.store)
    try:
        bundle = train(material.task, records, config, folder, resume, progress, material.start)
    except UsageError as error:
        progress.say(f"the shipped network is not trained further: {error.message}")
        return None
    outputs = forward(bundle.network, store, np.concatenate([material.fitted, material.tested]))
    alone = _alone(material, bundle, outputs, passes, time.process_time() - began)
    both = _with_states_of(material, bundle, outputs)
    under, rival = _under_last_layer(both, material, last_layer, seed, time.process_time() - began)
    return Adapted(alone, under, rival, bundle, both)


def _config(material: Material, passes: int, seed: int) -> TrainConfig:
    """Options of the shipped network, with one distribution as its answer, for so many passes."""
    own = material.start.config
    answer = {"answer": "classes" if material.task.answer == "label" else "distribution", "bins": BINS}
    image = replace(own.image, largest_part=material.config.image.largest_part)
    changed: dict[str, Any] = {
        "image": image,
        "model": own.model.model_copy(update=answer), "epochs": passes, "seed": seed, "thresholds": None, "limit": None,
        "balance": 0.0, "conformers": 1, "learning_rate": min(own.learning_rate, 1e-3), "label_smoothing": 0.0,
    }  # fmt: skip
    return own.model_copy(update=changed)


def _alone(material: Material, bundle: ModelBundle, outputs: Outputs, passes: int, cpu: float) -> Candidate:
    """The network by itself, on the validation side."""
    rest = validation_rows(material)
    scores, quantiles, values = outputs.scores[rest], outputs.quantiles[rest], material.values[rest]
    made = np.zeros(len(rest), dtype=bool)
    if material.task.answer == "label":
        p = bundle.calibration.probabilities(scores, made)
        errors = label_errors(material.task.class_of(values), p, material.task.classes)
    else:
        errors = number_errors(values, bundle.calibration.estimates(scores, quantiles, made)[0])
    name = f"{material.start.task.name} network trained further"
    what = f"equilibrium network, trained further on the table, {passes} passes"
    return Candidate(name, what, errors, len(rest), cpu, note=NOTE)


NOTE = "measured on the validation side alone"


def validation_rows(material: Material) -> np.ndarray:
    """Positions of the validation side among the fitted structures."""
    return np.arange(len(material.dataset.sides["train"]), len(material.fitted))


def _with_states_of(material: Material, bundle: ModelBundle, outputs: Outputs) -> Material:
    """The material with the states of a second network after those of the shipped one."""
    assert isinstance(bundle.network, EquilibriumNetwork)  # a training makes no ensemble
    states = np.hstack([material.features.states, outputs.states])
    fitted = np.arange(len(material.fitted))
    return replace(
        material,
        features=replace(material.features, states=states),
        outputs=material.outputs._replace(states=states[fitted]),
        adapted=bundle.network,
    )


def _under_last_layer(
    both: Material, material: Material, last_layer: Candidate, seed: int, cpu: float
) -> tuple[Candidate, dict[str, Any]]:
    """A last layer on both networks, and what its rival has on the validation side."""
    began = time.process_time()
    rest, targets = validation_rows(material), Targets.of(material)
    parts = tuple(dict.fromkeys(("states", *last_layer.extra["parts"])))
    errors, rival = (
        errors_of_answers(_fitted(each, targets, of, _apart(each), seed).mean, targets, each, rest)
        for each, of in ((both, parts), (material, last_layer.extra["parts"]))
    )
    whole = _fitted(both, targets, parts, both.folds, seed)
    source, read = material.start.task.name, ", ".join(WORDS[part] for part in parts[1:])
    candidate = Candidate(
        name=f"last layer on the {source} network as shipped and trained further",
        what="Bayesian last layer (Gaussian process) on what the network sees, as shipped and trained further"
        + (f", and {read}" if read else ""),
        validation=errors,
        measured_on=len(rest),
        cpu_seconds=cpu + time.process_time() - began,
        fitted=whole,
        note=NOTE,
        extra={"parts": parts},
    )
    return candidate, rival


def _apart(material: Material) -> np.ndarray:
    """The validation side is a fold of its own, so that the training side alone answers it."""
    held = len(material.dataset.sides["train"])
    return np.concatenate([np.arange(held) % 2 + 1, np.zeros(len(material.fitted) - held, dtype=np.int64)])


def _fitted(material: Material, targets: Targets, parts: tuple[str, ...], folds: np.ndarray, seed: int) -> Fitted:
    return fit_kernel(material.likeness, targets.scaled, folds, parts, targets.scaled_edges, seed)
