"""Labels and numbers as scikit-learn passes them → what a trainer learns, and which samples it is validated on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from andersonn.data.plausible import check_unit, unit_hint
from andersonn.data.tasks import Task
from andersonn.errors import UsageError, unknown
from andersonn.estimators.samples import DataError

OWN = "own"
"""Name of a task that was made of the user's labels."""
CUTS = 3
"""Thresholds between the classes that help a regressor learn: the quartiles."""


class Targets(NamedTuple):
    """Training targets of n samples.

    Attributes:
        task: gives the classes.
        values: its quantity, float64 ``[n]``; of labels alone, a number that stands for the class.
        labels: class index, int64 ``[n]``.
        measured: whether the values are measured, so that an estimate can be learned.
    """

    task: Task
    values: np.ndarray
    labels: np.ndarray
    measured: bool


class Sides(NamedTuple):
    """Indices of training samples and of validation samples, and what was kept
    together: ``"group"``, ``"formula"`` or ``"sample"``.
    """

    train: np.ndarray
    validation: np.ndarray
    by: str


def one_column(y: Any, n: int) -> np.ndarray:
    """Y as an array ``[n]``.

    Raises:
        DataError: it is missing or of another length.
        ValueError: it has several columns.
    """
    if y is None:
        raise DataError("no_labels", "requires y to be passed, but the target y is None", "give one label a sample")
    column = column_or_1d(y, warn=True)
    if len(column) != n:
        raise DataError("bad_labels", f"X has {n} samples and y {len(column)} labels", "give one label a sample")
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        raise DataError("bad_labels", "y holds NaN or infinity", "leave out samples without a finite value")
    return column


def class_targets(y: np.ndarray, chosen: Task | None) -> tuple[np.ndarray, Targets]:
    """Classes, sorted as scikit-learn wants them, and targets of a classifier.

    Args:
        y: names of classes; or of a task, numbers to be cut by its thresholds; without a task, labels of any kind.
        chosen: task, or None.

    Raises:
        DataError: no sample is of some class of the task, there is one class only, or a number is impossible.
        ValueError: y without a task is continuous.
    """
    if chosen is None:
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise DataError("one_class", f"y holds only 1 class, {classes[0]!r}", "give samples of two classes or more")
        names, cuts = tuple(str(c) for c in classes), tuple(k + 0.5 for k in range(len(classes) - 1))
        own = Task(OWN, "class", "", names, cuts, periodic=None)
        return classes, Targets(own, labels.astype(float), labels.astype(np.int64), measured=False)
    measured = y.dtype.kind in "iuf"
    labels = class_indices(y, chosen)
    absent = [name for c, name in enumerate(chosen.classes) if not (labels == c).any()]
    if absent:
        raise DataError(
            "empty_class",
            f"no sample of class {', '.join(absent)} at thresholds {chosen.thresholds} {chosen.unit}",
            "give samples of every class, move the thresholds, or use task=None",
        )
    values = y.astype(float) if measured else _stand_ins(chosen)[labels]
    return np.array(sorted(chosen.classes)), Targets(chosen, values, labels, measured)


def class_indices(y: np.ndarray, chosen: Task) -> np.ndarray:
    """Index of the class of each label of a task, int64 ``[n]``: names, or numbers that are cut.

    Raises:
        DataError: a number is impossible, or labels are neither.
        UsageError: there is no such class.
    """
    if y.dtype.kind in "iuf":
        bad = next((value for value in y.tolist() if chosen.why_impossible(value)), None)
        if bad is not None:
            why = f"{chosen.why_impossible(bad)} in y{unit_hint(chosen, bad)}"
            raise DataError("bad_labels", why, f"give values of {chosen.quantity}")
        try:
            check_unit(chosen, y.astype(float))
        except UsageError as error:
            raise DataError("bad_labels", error.message, error.hint) from None
        return chosen.class_of(y)
    if y.dtype.kind not in "OU":
        raise DataError("bad_labels", f"y of {chosen.name} holds {y.dtype}", f"give class names or {chosen.quantity}")
    for name in dict.fromkeys(y.tolist()):
        if name not in chosen.classes:
            raise unknown("class", str(name), chosen.classes)
    return np.array([chosen.classes.index(name) for name in y.tolist()], dtype=np.int64)


