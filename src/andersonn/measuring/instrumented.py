"""A solver inside a network that counts: seconds of its solves, calls of the cell and the rows of these calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from andersonn.errors import UsageError
from andersonn.inference.forward import solvers_changed
from andersonn.measuring.clock import waiter
from andersonn.models import Ensemble, EquilibriumNetwork, ModelConfig
from andersonn.solvers import FixedPoint, Solver


class InstrumentedSolver:
    """Solves as ``solver`` does, and counts.

    Attributes:
        seconds: of all solves; encoder and head are not included.
        calls: evaluations of the map, each for all samples still in the batch.
        rows: rows of the state in these calls, summed: the work done.
        flops: floating-point operations in the solves, if ``counter`` counts.
    """

    def __init__(self, solver: Solver, counter: FlopCounterMode | None = None) -> None:
        self.solver, self.name, self.counter = solver, solver.name, counter
        self.seconds, self.calls, self.rows, self.flops = 0.0, 0, 0, 0

    def solve(self, f: Callable[[Tensor], Tensor], z0: Tensor, offsets: Tensor | None = None) -> FixedPoint:
        """As :meth:`Solver.solve`."""
        wait = waiter(z0.device)
        wait()
        before = self._flops()
        begin = time.perf_counter()
        found = self.solver.solve(_Counted(f, self), z0, offsets)
        wait()
        self.seconds += time.perf_counter() - begin
        self.flops += self._flops() - before
        return found

    def _flops(self) -> int:
        return self.counter.get_total_flops() if self.counter else 0


class _Counted:
    """A map that counts its calls."""

    def __init__(self, f: Any, accounts: InstrumentedSolver) -> None:
        self.f, self.accounts = f, accounts
        if hasattr(f, "subset"):  # solvers leave samples out of a batch only where the map can
            self.subset = lambda samples, rows: _Counted(f.subset(samples, rows), accounts)

    def __call__(self, z: Tensor) -> Tensor:
        self.accounts.calls += 1
        self.accounts.rows += len(z)
        return self.f(z)


@contextmanager
def solving_with(
    network: EquilibriumNetwork | Ensemble, solver: Solver, counter: FlopCounterMode | None = None
) -> Iterator[InstrumentedSolver]:
    """The network, or each member of an ensemble, solves with another solver inside this block, watched; then again with
    its own.

    Raises:
        UsageError: it is an explicit stack of layers.
    """
    require_equilibrium(network.config)
    watched = InstrumentedSolver(solver, counter)
    with solvers_changed(network, lambda _: watched):
        yield watched


def require_equilibrium(options: ModelConfig) -> None:
    """Checks that a network of these options looks for fixed points.

    Raises:
        UsageError: it is an explicit stack of layers.
    """
    if options.layers:
        raise UsageError(
            "no_equilibrium",
            f"this network is a stack of {options.layers} layers and poses no fixed-point problem",
            "give one trained with model.layers=0",
        )
