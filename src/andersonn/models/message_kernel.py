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

from andersonn.io.compiled import Unavailable, library
from andersonn.models.batch import Neighbors

SWITCH = "ANDERSONN_KERNEL"
"""Environment variable: 0 leaves the compiled code alone."""
SOURCE = Path(__file__).with_name("message_kernel.c")
SUFFIXES = {torch.float32: "f32", torch.float64: "f64"}
EXACT = 1e-5
"""Largest relative difference from the reference that rounding explains in float32, in sums of a few products."""


def usable(filters: Tensor, sent: Tensor) -> bool:
    """Whether the compiled code takes these: both on the CPU, of one precision that it knows, and not while a graph is captured."""
    plain = type(filters) is type(sent) is Tensor and not torch.compiler.is_compiling()
    known = filters.dtype == sent.dtype and sent.dtype in SUFFIXES
    return plain and known and filters.device.type == sent.device.type == "cpu" and why_not() is None


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
        if torch.is_grad_enabled():  # to be differentiated again: by the reference
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
        if torch.is_grad_enabled():
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
        compiled = library(SOURCE)
        _require_right(compiled)
    except (Unavailable, OSError) as error:
        return None, str(error)
    return compiled, None


def _require_right(compiled: ctypes.CDLL) -> None:
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
            raise Unavailable(f"what {SOURCE.name} was compiled to gives wrong sums")
