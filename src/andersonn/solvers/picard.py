"""Forward iteration (Picard iteration): z ← z + mixing · (f(z) − z). The baseline of every comparison."""

from __future__ import annotations

import torch
from torch import Tensor

from andersonn.solvers.layout import Layout
from andersonn.solvers.loop import Evaluation, Stepper
from andersonn.solvers.options import options, require_number
from andersonn.solvers.solver import Solver


@options
class ForwardIteration(Solver):
    """Plain forward iteration, damped if ``mixing`` < 1. Converges when the spectral radius of f's Jacobian is < 1."""

    mixing: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("mixing", self.mixing, above=0, most=1)

    def stepper(self, layout: Layout, like: Tensor) -> _Picard:
        """The plain step."""
        return _Picard(self.mixing)


class _Picard(Stepper):
    def __init__(self, mixing: float) -> None:
        self.mixing = mixing

    def advance(self, now: Evaluation, out: Tensor) -> Tensor:
        return now.g if self.mixing == 1.0 else torch.add(now.z, now.r, alpha=self.mixing, out=out)
