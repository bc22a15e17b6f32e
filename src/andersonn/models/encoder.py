"""Graph image → features of its rows (atoms) and pixels (atom-neighbor pairs), computed once a forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules import module as of_all_modules

from andersonn.models.batch import ImageBatch
from andersonn.models.config import ModelConfig
from andersonn.models.directions import Directions
from andersonn.models.electrons import ElectronCount
from andersonn.models.gaussians import gaussians
from andersonn.models.rounds import DirectedRounds
from andersonn.structures import elements, filling, molecular_graph, oxidation
from andersonn.structures.pores import BY_ATOM, BY_STRUCTURE

NEAREST, FARTHEST = 0.7, 6.5
"""Å: centers of the first and last Gaussian."""
NEAR_SCALE = 2.5
"""Å over which the resolution of ``near`` Gaussians falls by a factor e."""
WIDEST = 14.0
"""Å: center of the last Gaussian of a length."""
GAUSSIANS = 29
REACH = 6.0
"""Widths from its center at which a Gaussian has ended: it is 1.5e-8 there."""
POINTS_PER_WIDTH = 128
"""Of the table, per width of a Gaussian: then interpolation is off by 4e-6 of the largest value on the shipped weights."""
STATES = (-4, 8)
"""Least and greatest oxidation state that has a Gaussian of its own."""
UNITS = {
    "atoms_per_nm3": 50.0,
    "mass_g_cm3": 1.0,
    "packing": 0.1,
    "void_fraction": 0.3,
    "free_volume_A3": 10.0,
    "coordination": 1.0,
    "coordination_spread": 1.0,
    **{name: {"near": 30.0, "packed": 0.1, "one_sided": 0.1}[name.rpartition("_")[0]] for name in filling.BY_ATOM},
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
SEEN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "none": ((), ()),
    "density": ((), filling.DENSITY),
    "by_atom": (BY_ATOM, filling.DENSITY),
    "all": (BY_ATOM, BY_STRUCTURE),
}
"""Option ``voids`` of a network → the pore descriptors it reads by atom and by structure."""
FILLED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "none": ((), ()),
    "whole": ((), filling.WHOLE),
    "by_atom": (filling.BY_ATOM, filling.WHOLE),
}
"""The same of option ``filling``."""
FUNCTIONS = frozenset({nn.ModuleList, nn.Sequential, nn.Linear, nn.SiLU})
"""Modules that do nothing but give a value, the same for the same weights, in training as well."""
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Features(NamedTuple):
    """Input of a cell.

    Attributes:
        rows: features of atoms, ``[R, D]``.
        pixels: features of atom-neighbor pairs, ``[R, K, D]``.
        share: weights of a row's neighbors normalized to sum 1, ``[R, K]``; zeros for a row without neighbors.
        electrons: features of whole structures by their electrons, ``[B, E]``; None unless they are counted.
    """

    rows: Tensor
    pixels: Tensor
    share: Tensor
    electrons: Tensor | None = None


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
        rounds: further rounds of messages, which carry directions (:class:`~andersonn.models.rounds.DirectedRounds`).
        channels: names of the node features besides the graph, see :func:`node_channels`.
        lean: no product of matrices at any pixel (but that of the directions): functions of distance are linear in the
            Gaussians and come from a table in training too, and the features of pixels are sums, without an activation.
        electrons: whether each row is scaled and shifted by what the electrons of its structure say, see
            :class:`~andersonn.models.electrons.ElectronCount` (as by FiLM: Perez et al., AAAI 2018), so that the
            equilibrium depends on structure and count together.
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
        lean: bool = False,
        electrons: bool = False,
        rounds: int = 0,
    ) -> None:
        super().__init__()
        self.near, self.lean = spacing == "near", lean
        first, last = (math.exp(-d / NEAR_SCALE) if self.near else d for d in (NEAREST, FARTHEST))
        self.register_buffer("centers", torch.linspace(first, last, radial))
        self.sharpness = 0.5 * (radial / (last - first)) ** 2
        self.table = RadialTable(first, last, abs(last - first) / radial)
        table = torch.tensor(elements.feature_table(), dtype=torch.float32)
        self.register_buffer("properties", table, persistent=False)
        self.embedding = nn.Embedding(elements.MAX_Z + 1, width)
        nn.init.normal_(self.embedding.weight, std=0.3)
        self.dropout = nn.Dropout(dropout)
        self.from_properties = nn.Linear(table.shape[1], width)
        layers = [] if lean else [nn.SiLU(), nn.Linear(width, width)]
        self.filter = nn.Sequential(nn.Linear(radial, width), *layers)
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
        self.electrons: ElectronCount | None = None
        self.from_electrons: nn.Sequential | None = None
        if electrons:
            self.electrons = ElectronCount()
            self.from_electrons = nn.Sequential(
                nn.Linear(self.electrons.features, width), nn.SiLU(), nn.Linear(width, 2 * width)
            )
        self.rounds = DirectedRounds(rounds, width, directions, radial) if rounds else None
        # Those that read the Gaussians, by name, since layers may be replaced; and how wide what they make is.
        self._readers = ["filter", "pixel_from_distance", *(["directions.from_distance"] if directions else [])]
        self._readers += [f"rounds.each.{n}.from_distance" for n in range(rounds)]
        self._widths = [width, width, *([directions] if directions else [])]
        self._widths += [3 * self.rounds.vectors] * rounds if self.rounds else []

    def forward(self, batch: ImageBatch) -> Features:
        """Features of a batch's rows and pixels."""
        share = batch.weight / batch.weight.sum(dim=1, keepdim=True).clamp_min(1e-6)
        atoms = self.dropout(self.embedding(batch.Z)) + self.from_properties(self.properties[batch.Z])
        if self.expansion is not None and self.from_channels is not None:
            atoms = atoms + self.from_channels(self.expansion(batch.of_row))
        filters, pixels, *sizes = self._by_distance(batch.distance)
        sent = filters * batch.neighbors.gather(atoms)
        seen = torch.bmm(share.unsqueeze(1).to(sent.dtype), sent).squeeze(1)
        rows = atoms + self.merge(torch.cat([atoms, seen], dim=1))
        if self.directions is not None:
            unit = batch.neighbor_vectors() / batch.distance.clamp_min(1e-3).unsqueeze(2)
            of_rows, of_pixels, sums = self.directions(sizes[0], atoms, unit, batch)
            rows, pixels = rows + of_rows, pixels + of_pixels
            if self.rounds is not None:
                rows, of_pixels = self.rounds(sizes[1:], rows, sums, unit, batch)
                pixels = pixels + of_pixels
        counted = None
        if self.electrons is not None and self.from_electrons is not None:
            counted = self.electrons(batch)
            scale, shift = self.from_electrons(counted).index_select(0, batch.sample).chunk(2, dim=1)
            rows = rows * (1.0 + scale) + shift
        rows = self.norm(rows)
        pixels = pixels + self.pixel_from_own(rows).unsqueeze(1)
        pixels.add_(batch.neighbors.gather(self.pixel_from_neighbor(rows)))
        return Features(rows, pixels if self.lean else functional.silu(pixels), share, counted)

    def _by_distance(self, distance: Tensor) -> Sequence[Tensor]:
        """What the readers make of the distance, each ``[R, K, ·]``: from the table, unless the encoder is not lean and in
        training or where gradients are recorded, or somebody would miss calls of the readers.
        """
        place = torch.exp(-distance / NEAR_SCALE) if self.near else distance
        recorded = torch.is_grad_enabled()
        if (not self.lean and (self.training or recorded)) or place.requires_grad:
            return self._read_gaussians(place)
        readers = nn.ModuleList(self.get_submodule(name) for name in self._readers)
        if not calls_are_unwatched(readers):
            return self._read_gaussians(place)
        weights = [self.centers, *readers.parameters(), *readers.buffers()]
        values = self._tabulated() if recorded else self.table.values(weights, self._tabulated)
        return self.table.read(values, place).split(self._widths, dim=-1)

    def _tabulated(self) -> Tensor:
        """What the readers make of the table's points, side by side, in the precision of their parameters."""
        with torch.autocast(self.centers.device.type, enabled=False):
            return torch.cat(self._read_gaussians(self.table.axis(self.centers)), dim=1)

    def _read_gaussians(self, place: Tensor) -> list[Tensor]:
        """What the readers make of places on the axis of the Gaussians."""
        bumps = gaussians(place, self.centers, self.sharpness)
        return [self.get_submodule(name)(bumps) for name in self._readers]


