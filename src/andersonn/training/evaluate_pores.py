"""Testing answers by the geometry of pores on published diameters, with the network's metrics beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from andersonn.data.records import Records
from andersonn.data.tasks import Task
from andersonn.errors import InputError
from andersonn.inference.by_geometry import PoreQuestion
from andersonn.inference.predictor import Predictor
from andersonn.progress import Progress
from andersonn.structures.pores.geometry import diameters
from andersonn.training.baselines import majority_metrics
from andersonn.training.dataset import Dataset
from andersonn.training.metrics import classification_metrics, estimate_metrics

CAVITY = "lcd_A"
"""Column of published cavity diameters, which classes by pore width need besides those of windows."""
Forest = Callable[[Dataset, np.ndarray, Task], dict[str, Any] | None]


@dataclass(frozen=True)
class Diameters:
    """Published and computed diameters of some records, Å.

    Attributes:
        rows: of the records ``[n]``.
        published: window and cavity ``[n, 2]``; cavities are NaN where the records do not have them.
        computed: the same, measured.
        refused: row → why it cannot be measured, as where atoms overlap.
    """

    rows: np.ndarray
    published: np.ndarray
    computed: np.ndarray
    refused: dict[int, str]


def question_for(scientist: Predictor, records: Records, progress: Progress) -> PoreQuestion:
    """What is asked of pores; says so if records without cavities allow only classes by window."""
    question = scientist.pores
    assert question is not None
    if CAVITY in records.table.column_names or not question.task.zero_is_class:
        return question
    own = scientist.bundle.task
    progress.say(
        f"{records.source!r} has no column {CAVITY}, which classes by {question.task.quantity_words} need: tested are those by {own.quantity_words}"
    )
    return replace(question, task=own)


def measure(
    question: PoreQuestion,
    dataset: Dataset,
    chosen: np.ndarray,
    side: np.ndarray,
    windows: np.ndarray,
    progress: Progress,
) -> Diameters:
    """Computed diameters beside published ones.

    Args:
        question: how pores are measured; with ``clean``, records whose atoms overlap are measured too.
        dataset: of the network.
        chosen: rows that the network is tested on.
        side: all rows of the side that they are of, the unusable ones included.
        windows: published, Å, of all records.
        progress: listener.
    """
    records = dataset.records
    left_out = [i for i in side.tolist() if i in dataset.unusable and np.isfinite(windows[i])] if question.clean else []
    cavities = records.label(CAVITY) if CAVITY in records.table.column_names else np.full(len(records), np.nan)
    rows, published, computed, refused = [], [], [], {}
    asked = sorted([*chosen.tolist(), *left_out])
    progress.start("geometry of pores", len(asked))
    for done, i in enumerate(asked, start=1):
        try:
            (structure,) = question.read(partial(_one, records, i))
            if isinstance(structure, InputError):
                raise structure
            computed.append(diameters(structure, question.options))
            rows.append(i)
            published.append((windows[i], cavities[i]))
        except InputError as error:
            refused[i] = error.message
        progress.update(done)
    progress.finish()
    return Diameters(np.array(rows, int), np.reshape(published, (-1, 2)), np.reshape(computed, (-1, 2)), refused)


def beside(
    network: dict[str, Any],
    question: PoreQuestion,
    own: PoreQuestion,
    dataset: Dataset,
    found: Diameters,
    forest: Forest | None,
) -> dict[str, Any]:
    """The metrics of the answers by geometry, the network's beside them.

    Args:
        network: its metrics.
        question: what is asked of pores.
        own: the same in the classes of the network.
        dataset: of the network.
        found: by :func:`measure`.
        forest: grows a random forest on composition; None: it is left out.

    Returns:
        What ``network`` has, of the geometry, with what was asked by the names of the options, ``answered_by``, ``network`` and,
        where the classes are others than the network's, ``by_window``: the geometry's metrics in the network's classes; of each
        file under ``by_file`` too. ``refused``: ``id`` and ``reason`` of what could not be measured.
    """
    kept = np.isfinite(question.published(found.published))
    task, rows = question.task, found.rows[kept]
    part = replace(found, rows=rows, published=found.published[kept], computed=found.computed[kept])
    shared = ("task", "model", "side", "same_file_as_training", "trained_on", "records", "left_out", "unusable")
    metrics = {name: network[name] for name in shared} | {
        "answered_by": "geometry",
        **question.in_brief(),
        "thresholds": list(task.thresholds),
        "classes": list(task.classes),
        "quantity_words": task.quantity_words,
        "refused": [{"id": dataset.records.ids[i], "reason": why} for i, why in sorted(found.refused.items())],
        **_by_file(question, own, part, dataset.records.files, network),
    }
    labels = task.class_of(question.published(part.published))
    metrics["baselines"] = {"majority": majority_metrics(labels, int(np.bincount(labels).argmax()), task.classes)}
    if forest is not None:
        metrics["baselines"]["random_forest"] = forest(_relabeled(dataset, question), rows, task)
    return metrics


def _by_file(
    question: PoreQuestion, own: PoreQuestion, found: Diameters, files: np.ndarray | None, network: dict[str, Any]
) -> dict[str, Any]:
    """Metrics of the whole and, if several files were merged, of each file, with those of the network beside."""
    metrics = _both(question, own, found) | {"network": network}
    if files is None:
        return metrics
    metrics["by_file"] = {}
    for name, of_network in network["by_file"].items():
        here = files[found.rows] == name
        if here.any():
            part = replace(found, rows=found.rows[here], published=found.published[here], computed=found.computed[here])
            metrics["by_file"][name] = _both(question, own, part) | {"network": of_network}
    return metrics


def _both(question: PoreQuestion, own: PoreQuestion, found: Diameters) -> dict[str, Any]:
    metrics = _metrics(question, found)
    return metrics if own.task == question.task else metrics | {"by_window": _metrics(own, found)}


def _metrics(question: PoreQuestion, found: Diameters) -> dict[str, Any]:
    answers = [question.distribution(*row) for row in found.computed.tolist()]
    p = np.array([answer[0] for answer in answers])
    values, intervals = np.array([answer[1] for answer in answers]), np.array([answer[2] for answer in answers])
    published = question.published(found.published)
    return {
        **classification_metrics(question.task.class_of(published), p, question.task.classes),
        **estimate_metrics(published, intervals, values),
    }


def _relabeled(dataset: Dataset, question: PoreQuestion) -> Dataset:
    """The dataset with the classes of the question; records without published diameters leave all sides."""
    windows = dataset.values
    cavities = dataset.records.label(CAVITY) if question.task.zero_is_class else windows
    values = question.published(np.stack([windows, cavities], axis=1))
    labels, known = question.task.class_of(np.nan_to_num(values)), np.isfinite(values)
    sides = {side: rows[known[rows]] for side, rows in dataset.sides.items()}
    return replace(dataset, values=values, labels=labels, sides=sides)


def _one(records: Records, row: int) -> list[Any]:
    return [records[row]]
