"""Which state of a sample to keep while none has met the tolerance: one rule for arrays, tensors and compiled loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

RUNAWAY = 4.0
"""A state whose ‖f(z) − z‖ exceeds this multiple of the least so far is no best iterate, however small its relative residual."""


def improves(score: Any, size: Any, kept_score: Any, kept_size: Any, least: Any) -> Any:
    """Whether a state takes the place of the one kept, a mask ``[B]``, of numpy arrays or of tensors ``[B]``.

    It does if its residual is the least relative to the tolerance, of states that have not run away. Alone the relative residual would
    not do: where iterates grow without bound it tends to a constant however far they are, and some huge state has the
    least. Nor would ‖f(z) − z‖ alone: where f expands everywhere the initial state has the least.

    Args:
        score: of the state, its residual relative to the tolerance.
        size: of the state, ‖f(z) − z‖.
        kept_score: of the one kept, infinite before there is one.
        kept_size: likewise.
        least: the least ‖f(z) − z‖ so far, this state's included.
    """
    limit = RUNAWAY * least
    return (size <= limit) & ((score <= kept_score) | (kept_size > limit))


class BestTogether:
    """The best iterate of samples that affect each other, by the worst score and the length of all their residuals."""

    def __init__(self) -> None:
        self.score = self.size = self.least = math.inf

    def improves(self, scores: np.ndarray, sizes: np.ndarray) -> bool:
        """Whether the state with these residuals is the best so far; it is then the one kept."""
        if not len(scores):
            return False
        score, size = float(np.maximum.reduce(scores)), float(np.linalg.norm(sizes))
        self.least = min(self.least, size)
        better = bool(improves(score, size, self.score, self.size, self.least))
        if better:
            self.score, self.size = score, size
        return better
