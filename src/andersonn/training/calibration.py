"""Making probabilities and intervals mean what they say, on validation data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from andersonn.data.tasks import Task


@dataclass(frozen=True)
class Calibration:
    """What turns a network's raw outputs into answers.

    Attributes:
        scale: one unit of the network's quantiles, in the task's unit.
        temperature: scores are divided by it (Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017).
        margin: added to both ends of the 90 % interval, in the task's unit (conformalized quantile regression: Romano,
            Patterson and Candès, NeurIPS 2019).
        fitted: whether temperature and margin were fitted.
    """

    scale: float = 1.0
    temperature: float = 1.0
    margin: float = 0.0
    fitted: bool = False

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """``[N, C]`` → ``[N, C]``, rows summing to 1."""
        shifted = scores / self.temperature
        powers = np.exp(shifted - shifted.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def estimates(self, quantiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimate ``[N]`` and 90 % interval ``[N, 2]`` in the task's unit; no quantity here is negative."""
        low, middle, high = (quantiles * self.scale).T
        interval = np.stack([low - self.margin, np.maximum(high + self.margin, low - self.margin)], axis=1)
        return np.maximum(middle, 0.0), np.maximum(interval, 0.0)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """The calibration of a model card, as :meth:`as_dict` wrote it.

        Raises:
            ValueError: a value is missing, superfluous or impossible.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(values, dict) or sorted(values) != sorted(names):
            raise ValueError(f"its calibration does not hold {', '.join(names)}")
        for name in ("scale", "temperature", "margin"):
            if not is_number(values[name]) or (values[name] <= 0 and name != "margin"):
                raise ValueError(f"its calibration has {name} {values[name]!r}")
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """For the model card."""
        return asdict(self)


def is_number(value: Any) -> bool:
    """Whether a value read from JSON is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def fit_calibration(
    scores: np.ndarray, quantiles: np.ndarray, values: np.ndarray, task: Task, scale: float
) -> Calibration:
    """Temperature by least negative log likelihood and conformal margin, both from validation data.

    Args:
        scores: ``[N, C]``.
        quantiles: ``[N, 3]`` in units of ``scale``.
        values: the true quantity ``[N]``.
        task: gives the classes.
        scale: see :class:`Calibration`.
    """
    from scipy.optimize import minimize_scalar

    labels = task.class_of(values)

    def loss(log_temperature: float) -> float:
        p = Calibration(temperature=float(np.exp(log_temperature))).probabilities(scores)
        return float(-np.log(np.maximum(p[np.arange(len(labels)), labels], 1e-12)).mean())

    temperature = float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))
    outside = np.maximum(quantiles[:, 0] * scale - values, values - quantiles[:, 2] * scale)
    rank = min(int(np.ceil(0.9 * (len(values) + 1))), len(values))
    margin = float(np.sort(outside)[rank - 1])
    return Calibration(scale, temperature, margin, fitted=True)
