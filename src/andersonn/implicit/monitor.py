"""Monitors the spectral radius of a layer in training, and warns when the fixed point may stop being attracting."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from andersonn.implicit.stability import spectral_radius
from andersonn.solvers import FixedPoint, Layout
from andersonn.solvers.options import require_count, require_number
from andersonn.solvers.pytree import SubsettableMap


class WellPosednessWarning(UserWarning):
    """A layer's fixed point is close to losing, or has lost, its attraction (spectral radius 1)."""


class Reading(NamedTuple):
    """One measurement of a :class:`DriftMonitor`: the number of the solve, median and largest spectral radius at z* over the
    samples measured (NaN if none was finite), and the share of the whole batch that converged.
    """

    call: int
    median: float
    largest: float
    converged: float


class DriftMonitor:
    """Measures the spectral radius at z* every so often in training, and warns each time it rises beyond a limit.

    Give one to each layer: ``Equilibrium(cell, monitor=DriftMonitor())``. A measurement costs one recorded evaluation of
    f and ``iterations`` vector-Jacobian products, of the samples measured alone if f can be restricted to them (see
    ``subset`` of the layer's maps), of the whole batch otherwise. It changes neither random generators nor gradients, and
    stores numbers only.

    Args:
        every: solves from one measurement to the next.
        limit: the spectral radius to warn beyond.
        iterations: of :func:`~andersonn.implicit.stability.spectral_radius`.
        samples: how many samples of the batch to measure, drawn at random.

    Attributes:
        calls: solves so far.
        history: a :class:`Reading` for each measurement.
    """

    def __init__(self, every: int = 100, limit: float = 0.95, iterations: int = 12, samples: int = 8) -> None:
        require_count("every", every)
        require_number("limit", limit, above=0)
        require_count("iterations", iterations)
        require_count("samples", samples)
        self.every, self.limit, self.iterations, self.samples = every, float(limit), iterations, samples
        self.calls = 0
        self.history: list[Reading] = []
        self._beyond = False

    def observe(self, f: Callable[[Tensor], Tensor], z: Tensor, offsets: Tensor | None, solution: FixedPoint) -> None:
        """Called after each solve; measures at every ``every``-th. An empty batch does not count.

        Args:
            f: the map, its inputs captured; ``f.subset(samples, rows)``, if it has that, is the map of these alone.
            z: the solution z*, ``[B, …]`` or ``[R, …]`` with ``offsets``.
            offsets: as in :func:`andersonn.solvers.fixed_point`.
            solution: the result of the solve.

        Warns:
            WellPosednessWarning: the largest radius measured is beyond the limit, and was not at the measurement before.
        """
        if len(solution.status) == 0:
            return
        self.calls += 1
        if self.calls % self.every:
            return
        if hasattr(f, "subset"):
            f, z, offsets = self._restricted(f, z, offsets)
        devices = [z.device] if z.device.type == "cuda" else []
        with torch.random.fork_rng(devices):  # f may draw random numbers
            radius = spectral_radius(f, z.detach(), offsets, self.iterations, seed=self.calls)
        finite = radius[radius.isfinite()]
        median, largest = (float(finite.median()), float(finite.max())) if len(finite) else (float("nan"),) * 2
        self.history.append(Reading(self.calls, median, largest, float(solution.converged.float().mean())))
        beyond = largest > self.limit
        if beyond and not self._beyond:
            warnings.warn(WellPosednessWarning(self._message(self.history[-1])), stacklevel=2)
        self._beyond = beyond

    def report(self) -> str:
        """The latest measurement and the worst one, in one line."""
        if not self.history:
            return f"no measurement yet: {self.calls} solves so far, one in {self.every} is measured"
        latest = self.history[-1]
        worst = max(self.history, key=lambda reading: (reading.largest == reading.largest, reading.largest))
        return (
            f"spectral radius at z* at solve {latest.call}: median {latest.median:.3f}, largest {latest.largest:.3f} "
            f"(worst so far {worst.largest:.3f} at solve {worst.call}, limit {self.limit:g}); "
            f"{latest.converged:.0%} of samples converged"
        )

    def __repr__(self) -> str:
        return (
            f"DriftMonitor(every={self.every}, limit={self.limit:g}, iterations={self.iterations}, "
            f"samples={self.samples})"
        )

    def _restricted(
        self, f: SubsettableMap, z: Tensor, offsets: Tensor | None
    ) -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor | None]:
        """The map, state and offsets of a few samples drawn at random."""
        layout = Layout(z, offsets)
        if layout.samples <= self.samples:
            return f, z, offsets
        generator = torch.Generator().manual_seed(self.calls)
        chosen = torch.randperm(layout.samples, generator=generator)[: self.samples].sort().values.to(z.device)
        part, rows = layout.subset(chosen)
        if part.lengths is not None:
            offsets = torch.cat([part.lengths.new_zeros(1), part.lengths.cumsum(0)])
        return f.subset(chosen, rows), z[rows], offsets

    def _message(self, reading: Reading) -> str:
        return (
            f"the layer drifts towards losing its fixed point: spectral radius at z* up to {reading.largest:.3f} (median "
            f"{reading.median:.3f}, limit {self.limit:g}) at solve {reading.call}, {1 - reading.converged:.0%} of samples "
            "unconverged; solves slow down towards radius 1, and beyond it fixed-point iteration fails. Bound the cell's weights (andersonn.implicit.lipschitz.bound_norm), "
            "add jacobian_penalty to the loss or raise its weight, or lower the learning rate; "
            "a solver with mixing below 1 helps where eigenvalues are below -1"
        )
