"""Answers from one predictive distribution: class probabilities, estimate and 90 % interval.

A network with ``model.answer=distribution`` gives masses between edges (:mod:`andersonn.models.distribution`). Calibration makes
other distributions of them, so that all that is read of one structure's distribution agrees: a class has the mass between its
thresholds, the estimate is the median, the ends of the interval are quantiles.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

import numpy as np

from andersonn.data.tasks import Task
from andersonn.inference.fitted import by_geometry, is_number
from andersonn.inference.tails import Kinds, Tails
from andersonn.models.distribution import positions_of

LEAST = 1e-9
"""Probabilities are kept this far from 0 and 1 where their log-odds are taken."""
RAREST = 1e-6
"""Share of training labels beyond a median: of fewer, the usual distribution cannot be moved to it."""


@dataclass(frozen=True, eq=False)
class Distributions:
    """Distributions of n structures.

    Attributes:
        edges: in the task's unit, rising, ``[E]``.
        cdf: probability of at most each edge, ``[n, E]``; the last is 1. At the first edge it is the mass of that edge itself,
            between edges it rises evenly.
    """

    edges: np.ndarray
    cdf: np.ndarray

    def part(self, k: int) -> Distributions:
        """That of the k-th structure alone."""
        return Distributions(self.edges, self.cdf[k : k + 1].copy())

    @classmethod
    def of_scores(cls, edges: np.ndarray, scores: np.ndarray) -> Self:
        """From scores of the masses ``[n, E]``."""
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        cdf = np.cumsum(powers / powers.sum(axis=1, keepdims=True), axis=1)
        return cls(edges, np.concatenate([np.minimum(cdf[:, :-1], 1.0), np.ones((len(cdf), 1))], axis=1))

    def with_zero(self, rows: np.ndarray) -> Distributions:
        """All mass of some of them at the first edge, bool ``[n]``."""
        return Distributions(self.edges, np.where(rows[:, None], 1.0, self.cdf))

    def above(self, cut: float, rows: np.ndarray, usual: np.ndarray) -> Distributions:
        """Those of some structures, given that their values lie above a cut (from the first edge that reaches it). Half the usual
        distribution ``[E]`` is mixed in before, as a network that calls the opposite likely has little to say on what lies above.

        Args:
            cut: at most the last edge but one.
            rows: which of the structures, bool ``[n]``.
            usual: distribution of the training labels at the edges.
        """
        if not rows.any():
            return self
        mixed = 0.5 * (self.cdf + usual)
        excluded = mixed[:, [np.searchsorted(self.edges, cut)]]
        above = np.maximum(mixed - excluded, 0.0) / np.maximum(1.0 - excluded, LEAST)
        above[:, -1] = 1.0  # also where no training label lies above the cut
        return Distributions(self.edges, np.where(rows[:, None], above, self.cdf))

    def below(self, cut: float, or_at: bool = False) -> np.ndarray:
        """Probability of less than ``cut`` (or of at most), ``[n]``. The two differ at the first edge alone."""
        if cut < self.edges[0] or (cut == self.edges[0] and not or_at):
            return np.zeros(len(self.cdf))
        j = int(np.searchsorted(self.edges, cut, side="left"))
        if j == 0 or j >= len(self.edges):
            return self.cdf[:, min(j, len(self.edges) - 1)].copy()
        part = (cut - self.edges[j - 1]) / (self.edges[j] - self.edges[j - 1])
        return self.cdf[:, j - 1] + part * (self.cdf[:, j] - self.cdf[:, j - 1])

    def at(self, values: np.ndarray) -> np.ndarray:
        """Probability of at most the value, each of its own structure, ``[n]``."""
        j = np.searchsorted(self.edges, values, side="left")
        inside = np.clip(j, 1, len(self.edges) - 1)
        row = np.arange(len(values))
        width = self.edges[inside] - self.edges[inside - 1]
        part = np.clip((values - self.edges[inside - 1]) / width, 0.0, 1.0)
        found = self.cdf[row, inside - 1] + part * (self.cdf[row, inside] - self.cdf[row, inside - 1])
        return np.where(values < self.edges[0], 0.0, found)

    def quantile(self, level: np.ndarray | float) -> np.ndarray:
        """The value below which lies this probability (one for all, or ``[n]``), ``[n]``."""
        wanted = np.broadcast_to(level, len(self.cdf))
        j = (self.cdf < wanted[:, None]).sum(axis=1)
        row, upper = np.arange(len(wanted)), np.clip(j, 1, len(self.edges) - 1)
        low, high = self.cdf[row, upper - 1], self.cdf[row, upper]
        part = np.clip((wanted - low) / np.maximum(high - low, 1e-300), 0.0, 1.0)
        between = self.edges[upper - 1] + part * (self.edges[upper] - self.edges[upper - 1])
        return np.where(j == 0, self.edges[0], between)

    def sharpened(self, power: np.ndarray | float, doubt: np.ndarray | float, usual: np.ndarray) -> Distributions:
        """Log-odds of every cut times ``power``, which leaves the median; then mixed with the usual distribution, ``[E]``, by the
        fraction ``doubt``. Both are one number or ``[n, 1]``. A power of the usual distribution is taken that has the same median,
        so that doubt widens an answer and does not move its estimate.
        """
        p = np.clip(self.cdf, LEAST, 1.0 - LEAST)
        changed = 1.0 / (1.0 + np.exp(-power * (np.log(p) - np.log1p(-p))))
        medians = Distributions(self.edges, changed).quantile(0.5)
        at_median = np.clip(np.interp(medians, self.edges, usual), RAREST, 1.0 - RAREST)
        exponent = np.where((medians == self.edges[0]) & (at_median >= 0.5), 1.0, np.log(0.5) / np.log(at_median))
        cdf = (1.0 - doubt) * changed + doubt * usual ** exponent[:, None]
        cdf[:, -1] = 1.0
        return Distributions(self.edges, cdf)


@dataclass(frozen=True)
class DistributionCalibration:
    """From the scores of masses to calibrated answers.

    Attributes:
        edges: of the masses, in the task's unit.
        usual: distribution of the training labels at the edges; with this one answers are mixed where the model is in doubt.
        thresholds: between the classes.
        zero_is_class: whether the lowest class has the value zero when its threshold is zero.
        power: the log-odds of every cut are multiplied by it: below 1 distributions widen.
        tail: the 90 % interval lies between the quantiles ``tail`` and ``1 − tail``; conformal, so near but not exactly 0.05.
        tails: by kind of structure, instead of ``tail`` and ``made_tail`` where the kind is known; None: they are the same for all.
        fitted: whether the three were fitted on validation structures.
        doubt_slope, doubt_middle: how the fraction of the usual distribution rises with the distance d from the training
            structures, as ``1 / (1 + exp(−slope ln(d / middle)))``; None: it does not.
        made_power, made_tail, made_doubt: power, tail and fraction of the usual distribution for structures whose geometry was
            generated; None: as for the others.
        few_power, few_doubt: the same two for those of them with few heavy atoms (:data:`~andersonn.inference.tails.MADE_FEW`);
            None: as for the others.
    """

    edges: tuple[float, ...]
    usual: tuple[float, ...]
    thresholds: tuple[float, ...]
    zero_is_class: bool = False
    power: float = 1.0
    tail: float = 0.05
    tails: Tails | None = None
    fitted: bool = False
    doubt_slope: float | None = None
    doubt_middle: float | None = None
    made_power: float | None = None
    made_tail: float | None = None
    made_doubt: float | None = None
    few_power: float | None = None
    few_doubt: float | None = None

    @classmethod
    def raw(cls, edges: np.ndarray, values: np.ndarray, task: Task) -> Self:
        """Without any correction, of masses between these edges; ``values`` are the training labels ``[n]``."""
        usual = np.searchsorted(np.sort(values), edges, side="right") / len(values)
        return cls(tuple(edges.tolist()), tuple(usual.tolist()), task.thresholds, task.zero_is_class)

    def distributions(
        self,
        scores: np.ndarray,
        made: np.ndarray | None = None,
        distance: np.ndarray | None = None,
        kinds: Kinds | None = None,
    ) -> Distributions:
        """Calibrated distributions.

        Args:
            scores: of the masses, ``[n, E]``.
            made: whose geometry was generated, ``[n]``; None: nobody's.
            distance: of each structure from those of training (:meth:`~andersonn.inference.fitted.Domain.distance`), ``[n]``.
            kinds: of the structures; None: not known.
        """
        raw = Distributions.of_scores(np.array(self.edges), scores)
        power, by_made = by_geometry(self.power, self.made_power, made), by_geometry(0.0, self.made_doubt, made)
        if kinds is not None and self.few_power is not None:
            few = kinds.few_made(made)
            power, by_made = by_geometry(power, self.few_power, few), by_geometry(by_made, self.few_doubt, few)
        doubt = 1.0 - (1.0 - by_made) * (1.0 - self.doubt(distance))
        return raw.sharpened(np.atleast_1d(power)[:, None], np.atleast_1d(doubt)[:, None], np.array(self.usual))

    def doubt(self, distance: np.ndarray | None) -> np.ndarray:
        """Fraction of the usual distribution at these distances, ``[n]``; zeros where none are given."""
        if distance is None or self.doubt_slope is None or self.doubt_middle is None:
            return np.zeros(1)
        steep = self.doubt_slope * np.log(np.maximum(distance, LEAST) / self.doubt_middle)
        return 1.0 / (1.0 + np.exp(-np.clip(steep, -50.0, 50.0)))

    def probabilities(
        self,
        scores: np.ndarray,
        made: np.ndarray | None = None,
        distance: np.ndarray | None = None,
        kinds: Kinds | None = None,
    ) -> np.ndarray:
        """Probabilities of the classes, ``[n, C]``; arguments as of :meth:`distributions`."""
        return self.classes_of(self.distributions(scores, made, distance, kinds))

    def classes_of(self, found: Distributions) -> np.ndarray:
        """Mass between the thresholds, ``[n, C]``."""
        below = [found.below(cut, or_at=self.zero_is_class) for cut in self.thresholds]
        cdf = np.stack([np.zeros(len(found.cdf)), *below, np.ones(len(found.cdf))], axis=1)
        return np.maximum(np.diff(cdf, axis=1), 0.0)

    def estimates(
        self,
        scores: np.ndarray,
        quantiles: np.ndarray,
        made: np.ndarray | None = None,
        distance: np.ndarray | None = None,
        kinds: Kinds | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Medians ``[n]`` and 90 % intervals ``[n, 2]`` in the task's unit; the quantiles of other networks are not used. ``kinds``
        are those of the structures, if they are known.
        """
        return self.read(self.distributions(scores, made, distance, kinds), made, kinds)

    def read(self, found: Distributions, made: np.ndarray | None, kinds: Kinds | None) -> tuple[np.ndarray, np.ndarray]:
        """Medians and intervals of calibrated distributions; arguments and result as of :meth:`estimates`."""
        tail = by_geometry(self.tail, self.made_tail, made)
        if kinds is not None and self.tails is not None:
            tail = self.tails.of(kinds, found.cdf[:, 0], made)
        return found.quantile(0.5), np.stack([found.quantile(tail), found.quantile(1.0 - tail)], axis=1)

    def with_thresholds(self, thresholds: tuple[float, ...]) -> DistributionCalibration:
        """The same distributions, cut elsewhere."""
        return replace(self, thresholds=thresholds)

    def usual_below(self, cut: float) -> float:
        """Fraction of the training labels below a cut, of a class that begins at zero with those of zero."""
        found = Distributions(np.array(self.edges), np.array([self.usual]))
        return float(found.below(cut, or_at=self.zero_is_class)[0])

    def class_positions(self) -> tuple[int, ...]:
        """Of each threshold, which must be an edge, how many masses lie below it."""
        return positions_of(np.array(self.edges), self.thresholds)

    @classmethod
    def from_dict(cls, values: dict[str, Any], task: Task) -> Self:
        """As :meth:`as_dict` wrote it, for the thresholds of ``task``.

        Raises:
            ValueError: a value is missing, superfluous or impossible.
        """
        names = [field.name for field in fields(cls) if field.name not in ("thresholds", "zero_is_class")]
        required = [name for name in names if not name.startswith(("made_", "few_", "doubt_", "tails"))]
        content = dict(values)
        if (sizes := content.pop("tail_by_size", None)) is not None:
            content["tails"] = Tails.by_size(sizes).as_dict()
        if set(content) - set(names) or set(required) - set(content):
            raise ValueError(f"its calibration does not hold {', '.join(required)}")
        if "tails" in content:
            content["tails"] = Tails.from_dict(content["tails"])
        for name in ("edges", "usual"):
            content[name] = tuple(float(value) for value in values[name])
        edges, usual = np.array(content["edges"]), np.array(content["usual"])
        if not (len(edges) == len(usual) > 2 and (np.diff(edges) > 0).all() and (np.diff(usual) >= 0).all()):
            raise ValueError("its calibration has edges or a usual distribution that do not rise")
        largest = {"tail": 0.5, "made_tail": 0.5, "made_doubt": 1.0, "few_doubt": 1.0}
        for name in ("doubt_slope", "doubt_middle", "power", "made_power", "few_power", *largest):
            value, most = values.get(name, 0.1), largest.get(name, math.inf)
            if not is_number(value) or not 0.0 <= value < most:
                raise ValueError(f"its calibration has {name} {value!r}")
        return cls(thresholds=task.thresholds, zero_is_class=task.zero_is_class, **content)

    def as_dict(self) -> dict[str, Any]:
        """For the model card, which holds the thresholds elsewhere."""
        written = {name: value for name, value in asdict(self).items() if value is not None}
        del written["thresholds"], written["zero_is_class"]
        tails = {} if self.tails is None else {"tails": self.tails.as_dict()}
        return written | {"edges": list(self.edges), "usual": list(self.usual)} | tails