class RadialTable:
    """Values of functions that read the Gaussians of a distance, at equal steps along the axis of the Gaussians, with linear
    interpolation between them. Beyond the last Gaussian the functions are constant, and so is the table.

    It keeps the values it was last asked for, with a copy of the weights they were made of: they serve again as long as the
    weights have the same numbers, dtype and device, however they were written.

    Args:
        first, last: outermost centers of the Gaussians.
        width: their standard deviation.
    """

    def __init__(self, first: float, last: float, width: float) -> None:
        self.first = max(0.0, min(first, last) - REACH * width)
        self.last = max(first, last) + REACH * width
        self.points = math.ceil(POINTS_PER_WIDTH * (self.last - self.first) / width) + 1
        self._kept: _Kept | None = None

    def axis(self, like: Tensor) -> Tensor:
        """The points, ``[G]``, of the dtype and device of ``like``."""
        return torch.linspace(self.first, self.last, self.points, dtype=like.dtype, device=like.device)

    def values(self, weights: Sequence[Tensor], compute: Callable[[], Tensor]) -> Tensor:
        """The table without gradients, ``[G, C]``: ``compute()``, or what it gave the last time from the same weights."""
        kept = self._kept
        if (
            kept is None
            or len(kept.weights) != len(weights)
            or not all(
                old.dtype == new.dtype and old.device == new.device and torch.equal(old, new)
                for old, new in zip(kept.weights, weights, strict=True)
            )
        ):
            kept = self._kept = _Kept([weight.detach().clone() for weight in weights], compute().detach())
        return kept.values

    def read(self, values: Tensor, place: Tensor) -> Tensor:
        """The functions at some places on the axis.

        Args:
            values: the table, ``[G, C]``; gradients reach it.
            place: any shape; no gradients reach it.

        Returns:
            ``[*place.shape, C]``, NaN where the place is.
        """
        step = (self.last - self.first) / (self.points - 1)
        along = ((place.flatten() - self.first) / step).clamp_(0, self.points - 1)
        index = along.nan_to_num(0.0).floor_().clamp_max_(self.points - 2)
        share = (along - index).to(values.dtype)
        rows, shares = index.long(), torch.stack([1.0 - share, share], dim=1)
        both = functional.embedding_bag(
            torch.stack([rows, rows + 1], dim=1), values, per_sample_weights=shares, mode="sum"
        )
        return both.view(*place.shape, values.shape[1])


