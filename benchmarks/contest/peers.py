"""Public libraries behind the contest's interface.

They are run as their users run them, with their own defaults for window and ridge, but they stop where the contest says:
their tolerance is 0 and their budget the number of evaluations. Ragged batches they do not know; all rows together are one
sample to them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from andersonn.measuring.problems import FixedPointProblem, Formula, relative_residual
from contest.contestants import OURS, Contestant
from contest.recorder import Enough, Record, stop_after
from contest.tutorial import tutorial_anderson

MEMORY = 2 * 2**30
"""Bytes that torchdeq's Broyden may take for its update vectors; it keeps two states for each step."""
Map = Callable[[Tensor], Tensor]


def in_one(posed: FixedPointProblem) -> tuple[Map, Tensor]:
    """Map and start for solvers that know no ragged batches: all rows are one sample ``[1, R · …]``."""
    f, z0, offsets = posed
    if offsets is None:
        return f, z0
    return lambda z: f(z.reshape(z0.shape)).reshape(1, -1), z0.reshape(1, -1)


@dataclass(frozen=True)
class TorchPeer(Contestant):
    """A solver of torch states; ``solve(f, z0, evaluations)`` calls f so often (at least twice)."""

    name: str
    kind: str
    solve: Callable[[Map, Tensor, int], Any]
    packages: tuple[str, ...] = ()

    def prepare(self, posed: FixedPointProblem, rtol: float, evaluations: int) -> Callable[[], Any]:
        """The call, with its tolerance at 0."""
        f, z0 = in_one(posed)
        return lambda: self.solve(f, z0, evaluations)


def _torchdeq_anderson(f: Map, z0: Tensor, evaluations: int) -> Any:
    from torchdeq.solver.anderson import anderson_solver

    return anderson_solver(f, z0, max_iter=evaluations, tol=0.0, stop_mode="rel")


