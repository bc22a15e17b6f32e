"""How a network's fixed points are solved for in the course of its training: loosely and cheaply first, exactly at the end."""

from __future__ import annotations

from andersonn.config import TrainConfig
from andersonn.implicit import Equilibrium, OneStepGradient, ToleranceSchedule, WarmStarts

FINENESS = 1000
"""Steps into which the tightening is cut."""


class Steering:
    """Gives a layer the tolerance and the gradient rule of each moment of a run, and its store of solutions.

    Args:
        layer: of the network that is trained; what it has when it comes is what it has at the end.
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
        """Whether solves are to name their structures."""
        return self.options.warm_starts

    def at(self, fraction: float) -> None:
        """Sets the layer for a step at a moment of the run, as a fraction of it from 0 to 1."""
        self.layer.last_adjoint = None  # that of the step before would pass for this one's, if this one solves for none
        self.layer.gradient = OneStepGradient() if fraction < self.options.one_step else self.exact
        if self.schedule is not None:
            self.schedule.apply(self.layer, int(FINENESS * fraction / self.options.tightened))

    def end(self) -> None:
        """Gives the layer back as it came."""
        self.layer.gradient, self.layer.solver, self.layer.warm_starts = self.exact, self.solver, None
