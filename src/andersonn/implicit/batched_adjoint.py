"""The adjoints of many incoming gradients at once: ``is_grads_batched=True``, vectorized Jacobians, vmap of autograd.grad."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from andersonn.implicit.adjoint import AdjointMap, Tape, wide
from andersonn.solvers.layout import transform_is_active

SECOND = (
    "second derivatives cannot be batched by is_grads_batched, vectorize=True or a vmap around torch.autograd.grad; use "
    "torch.func.hessian, jacrev or jacfwd around the layer, or take one gradient at a time with create_graph=True"
)


class BatchedAdjoint(torch.autograd.Function):
    """The adjoints of several incoming gradients, on one tape (``is_grads_batched=True``, vectorized Jacobians)."""

    @staticmethod
    def forward(tape: Tape, gradients: Tensor, copies: int = 1) -> Tensor:
        """Solves for ``copies`` gradients, stacked in dimension 0: ``[copies · R, D]``."""
        rows = None if tape.rows is None else tape.rows.reshape(-1, 1).repeat(copies, 1)
        system = _BatchedAdjointMap(tape.value, tape.z, gradients.to(wide(gradients.dtype)), rows)
        offsets = repeated(tape.solved.offsets, copies)
        solution = tape.solver.solve(system, system.g, offsets)
        tape.solved.record(solution)
        return solution.z

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Refused."""
        raise NotImplementedError(SECOND)

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], tape: Tape, gradients: Tensor, copies: int = 1) -> tuple[Tensor, int]:
        """One solve of a larger batch."""
        many = spread(gradients, dims[1], info.batch_size)
        found = BatchedAdjoint.apply(tape, many, copies * info.batch_size)
        return found.reshape(info.batch_size, -1, found.shape[1]), 0


class _BatchedAdjointMap(AdjointMap):
    def linear(self, u: Tensor) -> Tensor:
        shaped = u.to(self.value.dtype).reshape(-1, *self.value.shape)
        with torch.enable_grad():
            (product,) = torch.autograd.grad(
                self.value, self.z, shaped, retain_graph=True, allow_unused=True, is_grads_batched=True
            )
        return torch.zeros_like(u) if product is None else self._where_solved(product.reshape(u.shape).to(u.dtype))


def is_batched(gradient: Tensor) -> bool:
    """Whether a transform has given a gradient a dimension that it hides."""
    return transform_is_active() or torch._C._functorch.is_legacy_batchedtensor(gradient)


def adjoint_of_batched(tape: Tape, gradient: Tensor) -> Tensor:
    """The adjoint of such a gradient, with the same hidden dimension."""
    if torch.is_grad_enabled():  # create_graph
        raise NotImplementedError(SECOND)
    z, offsets = tape.solved.z, tape.solved.offsets
    rows = 1 if z.dim() < 2 and offsets is None else len(z)
    if transform_is_active():
        return BatchedAdjoint.apply(tape, gradient.reshape(rows, -1)).reshape(gradient.shape)
    many, level = seen(gradient)
    u = BatchedAdjoint.apply(tape, many.reshape(len(many) * rows, -1), len(many))
    return torch._add_batch_dim(u.reshape(many.shape), 0, level)


def seen(batched: Tensor) -> tuple[Tensor, int]:
    """A tensor of PyTorch's older vmap, which is_grads_batched and vectorized Jacobians use and which knows no rules of
    custom functions: with its hidden dimension first, and the level of the vmap that hides it.
    """
    level = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    return torch._remove_batch_dim(batched, level, 1, 0), level


def repeated(offsets: Tensor | None, size: int) -> Tensor | None:
    """The offsets of so many equal batches, one after the other."""
    if offsets is None or size == 1:
        return offsets
    lengths = offsets.diff().repeat(size)
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


def spread(matrix: Tensor, dim: int | None, size: int) -> Tensor:
    """``[size · R, D]`` of a matrix with one more dimension, or of one for all."""
    if dim is None:  # copied: PyTorch makes a tangent in the layout of its tensor, and cannot write to expanded memory
        return matrix.repeat(size, 1)
    many = matrix.movedim(dim, 0)
    return many.reshape(size * many.shape[1], many.shape[2])
