"""Gradients through a fixed point by the implicit function theorem.

With z* = f(z*, θ) the chain rule gives dL/dθ = uᵀ ∂f/∂θ, where the adjoint u solves the linear fixed-point problem
u = (∂f/∂z)ᵀ u + dL/dz* (Bai, Kolter and Koltun, *Deep Equilibrium Models*, NeurIPS 2019, theorem 1). Only the tape of
one evaluation of f is kept, so memory does not grow with the number of solver steps, in either pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from andersonn.solvers import FixedPoint, Solver
from andersonn.solvers.options import options, require_count, require_number

Record = Callable[[FixedPoint], None]
RTOL = 1e-3


@options
class ImplicitGradient:
    """The exact gradient, its adjoint system solved by the same kind of solver as the forward problem.

    Attributes:
        solver: for the adjoint; None takes the layer's own, without its absolute tolerance.
        rtol: tolerance of the adjoint; None takes the solver's own (:data:`RTOL` if that has an absolute one only).
        max_steps: most updates of the adjoint; None takes the solver's own.
    """

    solver: Solver | None = None
    rtol: float | None = None
    max_steps: int | None = None

    def __post_init__(self) -> None:
        if self.rtol is not None:
            require_number("rtol", self.rtol)
        if self.max_steps is not None:
            require_count("max_steps", self.max_steps)

    def adjoint_solver(self, forward: Solver) -> Solver:
        """The solver of the adjoint system of a layer solved by ``forward``."""
        solver = self.solver
        if solver is None:
            # An absolute tolerance is in units of the state; the adjoint has those of the loss.
            solver = replace(forward, atol=0.0, rtol=forward.rtol or (RTOL if forward.atol > 0 else 0.0))
        changes = {"rtol": self.rtol, "max_steps": self.max_steps}
        return replace(solver, **{k: v for k, v in changes.items() if v is not None})

    def attach(
        self, f: Callable[[Tensor], Tensor], z: Tensor, offsets: Tensor | None, forward: Solver, record: Record
    ) -> Tensor:
        """z* with a backward pass that solves the adjoint system.

        Args:
            f: the map, its parameters and inputs captured.
            z: the solution z*, detached.
            offsets: as in :func:`andersonn.solvers.fixed_point`.
            forward: the solver that found z*.
            record: called with the adjoint's :class:`FixedPoint` after the backward pass.
        """
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            value = f(z)
        if not _needs_gradient(value, z):
            return z.detach().clone()
        z.register_post_accumulate_grad_hook(_drop_gradient)  # z* is a constant to the caller
        return _Adjoint.apply(value, _Tape(value, z, offsets, self.adjoint_solver(forward), record))


class _Tape(NamedTuple):
    value: Tensor
    z: Tensor
    offsets: Tensor | None
    solver: Solver
    record: Record


class _Adjoint(torch.autograd.Function):
    """z* as a function of f(z*); backward replaces the incoming gradient dL/dz* by the adjoint u."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, tape: _Tape) -> Tensor:
        ctx.tape = tape
        return tape.z.detach().clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():  # create_graph: z* is a constant of the tape, so second derivatives would be wrong
            raise NotImplementedError(
                "ImplicitGradient gives first derivatives only; for second ones unroll the solver (call the cell in a loop)"
            )
        tape = ctx.tape

        def adjoint_map(u: Tensor) -> Tensor:
            with torch.enable_grad():
                (product,) = torch.autograd.grad(tape.value, tape.z, u, retain_graph=True, allow_unused=True)
            return gradient if product is None else gradient + product

        solution = tape.solver.solve(adjoint_map, gradient, tape.offsets)
        tape.record(solution)
        return solution.z, None


def _needs_gradient(value: Tensor, z: Tensor) -> bool:
    """Whether anything but ``z`` that ``value`` was computed from requires a gradient."""
    if value.grad_fn is None:
        return value.requires_grad and value is not z
    seen, to_visit = set(), [value.grad_fn]
    while to_visit:
        node = to_visit.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() == "CheckpointFunctionBackward":  # hides the parameters behind it
            raise RuntimeError("a cell cannot use reentrant checkpoints: call checkpoint(..., use_reentrant=False)")
        leaf = getattr(node, "variable", None)
        if leaf is not None and leaf is not z:
            return True
        to_visit.extend(following for following, _ in node.next_functions)
    return False


def _drop_gradient(z: Tensor) -> None:
    z.grad = None
