"""The adjoint system u = Jᵀ u + g of a layer, J = ∂f/∂z at z*, on the tape of one evaluation of f."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from andersonn.implicit.bound_cell import BoundCell, SubsettableBoundCell
from andersonn.implicit.stability import radius_on_tape
from andersonn.solvers import FixedPoint, Layout, Solver

RADIUS_ITERATIONS = 12
"""Products that tell whether f contracts at an unsolved sample's state."""
REENTRANT = "a cell cannot use reentrant checkpoints: call checkpoint(..., use_reentrant=False)"


class Record(Protocol):
    """Called with the result of every linear solve of a backward pass."""

    def __call__(self, solution: FixedPoint, adjoint: bool = True) -> None:
        """``adjoint``: the solve was of the adjoint u, not of a second derivative's system."""


class Solved(NamedTuple):
    """A forward solve, and what its backward pass needs besides the map.

    Attributes:
        z: the solution z*.
        offsets: rows of each sample, as in :func:`andersonn.solvers.fixed_point`.
        solver: that found z*.
        record: called with the result of every linear solve of the backward pass.
        residual: relative residuals that the solve reached, ``[B]``.
        start: the adjoint's first value where one is known (a warm start), from the default one.
        unsolved: samples whose solve met no tolerance, bool ``[B]`` on the CPU; None: none.
    """

    z: Tensor
    offsets: Tensor | None
    solver: Solver
    record: Record
    residual: Tensor | None = None
    start: Callable[[Tensor], Tensor] | None = None
    unsolved: Tensor | None = None

    @classmethod
    def of(
        cls,
        solution: FixedPoint,
        offsets: Tensor | None,
        solver: Solver,
        record: Record,
        start: Callable[[Tensor], Tensor] | None,
    ) -> Solved:
        """What the backward pass needs of a solution. On an accelerator nothing is read unless samples may be unsolved."""
        last, unsolved = solution.trace.residual[-1:], None
        asked = solver.rtol > 0 or solver.atol > 0  # else nobody asked for a tolerance
        if asked and not (last.device.type == "cpu" and bool((last <= solver.rtol).all())):
            unsolved = ~solution.converged.cpu()
        return cls(solution.z, offsets, solver, record, solution.residual, start, unsolved)


class Tape(NamedTuple):
    """One evaluation of f at z*, recorded with gradients, and how the adjoint is solved on it.

    Attributes:
        f: the map as it was recorded.
        z: z*, a leaf, in the precision of the tape.
        value: f(z).
        solver: of the adjoint.
        solved: the forward solve.
        rows: see :func:`rows_to_solve`.
    """

    f: BoundCell
    z: Tensor
    value: Tensor
    solver: Solver
    solved: Solved
    rows: Tensor | None = None

    def again(self) -> Tape:
        """Another recording of the same: compiled autograd takes the saved tensors of the first before it runs a backward pass."""
        _, z, value = evaluate_recorded(self.f, self.z, autocast=True)  # f is in the wanted precision
        return self._replace(z=z, value=value)


def rows_to_solve(value: Tensor, z: Tensor, solved: Solved) -> Tensor | None:
    """Rows of the samples whose adjoint is that of a fixed point, a mask with the state's number of dimensions; None: all.

    The others have no fixed point to differentiate: they are unsolved, and f does not contract at their state. An
    eigenvalue above 1 changes the sign of the solution of their linear system, which leads a training away from a fixed point.
    Their adjoint is the incoming gradient itself (the one-step gradient).

    Args:
        value: where the tape ends.
        z: where it begins.
        solved: the forward solve.
    """
    if solved.unsolved is None or not solved.unsolved.any():
        return None
    joint = solved.solver.joint
    offsets = torch.tensor([0, len(z)], device=z.device) if joint else solved.offsets
    expands = radius_on_tape(value, z, offsets, RADIUS_ITERATIONS) >= 1.0
    lost = expands & solved.unsolved
    if not lost.any():
        return None
    return Layout(z, solved.offsets).to_rows(~lost.to(z.device)).view(-1, *[1] * (z.dim() - 1))


def evaluate_recorded(f: BoundCell, z: Tensor, autocast: bool) -> tuple[BoundCell, Tensor, Tensor]:
    """The map as recorded, z* as a leaf, and f(z*): without autocast, and then in float32 at least, unless it is wanted."""
    dtype = z.dtype
    if f.autocast.enabled and not autocast:
        f, dtype = f.precise(), wide(z.dtype)
    with torch.enable_grad():
        leaf = z.detach().to(dtype).requires_grad_()
        leaf.register_post_accumulate_grad_hook(_drop_gradient)
        return f, leaf, f(leaf)


def _drop_gradient(z: Tensor) -> None:
    """A hook: z* is a constant to the caller, so no gradient stays on it."""
    z.grad = None


def wide(dtype: torch.dtype) -> torch.dtype:
    """The precision of the adjoint of a state: float32 at least."""
    return torch.promote_types(dtype, torch.float32)


def solve_adjoint(tape: Tape, gradient: Tensor) -> Tensor:
    """The adjoint for the incoming gradient dL/dz*, in float32 at least."""
    g = gradient.to(wide(gradient.dtype))
    start = g if tape.solved.start is None else tape.solved.start(g)
    solution = tape.solver.solve(adjoint_map(tape, g), start, tape.solved.offsets)
    tape.solved.record(solution)
    # A solver that fails returns its start: a finite warm start, although the gradient is not finite.
    return solution.z if start is g else torch.where(g.isfinite(), solution.z, g)


