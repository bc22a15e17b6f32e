"""Fitting temperature and margins of a calibration on validation data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from andersonn.data.tasks import Task
from andersonn.inference.distribution import DistributionCalibration, Distributions
from andersonn.inference.fitted import Calibration
from andersonn.inference.tails import Kinds
from andersonn.training.metrics import best_temperature
from andersonn.training.tails_fitting import fit_tails, one_tail, widest_tail

ENOUGH = 200
"""Validation structures of a kind from which it gets a calibration of its own."""
CORRUPTED = 0.05
"""Share of structures that are taken to be corrupted, where an answer's doubt is weighed."""


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
    usual = Calibration(scale, best_temperature(scores[given], labels[given]), _margin(outside[given]), fitted=True)
    if apart is None:
        return usual
    temperature, doubt = _temperature_and_doubt(scores[apart], labels[apart])
    return replace(usual, made_temperature=temperature, made_margin=_margin(outside[apart]), made_doubt=doubt)


def _loss(scores: np.ndarray, labels: np.ndarray, log_temperature: float, doubt: float) -> float:
    """Mean negative log likelihood."""
    temperature = float(np.exp(log_temperature))
    calibration = Calibration(made_temperature=temperature, made_doubt=doubt)
    p = calibration.probabilities(scores, np.ones(len(labels), dtype=bool))
    return float(-np.log(np.maximum(p[np.arange(len(labels)), labels], 1e-12)).mean())


def _temperature_and_doubt(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    from scipy.optimize import minimize

    bounds = ((-2.0, 2.0), (0.0, 0.9))
    found = minimize(lambda x: _loss(scores, labels, *x), (0.0, 0.1), method="Nelder-Mead", bounds=bounds)
    return float(np.exp(found.x[0])), float(found.x[1])


def fit_distributions(
    raw: DistributionCalibration,
    scores: np.ndarray,
    values: np.ndarray,
    task: Task,
    made: np.ndarray,
) -> DistributionCalibration:
    """Power of the log-odds by least log loss over the cuts between classes and all edges, and conformal tails, from validation data.

    Args:
        raw: unfitted.
        scores: of masses, ``[N, E]``.
        values: the true quantity ``[N]``.
        task: gives the classes.
        made: whose geometry was generated, bool ``[N]``; if there are enough of both, each kind is fitted alone.
    """
    apart = made if min(made.sum(), (~made).sum()) >= ENOUGH else None
    given = np.ones(len(values), dtype=bool) if apart is None else ~apart
    found = replace(raw, fitted=True)
    found = replace(found, power=_power(found, scores[given], values[given], task))
    found = replace(found, tail=one_tail(found.distributions(scores[given]), values[given], widest_tail(task)))
    if apart is None:
        return found
    power, doubt = power_and_doubt(found, scores[apart], values[apart], task)
    found = replace(found, made_power=power, made_doubt=doubt)
    of_made = found.distributions(scores[apart], np.ones(int(apart.sum()), dtype=bool))
    return replace(found, made_tail=one_tail(of_made, values[apart], widest_tail(task)))


def fit_doubt(
    calibration: DistributionCalibration,
    scores: np.ndarray,
    values: np.ndarray,
    made: np.ndarray,
    kinds: Kinds,
    sound: np.ndarray,
    corrupted: np.ndarray,
    widest: float,
) -> DistributionCalibration:
    """Where an answer is mixed with the usual distribution: by the probability that a structure at this distance is corrupted, if
    :data:`CORRUPTED` of all are. A corrupted structure says nothing of the quantity. The tails are fitted anew.

    Args:
        calibration: fitted by :func:`fit_distributions`.
        scores: of validation structures, ``[N, E]``.
        values: their true quantity, ``[N]``.
        made: whose geometry was generated, bool ``[N]``.
        kinds: of them; each gets tails of its own, see :func:`~andersonn.training.tails_fitting.fit_tails`.
        sound: their distances from the training structures, ``[N]``.
        corrupted: distances of corrupted validation structures, ``[M]``.
        widest: that a tail may be, see :func:`~andersonn.training.tails_fitting.widest_tail`.
    """
    from scipy.optimize import minimize

    logs = np.log(np.maximum(np.concatenate([sound, corrupted]), 1e-9))
    weight = np.concatenate(
        [np.full(len(sound), (1 - CORRUPTED) / len(sound)), np.full(len(corrupted), CORRUPTED / len(corrupted))]
    )
    sign = np.concatenate([np.ones(len(sound)), -np.ones(len(corrupted))])

    def loss(x: np.ndarray) -> float:
        return float((weight * np.logaddexp(0.0, sign * np.exp(x[0]) * (logs - x[1]))).sum())

    slope, middle = minimize(loss, (1.0, 0.5), method="Nelder-Mead").x
    found = replace(calibration, doubt_slope=float(np.exp(np.clip(slope, -5, 4))), doubt_middle=float(np.exp(middle)))
    apart = made if calibration.made_tail is not None else np.zeros(len(made), dtype=bool)
    of_all = found.distributions(scores, made, sound)

    def tail_of(part: np.ndarray) -> float:
        return one_tail(Distributions(of_all.edges, of_all.cdf[part]), values[part], widest)

    found = replace(found, tail=tail_of(~apart), tails=fit_tails(of_all, values, kinds, made, widest))
    return replace(found, made_tail=tail_of(apart)) if apart.any() else found


def _distribution_loss(
    calibration: DistributionCalibration, found: Distributions, values: np.ndarray, labels: np.ndarray
) -> float:
    """Log loss of the class, and of "at most this edge" on average over the edges."""
    p = calibration.classes_of(found)[np.arange(len(labels)), labels]
    below = np.clip(found.cdf[:, :-1], 1e-9, 1.0 - 1e-9)
    at_most = values[:, None] <= found.edges[None, :-1]
    by_edge = -np.where(at_most, np.log(below), np.log1p(-below)).mean()
    return float(-np.log(np.maximum(p, 1e-12)).mean() + by_edge)


def _power(raw: DistributionCalibration, scores: np.ndarray, values: np.ndarray, task: Task) -> float:
    from scipy.optimize import minimize_scalar

    labels = task.class_of(values)

    def loss(log_power: float) -> float:
        changed = replace(raw, power=float(np.exp(log_power)))
        return _distribution_loss(changed, changed.distributions(scores), values, labels)

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))


def power_and_doubt(
    raw: DistributionCalibration, scores: np.ndarray, values: np.ndarray, task: Task
) -> tuple[float, float]:
    """Power and fraction of the usual distribution that suit structures with a generated geometry best.

    Args:
        raw: gives the edges and the usual distribution.
        scores: of masses, ``[n, E]``.
        values: the true quantity ``[n]``.
        task: gives the classes.
    """
    from scipy.optimize import minimize

    labels, made = task.class_of(values), np.ones(len(values), dtype=bool)

    def loss(x: np.ndarray) -> float:
        changed = replace(raw, made_power=float(np.exp(x[0])), made_doubt=float(x[1]))
        return _distribution_loss(changed, changed.distributions(scores, made), values, labels)

    found = minimize(loss, (0.0, 0.1), method="Nelder-Mead", bounds=((-2.0, 2.0), (0.0, 0.9)))
    return float(np.exp(found.x[0])), float(found.x[1])


def _outside(quantiles: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How far values lie outside their intervals ``[N]``, negative inside."""
    return np.maximum(quantiles[:, 0] - values, values - quantiles[:, 2])


def _margin(outside: np.ndarray) -> float:
    rank = min(int(np.ceil(0.9 * (len(outside) + 1))), len(outside))
    return float(np.sort(outside)[rank - 1])
