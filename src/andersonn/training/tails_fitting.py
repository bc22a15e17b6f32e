"""Fitting the tails of intervals on validation data, so that they cover nine in ten of every kind of structure.

The tail that a value needs is the smallest of the probabilities on its two sides. Its tenth percentile is fitted as a function of
the kinds by quantile regression: where that function has a free number for each of several overlapping groups, intervals cover
nine in ten of each (Jung, Noarov, Ramalingam and Roth, 2023; Gibbs, Cherian and Candès, 2025). Effects are drawn toward zero, as by
:data:`SHRUNK` records that speak against them, and the whole is shifted as conformal prediction demands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.inference.distribution import DistributionCalibration, Distributions
from andersonn.inference.tails import LEAST, NAMES, SURE, Kinds, Tails

if TYPE_CHECKING:
    from andersonn.inference.fitted import Domain
    from andersonn.inference.model_bundle import ModelBundle

MISSED = 0.1
"""Share of values that are to lie outside."""
ENOUGH = 1000
"""Validation structures from which on kinds are told apart: each effect that is fitted to n of them costs coverage of the order of 1 / n."""
WIDEST_TAIL = 0.1
"""So that an interval has no width only where nine tenths of the mass are at one value."""
WIDEST_WITHOUT_BOUND = 0.3
"""Of a quantity without a least value, at which no mass can be: where most errors are small and a few large, the tails are so wide."""
SHRUNK = 3.0
"""A kind of n records whose effect is e misses its coverage by ``SHRUNK`` × e / n."""
SMOOTH = 0.05
"""Width, in the logarithm of the tail, over which the loss bends instead of breaking."""


def widest_tail(task: Task) -> float:
    """The widest tail of a quantity: wider where no mass can be at a least value."""
    return WIDEST_TAIL if np.isfinite(task.lowest) else WIDEST_WITHOUT_BOUND


def one_tail(found: Distributions, values: np.ndarray, widest: float) -> float:
    """The widest tail with which at least 90 % of the values lie between its quantiles, for as many structures as there are
    (conformal prediction: Vovk, Gammerman and Shafer, 2005).
    """
    return float(np.clip(lowest(needed_tails(found, values)), LEAST, widest))


def needed_tails(found: Distributions, values: np.ndarray) -> np.ndarray:
    """The widest tails with which each value lies in its interval, ``[n]``."""
    at_most, less = found.at(values), np.where(values > found.edges[0], found.at(values), 0.0)
    # A value is inside while the lower quantile is at most it and the upper at least it.
    return np.minimum(at_most, 1.0 - less)


def fit_tails(found: Distributions, values: np.ndarray, kinds: Kinds, made: np.ndarray, widest: float) -> Tails | None:
    """Tails by kind; None of too few structures.

    An answer that is zero almost surely has an interval of zero alone, which covers as often as it is zero, and no tail changes
    that. So the others alone are fitted: else their intervals would have to cover less, to make up for it.

    Args:
        found: calibrated distributions of N validation structures.
        values: their true quantity, ``[N]``.
        kinds: of them.
        made: whose geometry was generated, bool ``[N]``.
        widest: that a tail may be.
    """
    from scipy.optimize import minimize

    at_zero = found.cdf[:, 0]
    open_ = at_zero < SURE
    if open_.sum() < ENOUGH:
        return None
    x = kinds.members(at_zero, made)[open_].astype(float)
    needed = np.log(np.clip(needed_tails(found, values)[open_], LEAST, 1.0))

    def loss(effects: np.ndarray) -> tuple[float, np.ndarray]:
        over = (x @ effects - needed) / SMOOTH
        pull = SHRUNK * effects * free
        value = (SMOOTH * (np.logaddexp(0.0, over) - MISSED * over)).sum() + 0.5 * float(pull @ effects)
        return float(value), x.T @ (1.0 / (1.0 + np.exp(-np.clip(over, -50.0, 50.0))) - MISSED) + pull

    free = np.array([name != NAMES[0] for name in NAMES], dtype=float)
    start = np.where(free, 0.0, lowest(needed))
    effects = minimize(loss, start, jac=True, method="L-BFGS-B").x
    effects[0] += lowest(needed - x @ effects)
    there = np.asarray(x.any(axis=0))
    return Tails(tuple((name, float(e)) for name, e, some in zip(NAMES, effects, there, strict=True) if some), widest)


def lowest(values: np.ndarray) -> float:
    """The value below which at most :data:`MISSED` of them lie, of one more than there are."""
    rank = max(int(np.floor(MISSED * (len(values) + 1))), 1)
    return float(np.sort(values)[rank - 1])


class TailReport(NamedTuple):
    """What one tail for a kind of n molecules does: the share of values in their intervals, and the mean width of these in the task's unit, before
    and with the tail. It was fitted to other molecules than it is told of.
    """

    n: int
    covered_before: float
    width_before: float
    covered: float
    width: float


def parts_with_tails(bundle: ModelBundle) -> tuple[DistributionCalibration, Tails, Domain]:
    """The calibration of a model, its tails and its domain.

    Raises:
        UsageError: it has no tails by kind.
    """
    calibration = bundle.calibration
    if not isinstance(calibration, DistributionCalibration) or calibration.tails is None or bundle.domain is None:
        raise UsageError(
            "bad_model", "its intervals do not depend on the kind of molecule", "train it with more records"
        )
    return calibration, calibration.tails, bundle.domain


def covered(found: Distributions, values: np.ndarray, tails: np.ndarray, chosen: np.ndarray) -> tuple[float, float]:
    """Which share of the chosen values lies in its interval, and how wide these intervals are on average.

    Args:
        found: distributions of n structures.
        values: their true quantity, ``[n]``.
        tails: that are cut off at each end, ``[n]``.
        chosen: which structures count, bool ``[n]``.
    """
    low, high = found.quantile(tails), found.quantile(1.0 - tails)
    inside = (low <= values) & (values <= high)
    return float(inside[chosen].mean()), float((high - low)[chosen].mean())
