"""The mixing parameter β of Anderson extrapolation: constant, by schedule, or adapted to each sample."""

from __future__ import annotations

import torch
from torch import Tensor

from andersonn.solvers.options import require_number
from andersonn.solvers.window import Window

LEAST = 0.1
LOWER, RAISE = 0.5, 1.25


class Mixing:
    """β of each extrapolation.

    Args:
        rule: a number, a schedule (tuple; the last value is kept), or ``"adaptive"``: for a linear f the residual after a
            step is (1 − β + β J) r̄, with r̄ what the least squares left of the one before. If it is longer than r̄, the
            step has expanded, and the sample's β is halved; else it grows by a quarter, to 1 at most.
        samples: B.
        device: of the state.
    """

    def __init__(self, rule: float | tuple[float, ...] | str, samples: int, device: torch.device) -> None:
        self.adaptive = rule == "adaptive"
        self.schedule = (1.0,) if self.adaptive else (rule if isinstance(rule, tuple) else (rule,))
        self.taken = 0
        self.beta = torch.ones(samples, dtype=torch.float64, device=device) if self.adaptive else None
        self.left: Tensor | None = None

    @staticmethod
    def check(rule: object) -> None:
        """Raises a ValueError unless it is a rule."""
        if rule == "adaptive":
            return
        values = rule if isinstance(rule, tuple) else (rule,)
        if not values or isinstance(rule, str):
            raise ValueError(f'mixing must be a number, a tuple of numbers, or "adaptive", not {rule!r}')
        for value in values:
            require_number("mixing", value, above=0, most=1)

    @property
    def plain(self) -> bool:
        """Whether β is 1 whatever comes."""
        return self.schedule == (1.0,) and not self.adaptive

    @property
    def first(self) -> float:
        """β of plain steps: the schedule's present value."""
        return self.schedule[min(self.taken, len(self.schedule) - 1)]

    def undone(self, window: Window, gamma: Tensor, size: Tensor) -> Tensor | None:
        """1 − β of this extrapolation for each sample, ``[B]``, or None if it is 0 for all."""
        beta = self.first
        self.taken += 1
        if not self.adaptive:
            return None if beta == 1.0 else torch.full_like(size, 1.0 - beta)
        if self.left is not None:
            grown = torch.where(size > self.left, LOWER * self.beta, RAISE * self.beta)
            self.beta = grown.clamp(LEAST, 1.0)
        self.left = window.predicted(gamma, size)
        return 1.0 - self.beta

    def compact(self, samples: Tensor) -> None:
        """Goes on with these samples alone."""
        if self.adaptive:
            self.beta = self.beta[samples]
            self.left = None if self.left is None else self.left[samples]
