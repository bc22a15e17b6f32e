"""Newton's method without stored matrices: directions by GMRES, lengths of steps by a line search.

C. T. Kelley, *Iterative Methods for Linear and Nonlinear Equations* (SIAM 1995), chapters 6 and 8. With r = f(z) − z and J,
f's Jacobian at z, the direction d solves (I − J) d = r to ‖r − (I − J) d‖ ≤ η ‖r‖, with the forcing terms η of S. C. Eisenstat
and H. F. Walker, SIAM J. Sci. Comput. 17, 16 (1996): choice 2, or choice 1 where f is nearly affine. Since GMRES minimizes that residual, d is a descent direction of
‖f(z) − z‖, and a short enough step along it makes the residual smaller: also where f expands or rotates, and a window of past
values does not suffice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from andersonn.solvers.convergence_monitor import ConvergenceMonitor
from andersonn.solvers.gmres import GMRES, Cycle
from andersonn.solvers.layout import Layout
from andersonn.solvers.options import options, require_choice, require_count
from andersonn.solvers.result import FixedPoint
from andersonn.solvers.solver import Map, Solver, Stepper, checked_again, evaluate, refuse_changed, worth_compacting

PRODUCTS = ("auto", "forward", "differences")
FIRST_FORCING, FORCING_FACTOR, LARGEST_FORCING = 0.5, 0.9, 0.9
ACCURATE = 1e-4
"""Relative error of the linear model's promise below which f is taken as affine, and the next direction is exact."""
DECREASE = 1e-4
"""Share of the decrease that the linear model promises which a step must give."""
SHORTEST, LONGEST = 0.1, 0.5
"""By what a step that is too long is shortened, at least and at most."""
TRIALS = 8
"""Lengths of one step that are tried."""


@options
class NewtonKrylov(Solver):
    """Newton's method with GMRES and a line search on ‖f(z) − z‖, each sample with its own step.

    A product of J with a vector costs an evaluation, and counts as one: in ``max_steps``, in the trace (the residual stays
    that of the present state), and in ``evaluations``. Products come from f's method ``linear(v)``, if it has one (f is then
    affine), else as ``products`` says. A sample whose direction or line search leads no further takes a Picard step.

    Attributes:
        window: size of the largest Krylov space of one direction, one state each; if it does not suffice, the direction is
            less exact.
        products: ``"forward"``: forward-mode automatic differentiation of f; ``"differences"``: of values of f, exact to about
            the root of the rounding unit; ``"auto"``: the first, if f allows it.
    """

    window: int = 50
    products: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count("window", self.window)
        require_choice("products", self.products, PRODUCTS)

    def stepper(self, layout: Layout, like: Tensor) -> Stepper:
        """There is none: a step takes several evaluations."""
        raise TypeError("NewtonKrylov takes several evaluations a step, so it has no stepper; call solve")

    def _iterate(self, f: Map, z0: Tensor, layout: Layout) -> FixedPoint:
        return _Newton(self, f, z0, layout).solve()


