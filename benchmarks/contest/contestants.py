"""Who takes part: our solvers, and the peers of :mod:`~contest.peers`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, ClassVar

from andersonn.io.installed import how_to_install
from andersonn.measuring.problems import FixedPointProblem
from andersonn.solvers import Anderson, Broyden, ForwardIteration, Solver
from contest.recorder import Enough, Record, Recorder

INSTALL = f"not installed: {how_to_install('peers')}"


class Contestant(ABC):
    """A solver in the contest.

    Attributes:
        name: in tables.
        kind: ``"forward"``, ``"anderson"`` or ``"broyden"``.
        packages: what it needs beside torch.
        ours: whether it is one of this package's.
        same_map: whether it evaluates the very f that ours do, not a twin of it in another framework.
    """

    name: str
    kind: str
    packages: tuple[str, ...] = ()
    ours: ClassVar[bool] = False
    same_map: ClassVar[bool] = True

    def refusal(self, posed: FixedPointProblem) -> str | None:
        """Why it cannot take a problem; None if it can."""
        return None if all(find_spec(package) for package in self.packages) else INSTALL

    @abstractmethod
    def prepare(self, posed: FixedPointProblem, rtol: float, evaluations: int) -> Callable[[], Any]:
        """The run that is timed, all that a user does once (compiling, conversions) being done. Ours stop by themselves at
        ``rtol``, peers after exactly so many evaluations (at least as many as their loop needs).
        """

    def watch(self, posed: FixedPointProblem, record: Record, rtol: float, limit: int) -> Any:
        """Runs it once with f watched; what it returns, or None where the record ended the run."""
        watched = posed._replace(f=Recorder(posed, record))
        try:
            return self.prepare(watched, rtol, limit)()
        except Enough:
            return None


@dataclass(frozen=True)
class Ours(Contestant):
    """One of this package's solvers; its tolerance and budget are set by the contest."""

    name: str
    kind: str
    solver: Solver
    ours: ClassVar[bool] = True

    def prepare(self, posed: FixedPointProblem, rtol: float, evaluations: int) -> Callable[[], Any]:
        """A whole solve, statuses and trace included."""
        solver = replace(self.solver, rtol=rtol, max_steps=max(evaluations - 1, 1))
        return lambda: solver.solve(posed.f, posed.z0, posed.offsets)


FORWARD = "forward iteration"
DEFAULT = "Anderson m=5"
"""The usual fixed window, as peers have it. A user who chooses nothing gets the automatic choice."""
AUTO = "Anderson auto"
"""The default of the package, which must never lose against forward iteration; claims about it say "not measured" while it takes no part."""

OURS: tuple[Contestant, ...] = (
    Ours(FORWARD, "forward", ForwardIteration()),
    Ours(DEFAULT, "anderson", Anderson(window=5)),
    Ours("Anderson m=20", "anderson", Anderson(window=20)),
    Ours("Anderson m=100", "anderson", Anderson(window=100)),
    Ours("Anderson m=10, period 2", "anderson", Anderson(window=10, period=2)),
    Ours(AUTO, "anderson", Anderson("auto")),
    Ours("Broyden m=200", "broyden", Broyden(window=200)),
)
LARGEST_WINDOW = 100


def reference(window: int, rtol: float) -> Ours:
    """Anderson over its whole history: in float64 the best a method can do that combines past values (for linear maps it
    is GMRES: H. F. Walker and P. Ni, SIAM J. Numer. Anal. 49, 1715 (2011), theorem 2.2).
    """
    return Ours("full window, float64", "anderson", Anderson(window=window, rtol=rtol))
