"""Graph image → features of its rows (atoms) and pixels (atom-neighbor pairs), computed once a forward pass."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from andersonn.models.batch import ImageBatch
from andersonn.models.config import ModelConfig
from andersonn.models.directions import Directions
from andersonn.structures import elements, molecular_graph, oxidation
from andersonn.structures.pores import BY_ATOM, BY_STRUCTURE, DENSITY

NEAREST, FARTHEST = 0.7, 6.5
"""Å: centers of the first and last Gaussian."""
NEAR_SCALE = 2.5
"""Å over which the resolution of ``near`` Gaussians falls by a factor e."""
WIDEST = 14.0
"""Å: center of the last Gaussian of a length."""
GAUSSIANS = 29
STATES = (-4, 8)
"""Least and greatest oxidation state that has a Gaussian of its own."""
UNITS = {
    "atoms_per_nm3": 50.0,
    "mass_g_cm3": 1.0,
    "packing": 0.1,
    "void_fraction": 0.3,
    "free_volume_A3": 10.0,
    "oxidation_state": 3.0,
    "state_rarity": 1.0,
    "charge_left": 0.3,
    "neutral_rarity": 3.0,
    "excess_rarity": 3.0,
    "usual_charge": 0.5,
    "odd_electrons": 1.0,
    **dict.fromkeys(molecular_graph.BY_ATOM, 1.0),
    "heavy_atoms": 10.0,
    "rings": 3.0,
}
"""The unit of each quantity that is not a length: about its spread."""
SEEN = {"none": ((), ()), "density": ((), DENSITY), "by_atom": (BY_ATOM, DENSITY), "all": (BY_ATOM, BY_STRUCTURE)}
"""Option ``voids`` of a network → the pore descriptors it reads by atom and by structure."""


class Features(NamedTuple):
    """Input of a cell.

    Attributes:
        rows: features of atoms, ``[R, D]``.
        pixels: features of atom-neighbor pairs, ``[R, K, D]``.
        share: weights of a row's neighbors normalized to sum 1, ``[R, K]``; zeros for a row without neighbors.
    """

    rows: Tensor
    pixels: Tensor
    share: Tensor


class ImageEncoder(nn.Module):
    """Learned element embeddings plus tabulated element properties, distances in Gaussians, and one round of message
    passing.

    Args:
        width: D.
        radial: number of Gaussians.
        dropout: of the learned embedding, while training; the tabulated properties stay.
        spacing: ``"even"`` Gaussians of the distance d, or ``"near"``: Gaussians of exp(-d / 2.5 Å), which are sharpest
            at the lengths of bonds.
        directions: channels of :class:`~andersonn.models.directions.Directions`; 0 for distances alone.
        channels: names of the node features besides the graph, see :func:`node_channels`.
    """

    centers: Tensor
    properties: Tensor

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
        self.expansion: Expansion | None = None
        self.from_channels: nn.Linear | None = None
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
        if self.expansion is not None and self.from_channels is not None:
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


def node_channels(config: ModelConfig) -> tuple[str, ...]:
    """Names of the node features that a network reads besides the graph: the first of the images' ``node_channels``."""
    of_bonds = molecular_graph.BY_ATOM if config.bonds else ()
    return (*of_bonds, *(oxidation.BY_ATOM if config.oxidation else ()), *SEEN[config.voids][0])


def graph_channels(config: ModelConfig) -> tuple[str, ...]:
    """Names of the graph-level features that a network reads: the first of the images' ``graph_channels``."""
    of_bonds = molecular_graph.BY_MOLECULE if config.bonds else ()
    return (*of_bonds, *(oxidation.BY_STRUCTURE if config.oxidation else ()), *SEEN[config.voids][1])


class Expansion(nn.Module):
    """The first channels of ``[M, C]`` as features: scaled, and lengths in Gaussians 0.5 Å apart and oxidation states in
    Gaussians one apart too.

    Args:
        names: of the channels read; a length's name ends in ``_A``, that of a state in ``_state``.
    """

    unit: Tensor
    centers: Tensor
    each_state: Tensor

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.count = len(names)
        self.lengths = [c for c, name in enumerate(names) if name.endswith("_A")]
        self.states = [c for c, name in enumerate(names) if name.endswith("_state")]
        self.register_buffer("unit", torch.tensor([UNITS.get(name, 5.0) for name in names]), persistent=False)
        self.register_buffer("centers", torch.linspace(0.0, WIDEST, GAUSSIANS), persistent=False)
        self.register_buffer("each_state", torch.arange(STATES[0], STATES[1] + 1.0), persistent=False)
        self.features = self.count + GAUSSIANS * len(self.lengths) + len(self.each_state) * len(self.states)

    def scaled(self, channels: Tensor) -> Tensor:
        """The channels in units of about their spread, ``[M, C]``."""
        return channels[:, : self.count] / self.unit

    def forward(self, channels: Tensor) -> Tensor:
        """``[M, features]``."""
        lengths = _bumps(channels[:, self.lengths], self.centers, WIDEST / (GAUSSIANS - 1))
        states = _bumps(channels[:, self.states], self.each_state, 0.5)
        return torch.cat([self.scaled(channels), lengths, states], dim=1)


def _bumps(values: Tensor, centers: Tensor, width: float) -> Tensor:
    """Gaussians of each value, ``[M, C]`` → ``[M, C · centers]``."""
    return torch.exp(-0.5 * ((values.unsqueeze(-1) - centers) / width) ** 2).flatten(1)
