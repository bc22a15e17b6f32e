"""The layer under function transforms (torch.func: grad, vjp, jvp, jacrev, jacfwd, hessian, vmap) and in forward mode.

There the map is a pure function f(z, θ) of the state as a matrix and of all tensors θ that it is known to depend on.
Derivatives of the solution, in reverse and in forward mode, are those of the implicit function theorem:

    z*(θ):              θ̄ = (∂f/∂θ)ᵀ (I − Jᵀ)⁻¹ z̄,        dz = (I − J)⁻¹ (∂f/∂θ) dθ.

The linear solves v = (I − A)⁻¹ b, with A = J or Jᵀ, have derivatives by linear solves themselves,

    b̄ = (I − Aᵀ)⁻¹ v̄,   A's part: the gradient of ⟨b̄, A v⟩;      dv = (I − A)⁻¹ (db + dA v),

so that any order and mixture of derivatives exists. A vmapped solve is one solve of a larger batch, each sample on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode

from andersonn.implicit.adjoint import AdjointMap, Record, refuse_unknown, wide
from andersonn.implicit.batched_adjoint import repeated, seen, spread
from andersonn.implicit.bound_cell import BoundCell
from andersonn.implicit.capture import without_graph_capture
from andersonn.solvers import Solver
from andersonn.solvers.layout import transform_is_active
from andersonn.solvers.pytree import leaves_of


class Problem(NamedTuple):
    """One fixed-point problem as a pure function.

    Attributes:
        f: ``f(z, *known)`` → value; z and value are matrices ``[R, D]``.
        offsets: rows of each sample, or None.
        solver: of the fixed point.
        linear_solver: of the linear systems.
        solved, record: called with the results of the fixed-point solve and of the linear ones.
    """

    f: Callable[..., Tensor]
    offsets: Tensor | None
    solver: Solver
    linear_solver: Solver
    solved: Callable[[Any], None]
    record: Record

    @classmethod
    def of(
        cls, f: BoundCell, offsets: Tensor | None, solver: Solver, solved: Callable[[Any], None], record: Record
    ) -> Problem:
        """The problem of a map that knows all its tensors."""

        def pure(z: Tensor, *known: Tensor) -> Tensor:
            return f.on(list(known))(z)

        return cls(pure, offsets, solver, solver, solved, record)

    def batched(self, size: int, dims: Sequence[int | None], randomness: str) -> Problem:
        """``size`` such problems as one: z is ``[size · R, D]``, and dimension ``dims[i]`` of the i-th tensor, if not None,
        counts them.
        """
        each = torch.func.vmap(self.f, in_dims=(0, *dims), randomness=randomness)

        def f(z: Tensor, *known: Tensor) -> Tensor:
            return each(z.reshape(size, len(z) // size, z.shape[1]), *known).reshape(z.shape)

        return self._replace(f=f, offsets=repeated(self.offsets, size))

    def pull(self, z: Tensor, known: Sequence[Tensor], u: Tensor) -> list[Tensor | None]:
        """(∂f/∂θ)ᵀ u for each known tensor, None for whole numbers."""
        smooth = _smooth(known)
        if not smooth:
            return [None] * len(known)
        back = torch.func.vjp(lambda *some: self.f(z, *_put(known, smooth, some)), *(known[i] for i in smooth))[1]
        return _put([None] * len(known), smooth, back(u))

    def pull_state(self, z: Tensor, known: Sequence[Tensor], u: Tensor) -> Tensor:
        """Jᵀ u."""
        return torch.func.vjp(lambda z: self.f(z, *known), z)[1](u)[0]

    def push(self, z: Tensor, known: Sequence[Tensor], tangents: Sequence[Tensor | None]) -> Tensor:
        """(∂f/∂θ) dθ."""
        moved = [i for i in _smooth(known) if tangents[i] is not None]
        if not moved:
            return torch.zeros_like(z)
        along = [known[i] for i in moved]
        return _derivative(lambda *some: self.f(z, *_put(known, moved, some)), along, [tangents[i] for i in moved])

    def linear(self, z: Tensor, known: Sequence[Tensor], v: Tensor, transposed: bool) -> Tensor:
        """Jᵀ v or J v."""
        if transposed:
            return self.pull_state(z, known, v)
        return _derivative(lambda z: self.f(z, *known), [z], [v])


class _NoForeignTensors(TorchFunctionMode):
    """Watches one evaluation: a tensor under a transform that does not reach it as a known one would be taken for a
    constant, without an error.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if any(isinstance(each, Tensor) and _is_foreign(each) for each in leaves_of([args, kwargs])):
            raise NotImplementedError(
                "under a transform the cell uses a transformed tensor that the layer does not know; pass it through x (a "
                "tensor, or a dict, list, tuple or named tuple of tensors), or register it as a parameter of the cell"
            )
        return func(*args, **kwargs)


