"""Tiny models that answer with a number alone or with a label alone: a Gaussian-process last layer on the shipped network that reads
bonds alone, for 40 boiling points in °C.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from andersonn.data.records import Records
from andersonn.data.store import image_store
from andersonn.data.tasks import Task
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.fitted import Calibration
from andersonn.inference.forward import forward
from andersonn.inference.model_bundle import ModelBundle
from andersonn.io.files import write_json
from andersonn.models import KernelNetwork
from andersonn.models.distribution import edges_for
from andersonn.scientists.registry import registered, weights_folder
from andersonn.structures import descriptors
from andersonn.training.kernel_fitting import Fitted, fit_kernel
from andersonn.training.likeness import Features, Likeness

BOILING = Path(__file__).parent / "fixtures/constructed/boiling.csv"
CLASSES = ("low", "middle", "high")
NUMBER = Task(
    "boiling",
    "boiling_C",
    "°C",
    ("lower_half", "upper_half"),
    (81.0,),
    periodic=False,
    noun="boiling point",
    answer="number",
)
LABEL = Task("volatility", "kind", "", CLASSES, (0.5, 1.5), periodic=False, answer="label")


def boiling_points() -> tuple[list[str], np.ndarray]:
    """SMILES and boiling points in °C, ``[40]``."""
    rows = list(csv.DictReader(BOILING.open(encoding="utf-8")))
    return [row["smiles"] for row in rows], np.array([float(row["boiling"]) for row in rows])


def kinds_of(values: np.ndarray) -> np.ndarray:
    """Number of the class of each boiling point: below 60 °C, below 110 °C, above."""
    return np.searchsorted([60.0, 110.0], values, side="right")


def make_models(folder: Path) -> tuple[Path, Path]:
    """Writes the model of the number and that of the labels; gives their folders."""
    smiles, values = boiling_points()
    start = ModelBundle.load(weights_folder(registered()["polarity"].of_geometry("none")))
    recipe = replace(start.config.image, descriptors="molecule")
    table = {"id": smiles, "group": smiles, "smiles": smiles}
    lists = {"atomic_numbers": pa.list_(pa.uint8()), "positions": pa.list_(pa.float64())}
    columns = pa.table(table | {name: pa.nulls(len(smiles), kind) for name, kind in lists.items()})
    store = image_store(Records.of(columns, "boiling.csv"), recipe)
    outputs = forward(start.network, store, np.arange(len(smiles)))
    count, fragments = len(descriptors.names_of("molecule")), descriptors.FRAGMENTS
    own = store.of_whole[:, -count:]
    features = Features(outputs.states, own[:, : count - fragments], own[:, count - fragments :])
    edges = edges_for(values, NUMBER.thresholds, NUMBER.lowest, 60)
    center, spread = values.mean(), values.std()
    parts, folds = ("states", "numbers", "fragments"), np.arange(len(values)) % 5
    number = fit_kernel(Likeness(features), (values - center) / spread, folds, parts, (edges - center) / spread)
    kinds = kinds_of(values)
    label = fit_kernel(Likeness(features), 2.0 * np.eye(len(CLASSES))[kinds] - 1.0, folds, parts, np.zeros(0))
    raw = replace(DistributionCalibration.raw(edges, values, NUMBER), fitted=True)
    return (
        _saved(folder / "number", start, recipe, number, NUMBER, raw, values),
        _saved(folder / "label", start, recipe, label, LABEL, Calibration(fitted=True), kinds.astype(float)),
    )


def _saved(folder, start, recipe, fitted: Fitted, task: Task, calibration, values: np.ndarray) -> Path:
    count, own = len(descriptors.names_of("molecule")), start.network
    network = KernelNetwork(own.config, len(start.task.classes), fitted.layer, count, descriptors.FRAGMENTS)
    layer = {f"layer.{name}": value for name, value in fitted.layer.state_dict().items()}
    network.load_state_dict(own.state_dict() | layer)
    config = start.config.model_copy(update={"image": recipe, "thresholds": None, "conformers": 1})
    built = _construction(task)
    provenance = {
        **{name: start.provenance[name] for name in ("elements", "largest_image_rows", "versions", "trained")},
        "data": {
            "file": "boiling.csv",
            "records": 40,
            "unusable": 0,
            "train": 30,
            "validation": 5,
            "test": 5,
            "split_by": "random",
        },
        "majority_class": task.classes[int(np.bincount(task.class_of(values)).argmax())],
        "parameters": 1000,
        "anytime": None,
        "metrics": {"test": built["test"]},
    }
    bundle = ModelBundle(network.eval(), task, config, calibration, provenance)
    folder.mkdir(parents=True)
    bundle.save(folder)
    write_json(folder / "construction.json", built)
    return folder


def _construction(task: Task) -> dict:
    """What a construction writes beside a model."""
    errors = {"rmse": 20.0, "mae": 15.0, "r2": 0.8}
    if task.answer == "label":
        errors = {"accuracy": 0.8, "balanced_accuracy": 0.75, "roc_auc": 0.9, "ece": 0.1, "log_loss": 0.4}
    intervals = {"coverage90": 0.9, "mean_width90": 70.0, "interval90_width": 70.0} if task.answer == "number" else {}
    return {
        "kind": "number" if task.answer == "number" else "labels",
        "understanding": {"usable": 40},
        "split": {"by": "random", "train": 30, "validation": 5, "test": 5},
        "candidates": [{"name": "last layer", "chosen": True, "n": 35, "validation": errors}],
        "test": {"n": 5, **errors, **intervals, "beside": {"random forest": errors}},
        "command": f"andersonn construct boiling.csv --target {task.quantity} --out {task.name}",
    }
