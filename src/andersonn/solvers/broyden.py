"""Broyden's method with limited memory.

C. G. Broyden, Math. Comput. 19, 577 (1965), the "good" update of the inverse Jacobian of z − f(z), started from the
identity, in the form that stores nothing but steps: C. T. Kelley, *Iterative Methods for Linear and Nonlinear Equations*
(SIAM 1995), section 7.3. With steps s_0 … s_n−1 and residual r = f(z) − z,

    p = r;  for j < n − 1:  c_j = ⟨s_j, p⟩ / ‖s_j‖²,  p ← p + c_j s_{j+1};   s_n = p / (1 − ⟨s_{n−1}, p⟩ / ‖s_{n−1}‖²).

The recurrence for c is a triangular system, L c = ⟨s, r⟩ with L_jj = ‖s_j‖² and L_jk = −⟨s_j, s_{k+1}⟩ for k < j, so that
a step costs two passes over the memory for products and one for the combination. When the memory is full it restarts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.device_broyden import FIRST_STEPS, LEAST_PIVOT, DeviceBroydenStepper
from andersonn.solvers.device_window import DTYPES
from andersonn.solvers.layout import SAFE, Block, Layout, tensor_of
from andersonn.solvers.options import options, require_count, require_number
from andersonn.solvers.safeguard import Safeguard, SafeguardedStepper
from andersonn.solvers.solver import Evaluation, Solver
from andersonn.solvers.window import combined, row_products


@options
class Broyden(Solver):
    """Limited-memory Broyden, each sample with its own memory.

    Attributes:
        window: steps it keeps, one state each, allocated as they come; when they are as many, it restarts. Unlike Anderson
            extrapolation it needs a long window: on our problems it does badly with fewer steps than the solve takes.
        safeguard: a sample whose residual exceeds this multiple of its least so far restarts with a Picard step; None:
            never (Broyden's residuals are not monotone).
    """

    window: int = 50
    safeguard: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count("window", self.window)
        if self.safeguard is not None:
            require_number("safeguard", self.safeguard, above=1)

    def stepper(self, layout: Layout, like: Tensor) -> BroydenStepper | DeviceBroydenStepper:
        """The quasi-Newton step with the steps it keeps."""
        late = not layout.on_host and self.check_every is None
        safeguard = None if self.safeguard is None else Safeguard(self.safeguard, late)
        return broyden_stepper(min(self.window, self.max_steps), safeguard, layout, like, late)


def broyden_stepper(
    size: int, safeguard: Safeguard | None, layout: Layout, like: Tensor, late: bool = False
) -> BroydenStepper | DeviceBroydenStepper:
    """A fresh stepper that keeps ``size`` steps of states of this layout, dtype and device; ``late``: it sees all norms, read
    one evaluation late.
    """
    if not layout.on_host and like.dtype in DTYPES:
        return DeviceBroydenStepper(size, safeguard, layout, like, late)
    return BroydenStepper(size, safeguard, layout, like)


class BroydenStepper(SafeguardedStepper):
    """Keeps the steps s in ``steps``, and L in ``triangle``, float64 ``[B, capacity, capacity]``.

    A sample has forgotten the steps before its number in ``first``, int64 ``[B]``: their entries of the right-hand side are
    zeros, so their c are zeros too, whatever L holds. Where residuals are so large or small that products have no number, steps
    are in units of the first residual, ``[B]``; else ``unit`` is None.
    """

    def __init__(self, size: int, safeguard: Safeguard | None, layout: Layout, like: Tensor) -> None:
        self.layout, self.safeguard, self.size = layout, safeguard, size
        self.steps: list[Tensor] = []  # parts [number of steps, R, D]: they grow without copies
        self.kind: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
        small: dict[str, Any] = {"dtype": layout.exact, "device": like.device}
        self.triangle = torch.zeros(layout.samples, 0, 0, **small)
        self.first = torch.zeros(layout.samples, dtype=torch.int64, device=like.device)
        self.n = 0
        self.unit: Tensor | None = None

    def advance(self, now: Evaluation, out: Block) -> Block:
        """The quasi-Newton step."""
        if self.n == self.size:
            self.n = 0
            self.first.zero_()
        n, r = self.n, now.r.t
        if (
            n == 0 and self.layout.on_host
        ):  # norms of its own samples: under a guard those of ``now`` are of the whole batch
            self.unit = extreme_unit(self.layout.norms(r)[:, 0], r.dtype)
        if self.unit is not None:
            r = r / self._unit_of_rows(r.dtype)
        new = self._step(n)
        if n == 0:
            new.copy_(r)
        else:
            c = self._recurrence(now, r, n)
            weights, pivot = c[:, : n - 1], 1.0 - c[:, n - 1]
            singular = ~(pivot.abs() > LEAST_PIVOT)
            self._forget(singular)
            pivot = torch.where(singular, 1.0, pivot).unsqueeze(1)
            weights = torch.where(singular.unsqueeze(1), 0.0, weights / pivot)
            torch.mul(r, self.layout.to_rows(1.0 / pivot).to(new.dtype), out=new)
            for start, part in self._parts(n):
                later = max(start, 1)  # c_j weighs s_{j+1}, so s_0 has no weight
                chosen = weights[:, later - 1 : start + len(part) - 1]
                combined(self.layout, new, chosen, part[later - start :], out=new)
        self._extend_triangle(n)
        self.n = n + 1
        if self.unit is None:
            torch.add(now.z.t, new, out=out.t)
        else:
            torch.addcmul(now.z.t, new, self._unit_of_rows(new.dtype), out=out.t)
        return out

    def _unit_of_rows(self, dtype: torch.dtype) -> Tensor:
        assert self.unit is not None
        return self.layout.to_rows(self.unit).to(dtype).unsqueeze(1)

    def _recurrence(self, now: Evaluation, r: Tensor, n: int) -> Tensor:
        """c_0 … c_{n−1}, float64 ``[B, n]``; zeros for steps that a sample has forgotten."""
        exceeding = None if self.safeguard is None else self.safeguard.exceeding(now.norms[:, 0])
        if exceeding is not None:
            self._forget(tensor_of(exceeding))
        known = torch.arange(n, device=self.first.device) >= self.first.unsqueeze(1)
        right = torch.where(known, self._products(r, n), 0.0).unsqueeze(2)
        c = torch.linalg.solve_triangular(self.triangle[:, :n, :n], right, upper=False).squeeze(2)
        return torch.nan_to_num(c, nan=0.0, posinf=0.0, neginf=0.0)

    def forget(self, samples: np.ndarray) -> None:
        """Forgets all steps of these samples so far."""
        self._forget(torch.from_numpy(samples).to(self.first.device))

    def _forget(self, samples: Tensor) -> None:
        """Of the samples in a mask ``[B]``, all steps so far."""
        self.first = torch.where(samples, self.n, self.first)

    def _step(self, n: int) -> Tensor:
        """The memory of s_n, ``[R, D]``; allocated if there is none yet."""
        capacity = sum(map(len, self.steps))
        if n == capacity:
            more = min(max(capacity, FIRST_STEPS), self.size - capacity)
            with torch.inference_mode(False):
                self.steps.append(torch.empty((more, self.layout.rows, self.layout.width), **self.kind))
                grown = self.triangle.new_zeros(self.layout.samples, n + more, n + more)
            grown[:, :n, :n] = self.triangle
            self.triangle = grown
        (start, part), *_ = reversed(self._parts(n + 1))
        return part[n - start]

    def _parts(self, n: int) -> list[tuple[int, Tensor]]:
        """s_0 … s_{n−1}: the parts they lie in, and the number of the first step of each."""
        parts, start = [], 0
        for part in self.steps:
            if start < n:
                parts.append((start, part[: n - start]))
            start += len(part)
        return parts

    def _products(self, one: Tensor, n: int) -> Tensor:
        """⟨s_0, one⟩ … ⟨s_{n−1}, one⟩, float64 ``[B, n]``."""
        return torch.cat([row_products(self.layout, part, one) for _, part in self._parts(n)], dim=1)

    def _extend_triangle(self, n: int) -> None:
        """Row n of L. A step without length gets that of the identity: its entry of the right-hand side is zero."""
        row = self._products(self._step(n), n + 1)
        moved = row[:, n:] > 0
        self.triangle[:, n, :n] = torch.where(moved, -row[:, 1:], 0.0)
        self.triangle[:, n, n:] = torch.where(moved, row[:, n:], 1.0)

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        self.layout = layout
        self.steps = [part.index_select(1, rows) for part in self.steps]
        self.triangle, self.first = self.triangle[samples], self.first[samples]
        self.unit = None if self.unit is None else self.unit[samples]
        if self.safeguard is not None:
            self.safeguard.compact(samples)


def extreme_unit(size: Tensor, dtype: torch.dtype) -> Tensor | None:
    """Powers of two near the residual norms ``[B]`` of samples whose squares the dtype may not hold, 1 for the others; None if
    there are no such samples.
    """
    low, high = SAFE[torch.promote_types(dtype, torch.float32)]
    margin = high**0.25  # a solve changes the residual by as much
    extreme = ((size < low * margin) | (size > high / margin)) & (size > 0) & size.isfinite()
    return torch.where(extreme, size.log2().floor().exp2(), 1.0) if bool(extreme.any()) else None
