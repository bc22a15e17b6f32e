"""How a state divides into samples: one row each, or ragged groups of rows.

Solvers see every state as a matrix ``[R, D]`` of rows. A dense batch ``[B, …]`` has one row a sample. A ragged batch
(graphs of different sizes, their node rows concatenated) has several: ``offsets`` says where each sample begins.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.block import NUMPY_KNOWS, SMALL, SMALL_ROWS, Block
from andersonn.solvers.refusals import refuse_unsupported

SAFE = {torch.float32: (1e-15, 1e18), torch.float64: (1e-150, 1e150)}
"""Norms between these have squares that the precision holds."""
SAFE_SQUARES = {dtype.itemsize: (low**2, high**2) for dtype, (low, high) in SAFE.items()}
PART = 2**20
"""Bytes of a large state that are worked on at once on the host."""
HOST = ("cpu",)
"""Types of device whose memory the host can look into without waiting."""


class Layout:
    """Maps rows to samples.

    Args:
        state: the initial state; dimension 0 counts samples, or rows if ``offsets`` are given. A vector ``[n]``
            without offsets is one sample of n numbers.
        offsets: int64 ``[B + 1]``, non-decreasing from 0 to the number of rows, or None.
    """

    def __init__(self, state: Tensor, offsets: Tensor | None = None) -> None:
        refuse_unsupported(state)
        if state.numel() == 0:
            raise ValueError(f"the initial state is empty, shape {tuple(state.shape)}; give at least one sample")
        self.shape = state.shape
        if state.dim() == 0 and offsets is not None:
            raise ValueError("a state without dimensions has no rows for offsets to divide")
        self.rows = 1 if state.dim() < 2 and offsets is None else state.shape[0]
        self.width = state.numel() // self.rows
        self.itemsize = state.element_size()
        self.on_host = state.device.type in HOST
        little = state.numel() * self.itemsize <= SMALL and self.rows <= SMALL_ROWS
        self.small = self.on_host and state.dtype in NUMPY_KNOWS and little
        self.lengths: Tensor | None = None
        self.samples = self.rows
        self.parts = self._parts()
        if offsets is not None:
            self.lengths = _checked_lengths(offsets, self.rows).to(state.device)
            self.samples = len(self.lengths)
            self._divide()

    def _divide(self) -> None:
        """Which sample owns each row; for small states also where each begins, in numpy."""
        self._sample_of_row = _owners(self.lengths, self.rows)
        if self.small:
            self._owners = self._sample_of_row.numpy()
            self._starts = (self.lengths.cumsum(0) - self.lengths).numpy()

    def _parts(self) -> list[slice]:
        """The rows in parts that the host's cache holds several of; all at once elsewhere."""
        at_once = max(1, PART // (self.width * self.itemsize)) if self.on_host else self.rows
        return [slice(first, first + at_once) for first in range(0, self.rows, at_once)]

    def block(self, value: Tensor) -> Block:
        """The memory of a state, given in the shape of f or as ``[R, D]``."""
        flat = self.flat(value)
        if not flat.is_contiguous():
            with torch.inference_mode(False):
                flat = flat.clone(memory_format=torch.contiguous_format)
        as_it_is = value.shape == self.shape and value.is_contiguous()
        return Block(flat, value if as_it_is else flat.view(self.shape), self.small)

    def flat(self, state: Tensor) -> Tensor:
        """``[R, D]`` view (or copy, if not contiguous) of a state."""
        return state if state.dim() == 2 and len(self.shape) == 2 else state.reshape(self.rows, self.width)

    def to_samples(self, per_row: Tensor) -> Tensor:
        """Sums rows to samples: ``[R, …]`` → ``[B, …]`` in float64."""
        per_row = per_row.double()
        if self.lengths is None:
            return per_row
        return torch.segment_reduce(per_row, "sum", lengths=self.lengths, axis=0, unsafe=True)

    def to_rows(self, per_sample: Tensor) -> Tensor:
        """Spreads samples to rows: ``[B, …]`` → ``[R, …]``."""
        return per_sample if self.lengths is None else per_sample[self._sample_of_row]

    def sums(self, per_row: np.ndarray) -> np.ndarray:
        """As :meth:`to_samples`, of a small state's array; sums are in float64."""
        return per_row if self.lengths is None else np.add.reduceat(per_row, self._starts, axis=0, dtype=np.float64)

    def spread(self, per_sample: np.ndarray) -> np.ndarray:
        """As :meth:`to_rows`, of a small state's array."""
        return per_sample if self.lengths is None else per_sample[self._owners]

    def subset(self, samples: Tensor) -> tuple[Layout, Tensor]:
        """The layout of some samples alone, and the rows they own: int64 ``[R']``, in the order of ``samples``."""
        part = copy.copy(self)
        part.samples = len(samples)
        if self.lengths is None:
            part.rows, rows = len(samples), samples
        else:
            starts = (self.lengths.cumsum(0) - self.lengths)[samples]
            part.lengths = self.lengths[samples]
            part.rows = int(part.lengths.sum())
            part._divide()
            first = part.lengths.cumsum(0) - part.lengths  # of each sample's rows in the part
            rows = torch.arange(part.rows, device=samples.device) + part.to_rows(starts - first)
        part.shape = torch.Size((part.rows, *self.shape[1:]))
        part.parts = part._parts()
        return part, rows

    def norms(self, *states: Tensor) -> Tensor:
        """Euclidean norms of several ``[R, D]`` states, sample by sample: float64 ``[B, number of states]``."""
        by_row = torch.stack([_row_norms(state) for state in states], dim=1).double()
        if self.on_host:
            _repair_extremes(by_row.numpy(), states)
        return by_row if self.lengths is None else self.to_samples(by_row.square()).sqrt()

    def sizes(self, *blocks: Block) -> Tensor | np.ndarray:
        """As :meth:`norms`; an array on the host, a tensor elsewhere."""
        if not self.small:
            by_sample = self.norms(*(block.t for block in blocks))
            return by_sample.numpy() if self.on_host else by_sample
        squares = np.empty((self.rows, len(blocks)))
        for column, block in enumerate(blocks):
            squares[:, column] = np.vecdot(block.a, block.a)
        smallest, largest = SAFE_SQUARES[block.a.itemsize]
        if np.minimum.reduce(squares, axis=None) > smallest and np.maximum.reduce(squares, axis=None) < largest:
            return np.sqrt(self.sums(squares))
        by_row = np.sqrt(squares)
        _repair_extremes(by_row, [block.t for block in blocks])
        return by_row if self.lengths is None else np.sqrt(self.sums(by_row**2))


def _owners(lengths: Tensor, rows: int) -> Tensor:
    """Which sample owns each row."""
    return torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths, output_size=rows)