def _is_foreign(tensor: Tensor) -> bool:
    """Whether a tensor in an evaluation belongs to a transform around it; the evaluation itself uses vmap alone."""
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return not transform_is_active() or torch._C._functorch.is_gradtrackingtensor(tensor)
    with forward_ad._set_fwd_grad_enabled(True):
        return forward_ad.unpack_dual(tensor).tangent is not None


class ConstantSolve(torch.autograd.Function):
    """z* as a function of the first state and the known tensors, without derivatives."""

    @staticmethod
    def forward(problem: Problem, start: Tensor, *known: Tensor) -> Tensor:
        """Solves."""
        constants = [tensor.detach() for tensor in (start, *known)]
        with torch.enable_grad(), _NoForeignTensors():
            value = problem.f(*constants)
        refuse_unknown(value, [], "no derivative under transforms")
        solution = problem.solver.solve(lambda z: problem.f(z, *known), start, problem.offsets)
        problem.solved(solution)
        return solution.z

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keeps what derivatives need."""
        ctx.problem = inputs[0]
        ctx.save_for_backward(output, *inputs[2:])
        ctx.save_for_forward(output, *inputs[2:])

    @staticmethod
    @without_graph_capture
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """None."""
        return (None,) * (len(ctx.saved_tensors) + 1)

    @staticmethod
    @without_graph_capture
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        """Zeros."""
        return torch.zeros_like(ctx.saved_tensors[0])

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        """One solve of a larger batch."""
        return _vmapped(ConstantSolve, info, dims, inputs, 1, 2)


class ImplicitSolve(ConstantSolve):
    """z* with its derivatives, of any order."""

    @staticmethod
    @without_graph_capture
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """(∂f/∂θ)ᵀ (I − Jᵀ)⁻¹ z̄."""
        z, *known = ctx.saved_tensors
        u = _solved(ctx.problem, True, gradient, z, known)
        return None, None, *ctx.problem.pull(z, known, u)

    @staticmethod
    @without_graph_capture
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        """(I − J)⁻¹ (∂f/∂θ) dθ."""
        with _differentiable_rule(ctx) as (z, *known):
            return _solved(ctx.problem, False, ctx.problem.push(z, known, tangents[2:]), z, known)

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        """One solve of a larger batch."""
        return _vmapped(ImplicitSolve, info, dims, inputs, 1, 2)


class LinearSolve(torch.autograd.Function):
    """(I − J)⁻¹ b, or transposed (I − Jᵀ)⁻¹ b, with J at z and the known tensors."""

    @staticmethod
    def forward(problem: Problem, transposed: bool, b: Tensor, z: Tensor, *known: Tensor) -> Tensor:
        """Solves."""
        right = b.to(wide(b.dtype))
        with torch.enable_grad():
            variable = z.detach().requires_grad_()
            value: Tensor | None = problem.f(variable, *(tensor.detach() for tensor in known))
            assert value is not None
            if not transposed and value.requires_grad:  # Jᵀ u is linear in u, and the transpose of its derivative is J
                state, variable = variable, torch.zeros_like(value, requires_grad=True)
                (value,) = torch.autograd.grad(value, state, variable, create_graph=True, allow_unused=True)
        if value is None or not value.requires_grad:  # f does not depend on z
            return b.clone()
        solution = problem.linear_solver.solve(AdjointMap(value, variable, right), right, problem.offsets)
        problem.record(solution, adjoint=transposed)
        return solution.z.to(b.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keeps what derivatives need."""
        ctx.problem, ctx.transposed = inputs[:2]
        ctx.save_for_backward(output, *inputs[3:])
        ctx.save_for_forward(output, *inputs[3:])

    @staticmethod
    @without_graph_capture
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """By the system with the other matrix."""
        problem, (v, z, *known) = ctx.problem, ctx.saved_tensors
        w = _solved(problem, not ctx.transposed, gradient, z, known)
        left, right = (v, w) if ctx.transposed else (w, v)
        tensors = [z, *known]
        smooth = _smooth(tensors)

        def pulled(*some: Tensor) -> Tensor:
            z, *known = _put(tensors, smooth, some)
            return problem.pull_state(z, known, left)

        back = torch.func.vjp(pulled, *(tensors[i] for i in smooth))[1]  # of ⟨left, J right⟩
        return None, None, w, *_put([None] * len(tensors), smooth, back(right))

    @staticmethod
    @without_graph_capture
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        """By the same system."""
        problem = ctx.problem
        with _differentiable_rule(ctx) as (v, *tensors):
            right = torch.zeros_like(v) if tangents[2] is None else tangents[2]
            moved = [i for i in _smooth(tensors) if tangents[3 + i] is not None]

            def product(*some: Tensor) -> Tensor:
                z, *known = _put(tensors, moved, some)
                return problem.linear(z, known, v, ctx.transposed)

            if moved:
                right = right + _derivative(product, [tensors[i] for i in moved], [tangents[3 + i] for i in moved])
            return _solved(problem, ctx.transposed, right, tensors[0], tensors[1:])

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        """One solve of a larger batch."""
        return _vmapped(LinearSolve, info, dims, inputs, 2, 4)


