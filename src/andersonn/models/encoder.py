"""Graph image → features of its pixels and rows, once a forward pass: everything that does not depend on the state."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from andersonn.models.batch import ImageBatch
from andersonn.models.directions import Directions
from andersonn.models.expansion import Expansion
from andersonn.structures import elements

NEAREST, FARTHEST = 0.7, 6.5
"""Å: centers of the first and last Gaussian."""
NEAR_SCALE = 2.5
"""Å over which the resolution of ``near`` Gaussians falls by a factor e."""


class Features(NamedTuple):
    """What a cell reads of a batch.

    Attributes:
        rows: features of atoms, ``[R, D]``.
        pixels: features of atom-neighbor pairs, ``[R, K, D]``.
        share: weights of a row's neighbors normalized to sum 1, ``[R, K]``; zeros for a row without neighbors.
    """

    rows: Tensor
    pixels: Tensor
    share: Tensor


class ImageEncoder(nn.Module):
    """Learned element embeddings plus tabulated element properties, distances in Gaussians, and one look at the
    neighbors.

    Args:
        width: D.
        radial: number of Gaussians.
        dropout: of the learned embedding, while training; the tabulated properties stay.
        spacing: ``"even"`` Gaussians of the distance d, or ``"near"``: Gaussians of exp(-d / 2.5 Å), which are sharpest
            at the lengths of bonds.
        directions: channels of :class:`~andersonn.models.directions.Directions`; 0 for distances alone.
        channels: names of what rows bring along besides the graph, see :func:`~andersonn.models.expansion.row_channels`.
    """

    def __init__(
        self,
        width: int,
        radial: int,
        dropout: float = 0.0,
        spacing: str = "even",
        directions: int = 0,
        channels: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.near = spacing == "near"
        first, last = (math.exp(-d / NEAR_SCALE) if self.near else d for d in (NEAREST, FARTHEST))
        self.register_buffer("centers", torch.linspace(first, last, radial))
        self.sharpness = 0.5 * (radial / (last - first)) ** 2
        table = torch.tensor(elements.feature_table(), dtype=torch.float32)
        self.register_buffer("properties", table, persistent=False)
        self.embedding = nn.Embedding(elements.MAX_Z + 1, width)
        nn.init.normal_(self.embedding.weight, std=0.3)
        self.dropout = nn.Dropout(dropout)
        self.from_properties = nn.Linear(table.shape[1], width)
        self.filter = nn.Sequential(nn.Linear(radial, width), nn.SiLU(), nn.Linear(width, width))
        self.merge = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))
        self.norm = nn.LayerNorm(width)
        self.pixel_from_distance = nn.Linear(radial, width)
        self.pixel_from_own = nn.Linear(width, width)
        self.pixel_from_neighbor = nn.Linear(width, width, bias=False)
        self.directions = Directions(directions, width, radial) if directions else None
        self.expansion = self.from_channels = None
        if channels:
            self.expansion = Expansion(channels)
            self.from_channels = nn.Linear(self.expansion.features, width)

    def _place(self, distance: Tensor) -> Tensor:
        """Where a distance in Å lies on the axis of the Gaussians."""
        return torch.exp(-distance / NEAR_SCALE) if self.near else distance

    def forward(self, batch: ImageBatch) -> Features:
        """Features of a batch's rows and pixels."""
        share = batch.weight / batch.weight.sum(dim=1, keepdim=True).clamp_min(1e-6)
        radial = (self._place(batch.distance).unsqueeze(-1) - self.centers).square_().mul_(-self.sharpness).exp_()
        atoms = self.dropout(self.embedding(batch.Z)) + self.from_properties(self.properties[batch.Z])
        if self.expansion is not None:
            atoms = atoms + self.from_channels(self.expansion(batch.of_row))
        seen = (self.filter(radial) * batch.neighbors.gather(atoms)).mul_(share.unsqueeze(-1)).sum(dim=1)
        rows, pixels = atoms + self.merge(torch.cat([atoms, seen], dim=1)), self.pixel_from_distance(radial)
        if self.directions is not None:
            of_rows, of_pixels = self.directions(radial, atoms, batch)
            rows, pixels = rows + of_rows, pixels + of_pixels
        rows = self.norm(rows)
        pixels.add_(self.pixel_from_own(rows).unsqueeze(1))
        pixels.add_(batch.neighbors.gather(self.pixel_from_neighbor(rows)))
        return Features(rows, functional.silu(pixels), share)
