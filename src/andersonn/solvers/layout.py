"""How a batch of states lies in memory: which rows belong to which sample, in torch and, for small states, in numpy.

Solvers see every state as a matrix ``[R, D]`` of rows. A dense batch ``[B, …]`` has one row a sample. A ragged batch
(graphs of different sizes, their node rows concatenated) has several: ``offsets`` says where each sample begins.

On a small state an operation costs its call, not its arithmetic, and numpy's calls cost a third of torch's. So small states
in the host's memory are worked on in numpy (:class:`NumpyLayout`); f still takes and returns tensors, and both share the
memory.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Self, TypeAlias

import numpy as np
import torch
from torch import Tensor

SMALL, SMALL_ROWS = 2**19, 2**11
"""Bytes and rows of the largest state worked on in numpy: beyond them torch's threads, vector units and batched products win."""
NUMPY_DTYPES = (torch.float32, torch.float64)
"""Dtypes worked on in numpy; it lacks bfloat16, and its float16 is slow."""
SAFE = {torch.float32: (1e-15, 1e18), torch.float64: (1e-150, 1e150)}
"""Norms between these have squares that the dtype can represent."""
SAFE_SQUARES = {dtype.itemsize: (low**2, high**2) for dtype, (low, high) in SAFE.items()}
PART = 2**20
"""Bytes of a large state that are worked on at once on the host."""
HOST = ("cpu",)
"""Types of device whose memory the host can read without waiting."""

PerSample: TypeAlias = Any
"""Numbers by sample: all tensors, or in numpy all arrays, throughout one solve."""


class Block:
    """The memory of one state as a matrix ``[R, D]``.

    Attributes:
        t: as a tensor.
        a: the same memory as an array, or None where the state is not worked on in numpy (only what belongs to
            :class:`NumpyLayout` reads it, so its type is left open there rather than checked at every step).
        shaped: the same memory in the shape that f takes and returns.
        counted: whether torch counts its own writes to it (not for tensors made in inference mode; numpy's writes are
            never counted).
        pair: on an accelerator, memory ``[2, R, D]`` whose first half is this and whose second half is f's value, or None.
    """

    __slots__ = ("a", "counted", "pair", "shaped", "t")

    a: np.ndarray | Any

    def __init__(self, t: Tensor, shaped: Tensor, a: np.ndarray | None = None, pair: Tensor | None = None) -> None:
        self.t, self.shaped, self.a, self.pair = t, shaped, a, pair
        self.counted = not t.is_inference()