def _solved(problem: Problem, transposed: bool, b: Tensor, z: Tensor, known: Sequence[Tensor]) -> Tensor:
    """The linear system's solution as a function with derivatives."""
    if not torch._C._functorch.is_legacy_batchedtensor(b):
        return LinearSolve.apply(problem, transposed, b, z, *known)
    many, level = seen(b)
    size = len(many)
    problem = problem.batched(size, [None] * len(known), "same")
    found = LinearSolve.apply(problem, transposed, spread(many, 0, size), spread(z, None, size), *known)
    return torch._add_batch_dim(found.reshape(many.shape), 0, level)


def _vmapped(
    function: type[torch.autograd.Function],
    info: Any,
    dims: tuple[Any, ...],
    inputs: tuple[Any, ...],
    states: int,
    known: int,
) -> tuple[Tensor, int]:
    """Applies a function to a larger batch; inputs from ``states`` on are matrices, those from ``known`` on known tensors."""
    size = info.batch_size
    problem = inputs[0].batched(size, dims[known:], info.randomness)
    matrices = [spread(each, dim, size) for each, dim in zip(inputs[states:known], dims[states:known], strict=True)]
    value = function.apply(problem, *inputs[1:states], *matrices, *inputs[known:])
    return value.reshape(size, len(value) // size, value.shape[1]), 0


@contextmanager
def _differentiable_rule(ctx: Any) -> Iterator[list[Tensor]]:
    """The saved tensors without the tangents that a rule of forward mode is called for. Those of transforms around it stay,
    and are followed: PyTorch switches forward mode off in a rule.
    """
    with forward_ad._set_fwd_grad_enabled(True):
        yield [forward_ad.unpack_dual(tensor).primal for tensor in ctx.saved_tensors]


def _derivative(f: Callable[..., Tensor], at: Sequence[Tensor], tangents: Sequence[Any]) -> Tensor:
    """The derivative of f along tangents."""
    if transform_is_active() or forward_ad._current_level < 0:
        return torch.func.jvp(f, tuple(at), tuple(tangents))[1]

    def pulled(u: Tensor) -> tuple[Tensor, ...]:  # forward mode cannot be nested outside torch.func: reverse mode twice
        return torch.func.vjp(f, *at)[1](u)

    return torch.func.vjp(pulled, torch.zeros_like(f(*at)))[1](tuple(tangents))[0]


def _smooth(tensors: Sequence[Tensor]) -> list[int]:
    """Which tensors have derivatives."""
    return [i for i, tensor in enumerate(tensors) if tensor.is_floating_point() or tensor.is_complex()]


def _put(values: Sequence[Any], places: Sequence[int], some: Sequence[Any]) -> list[Any]:
    """A list with some of its values replaced."""
    found = list(values)
    for place, value in zip(places, some, strict=True):
        found[place] = value
    return found
