"""Fixed-point iteration (Picard iteration): z ← z + mixing · (f(z) − z). The baseline of every comparison."""

from __future__ import annotations

from torch import Tensor

from andersonn.solvers.layout import Block, Layout
from andersonn.solvers.options import options, require_number
from andersonn.solvers.solver import Evaluation, Solver, Stepper


@options
class FixedPointIteration(Solver):
    """Fixed-point iteration, damped if ``mixing`` < 1. Converges when the spectral radius of f's Jacobian is < 1.

    ``ForwardIteration`` and ``Picard`` are other names of this class; configurations of models call it ``"forward"``.

    Attributes:
        mixing: β in (0, 1]; 1 is the undamped step.
    """

    mixing: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("mixing", self.mixing, above=0, most=1)

    @property
    def name(self) -> str:
        """``"ForwardIteration"``, its name in reports and predictions since the first version."""
        return "ForwardIteration"

    def stepper(self, layout: Layout, like: Tensor) -> _PicardStepper:
        """The Picard step."""
        return _PicardStepper(self.mixing)


ForwardIteration = Picard = FixedPointIteration


class _PicardStepper(Stepper):
    def __init__(self, mixing: float) -> None:
        self.mixing = mixing

    def advance(self, now: Evaluation, out: Block) -> Block:
        return now.picard_step(self.mixing, out)
