"""The baselines beside every accuracy: the most frequent class, a random forest on composition, and what geometry says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from andersonn.data.tasks import Task
from andersonn.training.dataset import Dataset
from andersonn.training.metrics import classification_metrics, error_metrics

TREES = 200
FOLDS = 5


def baselines(dataset: Dataset, task: Task) -> Callable[[np.ndarray], dict[str, Any]]:
    """Majority class and random forest on composition, fitted on the training split, and what geometry alone says; of a task about
    a number, its mean and a forest. A function that gives their metrics on the records at given indices.
    """
    train = dataset.sides["train"]
    if not task.has_class:
        return lambda chosen: number_baselines(dataset, chosen, train)
    forest = forest_metrics(dataset.composition(train), dataset.labels[train], task.classes)
    majority = int(np.bincount(dataset.labels[train]).argmax())

    def metrics(chosen: np.ndarray) -> dict[str, Any]:
        labels = dataset.labels[chosen]
        found = forest(dataset.composition(chosen), labels)
        return {
            "majority": majority_metrics(labels, majority, task.classes),
            "random_forest": {"protocol": f"{dataset.features} features, grown on the training side", **found},
            **geometric_rules(dataset, chosen, task),
        }

    return metrics


def number_baselines(dataset: Dataset, chosen: np.ndarray, train: np.ndarray) -> dict[str, Any]:
    """Errors of the mean of the training side and of a random forest grown on it, on the records at ``chosen``."""
    values, known = dataset.values[chosen], dataset.values[train]
    forest = _regressor(dataset.composition(train), known)
    return {
        "mean": {"value": float(known.mean()), **error_metrics(values, np.full(len(values), known.mean()))},
        "random_forest": {
            "protocol": f"{dataset.features} features, grown on the training side",
            **error_metrics(values, forest(dataset.composition(chosen))),
        },
    }


def number_cross_validated(
    features: np.ndarray, values: np.ndarray, groups: list[str], seed: int = 0
) -> dict[str, Any] | None:
    """As :func:`forest_cross_validated`, of a number."""
    estimates = _by_folds(features, groups, lambda train: _regressor(features[train], values[train], seed))
    return None if estimates is None else error_metrics(values, estimates)


def geometric_rules(dataset: Dataset, indices: np.ndarray, task: Task) -> dict[str, Any]:
    """Metrics of cutting what geometry alone says of the quantity, by name of the channel; empty if it says nothing."""
    return {
        f"cut_{name}": {
            "protocol": f"computed {name}, cut at the thresholds",
            **cut_metrics(values, dataset.values[indices], task),
        }
        for name, values in dataset.computed(indices, task).items()
    }


def majority_metrics(labels: np.ndarray, majority: int, classes: tuple[str, ...]) -> dict[str, Any]:
    """Metrics of always answering one class."""
    metrics = classification_metrics(labels, np.eye(len(classes))[np.full(len(labels), majority)], classes)
    return {"class": classes[majority], **shown(metrics)}


def forest_metrics(
    features: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], seed: int = 0
) -> Callable[[np.ndarray, np.ndarray], dict[str, Any]]:
    """Metrics of a forest grown on features ``[N, F]`` and labels ``[N]``, as a function of those it is tested on."""
    forest = _grow(features, labels, len(classes), seed)
    return lambda x, truth: shown(classification_metrics(truth, forest(x), classes))


def forest_cross_validated(
    features: np.ndarray, labels: np.ndarray, groups: list[str], classes: tuple[str, ...], seed: int = 0
) -> dict[str, Any] | None:
    """Metrics of forests grown and tested inside one file, by folds of whole groups; None if there are too few."""
    found = _by_folds(features, groups, lambda train: _grow(features[train], labels[train], len(classes), seed))
    return None if found is None else shown(classification_metrics(labels, found, classes))


def _by_folds(
    features: np.ndarray, groups: list[str], grown: Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]
) -> np.ndarray | None:
    """What is said of each of N features by a forest that ``grown`` grows on the indices of other groups; None if there are too few."""
    from sklearn.model_selection import GroupKFold

    _, group = np.unique(groups, return_inverse=True)
    folds = min(FOLDS, int(group.max()) + 1)
    if folds < 2:
        return None
    parts = [(test, grown(train)(features[test])) for train, test in GroupKFold(folds).split(features, groups=group)]
    order = np.concatenate([test for test, _ in parts])
    return np.concatenate([said for _, said in parts])[np.argsort(order)]


def cut_metrics(values: np.ndarray, truth: np.ndarray, task: Task) -> dict[str, Any]:
    """Metrics of cutting an estimate at the task's thresholds, with its mean absolute error.

    Args:
        values: the estimate ``[N]``.
        truth: the quantity ``[N]``.
        task: gives the classes.
    """
    certain = np.eye(len(task.classes))[task.class_of(values)]
    metrics = classification_metrics(task.class_of(truth), certain, task.classes)
    return {**shown(metrics), "mae": float(np.abs(values - truth).mean())}


def _grow(features: np.ndarray, labels: np.ndarray, n_classes: int, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """A random forest's probabilities as a function of features ``[N, F]`` → ``[N, C]``."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(TREES, n_jobs=-1, random_state=seed).fit(features, labels)

    def probabilities(x: np.ndarray) -> np.ndarray:
        found = np.zeros((len(x), n_classes))
        found[:, forest.classes_] = forest.predict_proba(x)
        return found

    return probabilities


def _regressor(features: np.ndarray, values: np.ndarray, seed: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """A random forest's estimates as a function of features ``[N, F]`` → ``[N]``."""
    from sklearn.ensemble import RandomForestRegressor

    found = RandomForestRegressor(TREES, n_jobs=-1, random_state=seed).fit(features, values)
    return lambda x: np.asarray(found.predict(x))


def shown(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics that are shown of a baseline."""
    return {name: metrics[name] for name in ("accuracy", "balanced_accuracy", "roc_auc", "ece", "above")}
