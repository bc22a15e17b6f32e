"""Corruptions of training structures, as images: negatives for the classifier of the applicability domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from andersonn.models import ImageBatch
from andersonn.structures.oxidation import BY_ATOM, BY_STRUCTURE, Oxidation

Corruption = Callable[[ImageBatch], ImageBatch]
LEAST, MOST = 0.08, 0.33
"""Logarithm of the factor by which structures are expanded or compressed."""
LEAST_SHAKE, MOST_SHAKE = 0.02, 0.12
"""Standard deviation of the noise on distances: relative to them, or in units of 2 Å where there are positions."""

REBONDED = 0.2
"""Share of pairs of atoms whose length is exchanged, where there is no geometry."""


def corruptions(
    elements: Tensor, random: torch.Generator, oxidation: bool = False, bonds: bool = False
) -> dict[str, Corruption]:
    """The ways to corrupt images, by name. Without a geometry there is none to be rescaled or shaken: there the bonds of a molecule
    are exchanged, and what is told of its atoms besides their elements.

    Args:
        elements: atomic numbers that occur in training, int64 ``[E]``.
        random: the random generator.
        oxidation: whether the images bring oxidation states, which then are those of the corrupted structure.
        bonds: whether the images are of bonds alone.
    """

    def uniform(n: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=random)

    def rescaled(batch: ImageBatch) -> ImageBatch:
        sign = torch.where(torch.rand(len(batch), generator=random) < 0.5, -1.0, 1.0)
        factor = torch.exp(sign * uniform(len(batch), LEAST, MOST))[batch.sample].unsqueeze(1)
        position = None if batch.position is None else batch.position * factor
        return replace(batch, distance=batch.distance * factor, position=position)

    def shaken(batch: ImageBatch) -> ImageBatch:
        size = uniform(len(batch), LEAST_SHAKE, MOST_SHAKE)[batch.sample].unsqueeze(1)
        if batch.position is not None:
            step = torch.randn(batch.position.shape, generator=random)
            return _moved(batch, batch.position + 2.0 * size * step)
        step = torch.randn(batch.distance.shape, generator=random)
        return replace(batch, distance=batch.distance * torch.exp(size * step))

    def exchanged(batch: ImageBatch) -> ImageBatch:
        """Permutes the elements of a structure's atoms."""
        return recounted(replace(batch, Z=batch.Z[permuted(batch)]))

    def permuted(batch: ImageBatch) -> Tensor:
        """Rows of a batch in an order at random within each structure."""
        return torch.argsort(batch.sample.double() + 0.99 * torch.rand(len(batch.Z), generator=random).double())

    def replaced(batch: ImageBatch) -> ImageBatch:
        """Replaces each element of a structure by another one."""
        table = elements[torch.randint(len(elements), (len(batch), int(batch.Z.max()) + 1), generator=random)]
        return recounted(replace(batch, Z=table[batch.sample, batch.Z]))

    def retold(batch: ImageBatch) -> ImageBatch:
        """Permutes hydrogens, charges and rings of a molecule's atoms."""
        assert batch.of_row is not None  # the images bring them
        return replace(batch, of_row=batch.of_row[permuted(batch)])

    recounted = _recounted if oxidation else lambda batch: batch

    if bonds:
        return {
            "rebonded": partial(_rebonded, random=random),
            "retold": retold,
            "exchanged": exchanged,
            "replaced": replaced,
        }
    return {"rescaled": rescaled, "shaken": shaken, "exchanged": exchanged, "replaced": replaced}


def _recounted(batch: ImageBatch) -> ImageBatch:
    """The batch with the oxidation states of its new elements."""
    assert batch.of_row is not None  # the images bring oxidation states
    assert batch.of_whole is not None
    of_row, of_whole = batch.of_row.clone(), batch.of_whole.clone()
    times, Z, ends = batch.multiplicity.long().numpy(), batch.Z.numpy(), batch.offsets.tolist()
    for b, (begin, end) in enumerate(pairwise(ends)):
        found = Oxidation.of(np.repeat(Z[begin:end], times[begin:end]))
        first = np.cumsum(times[begin:end]) - times[begin:end]
        of_row[begin:end, : len(BY_ATOM)] = torch.from_numpy(found.by_atom[first])
        of_whole[b, : len(BY_STRUCTURE)] = torch.from_numpy(found.by_structure)
    return replace(batch, of_row=of_row, of_whole=of_whole)


def _rebonded(batch: ImageBatch, random: torch.Generator) -> ImageBatch:
    """Gives some pairs of atoms the length of other pairs, which stands for the kind of their bond."""
    filled = (batch.weight > 0).nonzero(as_tuple=True)
    length = batch.distance[filled]
    if not len(length):
        return batch
    other = length[torch.randint(len(length), (len(length),), generator=random)]
    distance = batch.distance.clone()
    distance[filled] = torch.where(torch.rand(len(length), generator=random) < REBONDED, other, length)
    return replace(batch, distance=distance)


def _moved(batch: ImageBatch, position: Tensor) -> ImageBatch:
    """The batch with atoms moved and distances to match; the neighbor lists stay."""
    moved = replace(batch, position=position)
    distance = moved.neighbor_vectors().norm(dim=2)
    return replace(moved, distance=torch.where(batch.weight > 0, distance, batch.distance))
