"""Parts of a batch: which structures of it a process works on, and the random numbers that go with them.

A batch is the same however many processes train. Random numbers are drawn for the whole batch on every process, which then
takes those of its own structures: a structure meets the same noise whoever works on it, and generators stay in step.
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
class Share:
    """The structures of a batch of B that one process works on.

    Attributes:
        indices: of its structures in the store, int64 ``[b]``; at least one.
        weight: b / B, by which the mean over its structures enters the batch's; 0 where there were too few structures for
            all processes and this one repeats another's, so that all take part alike.
        places: positions of its structures in the batch, int64 ``[b]``.
        lengths: rows of each structure of the batch, int64 ``[B]``.
    """

    indices: np.ndarray
    weight: float
    places: Tensor
    lengths: np.ndarray

    @property
    def images(self) -> int:
        """B."""
        return len(self.lengths)

    @property
    def is_all(self) -> bool:
        """Whether it is the whole batch."""
        return len(self.indices) == self.images

    @property
    def rows(self) -> Tensor:
        """Positions of its rows among the batch's, int64 ``[r]``."""
        ends = np.cumsum(self.lengths)
        return torch.from_numpy(
            np.concatenate([np.arange(ends[p] - self.lengths[p], ends[p]) for p in self.places.tolist()])
        )


def share_of(indices: np.ndarray, n_rows: np.ndarray, rank: int, size: int) -> Share:
    """The share of a batch that process ``rank`` of ``size`` works on; rows are dealt out evenly.

    Args:
        indices: of the batch's structures.
        n_rows: of all structures of the store.
        rank: of the process, from 0.
        size: processes.
    """
    lengths = n_rows[indices]
    if size == 1:
        return Share(indices, 1.0, torch.arange(len(indices)), lengths)
    places = np.flatnonzero(dealt(lengths, size) == rank)
    weight = len(places) / len(indices)
    if not len(places):
        places = np.array([int(lengths.argmin())])  # the one that is least work
    return Share(indices[places], weight, torch.from_numpy(places), lengths)


def dealt(costs: np.ndarray, size: int) -> np.ndarray:
    """Which of ``size`` processes gets each piece of work, int64 ``[n]``: the costliest first, each to the one that has least.

    Nobody goes empty if there are as many pieces as processes.
    """
    owner = np.empty(len(costs), dtype=np.int64)
    loads = [(0, 0, rank) for rank in range(size)]  # cost, pieces, process
    for piece in np.argsort(-costs, kind="stable").tolist():
        cost, pieces, rank = loads[0]
        owner[piece] = rank
        heapq.heapreplace(loads, (cost + int(costs[piece]), pieces + 1, rank))
    return owner


@contextmanager
def drawn_for_all(network: EquilibriumNetwork, share: Share) -> Iterator[None]:
    """Inside this block a network that is shown a share drops what it would drop of it, were it shown the whole batch."""
    if share.is_all:
        yield
        return
    of_rows = (int(share.lengths.sum()), share.rows)
    of_images = (share.images, share.places)
    parts = [part for part in network.modules() if isinstance(part, nn.Dropout)]
    for part in parts:
        part.forward = partial(_dropped, part, *(of_rows if part is network.encoder.dropout else of_images))
    try:
        yield
    finally:
        for part in parts:
            del part.forward


def _dropped(part: nn.Dropout, whole: int, places: Tensor, values: Tensor) -> Tensor:
    """Values ``[n, …]`` at some places of ``[whole, …]``, times what a dropout makes of as many ones."""
    if len(values) != len(places):
        raise RuntimeError(f"a dropout of {len(places)} entries was shown {len(values)}")
    if not part.training or part.p == 0.0:
        return values
    ones = values.new_ones(whole, *values.shape[1:])
    return values * functional.dropout(ones, part.p)[places.to(values.device)]
