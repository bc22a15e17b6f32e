"""Fitting temperature and margins of a calibration on validation data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from andersonn.data.tasks import Task
from andersonn.inference.fitted import Calibration

ENOUGH = 200
"""Validation structures of a kind from which it gets a calibration of its own."""


def takes_negative_values(task: Task, values: np.ndarray) -> bool:
    """Whether estimates may be negative: the task allows it, and some of the values are."""
    return task.lowest < 0.0 and bool((values < 0.0).any())


def fit_calibration(
    scores: np.ndarray,
    quantiles: np.ndarray,
    values: np.ndarray,
    task: Task,
    scale: float,
    made: np.ndarray | None = None,
) -> Calibration:
    """Temperature by least negative log likelihood and conformal margin, both from validation data.

    Args:
        scores: ``[N, C]``.
        quantiles: ``[N, 3]`` in units of ``scale``.
        values: the true quantity ``[N]``.
        task: gives the classes.
        scale: see :class:`Calibration`.
        made: whose geometry was generated, bool ``[N]``; if there are enough of both, each kind is fitted alone.
    """
    apart = made if made is not None and min(made.sum(), (~made).sum()) >= ENOUGH else None
    given = np.ones(len(values), dtype=bool) if apart is None else ~apart
    labels, outside = task.class_of(values), _outside(quantiles * scale, values)
    usual = Calibration(scale, _temperature(scores[given], labels[given]), _margin(outside[given]), fitted=True)
    if apart is None:
        return usual
    temperature, doubt = _temperature_and_doubt(scores[apart], labels[apart])
    return replace(usual, made_temperature=temperature, made_margin=_margin(outside[apart]), made_doubt=doubt)


def _loss(scores: np.ndarray, labels: np.ndarray, log_temperature: float, doubt: float = 0.0) -> float:
    """Mean negative log likelihood."""
    temperature = float(np.exp(log_temperature))
    calibration = Calibration(made_temperature=temperature, made_doubt=doubt)
    p = calibration.probabilities(scores, np.ones(len(labels), dtype=bool))
    return float(-np.log(np.maximum(p[np.arange(len(labels)), labels], 1e-12)).mean())


def _temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(lambda t: _loss(scores, labels, t), bounds=(-2.0, 2.0), method="bounded")
    return float(np.exp(found.x))


def _temperature_and_doubt(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    from scipy.optimize import minimize

    bounds = ((-2.0, 2.0), (0.0, 0.9))
    found = minimize(lambda x: _loss(scores, labels, *x), (0.0, 0.1), method="Nelder-Mead", bounds=bounds)
    return float(np.exp(found.x[0])), float(found.x[1])


def _outside(quantiles: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How far values lie outside their intervals ``[N]``, negative inside."""
    return np.maximum(quantiles[:, 0] - values, values - quantiles[:, 2])


def _margin(outside: np.ndarray) -> float:
    rank = min(int(np.ceil(0.9 * (len(outside) + 1))), len(outside))
    return float(np.sort(outside)[rank - 1])
