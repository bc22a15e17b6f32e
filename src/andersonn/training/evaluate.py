"""Testing a scientist on labelled records, beside the baselines."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from andersonn.data.records import Records
from andersonn.data.splits import split_by, split_digest, split_of
from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.inference.forward import Outputs
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.predictor import Predictor
from andersonn.progress import Progress, Silent
from andersonn.solvers import Status
from andersonn.training.baselines import (
    forest_cross_validated,
    forest_metrics,
    geometric_rules,
    majority_metrics,
    number_baselines,
    number_cross_validated,
)
from andersonn.training.calibrate_and_test import metrics_by_file
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.evaluate_pores import Forest, beside, measure, question_for
from andersonn.training.folder import SPLIT_KEY
from andersonn.training.forward import forward_model
from andersonn.training.metrics import error_metrics
from andersonn.training.unusable import told_unusable


def evaluate(
    scientist: Predictor, records: Records, side: str = "auto", baselines: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """Metrics of a scientist on labelled records.

    Args:
        scientist: the model to test.
        records: with the task's quantity as a column.
        side: ``"all"`` records, or only one side of the split (``"train"``, ``"validation"``, ``"test"``). ``"auto"``
            takes the test side of the very records the model was trained on, in the same order and on the same sides,
            and all records of any other file.
        baselines: also grow a random forest on composition.
        progress: listener.

    Returns:
        The metrics of :func:`~andersonn.training.calibrate_and_test.metrics_by_file` on the usable records, with ``records`` (how
        many the file has), ``left_out`` (how many of them are not usable), ``unusable`` (``id`` and ``reason`` of each), ``side``, ``same_file_as_training`` (whether the records and their sides are those of the
        training), ``trained_on`` (see :func:`_trained_on`), ``solver`` and ``baselines``. Where the geometry of pores answers, what
        :func:`~andersonn.training.evaluate_pores.beside` makes of them.

    Raises:
        UsageError: no record is usable; the message has the reasons of the first.
    """
    progress = progress or Silent()
    task, bundle = scientist.bundle.task, scientist.bundle
    dataset = _prepared(scientist, records, progress)
    same = _divided_as_in_training(bundle, dataset)
    if not same:
        progress.say(
            "these records and their split are not those of the training: the model may have been trained on some of them"
        )
    if side == "auto":
        side = "test" if same else "all"
    chosen = np.sort(dataset.usable) if side == "all" else dataset.sides[side]
    if not len(chosen):
        raise _nothing_usable(dataset, side)
    outputs = _asked(bundle, dataset, chosen, progress)
    metrics = {
        "task": task.name,
        "model": scientist.name,
        "thresholds": list(task.thresholds) if task.answer == "class" else [],
        "classes": list(task.classes) if task.has_class else [],
        "side": side,
        "same_file_as_training": same,
        "trained_on": _trained_on(same, side),
        "records": len(records),
        "left_out": len(dataset.unusable),
        "unusable": [{"id": records.ids[i], "reason": why} for i, why in sorted(dataset.unusable.items())],
        **metrics_by_file(outputs, bundle.calibration, dataset, chosen, task, domain=bundle.domain),
        "solver": _solver_summary(bundle, outputs),
    }
    metrics["baselines"] = _simple_baselines(bundle, dataset, chosen)
    forest = partial(_forest, side=side if same else "all") if baselines else None
    if forest is not None:
        progress.start("random forest", 1)
        metrics["baselines"]["random_forest"] = forest(dataset, chosen, task)
        progress.finish()
    return metrics if scientist.pores is None else _by_geometry(scientist, dataset, chosen, metrics, forest, progress)


def _by_geometry(
    scientist: Predictor,
    dataset: Dataset,
    chosen: np.ndarray,
    network: dict[str, Any],
    forest: Forest | None,
    progress: Progress,
) -> dict[str, Any]:
    """The metrics of answers by the geometry of pores, the network's beside them.

    Args:
        scientist: that answers.
        dataset: of its network.
        chosen: records that are tested.
        network: its metrics.
        forest: grows a random forest, or None.
        progress: listener.
    """
    bundle, records, side = scientist.bundle, dataset.records, network["side"]
    question = question_for(scientist, records, progress)
    own = replace(question, task=bundle.task)
    whole = np.arange(len(records)) if side == "all" else split_of(records, bundle.config.split)[side]
    found = measure(question, dataset, chosen, whole, records.label(bundle.task.quantity), progress)
    return beside(network, question, own, dataset, found, forest)


def _simple_baselines(bundle: ModelBundle, dataset: Dataset, chosen: np.ndarray) -> dict[str, Any]:
    """What is known without growing anything: the majority class and what geometry says; of a number, the mean of these records,
    which is the best that one number can do.
    """
    task = bundle.task
    if not task.has_class:
        values = dataset.values[chosen]
        mean = float(values.mean())
        return {"mean": {"value": mean, **error_metrics(values, np.full(len(values), mean))}}
    majority = task.classes.index(bundle.provenance["majority_class"])
    found = {"majority": majority_metrics(dataset.labels[chosen], majority, task.classes)}
    return found | geometric_rules(dataset, chosen, task)


def _prepared(scientist: Predictor, records: Records, progress: Progress) -> Dataset:
    """Images, labels and split of the records; says what is left out, and doubts about the labels' unit."""
    progress.start("graph images", len(records))
    config = scientist.bundle.config.model_copy(update={"limit": None})
    dataset = prepare(records, scientist.bundle.task, config, lambda done, _: progress.update(done))
    progress.finish()
    for doubt in filter(None, (dataset.doubt, told_unusable(dataset))):
        progress.say(f"warning: {doubt}")
    return dataset


