"""Solver tolerance and gradient rule over the course of a training: loose and cheap first, exact at the end."""

from __future__ import annotations

from andersonn.config import TrainConfig
from andersonn.implicit import Equilibrium, OneStepGradient, ToleranceSchedule, WarmStarts

FINENESS = 1000
"""Steps of the tolerance schedule."""


class SolverSchedule:
    """Sets a layer's tolerance, gradient rule and warm starts as training proceeds.

    Args:
        layer: of the network that is trained; :meth:`end` restores its settings.
        config: of the run.
    """

    def __init__(self, layer: Equilibrium, config: TrainConfig) -> None:
        self.layer, self.options = layer, config.solving
        self.exact, self.solver = layer.gradient, layer.solver
        start = self.options.start_rtol
        self.schedule = None if start is None else ToleranceSchedule(start, layer.solver.rtol, FINENESS)
        if self.options.warm_starts:
            layer.warm_starts = WarmStarts()

    @property
    def remembers(self) -> bool:
        """Whether solves start from the solutions of the last epoch, for which they need the structures' keys."""
        return self.options.warm_starts

    def at(self, fraction: float) -> None:
        """Sets the layer for a training step.

        Args:
            fraction: of the run that is done, 0 to 1.
        """
        self.layer.last_adjoint = None  # else a step without an adjoint solve would report that of the step before
        self.layer.gradient = OneStepGradient() if fraction < self.options.one_step else self.exact
        if self.schedule is not None:
            self.schedule.apply(self.layer, int(FINENESS * fraction / self.options.tightened))

    def end(self) -> None:
        """Restores the layer's own settings."""
        self.layer.gradient, self.layer.solver, self.layer.warm_starts = self.exact, self.solver, None
