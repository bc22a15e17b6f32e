"""The message cell's sum over neighbors in one pass, by C code compiled on this machine, where there is a compiler.

PyTorch has no operation that multiplies rows by gathered rows and sums them: it writes each product to memory, twice, and reads it
back. :meth:`~andersonn.models.batch.Neighbors.exchange` does so; it is the reference, and what runs where there is no compiler, on
other devices and in other precisions. Sums differ from it by rounding alone.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from andersonn.io.compiled import Unavailable, library
from andersonn.models.batch import Neighbors

SWITCH = "ANDERSONN_KERNEL"
"""Environment variable: 0 leaves the compiled code alone."""
SOURCE = Path(__file__).with_name("message_kernel.c")
SUFFIXES = {torch.float32: "f32", torch.float64: "f64"}
EXACT = 1e-5
"""Largest relative difference from the reference that rounding explains in float32, in sums of a few products."""


def usable(filters: Tensor, sent: Tensor) -> bool:
    """Whether the compiled code takes these: plain memory of the CPU, of one precision that it knows, and not while operations
    are recorded, since it is no operation of PyTorch.
    """
    known = filters.dtype == sent.dtype and sent.dtype in SUFFIXES
    return known and not _is_recorded() and all(map(_is_memory, (filters, sent))) and why_not() is None


def _is_recorded() -> bool:
    """Whether a graph is captured of the operations, in any of PyTorch's ways."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or _get_current_dispatch_mode() is not None


def _is_memory(tensor: Tensor) -> bool:
    """Whether the numbers of a tensor lie where it says, as they are: not in a batch of ``vmap``, nor with the sign still to
    change.
    """
    there = torch._C._has_storage(tensor) and tensor.device.type == "cpu"
    return type(tensor) is Tensor and there and not tensor.is_neg()


def why_not() -> str | None:
    """Why the compiled code is not used in this process, in words; None where it is."""
    return _found()[1]


def exchange(neighbors: Neighbors, filters: Tensor, sent: Tensor) -> Tensor:
    """As :meth:`Neighbors.exchange`, of tensors that are :func:`usable`."""
    if not torch.is_grad_enabled():
        return _run("exchange", filters, sent, neighbors, sent)
    heard = _Sums.apply(sent, filters.detach(), _Whole(filters), neighbors)
    if not filters.requires_grad:
        return heard
    # A path of its own, so that a linear solve, which asks for the gradient by `sent` alone at each step, makes no other.
    return heard + _Nothing.apply(filters, sent.detach(), _Whole(sent), neighbors)


class _Whole:
    """A tensor together with what it was computed from, hidden from a function's inputs: for second derivatives."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class _Sums(torch.autograd.Function):
    """The sums, with gradients by ``sent``: the same sums again, since the filter from j to i is that from i to j."""

    @staticmethod
    def forward(ctx: Any, sent: Tensor, filters: Tensor, whole: _Whole, neighbors: Neighbors) -> Tensor:
        ctx.save_for_backward(filters)
        ctx.whole, ctx.neighbors = whole, neighbors
        return _run("exchange", filters, sent, neighbors, sent)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # To be differentiated again, or a batch of gradients: by the reference.
        if torch.is_grad_enabled() or not usable(gradient, gradient):
            return ctx.neighbors.exchange(ctx.whole.tensor, gradient), None, None, None
        (filters,) = ctx.saved_tensors
        return _run("exchange", filters, gradient, ctx.neighbors, gradient), None, None, None


class _Nothing(torch.autograd.Function):
    """Zeros shaped as the sums, with the sums' gradients by ``filters``."""

    @staticmethod
    def forward(ctx: Any, filters: Tensor, sent: Tensor, whole: _Whole, neighbors: Neighbors) -> Tensor:
        ctx.save_for_backward(sent)
        ctx.whole, ctx.neighbors, ctx.shape = whole, neighbors, filters.shape
        return sent.new_zeros(()).expand_as(sent)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() or not usable(gradient, gradient):
            sent, gather = ctx.whole.tensor, ctx.neighbors.gather
            by_filters = gradient.unsqueeze(1) * gather(sent) + gather(gradient) * sent.unsqueeze(1)
            return by_filters, None, None, None
        (sent,) = ctx.saved_tensors
        out = sent.new_empty(ctx.shape)
        return _run("filter_gradient", gradient, sent, ctx.neighbors, out), None, None, None


def _run(name: str, first: Tensor, sent: Tensor, neighbors: Neighbors, like: Tensor) -> Tensor:
    """Calls a function of the library; returns what it writes, shaped as ``like``."""
    compiled, reason = _found()
    assert compiled is not None, reason
    return _call(
        compiled, name, first, sent, neighbors.index, torch.empty_like(like, memory_format=torch.contiguous_format)
    )


def _call(compiled: ctypes.CDLL, name: str, first: Tensor, sent: Tensor, index: Tensor, out: Tensor) -> Tensor:
    if (
        index.dtype != torch.int64
        or first.shape not in (sent.shape, (*index.shape, sent.shape[1]))
        or len(index) != len(sent)
    ):
        raise ValueError(
            f"sizes do not fit: {tuple(first.shape)}, {tuple(sent.shape)}, {index.dtype} {tuple(index.shape)}"
        )
    first, sent, index = first.contiguous(), sent.contiguous(), index.contiguous()
    rows, columns = index.shape
    sizes = (ctypes.c_int64(n) for n in (rows, columns, sent.shape[1]))
    pointers = (ctypes.c_void_p(tensor.data_ptr()) for tensor in (first, sent, index))
    function = getattr(compiled, f"{name}_{SUFFIXES[sent.dtype]}")
    failed = function(*pointers, *sizes, ctypes.c_void_p(out.data_ptr()), ctypes.c_int(torch.get_num_threads()))
    if failed:
        raise IndexError("an entry points out of the rows") if failed == -1 else MemoryError("no memory to cut a batch")
    return out


@cache
def _found() -> tuple[ctypes.CDLL | None, str | None]:
    """The library, or why there is none: sought once in a process."""
    if os.environ.get(SWITCH) == "0":
        return None, f"{SWITCH} is 0"
    try:
        return library(SOURCE, _wrong), None
    except (Unavailable, OSError) as error:
        return None, str(error)


@torch.inference_mode()
def _wrong(compiled: ctypes.CDLL) -> str:
    """Compares a small sum, and gradient, with the reference: a compiler may be broken."""
    index = torch.tensor([[1, 2], [0, 0], [2, 0], [4, 4], [3, 4]])
    neighbors = Neighbors.from_index(index.numpy())
    filters = torch.sin(torch.arange(5 * 2 * 37.0)).view(5, 2, 37)
    sent = torch.cos(torch.arange(5 * 37.0)).view(5, 37)
    sums = _call(compiled, "exchange", filters, sent, index, torch.empty_like(sent))
    by_filters = _call(compiled, "filter_gradient", sums, sent, index, torch.empty_like(filters))
    true = neighbors.exchange(filters, sent)
    gradient = true.unsqueeze(1) * neighbors.gather(sent) + neighbors.gather(true) * sent.unsqueeze(1)
    for found, expected in ((sums, true), (by_filters, gradient)):
        if not torch.allclose(found, expected, rtol=EXACT, atol=EXACT):
            return f"what {SOURCE.name} was compiled to gives wrong sums"
    return ""
