"""What is fitted on validation structures after training, and makes answers of a network's outputs: calibrated probabilities and
intervals (fitted in :mod:`andersonn.training.calibration_fitting`) and the applicability domain
(:mod:`andersonn.training.domain_fitting`).

The applicability domain tells how far a structure is from those a model was trained on, by the input of the network's head.

Two scores: each finds cases that the other misses (docs/domain.md has the numbers):

``far``: distance to the nearest cluster of training states, whitened, over the usual distance of that cluster's own states.
``corrupted``: likeness to states of training structures that were corrupted (expanded, compressed, displaced, with elements
    exchanged): softplus of the log-odds of a small classifier.

Each is divided by its 99.5 % quantile on the validation split, and the larger one is the distance. Its limit is the 99 %
quantile, again on the validation split, so that about one in a hundred structures like the training ones lies outside. Of few atoms
there are few, each of a kind of its own, so they are farther from the others: the distance of a structure is divided by how far
sound ones of its size are, where that is beyond the limit.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from andersonn.io.files import write_whole

LIMIT = 0.99
"""Quantile of the validation split's distances at which the limit lies."""


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

    def probabilities(
        self,
        scores: np.ndarray,
        made: np.ndarray | None = None,
        distance: np.ndarray | None = None,
        kinds: object = None,
    ) -> np.ndarray:
        """Scores ``[N, C]`` → probabilities ``[N, C]``; each row sums to 1.

        Args:
            scores: of the network.
            made: True for structures whose geometry was generated, ``[N]``; None: for none.
            distance: from the training structures, which changes nothing here.
            kinds: of the structures, which change nothing either.
        """
        shifted = scores / np.reshape(by_geometry(self.temperature, self.made_temperature, made), (-1, 1))
        powers = np.exp(shifted - shifted.max(axis=1, keepdims=True))
        doubt = np.reshape(by_geometry(0.0, self.made_doubt, made), (-1, 1))
        return (1.0 - doubt) * powers / powers.sum(axis=1, keepdims=True) + doubt / scores.shape[1]

    def estimates(
        self,
        scores: np.ndarray,
        quantiles: np.ndarray,
        made: np.ndarray | None = None,
        distance: np.ndarray | None = None,
        kinds: object = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Estimate ``[N]`` and 90 % interval ``[N, 2]`` in the task's unit, not below zero unless the quantity is signed; by the
        quantiles alone, which were learned apart from the scores. ``made`` as in :meth:`probabilities`; ``distance`` and ``kinds``
        change nothing here.
        """
        low, middle, high = (quantiles * self.scale).T
        margin = by_geometry(self.margin, self.made_margin, made)
        interval = np.stack([low - margin, np.maximum(high + margin, low - margin)], axis=1)
        return (middle, interval) if self.signed else (np.maximum(middle, 0.0), np.maximum(interval, 0.0))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """The calibration of a model card, as :meth:`as_dict` wrote it.

        Raises:
            ValueError: a value is missing, superfluous or impossible.
        """
        names = [each.name for each in fields(cls)]
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


def by_geometry(usual: np.ndarray | float, special: float | None, made: np.ndarray | None) -> np.ndarray | float:
    """The number for each structure, ``[N]``: the special one where the geometry was generated; one for all if none differs."""
    return usual if made is None or special is None else np.where(made, special, usual)


def is_number(value: Any) -> bool:
    """Whether a value read from JSON is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True, eq=False)
