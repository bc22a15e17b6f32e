"""Where one convergence curve overtakes another: the point at which a costlier step has paid for itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Curve:
    """Residual against time of one solver.

    Attributes:
        seconds: rising, ``[T]``.
        residual: at these times, ``[T]``.
    """

    seconds: np.ndarray
    residual: np.ndarray

    def time_to(self, level: float) -> float:
        """Seconds until the residual is at or under ``level`` for the first time; infinity if never."""
        reached = np.flatnonzero(self.residual <= level)
        return float(self.seconds[reached[0]]) if len(reached) else float("inf")

    def evaluations_to(self, level: float) -> int | None:
        """Evaluations until the residual is at or under ``level``; None if never."""
        reached = np.flatnonzero(self.residual <= level)
        return int(reached[0]) + 1 if len(reached) else None


@dataclass(frozen=True)
class Crossover:
    """Where the costlier solver comes out ahead for good.

    Attributes:
        residual: it is ahead at this level and at every lower one.
        seconds: when it reaches that level.
    """

    residual: float
    seconds: float


def crossover(costlier: Curve, plain: Curve, floor: float = 0.0) -> Crossover | None:
    """The point from which on the costlier solver stays ahead, or None if it is behind at the end.

    Levels are those that either curve reaches; a level that only one of them reaches is won by that one. Differences
    under ``floor``, where rounding decides, count for neither.
    """
    costlier, plain = (Curve(c.seconds, np.maximum(c.residual, floor)) for c in (costlier, plain))
    levels = np.unique(np.concatenate([costlier.residual, plain.residual]))
    levels = levels[np.isfinite(levels)]
    best = None
    for level in levels:  # from the lowest up, as long as the costlier one is ahead
        mine, other = costlier.time_to(level), plain.time_to(level)
        if not mine < other:
            break
        best = Crossover(float(level), mine)
    return best