def _row_norms(state: Tensor) -> Tensor:
    if state.device.type not in HOST:  # without a look at the values, which would make the device wait
        if state.dtype != torch.float64:
            return torch.linalg.vector_norm(state, dim=1, dtype=torch.float64)
        top = state.abs().amax(dim=1).clamp(1e-300, 1e300)
        return torch.linalg.vector_norm(state / top.unsqueeze(1), dim=1) * top
    wide = torch.promote_types(state.dtype, torch.float32)
    return torch.linalg.vector_norm(state, dim=1, dtype=None if wide == state.dtype else wide)


def _repair_extremes(by_row: np.ndarray, states: Sequence[Tensor]) -> None:
    """Takes norms ``[R, number of states]`` again, of rows scaled to their largest number, where the squares may have under-
    or overflowed.
    """
    smallest, largest = SAFE[torch.promote_types(states[0].dtype, torch.float32)]
    if by_row.min() > smallest and by_row.max() < largest:
        return
    extreme = ~((by_row > smallest) & (by_row < largest))
    for column, state in enumerate(states):
        rows = np.flatnonzero(extreme[:, column])
        by_row[rows, column] = _scaled_norms(state[torch.from_numpy(rows)].double().numpy())


def _scaled_norms(values: np.ndarray) -> np.ndarray:
    """Norms of rows by way of their largest numbers."""
    top = np.abs(values).max(axis=1, initial=0.0)
    if not top.any():  # samples that have arrived to the last bit
        return top
    top = np.where((top > 0) & np.isfinite(top), top, 1.0)
    with np.errstate(over="ignore"):  # beside an infinite number
        return np.sqrt(((values / top[:, None]) ** 2).sum(axis=1)) * top


def _checked_lengths(offsets: Tensor, rows: int) -> Tensor:
    offsets = torch.as_tensor(offsets)
    if offsets.is_floating_point() or offsets.is_complex() or offsets.dtype == torch.bool:
        raise TypeError(f"offsets must be integers, not {offsets.dtype}")
    if offsets.dim() != 1 or len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != rows:
        raise ValueError(f"offsets must be a vector from 0 to the number of rows, {rows}; got {offsets.tolist()[:9]}")
    lengths = offsets.diff()
    if (lengths < 1).any():
        raise ValueError("offsets must increase strictly: every sample needs at least one row")
    return lengths.to(torch.int64)