class _Kept(NamedTuple):
    """Values of a table and the weights they were made of."""

    weights: list[Tensor]
    values: Tensor


def node_channels(config: ModelConfig) -> tuple[str, ...]:
    """Names of the node features that a network reads besides the graph: the first of the images' ``node_channels``."""
    of_bonds = molecular_graph.BY_ATOM if config.bonds else ()
    oxidations = oxidation.BY_ATOM if config.oxidation else ()
    return (*of_bonds, *oxidations, *FILLED[config.filling][0], *SEEN[config.voids][0])


def graph_channels(config: ModelConfig) -> tuple[str, ...]:
    """Names of the graph-level features that a network reads: the first of the images' ``graph_channels``."""
    of_bonds = molecular_graph.BY_MOLECULE if config.bonds else ()
    oxidations = oxidation.BY_STRUCTURE if config.oxidation else ()
    return (*of_bonds, *oxidations, *FILLED[config.filling][1], *SEEN[config.voids][1])


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
        lengths = gaussians(channels[:, self.lengths], self.centers, 0.5 * ((GAUSSIANS - 1) / WIDEST) ** 2)
        states = gaussians(channels[:, self.states], self.each_state, 2.0)
        return torch.cat([self.scaled(channels), lengths.flatten(1), states.flatten(1)], dim=1)


def calls_are_unwatched(module: nn.Module) -> bool:
    """Whether nobody can tell if a module is called, or what becomes of the value it returned.

    False where a hook is registered on it, on a module in it or on all modules; where ``forward`` was replaced; and for other
    classes than :data:`FUNCTIONS`, which parametrized modules and those of users are.
    """
    if any(getattr(of_all_modules, f"_global{name}") for name in HOOKS):
        return False
    return all(
        type(part) in FUNCTIONS and "forward" not in vars(part) and not any(getattr(part, name) for name in HOOKS)
        for part in module.modules()
    )