class Domain:
    """The fitted parameters; all arrays are float32.

    Attributes:
        center: mean of the training states ``[S]``.
        axes: from a state less the center to whitened coordinates ``[S, k]``.
        centers: of groups of training states, in those coordinates ``[m, k]``.
        radii: root mean square distance of a group's states from its center ``[m]``.
        hidden, hidden_bias: first layer of the classifier of corrupted states ``[S, H]``, ``[H]``.
        odds, odds_bias: its second layer ``[H]``, ``[1]``.
        units: of far and of corrupted, ``[2]``.
        bound: the largest distance that counts as inside, ``[1]``.
        sizes: rows of images up to which a structure belongs to each group of sizes but the last, rising ``[q]``.
        relief: by what the distance is divided in each group, at least 1 and not rising ``[q + 1]``; 1 of models before it.
    """

    center: np.ndarray
    axes: np.ndarray
    centers: np.ndarray
    radii: np.ndarray
    hidden: np.ndarray
    hidden_bias: np.ndarray
    odds: np.ndarray
    odds_bias: np.ndarray
    units: np.ndarray
    bound: np.ndarray
    sizes: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    relief: np.ndarray = field(default_factory=lambda: np.ones(1, dtype=np.float32))

    @property
    def limit(self) -> float:
        """The largest distance that counts as inside."""
        return float(self.bound[0])

    def distance(self, states: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Distances ``[n]``, at least 0.

        Args:
            states: input of the network's head, ``[n, S]``.
            rows: of the images, int ``[n]``; None: of large ones.
        """
        found = (self.parts(states) / self.units).max(axis=1)
        return found / (self.relief[-1] if rows is None else self.relief[np.searchsorted(self.sizes, rows)])

    def parts(self, states: np.ndarray) -> np.ndarray:
        """Far and corrupted, ``[n, 2]``, before they are divided by their units."""
        apart = states.astype(np.float64) - self.center
        far = np.sqrt(squared_distances(apart @ self.axes, self.centers) / np.square(self.radii)).min(axis=1)
        first = apart @ self.hidden + self.hidden_bias
        log_odds = (first * 0.5 * (1.0 + np.tanh(0.5 * first))) @ self.odds + self.odds_bias
        return np.stack([far, np.logaddexp(0.0, log_odds)], axis=1)

    def save(self, path: Path, weights: str) -> None:
        """Writes it as one safetensors file, whole or not at all.

        Args:
            path: the file.
            weights: SHA-256 of the file of the network it belongs to.
        """
        arrays = {each.name: getattr(self, each.name) for each in fields(self)}
        write_whole(path, lambda name: save_file(arrays | {"weights": _as_array(weights)}, name))

    @classmethod
    def load(cls, path: Path, weights: str) -> Domain:
        """Reads what :meth:`save` wrote.

        Raises:
            ValueError: it belongs to another network, lacks an array, or its numbers are impossible.
        """
        arrays = load_file(path)
        names = [each.name for each in fields(cls)]
        needed = {each.name for each in fields(cls) if each.default_factory is MISSING}
        if not needed | {"weights"} <= set(arrays) <= {*names, "weights"}:
            raise ValueError(f"{path.name} does not hold {', '.join(names)}")
        if not np.array_equal(arrays.pop("weights"), _as_array(weights)):
            raise ValueError(f"{path.name} belongs to other weights")
        domain = cls(**arrays)
        sound = all(np.isfinite(array).all() for array in arrays.values())
        positive = all((array > 0).all() for array in (domain.radii, domain.units, domain.relief))
        if not (sound and positive and domain._fits()):
            raise ValueError(f"{path.name} holds impossible numbers")
        return domain

    def _fits(self) -> bool:
        """Whether the arrays' shapes go together."""
        if self.axes.ndim != 2 or self.centers.ndim != 2 or self.hidden.ndim != 2:
            return False
        (size, k), (m, _), (_, width), q = self.axes.shape, self.centers.shape, self.hidden.shape, self.sizes.size
        whole = ((size,), (size, k), (m, k), (m,), (size, width), (width,), (width,), (1,), (2,), (1,), (q,), (q + 1,))
        return tuple(getattr(self, each.name).shape for each in fields(self)) == whole


def squared_distances(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """``[n, k]``, ``[m, k]`` → ``[n, m]``."""
    lengths = np.square(points).sum(axis=1)[:, None] + np.square(centers).sum(axis=1)
    return np.maximum(lengths - 2.0 * points @ centers.T, 0.0)


def _as_array(digest: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(digest), dtype=np.uint8)