def _nothing_usable(dataset: Dataset, side: str) -> UsageError:
    told, left_out = f"no usable record on side {side!r} of {dataset.records.source!r}", told_unusable(dataset)
    return UsageError("no_records", f"{told} ({left_out})" if left_out else told, "give other records")


def _asked(bundle: ModelBundle, dataset: Dataset, chosen: np.ndarray, progress: Progress) -> Outputs:
    progress.start("predictions", len(chosen))
    n = len(chosen)
    outputs = forward_model(bundle, dataset, chosen, lambda done, of: progress.update(n * done / of))
    progress.finish()
    return outputs


def _divided_as_in_training(bundle: ModelBundle, dataset: Dataset) -> bool:
    """Whether these are the records the model was trained on, in the same order and on the same sides."""
    trained, records = bundle.provenance.get("data", {}), dataset.records
    if SPLIT_KEY in trained:
        return trained[SPLIT_KEY] == split_digest(records, bundle.config.split)
    # Models of before that key: the same structures, divided by the same means into sides of the same sizes.
    same = trained.get("sha256_of_structures") == records.digest and trained.get("split_by") == split_by(records)
    if bundle.config.limit is not None:  # then the sizes are those of a sample
        return same
    return same and all(trained.get(name) == len(indices) for name, indices in dataset.sides.items())


def _trained_on(same: bool, side: str) -> str:
    """What is known about tested records that the model has seen: ``"test side kept apart"`` if it has seen none,
    ``"known overlap"`` if a side is tested on which it was trained, tuned or calibrated, else ``"unknown overlap"``.
    """
    if not same:
        return "unknown overlap"
    return "test side kept apart" if side == "test" else "known overlap"


def _solver_summary(bundle: ModelBundle, outputs: Outputs) -> dict[str, Any]:
    explicit = bool(bundle.config.model.layers)
    return {
        "name": bundle.network.solver_name,
        "mean_steps": float(outputs.steps.mean()),
        "converged": None if explicit else float((outputs.status == Status.CONVERGED).mean()),
    }


def _forest(dataset: Dataset, chosen: np.ndarray, task: Task, side: str) -> dict[str, Any] | None:
    """A forest grown on the training side if another side of the training file is tested; else cross-validated."""
    features, labels, classes = dataset.composition(chosen), dataset.labels[chosen], task.classes
    if side in ("validation", "test") and not task.has_class:
        grown: dict[str, Any] = number_baselines(dataset, chosen, dataset.sides["train"])["random_forest"]
        return grown
    if side in ("validation", "test"):
        train = dataset.sides["train"]
        metrics = forest_metrics(dataset.composition(train), dataset.labels[train], classes)(features, labels)
        return {"protocol": f"{dataset.features} features, grown on the training side", **metrics}
    groups = [dataset.records.groups[i] for i in chosen]
    if task.has_class:
        found = forest_cross_validated(features, labels, groups, classes)
    else:
        found = number_cross_validated(features, dataset.values[chosen], groups)
    protocol = f"{dataset.features} features, cross-validated over groups inside this file"
    return None if found is None else {"protocol": protocol, **found}
