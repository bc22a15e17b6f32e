"""Forward iteration (Picard iteration): z ← z + mixing · (f(z) − z). The baseline of every comparison."""

from __future__ import annotations

import torch
from torch import Tensor

from andersonn.solvers.block import Block
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

    def advance(self, now: Evaluation, out: Block) -> Block:
        return damped(now, self.mixing, out)


def damped(now: Evaluation, mixing: float, out: Block) -> Block:
    """The plain step z + mixing · r."""
    if mixing == 1.0:
        return now.g
    torch.add(now.z.t, now.r.t, alpha=mixing, out=out.t)
    return out
