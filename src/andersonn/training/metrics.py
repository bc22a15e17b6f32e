"""Numbers that say how good answers are, beside those of the trivial ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

BINS = 15
LOG_TEMPERATURES = (-2.0, 2.0)
"""Between which a temperature is looked for."""


def log_loss(labels: np.ndarray, p: np.ndarray) -> float:
    """Negative log likelihood of the classes at the temperature that suits them best. One is fitted after training in any case, so
    what is compared by this loss does not win by its temperature.

    Args:
        labels: class index of each sample, ``[N]``.
        p: probabilities ``[N, C]``.
    """
    logs = np.log(np.maximum(p, 1e-12))
    return _log_loss_at(logs, labels, np.log(best_temperature(logs, labels)))


def best_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """By which logits ``[N, C]`` are to be divided so that the classes have the least negative log likelihood.

    Args:
        scores: ``[N, C]``.
        labels: class index of each sample, ``[N]``.
    """
    found = minimize_scalar(lambda t: _log_loss_at(scores, labels, t), bounds=LOG_TEMPERATURES, method="bounded")
    return float(np.exp(found.x))


def _log_loss_at(scores: np.ndarray, labels: np.ndarray, log_temperature: float) -> float:
    scaled = scores / np.exp(log_temperature)
    return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(labels)), labels]).mean())


def classification_metrics(labels: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """Accuracy and its companions.

    Args:
        labels: class index of each sample, ``[N]``.
        probabilities: ``[N, C]``.
        classes: names in rising order of the quantity.

    Returns:
        ``n, accuracy, balanced_accuracy`` (mean recall of the classes that occur), ``roc_auc`` (one against the rest,
        mean over classes; None if only one class occurs), ``ece`` (expected calibration error, 15 bins), ``confusion``
        (rows true, columns predicted), ``recall``, and ``above``: balanced accuracy of each cut between classes.
    """
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(confusion, (labels, predicted), 1)
    return {
        "n": len(labels),
        "accuracy": float((predicted == labels).mean()),
        "balanced_accuracy": _mean_recall(confusion),
        "roc_auc": roc_auc(labels, probabilities),
        "ece": expected_calibration_error(labels, probabilities),
        "confusion": confusion.tolist(),
        "recall": {
            name: (float(confusion[c, c] / confusion[c].sum()) if confusion[c].sum() else None)
            for c, name in enumerate(classes)
        },
        "above": {classes[c]: _cut_accuracy(confusion, c + 1) for c in range(len(classes) - 1)},
    }


def _mean_recall(confusion: np.ndarray) -> float:
    present = confusion.sum(axis=1) > 0
    return float((np.diag(confusion)[present] / confusion.sum(axis=1)[present]).mean())


def _cut_accuracy(confusion: np.ndarray, cut: int) -> float:
    """Balanced accuracy of "above this class or not"."""
    merged = [
        [confusion[a, b].sum() for b in (slice(0, cut), slice(cut, None))] for a in (slice(0, cut), slice(cut, None))
    ]
    return _mean_recall(np.array(merged))


def roc_auc(labels: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Mean over the classes that occur of the chance that a member scores above a non-member; None for one class."""
    from scipy.stats import rankdata

    areas = []
    for c in range(probabilities.shape[1]):
        inside = labels == c
        n_in, n_out = int(inside.sum()), int((~inside).sum())
        if n_in and n_out:
            ranks = rankdata(probabilities[:, c])
            areas.append((ranks[inside].sum() - n_in * (n_in + 1) / 2) / (n_in * n_out))
    return float(np.mean(areas)) if areas else None


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean distance between confidence and accuracy over bins of confidence, weighted by their size."""
    confidence, hit = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    error = 0.0
    for b in range(BINS):
        inside = bins == b
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - hit[inside].mean())
    return float(error)


def error_metrics(values: np.ndarray, estimates: np.ndarray) -> dict[str, float]:
    """How far estimates ``[N]`` are from the true values ``[N]``: ``rmse`` and ``mae`` in the quantity's unit, and ``r2``, the part of
    the variance that they explain (0 where the values do not vary).
    """
    misses = np.square(estimates - values)
    spread = float(np.square(values - values.mean()).sum())
    return {
        "rmse": float(np.sqrt(misses.mean())),
        "mae": float(np.abs(estimates - values).mean()),
        "r2": 1.0 - float(misses.sum()) / spread if spread > 0.0 else 0.0,
    }


def estimate_metrics(values: np.ndarray, intervals: np.ndarray, estimates: np.ndarray) -> dict[str, float]:
    """Mean absolute error of the estimate, and the coverage and mean width of its 90 % interval, in the quantity's unit."""
    inside = (values >= intervals[:, 0]) & (values <= intervals[:, 1])
    return {
        "mae": float(np.abs(estimates - values).mean()),
        "interval90_coverage": float(inside.mean()),
        "interval90_width": float((intervals[:, 1] - intervals[:, 0]).mean()),
    }
