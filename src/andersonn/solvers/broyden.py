"""Broyden's method with limited memory.

C. G. Broyden, Math. Comput. 19, 577 (1965), the "good" update of the inverse Jacobian of z − f(z), started from the
identity, in the form that stores nothing but steps: C. T. Kelley, *Iterative Methods for Linear and Nonlinear Equations*
(SIAM 1995), section 7.3. With steps s_0 … s_n−1 and residual r = f(z) − z,

    p = r;  for j < n − 1:  c_j = ⟨s_j, p⟩ / ‖s_j‖²,  p ← p + c_j s_{j+1};   s_n = p / (1 − ⟨s_{n−1}, p⟩ / ‖s_{n−1}‖²).

The recurrence for c is a triangular system in the Gram matrix of the steps, so that a step costs two passes over the
memory for products and one for the combination. When the memory is full it restarts.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from andersonn.solvers.layout import Block, Layout, tensor_of
from andersonn.solvers.options import options, require_count, require_number
from andersonn.solvers.solver import Evaluation, Solver, Stepper
from andersonn.solvers.window import combined, row_products

LEAST_PIVOT = 1e-2
"""Of 1 − c_{n−1}: below it the update is nearly singular and the sample restarts with a Picard step."""


@options
class Broyden(Solver):
    """Limited-memory Broyden, each sample with its own memory.

    Attributes:
        window: steps it keeps, one state each; when they are as many, it restarts. Unlike Anderson extrapolation it needs a
            long window: on our problems it does badly with fewer steps than the solve takes.
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

    def stepper(self, layout: Layout, like: Tensor) -> BroydenStepper:
        """The quasi-Newton step with the steps it keeps."""
        return BroydenStepper(min(self.window, self.max_steps), self.safeguard, layout, like)


class BroydenStepper(Stepper):
    def __init__(self, size: int, safeguard: float | None, layout: Layout, like: Tensor) -> None:
        self.layout, self.safeguard, self.size = layout, safeguard, size
        with torch.inference_mode(False):
            self.s = torch.empty((size, layout.rows, layout.width), dtype=like.dtype, device=like.device)
        small: dict[str, Any] = {"dtype": torch.float64, "device": like.device}
        self.gram = torch.zeros(layout.samples, size, size, **small)
        self.least = torch.full((layout.samples,), torch.inf, **small)
        self.n = 0

    def advance(self, now: Evaluation, out: Block) -> Block:
        if self.n == self.size:
            self.n = 0
        n = self.n
        new = self.s[n]
        if n == 0:
            self.gram.zero_()
            new.copy_(now.r.t)
        else:
            c = self._recurrence(now, n)
            weights, pivot = c[:, : n - 1], 1.0 - c[:, n - 1]
            singular = ~(pivot.abs() > LEAST_PIVOT)
            pivot = torch.where(singular, 1.0, pivot).unsqueeze(1)
            self._forget(singular)
            factors = torch.cat([1.0 / pivot, torch.where(singular.unsqueeze(1), 0.0, weights / pivot)], dim=1)
            torch.mul(now.r.t, self.layout.to_rows(factors[:, :1]).to(new.dtype), out=new)
            if n > 1:
                combined(self.layout, new, factors[:, 1:], self.s[1:n], out=new)
        self._store(n)
        self.n = n + 1
        torch.add(now.z.t, new, out=out.t)
        return out

    def _recurrence(self, now: Evaluation, n: int) -> Tensor:
        """c_0 … c_{n−1}, float64 ``[B, n]``; zeros for steps that a sample has forgotten."""
        if self.safeguard is not None:
            size = tensor_of(now.norms[:, 0])
            self._forget(size > self.safeguard * self.least)
            self.least = torch.fmin(self.least, size)
        gram = self.gram[:, :n, :n]
        square = gram.diagonal(dim1=1, dim2=2)
        known = square > 0
        right = torch.where(known, row_products(self.layout, self.s[:n], now.r.t), 0.0)
        lower = torch.zeros_like(gram)
        lower[:, 1:, : n - 1] = -gram[:, 1:, 1:].tril()
        lower = torch.where(known.unsqueeze(2), lower, 0.0)
        lower.diagonal(dim1=1, dim2=2).copy_(torch.where(known, square, 1.0))
        solution = torch.linalg.solve_triangular(lower, right.unsqueeze(2), upper=False).squeeze(2)
        return torch.nan_to_num(solution, nan=0.0, posinf=0.0, neginf=0.0)

    def _store(self, n: int) -> None:
        row = row_products(self.layout, self.s[: n + 1], self.s[n])
        self.gram[:, n, : n + 1] = row
        self.gram[:, : n + 1, n] = row

    def _forget(self, samples: Tensor) -> None:
        self.gram *= (~samples).to(self.gram.dtype).view(-1, 1, 1)

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        self.layout = layout
        self.s, self.gram, self.least = self.s.index_select(1, rows), self.gram[samples], self.least[samples]
