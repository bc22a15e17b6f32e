"""What one process works on of a batch, with random numbers that do not depend on how many processes there are.

A batch is the same however many processes train. Random numbers are drawn for the whole batch on every rank, which then takes
those of its own structures: a structure meets the same noise on any rank, and the random generators of all ranks stay equal.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from andersonn.models import EquilibriumNetwork


@dataclass(frozen=True, eq=False)
class RankShard:
    """The structures of a batch of B that one rank works on.

    Attributes:
        indices: of its structures in the store, int64 ``[b]``; at least one.
        weight: b / B, the weight of the mean over its structures in the mean over the batch; 0 on a rank that repeats another's
            structure because there were fewer structures than ranks.
        positions: of its structures in the batch, int64 ``[b]``.
        lengths: rows of each structure of the batch, int64 ``[B]``.
    """

    indices: np.ndarray
    weight: float
    positions: Tensor
    lengths: np.ndarray

    @property
    def batch_size(self) -> int:
        """B."""
        return len(self.lengths)

    @property
    def is_all(self) -> bool:
        """Whether it is the whole batch."""
        return len(self.indices) == self.batch_size

    @property
    def rows(self) -> Tensor:
        """Positions of its rows among the batch's, int64 ``[r]``."""
        ends = np.cumsum(self.lengths)
        return torch.from_numpy(
            np.concatenate([np.arange(ends[p] - self.lengths[p], ends[p]) for p in self.positions.tolist()])
        )


def shard_of(indices: np.ndarray, n_rows: np.ndarray, rank: int, size: int) -> RankShard:
    """The part of a batch that process ``rank`` of ``size`` works on; all ranks get about as many rows.

    Args:
        indices: of the batch's structures.
        n_rows: of all structures of the store.
        rank: of the process, from 0.
        size: processes.
    """
    lengths = n_rows[indices]
    if size == 1:
        return RankShard(indices, 1.0, torch.arange(len(indices)), lengths)
    positions = np.flatnonzero(balanced_partition(lengths, size) == rank)
    weight = len(positions) / len(indices)
    if not len(positions):
        positions = np.array([int(lengths.argmin())])  # the one that is least work
    return RankShard(indices[positions], weight, torch.from_numpy(positions), lengths)


def balanced_partition(costs: np.ndarray, size: int) -> np.ndarray:
    """The rank, of ``size``, that gets each piece of work, int64 ``[n]``: the costliest piece first, each to the rank with the
    least work so far. Every rank gets one if there are as many pieces as ranks.
    """
    owner = np.empty(len(costs), dtype=np.int64)
    loads = [(0, 0, rank) for rank in range(size)]  # cost, pieces, rank
    for piece in np.argsort(-costs, kind="stable").tolist():
        cost, pieces, rank = loads[0]
        owner[piece] = rank
        heapq.heapreplace(loads, (cost + int(costs[piece]), pieces + 1, rank))
    return owner


@contextmanager
def synchronized_dropout(network: EquilibriumNetwork, shard: RankShard) -> Iterator[None]:
    """Inside this block, the dropout masks of a shard's structures are those of a forward pass over the whole batch."""
    if shard.is_all:
        yield
        return
    of_rows = (int(shard.lengths.sum()), shard.rows)
    of_images = (shard.batch_size, shard.positions)
    dropouts = [module for module in network.modules() if isinstance(module, nn.Dropout)]
    for dropout in dropouts:
        dropout.forward = partial(  # type: ignore[method-assign]  # of this instance, inside the block
            _dropout_of_part, dropout, *(of_rows if dropout is network.encoder.dropout else of_images)
        )
    try:
        yield
    finally:
        for dropout in dropouts:
            del dropout.forward


def _dropout_of_part(dropout: nn.Dropout, whole: int, positions: Tensor, values: Tensor) -> Tensor:
    """Dropout of values ``[n, …]`` by the entries at ``positions`` of a mask for ``[whole, …]``."""
    if len(values) != len(positions):
        raise RuntimeError(f"dropout of {len(positions)} entries got {len(values)}")
    if not dropout.training or dropout.p == 0.0:
        return values
    ones = values.new_ones(whole, *values.shape[1:])
    return values * functional.dropout(ones, dropout.p)[positions.to(values.device)]
