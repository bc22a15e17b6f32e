"""Testing a scientist on labelled records, beside the baselines."""

from __future__ import annotations

from typing import Any

import numpy as np

from andersonn.data.records import Records
from andersonn.errors import UsageError
from andersonn.scientists.scientist import Scientist
from andersonn.solvers import Status
from andersonn.training.baselines import forest_cross_validated, forest_metrics, majority_metrics
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.inference import ask
from andersonn.training.progress import Progress, Silent
from andersonn.training.run import answer_metrics

SIDES = ("auto", "all", "train", "validation", "test")


def evaluate(
    scientist: Scientist, records: Records, side: str = "auto", baselines: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """Metrics of a scientist on labelled records.

    Args:
        scientist: whom to test.
        records: with the task's quantity as a column.
        side: ``"all"`` records, or only one side of the split (``"train"``, ``"validation"``, ``"test"``). ``"auto"``
            takes the test side of the very file the model was trained on, and all records of any other.
        baselines: also grow a random forest on composition.
        progress: listener.

    Returns:
        The metrics of :func:`~andersonn.training.run.answer_metrics` on the usable records, with ``unusable`` (how
        many are not), ``side``, ``solver`` and ``baselines``.

    Raises:
        UsageError: no record is usable.
    """
    progress = progress or Silent()
    task, artifact = scientist.task, scientist.artifact
    trained_on = artifact.provenance.get("data", {}).get("sha256_of_structures") == records.digest
    if side == "auto":
        side = "test" if trained_on else "all"
    progress.start("graph images", len(records))
    dataset = prepare(
        records, task, artifact.config.model_copy(update={"limit": None}), lambda done, _: progress.update(done)
    )
    progress.finish()
    chosen = np.sort(dataset.usable) if side == "all" else dataset.sides[side]
    if not len(chosen):
        raise UsageError("no_records", f"no usable record on side {side!r} of {records.source!r}", "give other records")
    progress.start("predictions", len(chosen))
    outputs = ask(artifact.network, dataset.store, chosen)
    progress.finish()
    metrics = {
        "task": task.name,
        "model": scientist.name,
        "thresholds": list(task.thresholds),
        "classes": list(task.classes),
        "side": side,
        "same_file_as_training": trained_on,
        "unusable": len(dataset.unusable),
        **answer_metrics(outputs, artifact.calibration, dataset.values[chosen], task),
        "solver": {
            "name": artifact.network.equilibrium.solver.name,
            "mean_steps": float(outputs.steps.mean()),
            "converged": float((outputs.status == Status.CONVERGED).mean()),
        },
    }
    majority = task.classes.index(artifact.provenance["majority_class"])
    metrics["baselines"] = {"majority": majority_metrics(dataset.labels[chosen], majority, task.classes)}
    if baselines:
        progress.start("random forest", 1)
        metrics["baselines"]["random_forest"] = _forest(dataset, chosen, task.classes, side if trained_on else "all")
        progress.finish()
    return metrics


def _forest(dataset: Dataset, chosen: np.ndarray, classes: tuple[str, ...], side: str) -> dict[str, Any] | None:
    """A forest grown on the training side if another side of the training file is tested; else cross-validated."""
    features, labels = dataset.composition(chosen), dataset.labels[chosen]
    if side in ("validation", "test"):
        train = dataset.sides["train"]
        grown_on = (dataset.composition(train), dataset.labels[train])
        metrics = forest_metrics(grown_on, (features, labels), classes)
        return {"protocol": "composition features, grown on the training side", **metrics}
    groups = [dataset.records.groups[i] for i in chosen]
    found = forest_cross_validated(features, labels, groups, classes)
    protocol = "composition features, cross-validated over groups inside this file"
    return None if found is None else {"protocol": protocol, **found}
