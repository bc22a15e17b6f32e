"""One criterion for all: what every call of f says about how far a solver has come.

A solver is watched from inside f. Each state that it asks f about has a relative residual ‖f(z) − z‖ / ‖f(z)‖ for each
sample; a sample is solved to a tolerance at the first evaluation whose residual meets it, a batch when its last sample is.
So no solver is judged by its own stopping rule, and none pays for evaluating what it has already solved.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from andersonn.measuring.problems import FixedPointProblem, relative_residual

PATIENCE = 5
"""Evaluations in a row with NaN or infinity in an unsolved sample after which a run is given up."""


class Enough(Exception):
    """Ends a run from inside f: all that was to be learned from it is known."""


class Record:
    """Residuals of one run.

    Attributes:
        calls: evaluations of f.
        best: least relative residual of each sample so far, ``[B]``.
        curve: that of the worst sample after each evaluation.
        overflow: whether the run was left with NaN or infinity in a sample it had not solved.
    """

    def __init__(self, samples: int, stop: float = 0.0, limit: int | None = None) -> None:
        self.best = np.full(samples, np.inf)
        self.curve: list[float] = []
        self.stop, self.limit = stop, limit
        self._broken = np.zeros(samples, dtype=np.int64)

    @property
    def calls(self) -> int:
        """Evaluations of f."""
        return len(self.curve)

    @property
    def overflow(self) -> bool:
        """Whether an unsolved sample was NaN or infinite at the end."""
        return bool(((self._broken > 0) & (self.best > self.stop)).any())

    def add(self, who: np.ndarray, residual: np.ndarray) -> None:
        """Takes down an evaluation of the samples ``who``.

        Raises:
            Enough: all samples are solved to ``stop``, the evaluations are used up, or a sample is lost.
        """
        sound = np.isfinite(residual)
        self.best[who] = np.minimum(self.best[who], np.where(sound, residual, np.inf))
        self._broken[who] = np.where(sound, 0, self._broken[who] + 1)
        self.curve.append(float(self.best.max()))
        lost = ((self._broken >= PATIENCE) & (self.best > self.stop)).any()
        if self.limit is not None and (self.calls >= self.limit or lost or self.curve[-1] <= self.stop):
            raise Enough

    def evaluations(self, rtol: float) -> int | None:
        """Evaluations until every sample was solved to ``rtol``; None if that never came."""
        reached = np.flatnonzero(np.array(self.curve) <= rtol)
        return int(reached[0]) + 1 if len(reached) else None


class Recorder:
    """f with a :class:`Record`. It can leave samples out where f can."""

    def __init__(self, posed: FixedPointProblem, record: Record, who: np.ndarray | None = None) -> None:
        self.f, self.record = posed.f, record
        self.lengths = posed.lengths
        self.who = np.arange(posed.samples) if who is None else who
        if hasattr(posed.f, "subset"):
            self.subset = self._subset

    def __call__(self, z: Tensor) -> Tensor:
        """One evaluation, taken down."""
        value = self.f(z)
        self.record.add(self.who, relative_residual(z, value, self.lengths).cpu().numpy())
        return value

    def _subset(self, samples: Tensor, rows: Tensor) -> Recorder:
        part = Recorder(
            FixedPointProblem(self.f.subset(samples, rows), rows), self.record, self.who[samples.cpu().numpy()]
        )
        part.lengths = None if self.lengths is None else self.lengths[samples]
        return part


def stop_after(f: Callable[[Tensor], Tensor], evaluations: int) -> Callable[[Tensor], Tensor]:
    """The map f, but it ends the run within its last allowed evaluation, for solvers that count something else."""
    left = evaluations

    def counted(z: Tensor) -> Tensor:
        nonlocal left
        left -= 1
        value = f(z)
        if left <= 0:
            raise Enough
        return value

    return counted
