"""Gradients through a fixed point: the interface of the rules, and the exact one by the implicit function theorem.

With z* = f(z*, θ) the chain rule gives dL/dθ = uᵀ ∂f/∂θ, where the adjoint u solves the linear fixed-point problem
u = (∂f/∂z)ᵀ u + dL/dz* (Bai, Kolter and Koltun, *Deep Equilibrium Models*, NeurIPS 2019, theorem 1). Only the tape of
one evaluation of f is kept, so memory does not grow with the number of solver steps, in either pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from andersonn.implicit.adjoint import Solved, Tape, evaluate_recorded, needs_gradient, rows_to_solve, solve_adjoint
from andersonn.implicit.batched_adjoint import adjoint_of_batched, is_batched
from andersonn.implicit.bound_cell import BoundCell
from andersonn.implicit.capture import in_compiled_autograd, without_graph_capture
from andersonn.implicit.functional import ConstantSolve, ImplicitSolve, Problem
from andersonn.implicit.second_order import SecondOrder
from andersonn.solvers import Solver
from andersonn.solvers.options import options, require_count, require_number

RTOL = 1e-3
LOOSEST = 0.1
"""An adjoint tied to the forward solve is solved to this relative tolerance at least."""


@options
class Gradient(ABC):
    """How a layer's output gets its backward pass. Subclasses are frozen option sets; they keep nothing between solves."""

    @abstractmethod
    def attach(self, f: BoundCell, solved: Solved) -> Tensor:
        """z* with a backward pass, or without one if nothing that f depends on requires a gradient.

        Args:
            f: the map, its parameters and inputs captured.
            solved: the forward solve.
        """

    def solve_transformed(self, f: BoundCell, problem: Problem, start: Tensor) -> Tensor:
        """z* under a function transform or in forward mode, where a solve is a function with rules of its own.

        Args:
            f: the map, all its tensors known.
            problem: the same as a pure function, and how it is solved.
            start: first state, ``[R, D]``.
        """
        z = ConstantSolve.apply(problem, start, *f.known)
        return self.attach(f, Solved(z, problem.offsets, problem.solver, problem.record))


@options
class ImplicitGradient(Gradient):
    """The exact gradient, its adjoint system solved by the same kind of solver as the forward problem.

    It can be differentiated again (``create_graph=True``): second derivatives are exact as well, by one more linear solve
    (:mod:`~andersonn.implicit.second_order`). For them the layer must know every tensor with gradients that the cell uses:
    its parameters, and tensors in x if x is a tensor or a pytree of tensors; any other raises an error.

    A sample that the forward solve left unsolved, and at whose state the map does not contract (spectral radius 1 or more), has no
    fixed point to differentiate. It gets the gradient of one application of the cell (:class:`OneStepGradient`). The
    derivative of a fixed point that does not exist has the opposite sign where an eigenvalue exceeds 1, and drives a
    training away from maps that have one. It costs 12 products where samples are unsolved. Not under transforms of
    ``torch.func``, nor with ``rtol`` and ``atol`` 0.

    The adjoint is kept and solved in float32 at least, whatever the precision of the state. The products Jᵀu are taken in
    that of the recorded evaluation (a pure bfloat16 cell rounds them, so its adjoint levels off near 2e-3).

    Attributes:
        solver: for the adjoint; None takes the layer's own, without its absolute tolerance.
        rtol: tolerance of the adjoint; None takes the solver's own (:data:`RTOL` if that has an absolute one only).
            ``"forward"`` takes the largest finite relative residual that the forward solve reached, but no less than the
            forward ``rtol`` and no more than :data:`LOOSEST`. An error of z* of that size is in the gradient anyway.
        max_steps: most updates of the adjoint; None takes the solver's own.
        autocast: record the evaluation that the adjoint is solved on under autocast, too. By default it runs in the
            parameters' precision, so that under ``torch.autocast`` the forward solve is cheap and the gradient good; its
            half-precision inputs are widened to float32.

    Examples:
        >>> import torch
        >>> import andersonn as an
        >>> layer = an.Equilibrium(lambda z, x: 0.5 * z + x, gradient=an.ImplicitGradient(rtol=1e-6))
        >>> x = torch.ones(1, 1, requires_grad=True)
        >>> layer(x).backward()  # z* = 2 x
        >>> round(x.grad.item(), 4)
        2.0
    """

    solver: Solver | None = None
    rtol: float | Literal["forward"] | None = None
    max_steps: int | None = None
    autocast: bool = False

    def __post_init__(self) -> None:
        if self.solver is not None and not isinstance(self.solver, Solver):
            raise TypeError(f"solver must be a solver such as Anderson(), not {self.solver!r}")
        if self.rtol is not None and self.rtol != "forward":
            if isinstance(self.rtol, str):
                raise ValueError(f'rtol must be a number, "forward" or None, not {self.rtol!r}')
            require_number("rtol", self.rtol)
        if self.max_steps is not None:
            require_count("max_steps", self.max_steps)

    def adjoint_solver(self, forward: Solver, residual: Tensor | None = None) -> Solver:
        """The solver of the adjoint system of a layer solved by ``forward`` to the relative residuals ``residual``."""
        rtol = _reached(forward, residual) if self.rtol == "forward" else self.rtol
        changes: dict[str, Any] = {"rtol": rtol, "max_steps": self.max_steps}
        solver = self.solver
        if solver is None:
            solver = forward
            if forward.atol > 0:  # in units of the state; the adjoint has those of the loss
                changes |= {"atol": 0.0, "rtol": forward.rtol or RTOL if rtol is None else rtol}
        changes = {name: value for name, value in changes.items() if value is not None}
        return replace(solver, **changes) if changes else solver

    def attach(self, f: BoundCell, solved: Solved) -> Tensor:
        """See :meth:`Gradient.attach`."""
        f, leaf, value = evaluate_recorded(f, solved.z, self.autocast)
        if not needs_gradient(value, leaf, f.known):
            return solved.z.detach().clone()
        solver = self.adjoint_solver(solved.solver, solved.residual)
        tape = Tape(f, leaf, value, solver, solved, rows_to_solve(value, leaf, solved))
        return _Adjoint.apply(value, tape, *f.known)

    def solve_transformed(self, f: BoundCell, problem: Problem, start: Tensor) -> Tensor:
        """See :meth:`Gradient.solve_transformed`."""
        problem = problem._replace(linear_solver=self.adjoint_solver(problem.solver))
        return ImplicitSolve.apply(problem, start, *f.known)


