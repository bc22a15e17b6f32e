"""Making probabilities and intervals mean what they say, on validation data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
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
    """

    scale: float = 1.0
    temperature: float = 1.0
    margin: float = 0.0
    fitted: bool = False
    made_temperature: float | None = None
    made_margin: float | None = None

    def probabilities(self, scores: np.ndarray, made: np.ndarray | None = None) -> np.ndarray:
        """``[N, C]`` → ``[N, C]``, rows summing to 1; ``made`` says of which structures the geometry was made, bool
        ``[N]``.
        """
        shifted = scores / np.reshape(_by_geometry(self.temperature, self.made_temperature, made), (-1, 1))
        powers = np.exp(shifted - shifted.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def estimates(self, quantiles: np.ndarray, made: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Estimate ``[N]`` and 90 % interval ``[N, 2]`` in the task's unit; no quantity here is negative. ``made`` as in
        :meth:`probabilities`.
        """
        low, middle, high = (quantiles * self.scale).T
        margin = _by_geometry(self.margin, self.made_margin, made)
        interval = np.stack([low - margin, np.maximum(high + margin, low - margin)], axis=1)
        return np.maximum(middle, 0.0), np.maximum(interval, 0.0)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """The calibration of a model card, as :meth:`as_dict` wrote it.

        Raises:
            ValueError: a value is missing, superfluous or impossible.
        """
        names = [field.name for field in fields(cls)]
        required = [name for name in names if not name.startswith("made_")]
        if not isinstance(values, dict) or set(values) - set(names) or set(required) - set(values):
            raise ValueError(f"its calibration does not hold {', '.join(required)}")
        for name in set(values) - {"fitted"}:
            if not is_number(values[name]) or (values[name] <= 0 and "margin" not in name):
                raise ValueError(f"its calibration has {name} {values[name]!r}")
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """For the model card."""
        return {name: value for name, value in asdict(self).items() if value is not None}


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
    if made is None or min(made.sum(), (~made).sum()) < ENOUGH:
        temperature, margin = _fit(scores, quantiles * scale, values, task)
        return Calibration(scale, temperature, margin, fitted=True)
    given, special = (_fit(scores[m], quantiles[m] * scale, values[m], task) for m in (~made, made))
    return Calibration(scale, *given, True, *special)


def _fit(scores: np.ndarray, quantiles: np.ndarray, values: np.ndarray, task: Task) -> tuple[float, float]:
    from scipy.optimize import minimize_scalar

    labels = task.class_of(values)

    def loss(log_temperature: float) -> float:
        p = Calibration(temperature=float(np.exp(log_temperature))).probabilities(scores)
        return float(-np.log(np.maximum(p[np.arange(len(labels)), labels], 1e-12)).mean())

    temperature = float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))
    outside = np.maximum(quantiles[:, 0] - values, values - quantiles[:, 2])
    rank = min(int(np.ceil(0.9 * (len(values) + 1))), len(values))
    return temperature, float(np.sort(outside)[rank - 1])