class _Newton:
    """One solve. ``z`` and ``g`` = f(z) are the present states ``[R, D]``, ``norms`` those of f(z) − z and f(z); ``promised``
    is what the linear model had said of ‖f(z) − z‖.
    """

    def __init__(self, options: NewtonKrylov, f: Map, z0: Tensor, layout: Layout) -> None:
        self.options, self.f, self.products = options, f, options.products
        self.monitor = ConvergenceMonitor(layout, options.rtol, options.atol, options.max_seconds, hasattr(f, "subset"))
        self.evaluations = 0
        with torch.inference_mode(False):
            self.z = layout.flat(z0.detach()).clone(memory_format=torch.contiguous_format)
        self.g, self.norms = self._evaluate(self.z)
        refuse_changed(layout.block(self.z), z0, layout)
        self._check(self.z, self.norms)
        self.forcing: Tensor | None = None
        self.size_before = self.promised = self.norms[:, 0]

    @property
    def layout(self) -> Layout:
        return self.monitor.layout

    @property
    def remaining(self) -> int:
        return self.options.max_steps + 1 - self.evaluations

    def solve(self) -> FixedPoint:
        while self.remaining >= 2 and self.monitor.any_running:  # a product and the step
            self._compact()
            direction, left = self._direction()
            self._search(direction, left)
        if self.monitor.verified:
            return self.monitor.result(self.evaluations)
        return checked_again(self.f, self.monitor, self.evaluations)

    def _evaluate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """f(z) and the norms, float64 ``[B, 2]``."""
        past = [self.layout.block(self.g)] if self.evaluations else []
        self.evaluations += 1
        g = evaluate(self.f, self.layout.block(z), self.layout, past).t
        return g, self.layout.norms(g - z, g)

    def _check(self, z: Tensor, norms: Tensor) -> None:
        self.monitor.record(norms)
        with np.errstate(all="ignore"):  # of samples that overflow
            self.monitor.check(self.evaluations - 1, self.layout.block(z), own=True)

    def _compact(self) -> None:
        if worth_compacting(self.f, self.monitor, self.options.compact):
            samples, rows = self.monitor.compact()
            self.f = self.f.subset(samples, rows)
            self.z, self.g, self.norms = self.z[rows], self.g[rows], self.norms[samples]
            self.size_before, self.promised = self.size_before[samples], self.promised[samples]
            self.forcing = None if self.forcing is None else self.forcing[samples]

    def _running(self) -> Tensor:
        return torch.from_numpy(self.monitor.running).to(self.z.device)

    def _direction(self) -> tuple[Tensor, Tensor]:
        """D ``[R, D]``, and ‖r − (I − J) d‖ / ‖r‖ ``[B]``."""
        r, size = self.g - self.z, self.norms[:, 0]
        wanted = self._next_forcing() * size
        most = min(self.options.window, self.remaining - 1)
        cycle = Cycle(GMRES(window=most), self.layout, torch.zeros_like(r), r, r, self.norms[:, [0, 0]])
        at_rest, enough = ~torch.from_numpy(self.monitor.running), wanted.cpu()
        while cycle.products < most and self.remaining > 1:
            if cycle.grow(self) and bool(((cycle.right[:, cycle.k].abs() <= enough) | at_rest).all()):
                break
        direction = cycle.solution()
        return direction, cycle.right[:, cycle.k].abs().to(size) / size

    def _next_forcing(self) -> Tensor:
        """η of each sample: as exact as quadratic convergence needs, and no more than the tolerance asks for."""
        size, allowed = self.norms[:, 0], self.options.atol + self.options.rtol * self.norms[:, 1]
        enough = 0.5 * allowed / size
        if self.forcing is None:
            forcing = torch.full_like(size, FIRST_FORCING)
        else:
            forcing = FORCING_FACTOR * (size / self.size_before).square()
            slow = FORCING_FACTOR * self.forcing.square()
            forcing = torch.where(slow > 0.1, torch.maximum(forcing, slow), forcing)  # no sudden exactness
            miss = (size - self.promised).abs()
            forcing = torch.where(miss <= ACCURATE * size, miss / self.size_before, forcing)
        if hasattr(self.f, "linear"):  # the linear model is exact
            forcing = torch.zeros_like(size)
        self.forcing = torch.maximum(forcing, enough).clamp_max(LARGEST_FORCING)
        self.size_before = size
        return self.forcing

    def linear(self, v: Tensor) -> Tensor:
        """J v at the present state, shaped as f's argument. It counts as an evaluation."""
        if hasattr(self.f, "linear"):
            self._count_product()
            return self.f.linear(v)
        if self.products != "differences":
            self._count_product()
            product = forward_product(self.f, self.z.view(self.layout.shape), v, self.products == "forward")
            if product is not None or self.remaining == 0:
                return torch.zeros_like(v) if product is None else product
            self.products = "differences"
        self._count_product()
        step = torch.finfo(v.dtype).eps ** 0.5 * (1.0 + self.layout.norms(self.z))
        by_row = self.layout.to_rows(step).to(v.dtype)
        there = self.layout.block(self.z + by_row * self.layout.flat(v))
        value = evaluate(self.f, there, self.layout, [self.layout.block(self.g)]).t
        return ((value - self.g) / by_row).view(self.layout.shape)

    def _count_product(self) -> None:
        self.evaluations += 1
        self.monitor.record(self.norms)

    def _search(self, direction: Tensor, left: Tensor) -> None:
        """Steps along the direction: of each sample the first length that lowers its residual as far as promised."""
        size, length = self.norms[:, 0], torch.ones_like(left)
        lost = ~(left < 1.0 - DECREASE)  # directions that promise nothing, or NaN
        moving = self._running()
        for trial in range(TRIALS + 1):
            picard = moving & (lost | (trial == TRIALS))
            z = self._trial(direction, length, moving, picard)
            g, norms = self._evaluate(z)
            finite = norms.isfinite().all(dim=1)
            lower = norms[:, 0] <= (1.0 - DECREASE * length * (1.0 - left)) * size
            accepted = moving & finite & (lower | picard)
            bad = moving & ~finite & ~picard  # a shorter step may be finite
            self._check(self._rows(bad, self.z, z), torch.where(bad.unsqueeze(1), self.norms, norms))
            self.z, self.g = self._rows(accepted, z, self.z), self._rows(accepted, g, self.g)
            self.norms = torch.where(accepted.unsqueeze(1), norms, self.norms)
            promised = size * (1.0 - (2.0 * length - length.square()) * (1.0 - left.square())).clamp_min(0.0).sqrt()
            self.promised = torch.where(accepted, torch.where(picard, size, promised), self.promised)
            moving = moving & ~accepted & self._running()
            if self.remaining == 0 or not bool(moving.any()):
                return
            length = length * _shortening(length, left, (norms[:, 0] / size).square())

    def _trial(self, direction: Tensor, length: Tensor, moving: Tensor, picard: Tensor) -> Tensor:
        """The states to try; those of samples that do not move are the present ones."""
        by_row = self.layout.to_rows(length).unsqueeze(1).to(self.z.dtype)
        there = self._rows(picard, self.g, self.z + by_row * direction)
        return self._rows(moving, there, self.z)

    def _rows(self, samples: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
        """One state's rows for the samples in a mask ``[B]``, the other's for the rest."""
        return torch.where(self.layout.to_rows(samples).unsqueeze(1), inside, outside)


def _shortening(length: Tensor, left: Tensor, square: Tensor) -> Tensor:
    """By what to shorten a step, ``[B]``: to the minimum of the parabola through ‖r‖² before and after it (``square``, as a
    multiple of that before) with the slope of the linear model, −2 (1 − ``left``²) at 0.
    """
    slope = -2.0 * (1.0 - left.square())
    factor = -0.5 * slope * length / (square - 1.0 - slope * length)
    return torch.nan_to_num(factor, nan=SHORTEST).clamp(SHORTEST, LONGEST)


def forward_product(f: Callable[[Tensor], Any], z: Tensor, v: Tensor, required: bool) -> Tensor | None:
    """J v by forward-mode automatic differentiation; None, or an error if it is ``required``, where f does not allow it.

    Raises:
        TypeError: f does not allow it.
    """
    try:
        with forward_ad.dual_level():
            tangent = forward_ad.unpack_dual(f(forward_ad.make_dual(z, v))).tangent
    except RuntimeError as error:
        if required:
            raise TypeError(f"f has no forward-mode derivative ({error}); set products='differences'") from error
        return None
    if tangent is None and required:
        raise TypeError("f's value does not depend on its argument for autograd (detach?); set products='differences'")
    return None if tangent is None else tangent.detach()