def _torchdeq_broyden(f: Map, z0: Tensor, evaluations: int) -> Any:
    from torchdeq.solver.broyden import broyden_solver

    steps = min(evaluations - 1, max(1, MEMORY // (2 * z0.numel() * z0.element_size())))
    return broyden_solver(f, z0, max_iter=steps, tol=0.0, stop_mode="rel")


def _torchdeq_forward(f: Map, z0: Tensor, evaluations: int) -> Any:
    from torchdeq.solver.fp_iter import fixed_point_iter

    return fixed_point_iter(f, z0, max_iter=evaluations, tol=0.0, stop_mode="rel")


def _tutorial(f: Map, z0: Tensor, evaluations: int) -> Any:
    return tutorial_anderson(f, z0, max_iter=evaluations, tol=0.0)


@dataclass(frozen=True)
class ScipyPeer(Contestant):
    """A root finder of scipy.optimize on f(z) − z, for one sample on the CPU; line search and step length as scipy sets
    them.
    """

    name: str
    kind: str
    method: str
    options: tuple[tuple[str, Any], ...] = ()

    def refusal(self, posed: FixedPointProblem) -> str | None:
        """Batches and other devices."""
        if posed.samples > 1:
            return "not applicable: one sample only"
        return None if posed.z0.device.type == "cpu" else "not applicable: CPU only"

    def prepare(self, posed: FixedPointProblem, rtol: float, evaluations: int) -> Callable[[], Any]:
        """The call; it ends from inside f, since scipy counts iterations."""
        from scipy import optimize

        f, z0 = in_one(posed)

        def run() -> Any:
            counted = stop_after(f, evaluations)

            def root(x: np.ndarray) -> np.ndarray:
                z = torch.from_numpy(x).to(z0.dtype).view(z0.shape)  # scipy may go on in double precision
                return (counted(z) - z).numpy().ravel()

            settings = {"f_tol": 0.0, "maxiter": evaluations, **dict(self.options)}
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                try:
                    return getattr(optimize, self.method)(root, z0.numpy().ravel(), **settings)
                except Enough:
                    return None

        return run


@dataclass(frozen=True)
class JaxoptPeer(Contestant):
    """A solver of jaxopt, compiled, on the same formula in jax: f is another program there, much quicker where torch's costs its
    calls rather than its arithmetic. What f alone costs shows jaxopt's forward iteration.

    The batch is one vector to it (under ``vmap`` each sample would have weights of its own; Anderson then needs more
    evaluations, since its ridge is absolute). The evaluation that ``init_state`` makes and drops is not counted.
    """

    name: str = "jaxopt Anderson m=5"
    kind: str = "anderson"
    history: int = 5
    packages: tuple[str, ...] = ("jax", "jaxopt")
    same_map: ClassVar[bool] = False

    def refusal(self, posed: FixedPointProblem) -> str | None:
        """Maps that are not written for jax, other devices, missing packages."""
        missing = super().refusal(posed)
        if missing:
            return missing
        if not isinstance(posed.f, Formula):
            return "not applicable: f is not written in jax"
        return None if posed.z0.device.type == "cpu" else "not applicable: CPU only here"

    def prepare(self, posed: FixedPointProblem, rtol: float, evaluations: int) -> Callable[[], Any]:
        """``evaluations`` updates in one compiled loop."""
        import jax

        advance, params, state, arrays = self._start(posed)
        jax.block_until_ready(advance(params, state, 1, *arrays))
        return lambda: jax.block_until_ready(advance(params, state, evaluations, *arrays))

    def watch(self, posed: FixedPointProblem, record: Record, rtol: float, limit: int) -> Any:
        """Update by update."""
        advance, params, state, arrays = self._start(posed)
        try:
            for k in range(limit):
                before, (params, state) = params, advance(params, state, 1, *arrays)
                z, residual = self._evaluated(k, before, params, state)
                record.add(np.arange(len(z)), relative_residual(z, z + residual).numpy())
        except Enough:
            pass

    def _evaluated(self, k: int, before: Any, after: Any, state: Any) -> tuple[Tensor, Tensor]:
        """The state that the k-th update evaluated, and f(z) − z there."""
        if self.kind == "forward":
            return torch.from_numpy(np.array(before)), torch.from_numpy(np.array(after - before))
        kept = (state.params_history, state.residuals_history)  # they lie in jaxopt's own history
        z, residual = (torch.from_numpy(np.array(h[k % self.history])) for h in kept)
        return z, residual

    def _start(self, posed: FixedPointProblem) -> tuple[Callable[..., Any], Any, Any, list[Any]]:
        import jax

        # jax knows one precision for the whole process.
        jax.config.update("jax_enable_x64", posed.z0.dtype == torch.float64)
        arrays = [jax.numpy.asarray(a.numpy()) for a in (*posed.f.shared, *posed.f.own)]
        params = jax.numpy.asarray(posed.z0.numpy())
        begin, advance = _jaxopt(posed.f.formula, self.kind, self.history)
        return advance, params, begin(params, *arrays), arrays


@cache
def _jaxopt(formula: Callable[..., Any], kind: str, history: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Compiled: the initial state, and n updates of it. One compilation serves all problems of a formula and shape."""
    import jax
    import jaxopt

    def f(z: Any, *arrays: Any) -> Any:
        return formula(jax.numpy, z, *arrays)

    if kind == "forward":
        solver = jaxopt.FixedPointIteration(f, tol=0.0)
    else:
        solver = jaxopt.AndersonAcceleration(f, history_size=history, tol=0.0)

    def advance(params: Any, state: Any, n: Any, *arrays: Any) -> Any:
        return jax.lax.fori_loop(0, n, lambda _, both: tuple(solver.update(*both, *arrays)), (params, state))

    return jax.jit(solver.init_state), jax.jit(advance)


PEERS: tuple[Contestant, ...] = (
    TorchPeer("torchdeq forward", "forward", _torchdeq_forward, ("torchdeq",)),
    TorchPeer("torchdeq Anderson m=6", "anderson", _torchdeq_anderson, ("torchdeq",)),
    TorchPeer("torchdeq Broyden", "broyden", _torchdeq_broyden, ("torchdeq",)),
    TorchPeer("tutorial Anderson m=5", "anderson", _tutorial),
    JaxoptPeer("jaxopt forward", "forward"),
    JaxoptPeer(),
    ScipyPeer("scipy Anderson M=5", "anderson", "anderson", (("M", 5),)),
    ScipyPeer("scipy Broyden", "broyden", "broyden1"),
)
RIVALS = ("torchdeq Anderson m=6", "tutorial Anderson m=5")
"""The Anderson methods that evaluations are to be halved against."""


def everyone() -> tuple[Contestant, ...]:
    """All contestants, ours first."""
    return (*OURS, *PEERS)
