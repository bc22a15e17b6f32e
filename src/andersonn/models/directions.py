"""Angular features: the directions of an atom's neighbors, as numbers that are invariant under rotation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from andersonn.models.batch import ImageBatch


class Directions(nn.Module):
    """Sums of unit vectors to the neighbors, each weighted by a learned function of distance and element, and their
    products with each other: angles, in the manner of moments.

    Args:
        channels: C, sums an atom keeps.
        width: D, of the features of atoms.
        radial: functions that expand a distance.
    """

    def __init__(self, channels: int, width: int, radial: int) -> None:
        super().__init__()
        self.from_distance = nn.Linear(radial, channels)
        self.from_atom = nn.Linear(width, channels)
        self.to_rows = nn.Linear(channels, width)
        self.to_pixels = nn.Linear(2 * channels, width)

    def forward(
        self, by_distance: Tensor, atoms: Tensor, unit: Tensor, batch: ImageBatch
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Features of rows ``[R, D]``, by the lengths of the sums; of pixels ``[R, K, D]``, by the sums of both its atoms
        along the line between them; and the sums, ``[R, C, 3]``.

        Args:
            by_distance: what ``from_distance`` makes of the expanded distances, ``[R, K, C]``.
            atoms: features ``[R, D]``.
            unit: directions to the neighbors, ``[R, K, 3]``.
            batch: images with positions.
        """
        size = by_distance * batch.neighbors.gather(self.from_atom(atoms)) * batch.weight.unsqueeze(2)
        sums = torch.bmm(size.transpose(1, 2), unit)
        own = torch.bmm(unit, sums.transpose(1, 2))
        theirs = batch.neighbors.gather(sums.flatten(1)).unflatten(2, sums.shape[1:])
        other = torch.matmul(theirs, unit.unsqueeze(3)).squeeze(3)
        lengths = (sums.square().sum(dim=2) + 1e-6).sqrt()
        return self.to_rows(lengths), self.to_pixels(torch.cat([own, other], dim=2)), sums
