"""Second derivatives of a fixed point, exact.

The first backward pass is h = Bᵀ u with B = ∂f/∂θ and the adjoint u = (I − Jᵀ)⁻¹ g, all at (z*, θ). Its derivative
along changes of g, z* and θ, against cotangents c of h, is

    c · δh = w · δg + δ(c · Bᵀ u + w · Jᵀ u),   w = (I − J)⁻¹ B c,

where the last variation is of z* and θ alone, u and w held. Products are those of real numbers: of complex parameters, real
and imaginary parts count as two. So one more linear solve, with J instead of Jᵀ, and one more
pass through the layer's own first derivative (for δz*) give it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from andersonn.implicit.adjoint import AdjointMap, Tape, refuse_unknown, solve_adjoint, wide
from andersonn.implicit.batched_adjoint import SECOND, is_batched
from andersonn.implicit.capture import without_graph_capture


class SecondOrder(torch.autograd.Function):
    """h as a function of g, z* and the known tensors θ; None for one that f does not use."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, z: Tensor, tape: Tape, *known: Tensor) -> tuple[Tensor | None, ...]:
        """Solves for u."""
        u = solve_adjoint(tape, gradient)
        _, copies, value = _replayed(tape, z, known)
        ctx.tape = tape
        ctx.save_for_backward(u, z, *known)
        return torch.autograd.grad(value, copies, u.to(value.dtype), allow_unused=True)

    @staticmethod
    @without_graph_capture
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        """Solves for w."""
        if torch.is_grad_enabled():
            raise NotImplementedError(
                "an equilibrium layer gives first and second derivatives only; drop create_graph from the second backward "
                "pass, or for third derivatives unroll the solver (call the cell in a loop)"
            )
        if any(c is not None and is_batched(c) for c in cotangents):
            raise NotImplementedError(SECOND)
        tape: Tape = ctx.tape
        u, z, *known = ctx.saved_tensors
        leaf, copies, value = _replayed(tape, z, known)
        with torch.enable_grad():
            u = u.to(value.dtype).requires_grad_()
            pulled, *h = torch.autograd.grad(value, [leaf, *copies], u, create_graph=True, allow_unused=True)
            weighted = [
                product(c, each) for c, each in zip(cotangents, h, strict=True) if c is not None and each is not None
            ]
            total = torch.stack([term.to(value.dtype) for term in weighted]).sum()
            w = _solve_tangent(tape, pulled, u, torch.autograd.grad(total, u, retain_graph=True)[0])
            if pulled is not None:
                along = w if tape.rows is None else torch.where(tape.rows, w, 0.0)
                total = total + product(along.to(pulled.dtype), pulled)
            dz, *dknown = torch.autograd.grad(total, [leaf, *copies], allow_unused=True, materialize_grads=True)
        return w.to(z.dtype), dz.to(z.dtype), None, *dknown


def product(one: Tensor, other: Tensor) -> Tensor:
    """The inner product of two tensors as real numbers, Re Σ conj(a) b: PyTorch's gradients belong to this one."""
    return (one.conj() * other).real.sum()


def _replayed(tape: Tape, z: Tensor, known: tuple[Tensor, ...] | list[Tensor]) -> tuple[Tensor, list[Tensor], Tensor]:
    """Another evaluation, on copies: z*, the known tensors, and f(z*).

    Copies, because one known tensor may have been computed from another (x from weights that the cell shares); then its
    derivative would be counted twice.
    """
    with torch.enable_grad():
        leaf = z.detach().to(tape.z.dtype).requires_grad_()
        copies = [tensor.detach().requires_grad_() for tensor in known]
        value = tape.f.on(copies)(leaf)
    refuse_unknown(value, [leaf, *copies])
    return leaf, copies, value


def _solve_tangent(tape: Tape, pulled: Tensor | None, u: Tensor, right: Tensor) -> Tensor:
    """Solves w = J w + right; J w is the derivative of ``pulled`` = Jᵀ u along w."""
    right = right.to(wide(right.dtype))
    if pulled is None or not pulled.requires_grad:  # f does not depend on z
        return right
    # Jᵀ u is linear in u, and the transpose of its derivative is J: the same kind of map as the adjoint's.
    solution = tape.solver.solve(AdjointMap(pulled, u, right, tape.rows), right, tape.solved.offsets)
    tape.solved.record(solution, adjoint=False)
    return solution.z
