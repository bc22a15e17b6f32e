"""A solver inside a network, watched: seconds of its solves, calls of the cell and rows they were for."""

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


class Watched:
    """Solves as ``solver`` does, and keeps accounts.

    Attributes:
        seconds: of all solves; encoder and head are not in it.
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
        found = self.solver.solve(_counted(f, self), z0, offsets)
        wait()
        self.seconds += time.perf_counter() - begin
        self.flops += self._flops() - before
        return found

    def _flops(self) -> int:
        return self.counter.get_total_flops() if self.counter else 0


class _Counted:
    """A map that enters its calls into the accounts."""

    def __init__(self, f: Any, accounts: Watched) -> None:
        self.f, self.accounts = f, accounts

    def __call__(self, z: Tensor) -> Tensor:
        self.accounts.calls += 1
        self.accounts.rows += len(z)
        return self.f(z)


class _DivisibleCounted(_Counted):
    def subset(self, samples: Tensor, rows: Tensor) -> _Counted:
        return _counted(self.f.subset(samples, rows), self.accounts)


def _counted(f: Any, accounts: Watched) -> _Counted:
    return (_DivisibleCounted if hasattr(f, "subset") else _Counted)(f, accounts)


@contextmanager
def solving_with(
    network: EquilibriumNetwork | Ensemble, solver: Solver, counter: FlopCounterMode | None = None
) -> Iterator[Watched]:
    """The network, or each member of an ensemble, solves with another solver inside this block, watched; then again with
    its own.

    Raises:
        UsageError: it is an explicit stack of layers.
    """
    require_equilibrium(network.config)
    watched = Watched(solver, counter)
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