def adjoint_map(tape: Tape, g: Tensor) -> AdjointMap:
    """The system's map; it can leave samples out if f can and its tensors are unchanged since it was recorded."""
    linear: AdjointMap
    if isinstance(tape.f, SubsettableBoundCell) and tape.f.unchanged():
        linear = SubsettableAdjointMap(tape.value, tape.z, g, tape.f, tape.rows)
    else:
        linear = AdjointMap(tape.value, tape.z, g, tape.rows)
    linear.origin = tape.f
    return linear


class AdjointMap:
    """u ↦ Jᵀ u + g with J = ∂value/∂z, on the tape that leads from z to value.

    Args:
        value, z: the ends of the tape.
        g: the right-hand side.
        rows: where J is not taken for 0 (:func:`rows_to_solve`); None: everywhere.

    Attributes:
        origin: the map whose transposed Jacobian it is, where that is known.
    """

    origin: BoundCell | None = None

    def __init__(self, value: Tensor, z: Tensor, g: Tensor, rows: Tensor | None = None) -> None:
        self.value, self.z, self.g, self.rows = value, z, g, rows

    def __call__(self, u: Tensor) -> Tensor:
        """Jᵀ u + g."""
        return self.g + self.linear(u)

    def cost_key(self) -> tuple[Any, tuple[Any, ...]]:
        """As of :meth:`BoundCell.cost_key`."""
        return (self, ()) if self.origin is None else self.origin.cost_key()

    def linear(self, u: Tensor) -> Tensor:
        """Jᵀ u, in u's precision."""
        with torch.enable_grad():
            (product,) = torch.autograd.grad(
                self.value, self.z, u.to(self.value.dtype), retain_graph=True, allow_unused=True
            )
        return torch.zeros_like(u) if product is None else self._where_solved(product.to(u.dtype))

    def _where_solved(self, product: Tensor) -> Tensor:
        return product if self.rows is None else torch.where(self.rows, product, 0.0)


class SubsettableAdjointMap(AdjointMap):
    """One that can leave samples out, at the price of one more evaluation of f on those that stay."""

    def __init__(
        self, value: Tensor, z: Tensor, g: Tensor, f: SubsettableBoundCell, rows: Tensor | None = None
    ) -> None:
        super().__init__(value, z, g, rows)
        self.f = f

    def subset(self, samples: Tensor, rows: Tensor) -> SubsettableAdjointMap:
        """The map of some samples alone, on a tape of their own."""
        f, z = self.f.subset(samples, rows), self.z.detach().index_select(0, rows)
        kept = None if self.rows is None else self.rows.index_select(0, rows)
        with torch.enable_grad():
            z.requires_grad_()
            return SubsettableAdjointMap(f(z), z, self.g.index_select(0, rows), f, kept)


def needs_gradient(value: Tensor, z: Tensor, known: Iterable[Tensor]) -> bool:
    """Whether anything but ``z`` that ``value`` was computed from requires a gradient.

    Args:
        value: f(z), recorded.
        z: the leaf.
        known: tensors where the search need not go on to what they were computed from.

    Raises:
        RuntimeError: ``value`` depends on z through a reentrant checkpoint, which hides parameters.
    """
    if value.grad_fn is None:
        return value.requires_grad and value is not z
    ends = {tensor.grad_fn for tensor in known if tensor.grad_fn is not None}
    nodes = _graph(value.grad_fn, ends)
    # One that does not depend on z belongs to the computation of x, before the layer, and does no harm.
    if any(node.name() == "CheckpointFunctionBackward" and _reaches(node, z) for node in nodes - ends):
        raise RuntimeError(REENTRANT)
    return bool(nodes & ends) or any(leaf is not z for leaf in map(_leaf, nodes) if leaf is not None)


def refuse_unknown(value: Tensor, leaves: list[Tensor], what: str = "no second derivative") -> None:
    """Raises a RuntimeError if ``value`` was computed from a tensor with gradients that is none of ``leaves``."""
    found = [value] if value.grad_fn is None else [_leaf(node) for node in _graph(value.grad_fn, set())]
    for leaf in found:
        if leaf is not None and leaf.requires_grad and not any(leaf is other for other in leaves):
            raise RuntimeError(
                f"{what}: the cell uses a tensor of shape {tuple(leaf.shape)} with gradients that the layer "
                "does not know; pass it through x (a tensor, or a dict, list, tuple or named tuple of tensors), or "
                "register it as a parameter of the cell"
            )


def _graph(root: torch.autograd.graph.Node, ends: set[torch.autograd.graph.Node]) -> set[torch.autograd.graph.Node]:
    """All nodes that a node leads to, not going on beyond ``ends``."""
    seen: set[torch.autograd.graph.Node] = set()
    to_visit: list[torch.autograd.graph.Node | None] = [root]
    while to_visit:
        node = to_visit.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node not in ends:
            to_visit.extend(following for following, _ in node.next_functions)
    return seen


def _reaches(node: torch.autograd.graph.Node, z: Tensor) -> bool:
    return any(_leaf(each) is z for each in _graph(node, set()))


def _leaf(node: torch.autograd.graph.Node) -> Tensor | None:
    return getattr(node, "variable", None)
