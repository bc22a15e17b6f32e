"""The safeguard of Anderson's and Broyden's methods: a sample whose residual has grown too far forgets its past."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.convergence_monitor import ConvergenceMonitor
from andersonn.solvers.layout import PerSample
from andersonn.solvers.solver import Stepper

USUAL_SIZES = {torch.float32: (1e-14, 1e14), torch.float64: (1e-140, 1e140)}
"""Residual norms whose products have room in the dtype, also if the next residual is 10,000 times as large."""


class Safeguard:
    """Which samples' residual norms exceed ``factor`` times their least so far.

    Args:
        factor: above 1.
        late: decide on the host, from the norms that the monitor reads from an accelerator one evaluation late. That
            launches nothing until a sample exceeds.
    """

    def __init__(self, factor: float, late: bool) -> None:
        self.factor, self.late = factor, late
        self.least: PerSample | None = None
        self.pending: np.ndarray | None = None  # samples found late, bool ``[B]``

    def observe(self, monitor: ConvergenceMonitor) -> None:
        """Takes in the norms of the latest check."""
        if not self.late:
            return
        found = self._compare(monitor.sizes)
        if found is not None and np.count_nonzero(found):
            self.pending = found if self.pending is None else found | self.pending

    def exceeding(self, size: PerSample) -> PerSample | None:
        """The samples that exceed now, a mask ``[B]``, or None: surely none.

        Args:
            size: residual norms of the latest evaluation, ``[B]``, not looked at where decisions are late.
        """
        if not self.late:
            return self._compare(size)
        found, self.pending = self.pending, None
        return None if found is None else torch.from_numpy(found).to(size.device)

    def _compare(self, size: PerSample) -> PerSample | None:
        if self.least is None:
            self.least = size
            return None
        found = size > self.factor * self.least
        self.least = torch.fmin(self.least, size) if isinstance(size, Tensor) else np.fmin(self.least, size)
        return found

    def compact(self, samples: Tensor) -> None:
        """Goes on with these samples alone."""
        if isinstance(self.least, Tensor):
            self.least = self.least[samples]
        elif self.least is not None:
            self.least = self.least[samples.cpu().numpy()]
        self.pending = None if self.pending is None else self.pending[samples.cpu().numpy()]


class SafeguardedStepper(Stepper):
    """A stepper with a safeguard, or None.

    Attributes:
        like: a tensor of the state's dtype.
        late: whether norms are read from an accelerator at each evaluation, one late.
        careful: whether products of the steps may overflow or vanish, so that a small system may have no solution that is a
            number: true unless the latest norms read are of :data:`USUAL_SIZES`. Then an accelerator need not look for such.
    """

    safeguard: Safeguard | None
    like: Tensor
    late, careful = False, True

    def observe(self, monitor: ConvergenceMonitor) -> None:
        """Takes in norms that were read late."""
        if self.safeguard is not None:
            self.safeguard.observe(monitor)
        if self.late:
            least, most = USUAL_SIZES[self.like.dtype]
            self.careful = not np.logical_and.reduce((monitor.sizes > least) & (monitor.sizes < most))

    def unguarded(self) -> Self:
        """The same, deciding on the device alone."""
        self.late, self.careful = False, True
        if self.safeguard is not None:
            self.safeguard.late = False
        return self