class _Adjoint(torch.autograd.Function):
    """z* as a function of f(z*); backward replaces the incoming gradient dL/dz* by the adjoint u.

    The known tensors are inputs for the sake of second derivatives: in a backward pass that is recorded itself, gradients
    go to them directly, and not through the tape, on which z* is a constant.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, tape: Tape, *known: Tensor) -> Tensor:
        z = tape.z.detach().to(tape.solved.z.dtype, copy=True)
        ctx.tape = tape
        ctx.save_for_backward(z, *known)
        return z

    @staticmethod
    @without_graph_capture
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if in_compiled_autograd():
            return _under_compiled_autograd(ctx, gradient)
        tape: Tape = ctx.tape
        if is_batched(gradient):
            u = adjoint_of_batched(tape, gradient).to(tape.value.dtype)
            return u, None, *[None] * (len(ctx.needs_input_grad) - 2)
        if torch.is_grad_enabled():  # create_graph
            z, *known = ctx.saved_tensors
            return None, None, *SecondOrder.apply(gradient, z, tape, *known)
        return solve_adjoint(tape, gradient).to(tape.value.dtype), None, *[None] * (len(ctx.needs_input_grad) - 2)


def _under_compiled_autograd(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    """The backward pass on a tape of its own, with zeros in place of None: compiled autograd adds them to other gradients."""
    if torch.is_grad_enabled():
        raise NotImplementedError(
            "an equilibrium layer has no second derivatives under compiled autograd; set "
            "torch._dynamo.config.compiled_autograd = False"
        )
    tape: Tape = ctx.tape.again()
    _, *known = ctx.saved_tensors
    wanted = ctx.needs_input_grad[2:]
    nothing = [torch.zeros_like(each) if wants else None for each, wants in zip(known, wanted, strict=True)]
    return solve_adjoint(tape, gradient).to(tape.value.dtype), None, *nothing


def _reached(forward: Solver, residual: Tensor | None) -> float | None:
    if residual is None:
        return None
    finite = residual[residual.isfinite()]
    worst = float(finite.max()) if len(finite) else LOOSEST
    return min(max(worst, forward.rtol), max(LOOSEST, forward.rtol)) or None
