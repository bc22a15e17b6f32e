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
from andersonn.solvers.device_window import DTYPES
from andersonn.solvers.layout import Layout
from andersonn.solvers.options import options, require_count
from andersonn.solvers.reading import Reading
from andersonn.solvers.result import FixedPoint
from andersonn.solvers.solver import Solver, checked_again, evaluate, refuse_changed, worth_compacting
from andersonn.solvers.window import combined, row_products

LEAST_LENGTH = 1e-14
"""Of what orthogonalization leaves of a product, relative to its overlap with the basis: below it the space is exhausted."""


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
        monitor = ConvergenceMonitor(layout, self.rtol, self.atol, self.max_seconds, hasattr(f, "subset"))
        with torch.inference_mode(False):
            z = layout.flat(z0.detach()).clone(memory_format=torch.contiguous_format)
        evaluations = 0
        while True:
            g = evaluate(f, monitor.layout.block(z), monitor.layout, []).t
            evaluations += 1
            if evaluations == 1:
                refuse_changed(layout.block(z), z0, layout)
            r = g - z
            norms = monitor.layout.norms(r, g)
            monitor.record(norms.cpu())
            with np.errstate(all="ignore"):
                monitor.check(evaluations - 1, monitor.layout.block(z), own=True)
            remaining = self.max_steps + 1 - evaluations - 1  # the check of the result is an evaluation, too
            if remaining < 1 or (monitor.verified and not monitor.any_running):
                return monitor.result(evaluations) if monitor.verified else checked_again(f, monitor, evaluations)
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
            state = monitor.layout.block(z)
            z = monitor.hold(state, True, state)[0].t


