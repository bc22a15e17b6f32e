"""Calibrated probabilities and intervals; fitted on validation data in :mod:`andersonn.training.calibration_fitting`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Calibration:
    """From a network's raw outputs to probabilities, estimates and intervals.

    Attributes:
        scale: one unit of the network's quantiles, in the task's unit.
        temperature: scores are divided by it (Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017).
        margin: added to both ends of the 90 % interval, in the task's unit (conformalized quantile regression: Romano,
            Patterson and Candès, NeurIPS 2019).
        fitted: whether temperature and margin were fitted.
        made_temperature, made_margin: the same for structures whose geometry was generated, where the network is
            overconfident, because the molecule may have another conformation; None: as for the others.
        made_doubt: the probability that is spread evenly over the classes for such structures: how often the geometry
            misleads altogether.
        signed: whether the quantity can be negative; as no quantity of a task of this package can.
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
