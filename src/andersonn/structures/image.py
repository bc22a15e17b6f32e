"""Atom-bond network → node-neighbor image, the input of every network here.

Row i is a node (an atom, or atoms with equal surroundings), column k its k-th neighbor slot, periodic images counted. See
:class:`NodeNeighborImage`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
from pydantic import ConfigDict, Field

from andersonn.errors import InputError, UsageError
from andersonn.structures import descriptors as describing
from andersonn.structures import elements, filling, molecular_graph, oxidation
from andersonn.structures.graph import AtomBondGraph, dense_ranks, faded, nearest, refine, tied_ranks
from andersonn.structures.molecular_graph import arrays_of
from andersonn.structures.oxidation import Oxidation
from andersonn.structures.pores import Voids
from andersonn.structures.pores import probe as void_probe
from andersonn.structures.pores.radii import probe_radii
from andersonn.structures.structure import Structure

FORMAT = 2
"""Increased whenever the same recipe gives another image, or refuses other structures, so that cached images are made again."""


@dataclass(frozen=True)
class ImageRecipe:
    """Settings of an image. Images can be compared, or fed to one network, only if their recipes are equal. They are also the
    options ``image`` of a training run; values from there are checked against the bounds below.

    Attributes:
        columns: K, the number of neighbor slots of a node.
        reach: the cutoff in Å: atoms further apart are no neighbors.
        fade: width of the envelope, as a fraction of the cutoff: there a neighbor's weight falls from 1 to 0.
        fold: merge atoms with equal surroundings into one node with a multiplicity.
        positions: also keep the position of each node and the total charge, from which a dipole is computed. For molecules
            only, and without ``fold``, since merged atoms have more than one position.
        voids: add channels of the pores between the atoms, which a graph does not contain. For crystals only.
        filling: add channels of how atoms fill the crystal, for which no pore is probed. Not with ``voids``, which bring the densities.
        oxidation: add channels of oxidation states that balance over the formula.
        bonds: show a molecule without a geometry: its bonds, and how many lie between two atoms, see
            :mod:`andersonn.structures.molecular_graph`. Without ``fold``, and without what needs a geometry.
        descriptors: add channels of the whole structure, see :mod:`andersonn.structures.descriptors`.
        largest_part: of a salt or a mixture show the largest organic part; else such are refused. Needs ``bonds``.

    Raises:
        UsageError: options exclude each other.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    columns: Annotated[int, Field(ge=1, le=255, description="K, neighbors an atom shows at most")] = 16
    reach: Annotated[float, Field(gt=0, description="Å beyond which nothing is a neighbor")] = 8.0
    fade: Annotated[float, Field(gt=0, lt=1, description="fraction of the cut-off over which weights fall to zero")] = (
        0.15
    )
    fold: Annotated[bool, Field(description="one row for all atoms with equal surroundings")] = True
    positions: Annotated[
        bool, Field(description="keep atomic positions, for vectors such as a dipole; needs fold=false")
    ] = False
    voids: Annotated[bool, Field(description="probe the room between the atoms too; crystals only")] = False
    filling: Annotated[
        bool, Field(description="densities, and how near other atoms lie to each; crystals only, not with voids")
    ] = False
    oxidation: Annotated[
        bool, Field(description="count electrons over the formula too: oxidation states that balance")
    ] = False
    bonds: Annotated[bool, Field(description="no geometry, but the bonds of a molecule alone; needs fold=false")] = (
        False
    )
    descriptors: Annotated[
        describing.Kind,
        Field(description="of the whole structure, for constructed scientists; molecule needs bonds=true"),
    ] = "none"
    largest_part: Annotated[
        bool, Field(description="of a salt or mixture the largest organic part, else refused; needs bonds=true")
    ] = False

    def __post_init__(self) -> None:
        if self.bonds and (self.fold or self.positions or self.voids or self.filling or self.oxidation):
            what = "an image of bonds alone has no positions, voids, densities or oxidation states, and is not folded"
            raise UsageError("bad_option", what, "set image.fold=false, and leave image.positions and the others out")
        if self.positions and self.fold:
            raise UsageError("bad_option", "folded rows have no single position", "set image.fold=false")
        if self.positions and self.voids:
            raise UsageError("bad_option", "positions are for molecules, voids for crystals", "ask for one of them")
        if self.filling and (self.voids or self.positions):
            what = "image.filling is for crystals whose pores are not probed"
            raise UsageError("bad_option", what, "leave image.voids and image.positions out")
        if self.descriptors == "molecule" and not self.bonds:
            raise UsageError(
                "bad_option", "descriptors of a molecule are computed of its bonds", "set image.bonds=true"
            )

        if self.largest_part and not self.bonds:
            raise UsageError("bad_option", "parts of a molecule are told by its bonds", "set image.bonds=true")

    @cached_property
    def key(self) -> str:
        """A short hash that changes with any setting, with the image format and with the element table."""
        settings = asdict(self)
        for option in ("positions", "voids", "filling", "oxidation", "bonds", "largest_part"):
            if not settings[option]:  # the key of versions without the option: their cached images stay valid
                del settings[option]
        if self.descriptors == "none":
            del settings["descriptors"]
        else:
            settings["descriptors"] = [describing.FORMAT, self.descriptors]
        if self.voids:
            settings["voids"] = [void_probe.FORMAT, probe_radii()[1:].tobytes().hex()]
        if self.filling:
            settings["filling"] = [filling.FORMAT, elements.column("covalent_radius_A").tobytes().hex()]
        if self.oxidation:
            settings["oxidation"] = [oxidation.FORMAT, oxidation.table_hash()]
        content = json.dumps([FORMAT, settings, elements.feature_table().tobytes().hex()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def node_channels(self) -> tuple[str, ...]:
        """Names of the channels of nodes in ``of_row``; empty if it is None."""
        of_bonds = molecular_graph.BY_ATOM if self.bonds else ()
        oxidations = oxidation.BY_ATOM if self.oxidation else ()
        fills = filling.BY_ATOM if self.filling else ()
        return (*of_bonds, *oxidations, *fills, *(void_probe.BY_ATOM if self.voids else ()))

    @property
    def graph_channels(self) -> tuple[str, ...]:
        """Names of the channels of the whole structure in ``of_whole``; empty if it is None."""
        of_bonds = molecular_graph.BY_MOLECULE if self.bonds else ()
        oxidations = oxidation.BY_STRUCTURE if self.oxidation else ()
        fills = filling.WHOLE if self.filling else ()
        voids = void_probe.BY_STRUCTURE if self.voids else ()
        described = () if self.descriptors == "none" else describing.names_of(self.descriptors)
        return (*of_bonds, *oxidations, *fills, *voids, *described)


@dataclass(frozen=True, eq=False)
class NodeNeighborImage:
    """The node-neighbor tensor of a structure: n nodes with K neighbor slots each.

    The order of nodes (by electronegativity, then surroundings) and of neighbor slots (by distance, then the neighbor's
    rank) depends on distances and elements alone. It is invariant under renumbering, rotation, translation and choice of
    the periodic origin. **A shell of equal distances is never cut**: the cutoff of a node is the distance of the first
    neighbor that has no slot. Weights fall to zero there, so that the image changes continuously when atoms move.

    Attributes:
        Z: atomic numbers of the nodes, uint8 ``[n]``.
        neighbor_index: node in the k-th neighbor slot, int32 ``[n, K]``; 0 where empty.
        distance: Å, float32 ``[n, K]``; 0 where empty.
        neighbor_vector: Å, from the atom to its neighbor, float32 ``[n, K, 3]``; 0 where empty.
        weight: 0 … 1, float32 ``[n, K]``; 0 where empty: the mask.
        bonded: bool ``[n, K]``.
        color: int32 ``[n]``; nodes of one color have equal surroundings to any depth.
        multiplicity: number of atoms of the structure that a node stands for, int32 ``[n]``.
        atom_row: node of each atom of the structure, int32 ``[atoms]``, in the order of the file.
        id: the structure's name.
        recipe: its settings.
        position: Å, from the mean of all atoms, float32 ``[n, 3]``; None unless the recipe asks for positions.
        charge: total charge in e; None unless the recipe asks for positions.
        of_row: channels of nodes, named by the recipe's ``node_channels``, float32 ``[n, C]``; None if there are none.
        of_whole: channels of the whole structure, named by ``graph_channels``, float32 ``[G]``; None if there are none.

    Examples:
        >>> import andersonn as an
        >>> water = an.Structure([8, 1, 1], [[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]])
        >>> image = an.NodeNeighborImage.from_structure(water)
        >>> image.Z.tolist(), image.multiplicity.tolist()  # both hydrogens share a node
        ([1, 8], [2, 1])
    """

    Z: np.ndarray
    neighbor_index: np.ndarray
    distance: np.ndarray
    neighbor_vector: np.ndarray
    weight: np.ndarray
    bonded: np.ndarray
    color: np.ndarray
    multiplicity: np.ndarray
    atom_row: np.ndarray
    id: str
    recipe: ImageRecipe
    position: np.ndarray | None = None
    charge: int | None = None
    of_row: np.ndarray | None = None
    of_whole: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.Z)

    @property
    def n_atoms(self) -> int:
        """Number of atoms of the structure, also where several share a node."""
        return len(self.atom_row)

    @property
    def mask(self) -> np.ndarray:
        """Which neighbor slots are filled, bool ``[n, K]``."""
        return self.weight > 0

    @classmethod
    def from_structure(cls, structure: Structure, recipe: ImageRecipe | None = None) -> NodeNeighborImage:
        """Graph and image of a structure in one call."""
        recipe = recipe or ImageRecipe()
        if recipe.bonds:
            image = cls(**arrays_of(structure, recipe.columns), id=structure.id, recipe=recipe)
            return image if recipe.descriptors == "none" else image._described(structure)
        return cls.from_graph(AtomBondGraph.from_structure(structure, recipe.columns + 1, recipe.reach), recipe)

    @classmethod
    def from_graph(cls, graph: AtomBondGraph, recipe: ImageRecipe | None = None) -> NodeNeighborImage:
        """The image of a graph. The graph must hold ``recipe.columns + 1`` neighbors of each atom, or all within the cutoff."""
        recipe = recipe or ImageRecipe()
        if recipe.positions:
            _require_molecule(graph.structure)
        pair, distance, cutoff = nearest(graph, recipe.columns, recipe.reach, recipe.fade)
        weight = faded(distance, cutoff, recipe.fade)
        image = _ordered(graph, pair, distance, cutoff, weight, recipe)
        if recipe.node_channels:
            image = image._with_channels(graph)
        if recipe.descriptors != "none":
            image = image._described(graph.structure)
        return image.folded() if recipe.fold else image

    def _described(self, structure: Structure) -> NodeNeighborImage:
        """The image with the descriptors that its recipe asks for, after its other channels of the whole."""
        found = describing.descriptors_of(structure, self.recipe.descriptors)
        before = [] if self.of_whole is None else [self.of_whole]
        return replace(self, of_whole=np.concatenate([*before, found]))

    def _with_channels(self, graph: AtomBondGraph) -> NodeNeighborImage:
        """The image, not yet folded, with the channels that a graph does not contain; atoms of one color get the mean of theirs."""
        parts: list[Oxidation | filling.Filling | Voids] = []
        if self.recipe.oxidation:
            parts.append(Oxidation.of(graph.structure.Z))
        if self.recipe.filling:
            parts.append(filling.Filling.of(graph))
        if self.recipe.voids:
            parts.append(Voids.of(graph.structure))
        by_atom = np.hstack([part.by_atom for part in parts])
        total = np.zeros_like(by_atom, dtype=float)
        np.add.at(total, self.color[self.atom_row], by_atom)
        mean = total / np.maximum(np.bincount(self.color, minlength=len(self)), 1)[:, None]
        whole = np.concatenate([part.by_structure for part in parts])
        return replace(self, of_row=mean[self.color].astype(np.float32), of_whole=whole)

    def folded(self) -> NodeNeighborImage:
        """The image with one node for each color. Message passing gives each node the same state as without folding, because
        atoms of one color have equal states. A supercell folds to the image of its primitive cell.
        """
        _, first = np.unique(self.color, return_index=True)
        return replace(
            self,
            Z=self.Z[first],
            neighbor_index=np.where(self.mask, self.color[self.neighbor_index], 0)[first].astype(np.int32),
            distance=self.distance[first],
            neighbor_vector=self.neighbor_vector[first],
            weight=self.weight[first],
            bonded=self.bonded[first],
            color=np.arange(len(first), dtype=np.int32),
            multiplicity=np.bincount(self.color, weights=self.multiplicity).astype(np.int32),
            atom_row=self.color[self.atom_row],
            of_row=None if self.of_row is None else self.of_row[first],
        )

    def channels(self) -> dict[str, np.ndarray]:
        """The image's channels by name, each float32 ``[n, K]``; zero where there is no neighbor.

        ``distance_A``, ``distance_per_radii`` (1 at the sum of covalent radii), ``weight``, ``bonded``, and each of
        :data:`andersonn.structures.elements.FEATURES` (standardized) for the atom (``atom_…``) and its neighbor
        (``neighbor_…``). Also the recipe's ``node_channels`` of the atom (``atom_…``) and its ``graph_channels``
        (``whole_…``), which are the same in all slots.
        """
        table, mask = elements.feature_table(), self.mask
        radius = elements.column("covalent_radius_A")
        own, other = self.Z[:, None], self.Z[self.neighbor_index]
        planes = {
            "distance_A": self.distance,
            "distance_per_radii": self.distance / (radius[own] + radius[other]),
            "weight": self.weight,
            "bonded": self.bonded,
        }
        for c, name in enumerate(elements.FEATURES):
            planes[f"atom_{name}"] = np.broadcast_to(table[own, c], mask.shape)
            planes[f"neighbor_{name}"] = table[other, c]
        for c, name in enumerate(self.recipe.node_channels):
            assert self.of_row is not None  # its recipe names channels
            planes[f"atom_{name}"] = np.broadcast_to(self.of_row[:, None, c], mask.shape)
        for c, name in enumerate(self.recipe.graph_channels):
            assert self.of_whole is not None  # the same
            planes[f"whole_{name}"] = np.full(mask.shape, self.of_whole[c])
        return {name: np.where(mask, plane, 0.0).astype(np.float32) for name, plane in planes.items()}


def channel_names(recipe: ImageRecipe) -> list[str]:
    """Names of the channels of images of a recipe, in the order of :meth:`NodeNeighborImage.channels`."""
    lone = NodeNeighborImage.from_structure(Structure(np.array([1]), np.zeros((1, 3))), ImageRecipe(columns=1))
    rows, whole = recipe.node_channels, recipe.graph_channels
    return [*lone.channels(), *(f"atom_{name}" for name in rows), *(f"whole_{name}" for name in whole)]


def _require_molecule(structure: Structure) -> None:
    if structure.periodic:
        raise InputError(
            "periodic",
            f"{structure.id or structure.formula} repeats in space, so that its atoms have no single position",
            "give one molecule alone, without a unit cell",
        )


def _ordered(
    graph: AtomBondGraph,
    pair: np.ndarray,
    distance: np.ndarray,
    cutoff: np.ndarray,
    weight: np.ndarray,
    recipe: ImageRecipe,
) -> NodeNeighborImage:
    """The image with nodes and neighbor slots in canonical order."""
    Z, present = graph.structure.Z, weight > 0
    pair, distance = np.where(present, pair, 0), np.where(present, distance, 0.0)
    # A lone atom has no pairs at all: one dummy entry keeps the indexing below valid, masked by `present`.
    lone = not len(graph.j)
    j, vectors, bonded = (np.zeros(1, int), np.zeros((1, 3)), np.zeros(1, bool)) if lone else (
        graph.j, graph.vector, graph.bonded
    )  # fmt: skip
    neighbor = j[pair]
    shell = tied_ranks(np.where(present, distance, np.inf))
    rank = _canonical_rank(Z, neighbor, distance, weight, shell, cutoff)

    rows = np.argsort(rank, kind="stable")
    row_of_atom = np.empty_like(rows)
    row_of_atom[rows] = np.arange(len(rows))
    columns = np.lexsort((rank[neighbor], shell), axis=1)[rows]
    take = (rows[:, None], columns)
    present, pair = present[take], pair[take]
    return NodeNeighborImage(
        Z=Z[rows],
        neighbor_index=np.where(present, row_of_atom[neighbor[take]], 0).astype(np.int32),
        distance=distance[take].astype(np.float32),
        neighbor_vector=np.where(present[..., None], vectors[pair], 0.0).astype(np.float32),
        weight=weight[take].astype(np.float32),
        bonded=present & bonded[pair],
        color=rank[rows].astype(np.int32),
        multiplicity=np.ones(len(Z), dtype=np.int32),
        atom_row=row_of_atom.astype(np.int32),
        id=graph.structure.id,
        recipe=recipe,
        position=_from_center(graph.structure.xyz)[rows] if recipe.positions else None,
        charge=graph.structure.charge if recipe.positions else None,
    )


def _from_center(xyz: np.ndarray) -> np.ndarray:
    return (xyz - xyz.mean(axis=0)).astype(np.float32)


def _canonical_rank(
    Z: np.ndarray, neighbor: np.ndarray, distance: np.ndarray, weight: np.ndarray, shell: np.ndarray, cutoff: np.ndarray
) -> np.ndarray:
    """Rank of each atom by electronegativity, mean neighbor distance, then surroundings; equal only if all are."""
    element = dense_ranks(elements.column("electronegativity")[Z], Z)
    color = refine(dense_ranks(element, tied_ranks(cutoff)), neighbor, shell, weight > 0)
    total = weight.sum(axis=1)
    mean = np.divide((weight * distance).sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
    of_color = np.full(color.max() + 1, np.inf)
    np.minimum.at(of_color, color, mean)  # one value for each color: ranking by it never splits a color
    return dense_ranks(element, tied_ranks(of_color)[color], color)
