"""Tolerances over the course of training: loose at first, where gradients are noisy anyway, and tight at the end."""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Integral
from typing import Protocol

from andersonn.errors import did_you_mean
from andersonn.solvers import Solver
from andersonn.solvers.options import options, require_count, require_number

SHAPES = ("geometric", "linear", "cosine")


class HasSolver(Protocol):
    """A layer whose tolerance a schedule can set, such as :class:`~andersonn.implicit.equilibrium.Equilibrium`."""

    solver: Solver


@options
class ToleranceSchedule:
    """Relative tolerance of a layer's solver by training step: from ``start`` down to ``end`` over the first ``over`` steps,
    then ``end``.

    Call ``schedule.apply(layer, step)`` before each step. An adjoint without a tolerance of its own
    (``ImplicitGradient(rtol=None)``) follows, since it takes the layer's solver.

    Attributes:
        start: tolerance at step 0.
        end: tolerance at step ``over`` and after, at most ``start``.
        over: steps.
        shape: "geometric" (an equal factor each step), "linear", or "cosine" (half a wave, flat at both ends).
    """

    start: float = 1e-1
    end: float = 1e-3
    over: int = 1000
    shape: str = "geometric"

    def __post_init__(self) -> None:
        require_number("start", self.start, above=0)
        require_number("end", self.end, above=0)
        require_count("over", self.over)
        if self.end > self.start:
            raise ValueError(
                f"end = {self.end:g} is looser than start = {self.start:g}; tolerances tighten in training"
            )
        if self.shape not in SHAPES:
            raise ValueError(f"no shape {self.shape!r}; {did_you_mean(str(self.shape), SHAPES)}")

    def at(self, step: int) -> float:
        """The tolerance at a training step, counted from 0."""
        if not isinstance(step, Integral) or isinstance(step, bool) or step < 0:
            raise ValueError(f"step must be a whole number, at least 0, not {step!r}")
        if step == 0 or step >= self.over:  # exact at the ends
            return float(self.end if step else self.start)
        progress = step / self.over
        if self.shape == "geometric":
            return self.start * (self.end / self.start) ** progress
        if self.shape == "cosine":
            progress = (1 - math.cos(math.pi * progress)) / 2
        return self.start + (self.end - self.start) * progress

    def apply(self, layer: HasSolver, step: int) -> float:
        """Gives the layer's solver the tolerance of this step, and returns it."""
        solver = getattr(layer, "solver", None)
        if not isinstance(solver, Solver):
            raise TypeError(
                f"{type(layer).__name__} has no solver whose tolerance could be set; give the Equilibrium layer itself (model.layer, or "
                "model.module.layer inside DistributedDataParallel)"
            )
        rtol = self.at(step)
        if solver.rtol != rtol:
            layer.solver = replace(solver, rtol=rtol)
        return rtol
