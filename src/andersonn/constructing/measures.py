"""How far answers are from the truth: of numbers, and of class labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from andersonn.training.metrics import classification_metrics


def number_errors(values: np.ndarray, estimates: np.ndarray) -> dict[str, float]:
    """``rmse, mae, r2`` of estimates ``[n]``, in the quantity's unit."""
    misses = estimates - values
    spread = float(np.square(values - values.mean()).sum())
    return {
        "rmse": float(np.sqrt(np.square(misses).mean())),
        "mae": float(np.abs(misses).mean()),
        "r2": 1.0 - float(np.square(misses).sum()) / spread if spread > 0 else 0.0,
    }


def label_errors(labels: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """``accuracy, balanced_accuracy, roc_auc, ece, log_loss`` of probabilities ``[n, C]``."""
    found = classification_metrics(labels, probabilities, classes)
    own = np.clip(probabilities[np.arange(len(labels)), labels], 1e-9, 1.0)
    kept = {name: found[name] for name in ("accuracy", "balanced_accuracy", "roc_auc", "ece")}
    return kept | {"log_loss": float(-np.log(own).mean())}


def score_of(metrics: dict[str, Any]) -> float:
    """What is least for the best candidate: the root mean square error of numbers, the log loss of labels."""
    return float(metrics["rmse"] if "rmse" in metrics else metrics["log_loss"])