class Cycle:
    """One Arnoldi process. The basis is where the state is; small quantities are float64 on the host: H ``[B, m + 1, m]`` in
    upper-triangular form by Givens rotations, applied to the right-hand side ``[B, m + 1]`` as well.

    On an accelerator the numbers of a product are read while the next product runs, so that the host never waits for the device,
    and a cycle ends one product later than on the host.
    """

    def __init__(self, options: GMRES, layout: Layout, z: Tensor, g: Tensor, r: Tensor, norms: Tensor) -> None:
        self.options, self.layout, self.z, self.g = options, layout, z, g
        self.late = not layout.on_host and z.dtype in DTYPES
        m, length = options.window, norms[:, 1].clamp_min(torch.finfo(layout.exact).tiny)
        self.basis = torch.empty((m + 1, *r.shape), dtype=r.dtype, device=r.device)
        self._normalize(r, norms[:, 0], 0)
        self.scale = layout.to_rows(length).unsqueeze(1).to(r.dtype)  # of differences of f
        size, self.length, self.state = torch.stack([norms[:, 0], length, layout.norms(z)[:, 0]]).cpu().double()
        self.triangle = torch.zeros(layout.samples, m, m, dtype=torch.float64)
        self.right = torch.zeros(layout.samples, m + 1, dtype=torch.float64)
        self.right[:, 0] = torch.nan_to_num(size, nan=0.0, posinf=0.0)
        self.rotations: list[tuple[Tensor, Tensor]] = []
        self.along: list[Tensor] = []  # ⟨v_k, z⟩
        self.unread: list[Reading | tuple[Tensor, Tensor, Tensor]] = []
        self.products = self.k = 0  # made, and taken into the system

    def extend(self, f: Callable[[Tensor], Tensor], monitor: ConvergenceMonitor) -> bool:
        """One more product; whether every running sample should have converged by the estimated residuals."""
        if not self.grow(f):
            return False
        residual, length = self.right[:, self.k].abs(), self._length_of_value()
        monitor.record(torch.stack([residual, length], dim=1))
        allowed = self.options.atol + self.options.rtol * length
        return bool(((residual <= 0.9 * allowed) | ~torch.from_numpy(monitor.running)).all())

    def grow(self, f: Any) -> bool:
        """One more product of a map, or of an object that has only ``linear``. Whether a product was taken into the system: on an accelerator it is the one before. The residual
        of the solution is then ``right[:, k]``, but for its sign.
        """
        v = self.basis[self.products]
        w = v - self._product(f, v)
        self.unread.append(Reading(self._orthogonalized_late(v, w)) if self.late else self._orthogonalized(v, w))
        self.products += 1
        if self.late and len(self.unread) == 1:
            return False
        self._take_in()
        return True

    def _product(self, f: Callable[[Tensor], Tensor], v: Tensor) -> Tensor:
        if hasattr(f, "linear"):
            return self.layout.flat(f.linear(v.view(self.layout.shape)))
        # For an affine map the difference is exact but for rounding; as long as its base it loses least.
        there, value = (self.layout.block(each) for each in (self.z + self.scale * v, self.g))
        return (evaluate(f, there, self.layout, [value]).t - self.g) / self.scale

    def _orthogonalized(self, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The next basis vector from ``w``; its products with the others ``[B, k + 1]``, its length and ⟨v, z⟩, ``[B]``."""
        layout, k = self.layout, self.products
        column = torch.zeros(layout.samples, k + 1, dtype=layout.exact, device=w.device)
        for _ in range(2):  # twice: once loses orthogonality
            overlap = row_products(layout, self.basis[: k + 1], w)
            column += overlap
            w = combined(layout, w, -overlap, self.basis[: k + 1])
        below = layout.norms(w)[:, 0]
        below = torch.where(below > LEAST_LENGTH * column.norm(dim=1), below, 0.0)
        self._normalize(w, below, k + 1)
        return column, below, row_products(layout, v.unsqueeze(0), self.z)[:, 0]

    def _orthogonalized_late(self, v: Tensor, w: Tensor) -> Tensor:
        """The same in as few operations as torch allows, as the numbers of the two passes, the length and ⟨v, z⟩, ``[B, 2 k + 4]``.
        A space that is exhausted goes on with noise, which the host leaves
        out.
        """
        layout, k = self.layout, self.products
        vectors, parts = self.basis[: k + 1].transpose(0, 1), []
        for _ in range(2):
            overlap = torch.bmm(vectors, w.unsqueeze(2)).squeeze(2)
            if layout.lengths is not None:
                overlap = layout.to_samples(overlap)
            parts.append(overlap)
            by_row = layout.to_rows(overlap).to(w.dtype).unsqueeze(1)
            w = torch.baddbmm(w.unsqueeze(1), by_row, vectors, alpha=-1.0).squeeze(1)
        below = layout.norm(w)
        torch.div(w, layout.to_rows(below), out=self.basis[k + 1]).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
        along = torch.linalg.vecdot(v, self.z).unsqueeze(1)
        return torch.cat([*parts, below, along if layout.lengths is None else layout.to_samples(along)], dim=1)

    def _normalize(self, w: Tensor, size: Tensor, slot: int) -> None:
        inverse = torch.where((size > 0) & size.isfinite(), 1.0 / size, 0.0)
        torch.mul(w, self.layout.to_rows(inverse).unsqueeze(1).to(w.dtype), out=self.basis[slot])
        if self.late or bool((inverse == 0).any()):
            self.basis[slot].nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)

    def _take_in(self) -> None:
        """Takes the oldest product that has not been read into the system."""
        first = self.unread.pop(0)
        if isinstance(first, Reading):
            numbers = torch.from_numpy(first.array()).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
            column, below, along = numbers[:, :-2].unflatten(1, (2, -1)).sum(1), numbers[:, -2], numbers[:, -1]
            below = torch.where(below > LEAST_LENGTH * column.norm(dim=1), below, 0.0)
        elif self.layout.on_host:
            column, below, along = first
        else:
            column, below, along = (each.cpu().double() for each in first)
        self._rotate(column, below)
        self.along.append(along)
        self.k += 1

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
        """‖z‖ of the present solution, which is ‖f(z)‖ up to the residual; in units of its longest part, whose square may be no
        number.
        """
        y, along = self._weights(), torch.stack(self.along, dim=1)
        unit = torch.maximum(self.state, y.abs().amax(1)).clamp_min(torch.finfo(y.dtype).tiny)
        state, y, along = self.state / unit, y / unit.unsqueeze(1), along / unit.unsqueeze(1)
        return (state.square() + 2 * (y * along).sum(1) + y.square().sum(1)).clamp_min(0.0).sqrt() * unit

    def solution(self) -> Tensor:
        """The state z + V y."""
        while self.unread:
            self._take_in()
        weights = torch.nan_to_num(self._weights()).to(self.z.device, self.layout.exact)
        return combined(self.layout, self.z, weights, self.basis[: self.k])