def number_targets(y: np.ndarray, chosen: Task | None) -> Targets:
    """Targets of a regressor; without a task its classes are the quarters of y, which help to learn.

    Raises:
        DataError: y does not hold numbers, or the task's quantity cannot have one of them.
    """
    try:
        values = y.astype(float)
    except (TypeError, ValueError):
        raise DataError("bad_labels", f"y holds {y.dtype}, not numbers", "give one number a sample") from None
    if chosen is not None:
        return Targets(chosen, values, class_indices(values, chosen), measured=True)
    quartiles = np.quantile(values, np.arange(1, CUTS + 1) / (CUTS + 1))
    cuts = tuple(float(cut) for cut in np.unique(quartiles) if cut > values.min())
    names = tuple(f"part_{k + 1}" for k in range(len(cuts) + 1))
    own = Task(OWN, "target", "", names, cuts, periodic=None)
    return Targets(own, values, own.class_of(values), measured=True)


def divided(
    labels: np.ndarray, groups: Sequence[Any] | None, formulas: Sequence[str], share: float, seed: int
) -> Sides:
    """Training and validation samples. Groups stay whole, and so do samples of one formula where there are no groups,
    unless a class of several samples would then have none for validation: then each sample stands for itself.

    Args:
        labels: class index ``[n]``.
        groups: of the samples, if the user gave them.
        formulas: of the samples.
        share: of each class that validates, about.
        seed: draws.

    Raises:
        DataError: there are too few samples.
    """
    if not 0.0 < share < 1.0:
        raise DataError("bad_option", f"validation_fraction is {share}", "give a share between 0 and 1")
    if groups is not None and len(groups) != len(labels):
        raise DataError("bad_groups", f"X has {len(labels)} samples and groups {len(groups)}", "give one a sample")
    by, ways = ("group", [list(groups)]) if groups is not None else ("formula", [list(formulas), range(len(labels))])
    for way in ways:
        _, group = np.unique(np.asarray(way), return_inverse=True)
        validates = _drawn(labels, group, share, np.random.default_rng(seed))
        lacking = set(np.flatnonzero(np.bincount(labels) > 1)) - set(labels[validates].tolist())
        if not lacking or way is ways[-1]:
            break
        by = "sample"
    if not validates.any():
        n = len(labels)
        raise DataError(
            "too_few", f"{n} sample{'s' * (n > 1)} cannot be divided into training and validation", "give more samples"
        )
    return Sides(np.flatnonzero(~validates), np.flatnonzero(validates), by)


def _drawn(labels: np.ndarray, group: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Who validates, bool ``[n]``: random groups until about a share of every class is there, as long as every class also
    has someone to learn from.
    """
    counts = np.zeros((group.max() + 1, labels.max() + 1), dtype=np.int64)
    np.add.at(counts, (group, labels), 1)
    left = counts.sum(axis=0)
    wanted = np.maximum(np.rint(share * left), 1)
    taken = np.zeros(len(counts), dtype=bool)
    for g in rng.permutation(len(counts)):
        own, has = counts[g], counts[g] > 0
        if (wanted[has] > 0).any() and (left[has] > own[has]).all():
            taken[g] = True
            left, wanted = left - own, wanted - own
    return taken[group]


def _stand_ins(chosen: Task) -> np.ndarray:
    """A value of each class, where only the classes are known, float64 ``[C]``."""
    cuts = np.array(chosen.thresholds)
    first = 0.0 if chosen.zero_is_class else max(cuts[0] - 1.0, (cuts[0] + max(chosen.lowest, cuts[0] - 2.0)) / 2.0)
    return np.concatenate([[first], (cuts[1:] + cuts[:-1]) / 2.0, [cuts[-1] + 1.0]])