class Layout:
    """Maps rows to samples.

    Args:
        state: the initial state; dimension 0 counts samples, or rows if ``offsets`` are given. A vector ``[n]``
            without offsets is one sample of n numbers.
        offsets: int64 ``[B + 1]``, strictly increasing from 0 to the number of rows, or None. ``[0]`` is an empty batch.
        joint: the whole state is one row of one sample, whatever its shape and the offsets.

    Raises:
        TypeError, ValueError, NotImplementedError: the state is of a kind that no solver works on (see
            :func:`refuse_unsupported`), or the offsets do not divide its rows.
    """

    def __init__(self, state: Tensor, offsets: Tensor | None = None, joint: bool = False) -> None:
        refuse_unsupported(state)
        self.shape = state.shape
        if state.dim() == 0 and offsets is not None:
            raise ValueError("a state without dimensions has no rows for offsets to divide")
        self.rows = 1 if joint or (state.dim() < 2 and offsets is None) else state.shape[0]
        self.width = state.numel() if self.rows == 1 else state.shape[1:].numel()
        self.itemsize = state.element_size()
        self.on_host = state.device.type in HOST
        self.lengths: Tensor | None = None  # rows of each sample, and the same on the host
        self.host_lengths: np.ndarray | None = None
        self._signs: Tensor | None = None
        self.samples, self.longest = self.rows, 1  # longest: rows of the sample that has most
        self.parts = self._parts()
        self.exact = torch.float64 if self.on_host else widest_dtype(state.device.type)
        if offsets is not None and not joint:
            lengths = _checked_lengths(offsets, self.rows)
            self.host_lengths = lengths.numpy()
            self.samples, self.longest = len(lengths), int(lengths.max()) if len(lengths) else 0
            self.lengths = lengths.to(state.device)
            self._divide()

    def _divide(self) -> None:
        """Finds which sample owns each row."""
        assert self.lengths is not None
        count = torch.arange(len(self.lengths), device=self.lengths.device)
        self._sample_of_row = torch.repeat_interleave(count, self.lengths, output_size=self.rows)

    def _parts(self) -> list[slice]:
        """The rows in parts that the host's cache holds several of; all at once elsewhere."""
        at_once = max(1, PART // max(1, self.width * self.itemsize)) if self.on_host else self.rows
        return [slice(first, first + at_once) for first in range(0, self.rows, max(1, at_once))]

    def block(self, value: Tensor, pair: Tensor | None = None) -> Block:
        """The memory of a state, given in the shape of f or as ``[R, D]``; ``pair``: see :class:`Block`."""
        return Block(*self._matrix(value), None, pair)

    def _matrix(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """A contiguous ``[R, D]``, and the same memory in the shape of f."""
        flat = self.flat(value)
        if not flat.is_contiguous():
            with torch.inference_mode(False):
                flat = flat.clone(memory_format=torch.contiguous_format)
        unchanged = value.shape == self.shape and value.is_contiguous()
        return flat, value if unchanged else flat.view(self.shape)

    def flat(self, state: Tensor) -> Tensor:
        """``[R, D]`` view (or copy, if not contiguous) of a state."""
        return state if tuple(state.shape) == (self.rows, self.width) else state.reshape(self.rows, self.width)

    def to_samples(self, per_row: Tensor) -> Tensor:
        """Sums rows to samples: ``[R, …]`` → ``[B, …]`` in float64, or what the device has."""
        per_row = per_row.to(self.exact)
        if self.lengths is None:
            return per_row
        return torch.segment_reduce(per_row, "sum", lengths=self.lengths, axis=0, unsafe=True)

    def to_rows(self, per_sample: Tensor) -> Tensor:
        """Repeats each sample's value for its rows: ``[B, …]`` → ``[R, …]``."""
        return per_sample if self.lengths is None else per_sample[self._sample_of_row]

    def subset(self, samples: Tensor) -> tuple[Self, Tensor]:
        """The layout of some samples alone, and the rows they own: int64 ``[R']``, in the order of ``samples``."""
        part = copy.copy(self)
        part.samples = len(samples)
        if self.lengths is None:
            part.rows, rows = len(samples), samples
        else:
            starts = (self.lengths.cumsum(0) - self.lengths)[samples]
            part.lengths = self.lengths[samples]
            part.host_lengths = part.lengths.cpu().numpy()
            part.rows = int(part.host_lengths.sum())
            part._divide()
            first = part.lengths.cumsum(0) - part.lengths  # of each sample's rows in the part
            rows = torch.arange(part.rows, device=samples.device) + part.to_rows(starts - first)
        if self.lengths is not None or self.rows > 1 or len(samples) != 1:  # else the state has any shape, such as [n]
            part.shape = torch.Size((part.rows, *self.shape[1:]))
        part.parts = part._parts()
        return part, rows

    def norms(self, *states: Tensor) -> Tensor:
        """Euclidean norms of several ``[R, D]`` states, sample by sample: float64 ``[B, number of states]``."""
        by_row = torch.stack([_row_norms(state, self.exact) for state in states], dim=1).to(self.exact)
        extreme = self.on_host and _repair_extremes(by_row.numpy(), states)
        if self.lengths is None:
            return by_row
        if extreme and self.host_lengths is not None:
            return torch.from_numpy(_norms_of_samples(by_row.numpy(), self.host_lengths))
        return self.to_samples(by_row.square()).sqrt()

    def norm(self, state: Tensor) -> Tensor:
        """As :meth:`norms` on an accelerator, of one state ``[R, D]`` or a pair ``[2, R, D]``: ``[B, 1]`` or ``[B, 2]``."""
        by_row = _row_norms(state, self.exact)
        by_row = by_row.unsqueeze(1) if state.dim() == 2 else by_row.T
        return by_row if self.lengths is None else self.to_samples(by_row.square()).sqrt()

    def block_norms(self, *blocks: Block) -> Tensor | np.ndarray:
        """As :meth:`norms`, of blocks; an array on the host, a tensor elsewhere."""
        if blocks[0].pair is not None:  # both in one operation
            return self.norm(blocks[0].pair)
        by_sample = self.norms(*(block.t for block in blocks))
        return by_sample.numpy() if self.on_host else by_sample

    def subtract(self, one: Block, other: Block, out: Block) -> Block:
        """``out = one − other``; where it has a pair, the second half is ``one``, in the same operation."""
        if out.pair is None:
            torch.sub(one.t, other.t, out=out.t)
        else:
            torch.addcmul(one.t, other.t, self._minus(out.pair), out=out.pair)
        return out

    def row_mask(self, samples: np.ndarray) -> np.ndarray:
        """The rows of the samples in a mask ``[B]``, as a mask ``[R]`` on the host."""
        return samples if self.host_lengths is None else np.repeat(samples, self.host_lengths)

    def _minus(self, pair: Tensor) -> Tensor:
        """−1 and 0 for the halves of a pair, made on the device once."""
        if self._signs is None:
            self._signs = torch.arange(-1, 1, dtype=pair.dtype, device=pair.device).view(2, 1, 1)
        return self._signs

    def copy_rows(self, source: Block, target: Block, rows: np.ndarray) -> None:
        """Copies the rows in a mask ``[R]`` from one block to the other."""
        index = torch.from_numpy(np.flatnonzero(rows)).to(target.t.device)
        target.t.index_copy_(0, index, source.t.index_select(0, index))


class NumpyLayout(Layout):
    """The layout of a small state in the host's memory, worked on in numpy."""

    def _divide(self) -> None:
        super()._divide()
        assert self.lengths is not None
        self._sample_of_row_array = self._sample_of_row.numpy()
        self._starts = (self.lengths.cumsum(0) - self.lengths).numpy()

    def block(self, value: Tensor, pair: Tensor | None = None) -> Block:
        """The memory of a state, as tensor and as array."""
        flat, shaped = self._matrix(value)
        return Block(flat, shaped, flat.numpy())

    def array_to_samples(self, per_row: np.ndarray) -> np.ndarray:
        """As :meth:`to_samples`, of an array; sums are in float64."""
        return per_row if self.lengths is None else np.add.reduceat(per_row, self._starts, axis=0, dtype=np.float64)

    def array_to_rows(self, per_sample: np.ndarray) -> np.ndarray:
        """As :meth:`to_rows`, of an array."""
        return per_sample if self.lengths is None else per_sample[self._sample_of_row_array]

    def block_norms(self, *blocks: Block) -> np.ndarray:
        """As :meth:`norms`, of blocks."""
        squares = np.empty((self.rows, len(blocks)))
        for column, block in enumerate(blocks):
            squares[:, column] = np.vecdot(block.a, block.a)
        smallest, largest = SAFE_SQUARES[block.a.itemsize]
        if np.minimum.reduce(squares, axis=None) > smallest and np.maximum.reduce(squares, axis=None) < largest:
            return np.sqrt(self.array_to_samples(squares))
        by_row = np.sqrt(squares)
        _repair_extremes(by_row, [block.t for block in blocks])
        return by_row if self.host_lengths is None else _norms_of_samples(by_row, self.host_lengths)

    def subtract(self, one: Block, other: Block, out: Block) -> Block:
        """``out = one − other``."""
        np.subtract(one.a, other.a, out=out.a)
        return out

    def copy_rows(self, source: Block, target: Block, rows: np.ndarray) -> None:
        """Copies the rows in a mask ``[R]`` from one block to the other."""
        target.a[rows] = source.a[rows]


def layout_of(state: Tensor, offsets: Tensor | None = None, joint: bool = False) -> Layout:
    """The layout that a solve of this state is fastest in; arguments and errors as of :class:`Layout`."""
    rows = state.shape[0] if state.dim() > (offsets is None) else 1
    small = state.numel() * state.element_size() <= SMALL and rows <= SMALL_ROWS
    in_numpy = small and state.device.type in HOST and state.dtype in NUMPY_DTYPES
    return (NumpyLayout if in_numpy else Layout)(state, offsets, joint)


@lru_cache
def widest_dtype(device: str) -> torch.dtype:
    """The dtype of the solvers' small systems and norms on this type of device: float64, or float32 where it has none."""
    try:
        torch.empty(0, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):  # MPS
        return torch.float32
    return torch.float64


def tensor_of(values: Tensor | np.ndarray) -> Tensor:
    """The same memory as a tensor, on the host if it is an array, whatever the default device."""
    return torch.from_numpy(values) if isinstance(values, np.ndarray) else values


def write_count(tensor: Tensor) -> int:
    """How often torch wrote to a tensor's memory; 0 for tensors made in inference mode, which do not count that."""
    return 0 if tensor.is_inference() else tensor._version


def _row_norms(state: Tensor, exact: torch.dtype) -> Tensor:
    if state.device.type not in HOST:  # without reading values back, which would make the host wait
        if state.dtype != exact and exact == torch.float64:
            return torch.linalg.vector_norm(state, dim=-1, dtype=exact)
        state = state.to(exact)
        limits = torch.finfo(exact)
        top = state.abs().amax(dim=-1).clamp(limits.tiny, limits.max)
        return torch.linalg.vector_norm(state / top.unsqueeze(-1), dim=-1) * top
    wide = torch.promote_types(state.dtype, torch.float32)
    return torch.linalg.vector_norm(state, dim=1, dtype=None if wide == state.dtype else wide)


def _repair_extremes(by_row: np.ndarray, states: Sequence[Tensor]) -> bool:
    """Computes norms ``[R, number of states]`` again, of rows scaled to their largest number, where the squares may have
    under- or overflowed; whether there are such.
    """
    smallest, largest = SAFE[torch.promote_types(states[0].dtype, torch.float32)]
    if by_row.min() > smallest and by_row.max() < largest:
        return False
    extreme = ~((by_row > smallest) & (by_row < largest))
    for column, state in enumerate(states):
        rows = np.flatnonzero(extreme[:, column])
        by_row[rows, column] = _scaled_norms(state[torch.from_numpy(rows)].double().numpy())
    return True


def _norms_of_samples(by_row: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Norms of samples ``[B, k]`` from those of their rows, float64 ``[R, k]``, in units of each sample's largest."""
    starts = np.cumsum(lengths) - lengths
    top = np.maximum.reduceat(by_row, starts)
    top = np.where((top > 0) & np.isfinite(top), top, 1.0)
    scaled = by_row / np.repeat(top, lengths, axis=0)
    return np.sqrt(np.add.reduceat(scaled**2, starts)) * top


def _scaled_norms(values: np.ndarray) -> np.ndarray:
    """Norms of rows, each divided by its largest number first."""
    top = np.abs(values).max(axis=1, initial=0.0)
    if not top.any():  # residuals that are exactly 0
        return top
    top = np.where((top > 0) & np.isfinite(top), top, 1.0)
    with np.errstate(over="ignore"):  # beside an infinite number
        return np.sqrt(((values / top[:, None]) ** 2).sum(axis=1)) * top


def _checked_lengths(offsets: Tensor, rows: int) -> Tensor:
    offsets = torch.as_tensor(offsets).cpu()  # from a device in one piece
    if offsets.is_floating_point() or offsets.is_complex() or offsets.dtype == torch.bool:
        raise TypeError(f"offsets must be integers, not {offsets.dtype}")
    if offsets.dim() != 1 or len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != rows:
        raise ValueError(f"offsets must be a vector from 0 to the number of rows, {rows}; got {offsets.tolist()[:9]}")
    lengths = offsets.diff()
    if (lengths < 1).any():
        raise ValueError("offsets must increase strictly: every sample needs at least one row")
    return lengths.to(torch.int64)


def refuse_unsupported(state: object) -> None:
    """Checks that a first state is one whose iteration can be monitored.

    Raises:
        TypeError: it is complex, no floating-point tensor, or holds no numbers (meta and fake tensors).
        NotImplementedError: a transform of ``torch.func`` is at work.
    """
    if transform_is_active():
        raise NotImplementedError(
            "fixed_point and solvers cannot run inside torch.func transforms (grad, vjp, jvp, jacrev, vmap): they stop by "
            "reading residuals, which those hide. Use Equilibrium, which has rules for them; or instead of vmap give the "
            "batch as dimension 0, since every sample is solved on its own"
        )
    if isinstance(state, Tensor) and state.is_complex():
        raise TypeError(
            "this needs a real state; PyTree(state).pack(state) gives that of a complex one (solvers and layers take "
            "complex states as they are)"
        )
    if not isinstance(state, Tensor) or not state.is_floating_point():
        raise TypeError("the initial state must be a floating-point tensor; convert it with .float() or .double()")
    if holds_no_numbers(state):
        raise TypeError(
            "the initial state holds no numbers (a meta or fake tensor), so that no solve can converge; give the layer "
            "real tensors, such as layer.to_empty(device='cpu') filled with weights"
        )


def holds_no_numbers(state: Tensor) -> bool:
    """Whether a tensor is a meta or fake one, which has a shape alone."""
    return state.device.type == "meta" or type(state).__name__ == "FakeTensor"


def transform_is_active() -> bool:
    """Whether a transform of ``torch.func`` is at work."""
    peek = getattr(torch._C._functorch, "peek_interpreter_stack", None)  # PyTorch has no public function for it
    return peek is not None and peek() is not None
