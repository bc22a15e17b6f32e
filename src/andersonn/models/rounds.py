"""Rounds of messages that carry directions: each atom keeps vectors beside its numbers, and both depend on each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from andersonn.models.batch import ImageBatch

SOFTENING = 1e-6
"""Added to squared lengths, which have no gradient at zero."""


class DirectedRound(nn.Module):
    """One round, in the manner of PaiNN (Schütt, Unke and Gastegger, ICML 2021).

    Each neighbor sends numbers, vectors along the line to it, and its own vectors, all scaled by functions of its features and of
    the distance. Then the numbers and vectors of each atom change each other. Numbers do not change when the structure is turned,
    and vectors turn with it. A new round changes vectors alone: what writes to the numbers begins at zero.

    Args:
        width: D, numbers of an atom.
        vectors: V, vectors of an atom.
        radial: functions that expand a distance.
    """

    def __init__(self, width: int, vectors: int, radial: int) -> None:
        super().__init__()
        self.from_distance = nn.Linear(radial, 3 * vectors)
        self.norm = nn.LayerNorm(width)
        self.to_sent = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 3 * vectors))
        self.to_rows = nn.Linear(vectors, width, bias=False)
        self.turned = nn.Linear(vectors, 2 * vectors, bias=False)
        self.update = nn.Sequential(nn.Linear(width + vectors, width), nn.SiLU(), nn.Linear(width, 2 * vectors))
        self.update_rows = nn.Linear(width + vectors, width, bias=False)
        for silent in (self.to_rows, self.update_rows):
            nn.init.zeros_(silent.weight)

    def forward(
        self, by_distance: Tensor, rows: Tensor, vectors: Tensor, unit: Tensor, batch: ImageBatch
    ) -> tuple[Tensor, Tensor]:
        """Numbers and vectors after the round.

        Args:
            by_distance: what ``from_distance`` makes of the expanded distances, ``[R, K, 3 V]``.
            rows: numbers ``[R, D]``.
            vectors: ``[R, 3, V]``.
            unit: directions to the neighbors, ``[R, K, 3]``.
            batch: images with positions.
        """
        weight = batch.weight.unsqueeze(1)
        sent = by_distance * batch.neighbors.gather(self.to_sent(self.norm(rows)))
        numbers, along, carried = sent.chunk(3, dim=2)
        theirs = batch.neighbors.gather(vectors.flatten(1)).unflatten(2, vectors.shape[1:])
        rows = rows + self.to_rows(torch.bmm(weight, numbers).squeeze(1))
        passed = torch.bmm(weight, (theirs * carried.unsqueeze(2)).flatten(2)).view_as(vectors)
        vectors = vectors + torch.bmm(unit.transpose(1, 2) * weight, along) + passed
        one, other = self.turned(vectors).chunk(2, dim=2)
        lengths = (other.square().sum(dim=1) + SOFTENING).sqrt()
        hidden = self.update[:2](torch.cat([self.norm(rows), lengths], dim=1))
        scale, gate = self.update[2](hidden).chunk(2, dim=1)
        products = (one * other).sum(dim=1) * gate
        rows = rows + self.update_rows(torch.cat([hidden, products], dim=1))
        return rows, vectors + one * scale.unsqueeze(1)


class DirectedRounds(nn.Module):
    """Several :class:`DirectedRound`, and what pixels read of the vectors in the end.

    Args:
        rounds: how many.
        width: D.
        directions: C, sums of directions that the first vectors are made of.
        radial: functions that expand a distance.

    Attributes:
        vectors: V, of an atom.
    """

    def __init__(self, rounds: int, width: int, directions: int, radial: int) -> None:
        super().__init__()
        self.vectors = vectors = max(width // 4, 1)
        self.first = nn.Linear(directions, vectors, bias=False)
        self.each = nn.ModuleList(DirectedRound(width, vectors, radial) for _ in range(rounds))
        self.to_pixels = nn.Linear(2 * vectors, width, bias=False)
        nn.init.zeros_(self.to_pixels.weight)

    def forward(
        self, by_distance: list[Tensor], rows: Tensor, sums: Tensor, unit: Tensor, batch: ImageBatch
    ) -> tuple[Tensor, Tensor]:
        """Features of rows ``[R, D]``, and what is to be added to those of pixels ``[R, K, D]``: the vectors of both atoms along
        the line between them.

        Args:
            by_distance: for each round, see :class:`DirectedRound`.
            rows: features ``[R, D]``.
            sums: of directions, ``[R, C, 3]``.
            unit: directions to the neighbors, ``[R, K, 3]``.
            batch: images with positions.
        """
        vectors = self.first(sums.transpose(1, 2))
        for sizes, each in zip(by_distance, self.each, strict=True):
            rows, vectors = each(sizes, rows, vectors, unit, batch)
        own = torch.bmm(unit, vectors)
        theirs = batch.neighbors.gather(vectors.flatten(1)).unflatten(2, vectors.shape[1:])
        other = (theirs * unit.unsqueeze(3)).sum(dim=2)
        return rows, self.to_pixels(torch.cat([own, other], dim=2))
