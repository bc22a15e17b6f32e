"""GMRES, for affine maps: the optimal Krylov method, made for the adjoint of an equilibrium layer.

Y. Saad and M. H. Schultz, SIAM J. Sci. Stat. Comput. 7, 856 (1986). For f(z) = J z + b it solves (I − J) z = b; the
residual b − (I − J) z is f(z) − z, so it converges by the same test as any other solver. Anderson extrapolation with a full window is
equivalent on such maps (Walker and Ni 2011, theorem 2.2); GMRES keeps one vector a step where Anderson keeps two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.convergence_monitor import ConvergenceMonitor
from andersonn.solvers.layout import Layout
from andersonn.solvers.options import options, require_count
from andersonn.solvers.result import FixedPoint
from andersonn.solvers.solver import Solver, evaluate, worth_compacting
from andersonn.solvers.window import combined, row_products

TINY = 1e-300


@options
class GMRES(Solver):
    """Restarted GMRES for maps that are affine in the state; on others it ends with ``MAX_STEPS``.

    If f has a method ``linear(v)`` that gives J v, products come from it; otherwise from differences of f.

    Attributes:
        window: size of the Krylov space; after as many products it restarts from the solution so far.
    """

    window: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count("window", self.window)

    def stepper(self, layout: Layout, like: Tensor) -> NoReturn:
        """There is none: a step of GMRES is a whole cycle."""
        raise TypeError("GMRES takes cycles, not steps; call solve")

    def _iterate(self, f: Callable[[Tensor], Tensor], z0: Tensor, layout: Layout) -> FixedPoint:
        monitor = ConvergenceMonitor(layout, self.rtol, self.atol, self.max_seconds)
        with torch.inference_mode(False):
            z = layout.flat(z0.detach()).clone(memory_format=torch.contiguous_format)
        evaluations = 0
        while True:
            g = evaluate(f, monitor.layout.block(z), monitor.layout, []).t
            evaluations += 1
            r = g - z
            norms = monitor.layout.norms(r, g)
            monitor.record(norms)
            with np.errstate(all="ignore"):
                monitor.check(evaluations - 1, monitor.layout.block(z), own=True)
            remaining = self.max_steps + 1 - evaluations - 1  # the check of the result is an evaluation, too
            if remaining < 1 or not monitor.any_running:
                return monitor.result(evaluations)
            if worth_compacting(f, monitor, self.compact):
                samples, rows = monitor.compact()
                f = f.subset(samples, rows)
                z, g, r, norms = z[rows], g[rows], r[rows], norms[samples]
            cycle = Cycle(self, monitor.layout, z, g, r, norms)
            for _ in range(min(remaining, self.window)):
                evaluations += 1
                if cycle.extend(f, monitor):
                    break
            z = cycle.solution()


class Cycle:
    """One Arnoldi process. Small quantities are float64: H ``[B, m + 1, m]`` in upper-triangular form by Givens rotations,
    applied to the right-hand side ``[B, m + 1]`` as well.
    """

    def __init__(self, options: GMRES, layout: Layout, z: Tensor, g: Tensor, r: Tensor, norms: Tensor) -> None:
        self.options, self.layout, self.z, self.g = options, layout, z, g
        size, m = norms[:, 0], options.window
        self.basis = torch.empty((m + 1, *r.shape), dtype=r.dtype, device=r.device)
        self._normalize(r, size, 0)
        small: dict[str, Any] = {"dtype": torch.float64, "device": r.device}
        self.triangle = torch.zeros(layout.samples, m, m, **small)
        self.right = torch.zeros(layout.samples, m + 1, **small)
        self.right[:, 0] = torch.nan_to_num(size, nan=0.0, posinf=0.0)
        self.rotations: list[tuple[Tensor, Tensor]] = []
        self.along: list[Tensor] = []  # ⟨v_k, z⟩
        self.square = row_products(layout, z.unsqueeze(0), z)[:, 0]
        self.length = norms[:, 1].clamp_min(TINY)
        self.k = 0

    def extend(self, f: Callable[[Tensor], Tensor], monitor: ConvergenceMonitor) -> bool:
        """One more product; whether every running sample should have converged by the estimated residuals."""
        self.grow(f)
        residual, length = self.right[:, self.k].abs(), self._length_of_value()
        monitor.record(torch.stack([residual, length], dim=1))
        allowed = self.options.atol + self.options.rtol * length
        running = torch.from_numpy(monitor.running).to(residual.device)
        return bool(((residual <= 0.9 * allowed) | ~running).all())

    def grow(self, f: Any) -> None:
        """One more product. The residual of the solution is then ``right[:, k]``, but for its sign."""
        layout, k = self.layout, self.k
        v = self.basis[k]
        w = v - self._product(f, v)
        column = torch.zeros(layout.samples, k + 1, dtype=torch.float64, device=w.device)
        for _ in range(2):  # twice: once loses orthogonality
            overlap = row_products(layout, self.basis[: k + 1], w)
            column += overlap
            w = combined(layout, w, -overlap, self.basis[: k + 1])
        below = layout.norms(w)[:, 0]
        below = torch.where(below > 1e-14 * column.norm(dim=1), below, 0.0)
        self._normalize(w, below, k + 1)
        self._rotate(column, below)
        self.along.append(row_products(layout, v.unsqueeze(0), self.z)[:, 0])
        self.k = k + 1

    def _product(self, f: Callable[[Tensor], Tensor], v: Tensor) -> Tensor:
        if hasattr(f, "linear"):
            return self.layout.flat(f.linear(v.view(self.layout.shape)))
        # For an affine map the difference is exact but for rounding; as long as its base it loses least.
        scale = self.layout.to_rows(self.length).unsqueeze(1).to(v.dtype)
        there, value = (self.layout.block(each) for each in (self.z + scale * v, self.g))
        return (evaluate(f, there, self.layout, [value]).t - self.g) / scale

    def _normalize(self, w: Tensor, size: Tensor, slot: int) -> None:
        inverse = torch.where((size > 0) & size.isfinite(), 1.0 / size, 0.0)
        torch.mul(w, self.layout.to_rows(inverse).unsqueeze(1).to(w.dtype), out=self.basis[slot])
        if bool((inverse == 0).any()):
            self.basis[slot].nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)

    def _rotate(self, column: Tensor, below: Tensor) -> None:
        k = self.k
        for i, (cosine, sine) in enumerate(self.rotations):
            upper = cosine * column[:, i] + sine * column[:, i + 1]
            column[:, i + 1] = cosine * column[:, i + 1] - sine * column[:, i]
            column[:, i] = upper
        radius = torch.hypot(column[:, k], below)
        dead = radius == 0
        cosine = torch.where(dead, 1.0, column[:, k] / radius)
        sine = torch.where(dead, 0.0, below / radius)
        self.rotations.append((cosine, sine))
        column[:, k] = torch.where(dead, 1.0, radius)
        self.triangle[:, : k + 1, k] = column
        self.right[:, k + 1] = -sine * self.right[:, k]
        self.right[:, k] = torch.where(dead, 0.0, cosine * self.right[:, k])

    def _weights(self) -> Tensor:
        k = self.k
        return torch.linalg.solve_triangular(
            self.triangle[:, :k, :k], self.right[:, :k].unsqueeze(2), upper=True
        ).squeeze(2)

    def _length_of_value(self) -> Tensor:
        """‖z‖ of the present solution, which is ‖f(z)‖ up to the residual."""
        y = self._weights()
        along = torch.stack(self.along, dim=1)
        return (self.square + 2 * (y * along).sum(1) + y.square().sum(1)).clamp_min(TINY).sqrt()

    def solution(self) -> Tensor:
        """The state z + V y."""
        return combined(self.layout, self.z, torch.nan_to_num(self._weights()), self.basis[: self.k])
