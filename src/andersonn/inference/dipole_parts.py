"""Parts of a dipole moment: charges of atoms, moments of bonds, of groups and of atoms, without an arbitrary gauge.

A network with a dipole head adds up μ of latent charges and of charge passed between neighbors. Which share it gives to which is
arbitrary. Passing charge w from one atom to another has the dipole of a charge −w on the one and w on the other, so everything
is put into one charge for each atom, and these **net charges** give μ alone: μ = Σ_i q_i r_i.

A charge has a dipole only with another charge: q_i (r_i − c) would depend on an arbitrary origin c. Instead charges are taken to flow
to where they are along bonds, by the least-squares way (without rings, the only one). The **moment of a bond** is the charge that
flowed along it times its length, and no origin is left (the idea of T. A. Keith's origin-independent dipoles, in *The Quantum Theory
of Atoms in Molecules*, 2007). Between molecules that are not bonded, charge flows through space.

The same moment h on all bonds of a carbon, away from it, adds up to nothing where the angles are ideal, so that no dipole moment tells
h: hydrocarbons have none whatever the moment of C-H is. By the usual convention (V. I. Minkin, O. A. Osipov and Y. A. Zhdanov, *Dipole
Moments in Organic Chemistry*, 1970) C-H has none: the mean moment of C-H of carbons with as many neighbors is subtracted from all
bonds of a carbon of the skeleton. What angles leave of it stays at the carbon.

An **atom** has half of each of its bonds. A functional **group** has the bonds among its atoms and those to the carbon skeleton, as
group moments are usually counted, and half of those to another functional group. Atoms, and groups, add up to |μ|.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from andersonn.data.store import ImageStore
from andersonn.models import Ensemble, EquilibriumNetwork, ImageBatch, members_of
from andersonn.models.heads import DEBYE_PER_E_ANGSTROM, Dipole
from andersonn.structures import elements
from andersonn.structures.distance_bonds import METALLOIDS
from andersonn.structures.functional_groups import Group, groups_of
from andersonn.structures.graph import AtomBondGraph
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.structure import Structure

NOISE = 1e-3
"""D: a dipole smaller than this is rounding error; nothing contributes to it."""
KNOWN_ENDS = tuple(
    Structure(np.array(Z), np.array(xyz))
    for Z, xyz in (
        ([6, 8, 1, 1], [[0.0, 0.0, 0.0], [1.21, 0.0, 0.0], [-0.58, 0.94, 0.0], [-0.58, -0.94, 0.0]]),
        ([6, 7, 1], [[0.0, 0.0, 0.0], [1.16, 0.0, 0.0], [-1.07, 0.0, 0.0]]),
        (
            [6, 9, 1, 1, 1],
            [[0.0, 0.0, 0.0], [1.38, 0.0, 0.0], [-0.35, 1.03, 0.0], [-0.35, -0.515, 0.892], [-0.35, -0.515, -0.892]],
        ),
    )
)
"""Formaldehyde, hydrogen cyanide and fluoromethane. Their dipole moments certainly point from the heteroatom, at x > 0, to carbon, at 0."""


def contributes(noun: str, parts: Sequence[tuple[Hashable, float]]) -> str:
    """What a sentence says of the part that contributes most: ``contributes most:``, or that equal ones contribute the same, as equivalent
    atoms of a crystal do.

    Args:
        noun: what parts are called.
        parts: the kind and the contribution of each, at least one.
    """
    kind, most = max(parts, key=lambda part: abs(part[1]))
    more = sum(other == kind and bool(np.isclose(value, most, rtol=0.01)) for other, value in parts) - 1
    return f"and {more} equal {noun}{'s' if more > 1 else ''} contribute most: each" if more else "contributes most:"


@dataclass(frozen=True, eq=False)
class DipoleParts:
    """The dipole moment of a molecule and its parts along it, in D, each the mean over m conformers.

    Attributes:
        vector: from the negative to the positive end, in the frame of the structure, of the first conformer, float64 ``[3]``; of an
            ion, about the center of nuclear charge.
        lengths: |μ| of each conformer, float64 ``[m]``.
        charges: net charge of each atom, e, float64 ``[n]``.
        atoms: contribution of each atom, float64 ``[n]``; they add up to the mean length, as those of groups do.
        bonds: pairs of bonded atoms, int64 ``[b, 2]``.
        of_bonds: contribution of each bond, float64 ``[b]``.
        groups: functional groups and what they leave of the carbon skeleton.
        of_groups: contribution of each group, float64 ``[g]``.
    """

    vector: np.ndarray
    lengths: np.ndarray
    charges: np.ndarray
    atoms: np.ndarray
    bonds: np.ndarray
    of_bonds: np.ndarray
    groups: list[Group]
    of_groups: np.ndarray

    @property
    def total(self) -> float:
        """|μ|, the mean over conformers."""
        return float(self.lengths.mean())

    @classmethod
    def of(
        cls, network: EquilibriumNetwork | Ensemble, structure: Structure, images: Sequence[NodeNeighborImage]
    ) -> DipoleParts:
        """The parts of what a network with a dipole head predicts.

        Args:
            network: the network.
            structure: a molecule of n atoms.
            images: of its m conformers.
        """
        places = [image.position[image.atom_row] for image in images if image.position is not None]
        charges, vectors = _found(network, images)
        bonded = bonded_pairs(structure)
        groups = groups_of(structure.Z, bonded)
        conformers = zip(places, charges, vectors, strict=True)
        shares = [_moments(structure.Z, xyz.astype(float), q, bonded, groups, mu) for xyz, q, mu in conformers]
        pairs = np.mean(shares, axis=0)
        bonds = np.argwhere(np.triu(bonded))
        return cls(
            vector=vectors[0],
            lengths=np.linalg.norm(vectors, axis=1),
            charges=charges.mean(axis=0),
            atoms=pairs.sum(axis=1),
            bonds=bonds,
            of_bonds=2.0 * pairs[bonds[:, 0], bonds[:, 1]],
            groups=groups,
            of_groups=_of_groups(groups, pairs),
        )

    def of_one_group(self, Z: np.ndarray) -> str:
        """A sentence about a molecule that is one group: which of its bonds contributes most.

        Args:
            Z: atomic numbers ``[n]``.
        """
        k = int(np.abs(self.of_bonds).argmax())
        one, other = (elements.named(Z, atom) for atom in self.bonds[k])
        ends = [tuple(pair) for pair in np.sort(Z[self.bonds], axis=1).tolist()]
        verb = contributes("bond", list(zip(ends, self.of_bonds.tolist(), strict=True)))
        told = f"the bond {one}-{other} {verb} {self.of_bonds[k]:+.2f} of {self.total:.2f} D"
        return f"the molecule is one group, {self.groups[0].name}; {told}"

    def as_dict(self, Z: np.ndarray) -> dict[str, Any]:
        """As in the JSON contract of ``explain``; bonds and groups by falling size.

        Args:
            Z: atomic numbers ``[n]``.
        """
        bonds = [
            {
                "atoms": pair.tolist(),
                "elements": [elements.symbols()[Z[atom]] for atom in pair],
                "value": float(value),
                "names": [elements.named(Z, atom) for atom in pair.tolist()],
            }
            for pair, value in zip(self.bonds, self.of_bonds, strict=True)
        ]
        groups = [
            {"group": group.name, "atoms": list(group.atoms), "functional": group.functional, "value": float(value)}
            for group, value in zip(self.groups, self.of_groups, strict=True)
        ]
        dipole = {
            "vector_D": self.vector.tolist(),
            "points_to": "positive_end",
            "origin": "center_of_nuclear_charge",
            "of_conformers_D": self.lengths.tolist(),
            "charges_e": self.charges.tolist(),
        }
        return {"dipole": dipole, "bonds": _largest_first(bonds), "groups": _largest_first(groups)}


def _largest_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: -abs(row["value"]))


@torch.no_grad()
def dipole_of(network: EquilibriumNetwork | Ensemble, store: ImageStore, indices: np.ndarray) -> Dipole:
    """Dipole moments, and their parts by row, that a network with a dipole head predicts for images of a store; of an ensemble
    the mean over its members. Training on lengths alone leaves the sign of all charges open: here it is that of
    :data:`KNOWN_ENDS`.
    """
    batch = ImageBatch.from_store(store, indices).to(next(network.parameters()).device)
    found = []
    for member in members_of(network.eval()):
        parts = _parts_of(member, batch)
        assert batch.charge is not None  # which comes with positions
        sign = torch.where(batch.charge == 0, _sign(member, store.recipe), 1.0)  # of an ion the charge fixes it
        sign = torch.where(_reversed_metals(parts, sign, batch), -sign, sign)
        rows, whole = sign[batch.sample], sign[:, None]
        found.append((rows * parts.charges, rows[:, None] * parts.local, rows * parts.net, whole * parts.total))
    return Dipole(*(torch.stack(part).mean(dim=0).cpu() for part in zip(*found, strict=True)))


def _reversed_metals(parts: Dipole, sign: torch.Tensor, batch: ImageBatch) -> torch.Tensor:
    """Which molecules have metals that together are negative beside nonmetals, at the sign of :data:`KNOWN_ENDS`, bool ``[B]``.

    Where training has few molecules of an element, lengths alone leave it open which end of it is which.
    """
    metal = ~torch.isin(batch.Z, torch.tensor(sorted(METALLOIDS), device=batch.Z.device))
    charge = parts.net.new_zeros(len(batch)).index_add(0, batch.sample, sign[batch.sample] * parts.net * metal)
    nonmetals = parts.net.new_zeros(len(batch)).index_add(0, batch.sample, (~metal).to(parts.net.dtype))
    return (charge < 0.0) & (nonmetals > 0.0) & (batch.charge == 0)


def _parts_of(member: EquilibriumNetwork, batch: ImageBatch) -> Dipole:
    rows, features, _ = member.solved(batch)
    return member.dipole.dipole(rows, features, batch)


def _sign(member: EquilibriumNetwork, recipe: ImageRecipe) -> float:
    """1, or -1 of a network that takes the negative end of molecules for the positive one."""
    images = [NodeNeighborImage.from_structure(molecule, recipe) for molecule in KNOWN_ENDS]
    batch = ImageBatch.from_store(ImageStore.from_images(images, recipe), np.arange(len(images)))
    along_x = _parts_of(member, batch.to(next(member.parameters()).device)).total[:, 0]
    return 1.0 if float(along_x.sum()) <= 0.0 else -1.0


def _found(
    network: EquilibriumNetwork | Ensemble, images: Sequence[NodeNeighborImage]
) -> tuple[np.ndarray, np.ndarray]:
    """Net charges ``[m, n]`` and dipole moments ``[m, 3]`` of m conformers."""
    store = ImageStore.from_images(list(images), images[0].recipe)
    dipole = dipole_of(network, store, np.arange(len(images)))
    net = np.split(dipole.net.double().numpy(), np.cumsum([len(image) for image in images])[:-1])
    charges = np.stack([q[image.atom_row] for q, image in zip(net, images, strict=True)])
    return charges, dipole.total.double().numpy()


def bonded_pairs(structure: Structure) -> np.ndarray:
    """Which atoms of a molecule are bonded, symmetric, bool ``[n, n]``."""
    graph = AtomBondGraph.from_structure(structure)
    bonded = np.zeros((len(structure), len(structure)), dtype=bool)
    bonded[graph.i[graph.bonded], graph.j[graph.bonded]] = True
    return bonded | bonded.T


def _moments(
    Z: np.ndarray, xyz: np.ndarray, charges: np.ndarray, bonded: np.ndarray, groups: list[Group], dipole: np.ndarray
) -> np.ndarray:
    """What pairs of atoms contribute along a dipole moment, D, symmetric ``[n, n]``: each entry is half of the pair's moment, and
    rows add up to atoms. Zeros where there is no dipole moment.
    """
    length, n = float(np.linalg.norm(dipole)), len(Z)
    if length <= NOISE or n == 1:
        return np.zeros((n, n))
    flow = flows(Z, xyz, charges, bonded)
    apart = xyz[:, None] - xyz[None, :]
    pairs = 0.5 * DEBYE_PER_E_ANGSTROM * flow * (apart @ dipole) / length
    distance = np.linalg.norm(apart, axis=2)
    outward = bonded * -(apart @ dipole) / (length * np.maximum(distance, 1e-9))
    even = _of_hydrogens(Z, DEBYE_PER_E_ANGSTROM * flow * distance, bonded, groups)[:, None] * outward
    return pairs - 0.5 * (even + even.T) + np.diag(even.sum(axis=1))


def flows(Z: np.ndarray, xyz: np.ndarray, charges: np.ndarray, bonded: np.ndarray) -> np.ndarray:
    """The charge that each atom has from each other, e, antisymmetric ``[n, n]``.

    Args:
        Z: atomic numbers ``[n]``.
        xyz: positions, Å, ``[n, 3]``.
        charges: of the atoms, e, ``[n]``. A total charge is spread as the nuclear charge is, which has no dipole about its center.
        bonded: symmetric, bool ``[n, n]``.
    """
    nuclear, n = Z.astype(float), len(Z)
    charges = charges - charges.sum() * nuclear / nuclear.sum()
    conductance = _conductance(xyz[:, None] - xyz[None, :], bonded)
    laplacian = np.diag(conductance.sum(axis=1)) - conductance
    potential = np.linalg.solve(laplacian + np.full((n, n), 1.0 / n), charges)
    return conductance * (potential[:, None] - potential[None, :])


def _of_hydrogens(Z: np.ndarray, moment: np.ndarray, bonded: np.ndarray, groups: list[Group]) -> np.ndarray:
    """For carbons of the skeleton, the mean moment of C-H, D, over those that have as many neighbors; else 0, ``[n]``.

    Args:
        Z: atomic numbers ``[n]``.
        moment: of each bond away from its second atom, D, ``[n, n]``.
        bonded: symmetric, bool ``[n, n]``.
        groups: of the molecule.
    """
    skeleton = np.zeros(len(Z), dtype=bool)
    for group in groups:
        skeleton[list(group.atoms)] = not group.functional
    skeleton &= Z == 6
    count, mean = bonded.sum(axis=1), np.zeros(len(Z))
    for neighbors in np.unique(count[skeleton]):
        alike = skeleton & (count == neighbors)
        to_hydrogen = bonded & alike & (Z == 1)[:, None]
        if to_hydrogen.any():
            mean[alike] = moment[to_hydrogen].mean()
    return mean


def _conductance(apart: np.ndarray, bonded: np.ndarray) -> np.ndarray:
    """1 of a bond; between molecules that no bond connects, falling with the sixth power of the distance; else 0."""
    from scipy.sparse.csgraph import connected_components

    count, label = connected_components(bonded, directed=False)
    conductance = bonded.astype(float)
    if count > 1:
        elsewhere = label[:, None] != label[None, :]
        conductance[elsewhere] = 1.0 / np.square(apart[elsewhere]).sum(axis=1) ** 3
    return conductance


def _of_groups(groups: list[Group], pairs: np.ndarray) -> np.ndarray:
    """Contribution of each group ``[g]``, of those of pairs of atoms ``[n, n]``."""
    member = np.zeros((len(groups), len(pairs)))
    for row, group in zip(member, groups, strict=True):
        row[list(group.atoms)] = 1.0
    between = member @ pairs @ member.T
    functional = np.array([group.functional for group in groups])
    share = (
        1.0 + functional[:, None].astype(float) - functional[None, :]
    )  # 2, 1 or 0 halves of the bonds to another group
    return (share * between).sum(axis=1)
