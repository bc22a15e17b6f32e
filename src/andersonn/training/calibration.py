"""Making probabilities and intervals mean what they say, on validation data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from andersonn.data.tasks import Task

ENOUGH = 200
"""Validation structures of a kind from which it gets a calibration of its own."""


@dataclass(frozen=True)
class Calibration:
    """What turns a network's raw outputs into answers.

    Attributes:
        scale: one unit of the network's quantiles, in the task's unit.
        temperature: scores are divided by it (Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017).
        margin: added to both ends of the 90 % interval, in the task's unit (conformalized quantile regression: Romano,
            Patterson and Candès, NeurIPS 2019).
        fitted: whether temperature and margin were fitted.
        made_temperature, made_margin: the same for structures whose geometry a reader made, where the network is surer
            than it should be, because the molecule may have another conformation; None: as for the others.
        made_doubt: the share of probability that is spread evenly over the classes for such structures: how often the
            geometry misleads altogether.
        signed: whether the quantity can be negative; that of no task of ours can.
    """

    scale: float = 1.0
    temperature: float = 1.0
    margin: float = 0.0
    fitted: bool = False
    made_temperature: float | None = None
    made_margin: float | None = None
    made_doubt: float | None = None
    signed: bool = False

    def probabilities(self, scores: np.ndarray, made: np.ndarray | None = None) -> np.ndarray:
        """``[N, C]`` → ``[N, C]``, rows summing to 1; ``made`` says of which structures the geometry was made, bool
        ``[N]``.
        """
        shifted = scores / np.reshape(_by_geometry(self.temperature, self.made_temperature, made), (-1, 1))
        powers = np.exp(shifted - shifted.max(axis=1, keepdims=True))
        doubt = np.reshape(_by_geometry(0.0, self.made_doubt, made), (-1, 1))
        return (1.0 - doubt) * powers / powers.sum(axis=1, keepdims=True) + doubt / scores.shape[1]

    def estimates(self, quantiles: np.ndarray, made: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Estimate ``[N]`` and 90 % interval ``[N, 2]`` in the task's unit, not below zero unless the quantity is signed.
        ``made`` as in :meth:`probabilities`.
        """
        low, middle, high = (quantiles * self.scale).T
        margin = _by_geometry(self.margin, self.made_margin, made)
        interval = np.stack([low - margin, np.maximum(high + margin, low - margin)], axis=1)
        return (middle, interval) if self.signed else (np.maximum(middle, 0.0), np.maximum(interval, 0.0))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """The calibration of a model card, as :meth:`as_dict` wrote it.

        Raises:
            ValueError: a value is missing, superfluous or impossible.
        """
        names = [field.name for field in fields(cls)]
        required = [name for name in names if not name.startswith("made_") and name != "signed"]
        if not isinstance(values, dict) or set(values) - set(names) or set(required) - set(values):
            raise ValueError(f"its calibration does not hold {', '.join(required)}")
        for name in set(values) - {"fitted", "signed"}:
            below = {"margin": -math.inf, "made_margin": -math.inf, "made_doubt": -1e-9}.get(name, 0.0)
            if not is_number(values[name]) or values[name] <= below:
                raise ValueError(f"its calibration has {name} {values[name]!r}")
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """For the model card."""
        written = {name: value for name, value in asdict(self).items() if value is not None}
        return written if self.signed else {name: value for name, value in written.items() if name != "signed"}


def _by_geometry(usual: float, special: float | None, made: np.ndarray | None) -> np.ndarray | float:
    return usual if made is None or special is None else np.where(made, special, usual)


def is_number(value: Any) -> bool:
    """Whether a value read from JSON is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


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
        made: whose geometry was made by a reader, bool ``[N]``; if there are enough of both, each kind is fitted alone.
    """
    apart = made is not None and min(made.sum(), (~made).sum()) >= ENOUGH
    given = ~made if apart else np.ones(len(values), dtype=bool)
    labels, outside = task.class_of(values), _outside(quantiles * scale, values)
    usual = Calibration(scale, _temperature(scores[given], labels[given]), _margin(outside[given]), fitted=True)
    if not apart:
        return usual
    temperature, doubt = _temperature_and_doubt(scores[made], labels[made])
    return replace(usual, made_temperature=temperature, made_margin=_margin(outside[made]), made_doubt=doubt)


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
