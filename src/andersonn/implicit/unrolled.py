"""Inexact gradients that cost less than the exact one: a few terms of the series u = Σ (Jᵀ)ᵏ g.

Their error is small only as far as f contracts; they need no linear solve. They are first-order rules. :class:`PhantomGradient`
and :class:`OneStepGradient` can be differentiated again by autograd, but that treats z* as a constant: it is the second
derivative of the recorded steps, not of the layer. For the latter use
:class:`~andersonn.implicit.gradient.ImplicitGradient`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from andersonn.implicit.adjoint import AdjointMap, Solved, evaluate_recorded, needs_gradient, wide
from andersonn.implicit.bound_cell import BoundCell
from andersonn.implicit.capture import in_compiled_autograd, without_graph_capture
from andersonn.implicit.functional import Problem
from andersonn.implicit.gradient import Gradient
from andersonn.solvers.options import options, require_count, require_number


@options
class PhantomGradient(Gradient):
    """Backpropagation through a few damped steps from z*: z ← (1 − τ) z + τ f(z).

    The unrolling-based phantom gradient of Z. Geng, X.-Y. Zhang, S. Bai, Y. Wang and Z. Lin, *On training implicit
    models*, NeurIPS 2021. It tends to the exact gradient as ``steps`` grow, wherever the damped iteration converges;
    ``PhantomGradient(steps=n, mixing=1.0)`` is plain backpropagation through the last n of many steps. Memory grows with
    ``steps``. The layer's output is the state after them. See the module for second derivatives.

    Attributes:
        steps: how many.
        mixing: τ in (0, 1].
    """

    steps: int = 5
    mixing: float = 0.5

    def __post_init__(self) -> None:
        require_count("steps", self.steps)
        require_number("mixing", self.mixing, above=0, most=1)

    def attach(self, f: BoundCell, solved: Solved) -> Tensor:
        """See :meth:`Gradient.attach`."""
        z = solved.z.detach()
        with torch.enable_grad():
            for _ in range(self.steps):
                z = f(z) if self.mixing == 1.0 else torch.lerp(z, f(z), self.mixing)
        return z


@options
class OneStepGradient(Gradient):
    """Backpropagation through one evaluation f(z*) alone, as if J were 0.

    Jacobian-free backpropagation: S. W. Fung, H. Heaton, Q. Li, D. McKenzie, S. Osher and W. Yin, *JFB*, AAAI 2022; a
    descent direction if f contracts and ∂f/∂θ is well enough conditioned (theorem 3.1). The layer's output is f(z*). See
    the module for second derivatives.
    """

    def attach(self, f: BoundCell, solved: Solved) -> Tensor:
        """See :meth:`Gradient.attach`."""
        with torch.enable_grad():
            return f(solved.z.detach())


@options
class NeumannGradient(Gradient):
    """The adjoint by its truncated series u = Σ_{k < terms} (Jᵀ)ᵏ dL/dz*, on the tape of one evaluation.

    The Neumann-series form of the phantom gradient (Geng et al., NeurIPS 2021) without damping. Memory does not grow with
    ``terms``; second derivatives are refused.

    Attributes:
        terms: how many; 1 gives the one-step gradient.
        autocast: as of :class:`~andersonn.implicit.gradient.ImplicitGradient`.
    """

    terms: int = 5
    autocast: bool = False

    def __post_init__(self) -> None:
        require_count("terms", self.terms)

    def attach(self, f: BoundCell, solved: Solved) -> Tensor:
        """See :meth:`Gradient.attach`."""
        f, leaf, value = evaluate_recorded(f, solved.z, self.autocast)
        if not needs_gradient(value, leaf, f.known):
            return solved.z.detach().clone()
        return _Series.apply(value, leaf, self.terms, solved.z.dtype)

    def solve_transformed(self, f: BoundCell, problem: Problem, start: Tensor) -> Tensor:
        """Refused."""
        raise NotImplementedError(
            "NeumannGradient has no rules for torch.func transforms and forward mode; use ImplicitGradient, "
            "OneStepGradient, or PhantomGradient(steps=terms, mixing=1.0), which gives the same first derivative at z*"
        )


class _Series(torch.autograd.Function):
    """z* as a function of f(z*); backward sums the series."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, leaf: Tensor, terms: int, dtype: torch.dtype) -> Tensor:
        ctx.tape = (value, leaf)
        ctx.terms = terms
        return leaf.detach().to(dtype, copy=True)

    @staticmethod
    @without_graph_capture
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise NotImplementedError(
                "NeumannGradient gives first derivatives only; use ImplicitGradient, which gives second ones as well"
            )
        if in_compiled_autograd():
            raise NotImplementedError(
                "compiled autograd takes the graph that NeumannGradient needs; use ImplicitGradient, or set "
                "torch._dynamo.config.compiled_autograd = False"
            )
        term = total = gradient.to(wide(gradient.dtype))
        value, leaf = ctx.tape
        adjoint = AdjointMap(value, leaf, total)
        for _ in range(ctx.terms - 1):
            term = adjoint.linear(term)
            total = total + term
        return total.to(value.dtype), None, None, None
