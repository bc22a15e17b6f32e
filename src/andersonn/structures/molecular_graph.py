"""Molecules without a geometry: which atoms they have, how these are bonded, and how many bonds lie between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.elements import MAX_Z
from andersonn.structures.structure import Structure

BY_ATOM = (
    "hydrogens",
    "formal_charge",
    "unpaired",
    "sp",
    "sp2",
    "aromatic",
    "ring_of_3",
    "ring_of_4",
    "ring_of_5",
    "ring_of_6",
    "larger_ring",
)
"""What is told of an atom besides its element: bonded hydrogens, formal charge in e, unpaired electrons; and 1 or 0: whether it is
sp or sp2 hybridized, is aromatic, and is in a ring of so many atoms.
"""
BY_MOLECULE = ("heavy_atoms", "rings")
"""What is told of the molecule: how many of its atoms are nodes, and how many rings it has."""
TRIPLE, DOUBLE, AROMATIC, CONJUGATED, SINGLE, OTHER = 0.7, 1.1, 1.5, 1.9, 2.3, 2.7
"""Lengths of bonds on the axis of distances: not their real ones, but a code 0.4 apart, the distance at which the Gaussians of an
encoder tell two lengths from each other. Conjugated: single bonds between double ones, about which nothing turns freely.
"""
FARTHER = (3.1, 3.9, 4.7, 5.3, 5.9, 6.5)
"""The same of two atoms with 2, 3, … bonds between them; the last also for more."""


@dataclass(frozen=True, eq=False, repr=False)
class MolecularGraph(Structure):
    """A molecule by its bonds alone. Its first atoms are the nodes: all but the hydrogens that are bonded to another atom,
    which come last and are told by a number of their atom. There are no positions: ``xyz`` is NaN.

    Attributes:
        by_atom: float32 ``[nodes, C]``, named by :data:`BY_ATOM`.
        by_molecule: float32 ``[G]``, named by :data:`BY_MOLECULE`.
        bonds_between: least number of bonds between two nodes, int32 ``[nodes, nodes]``.
        length: of the bond of two nodes by :data:`SINGLE` and the others, float32 ``[nodes, nodes]``; where there is none, as
            :data:`FARTHER` has it.
        node_of_atom: int32 ``[n]``: the node itself, or the one to which a hydrogen is bonded.
    """

    by_atom: np.ndarray = None  # type: ignore[assignment]  # those of the base class have defaults
    by_molecule: np.ndarray = None  # type: ignore[assignment]
    bonds_between: np.ndarray = None  # type: ignore[assignment]
    length: np.ndarray = None  # type: ignore[assignment]
    node_of_atom: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Checks the elements alone: there is no geometry.

        Raises:
            InputError: one is unknown.
        """
        if not 1 <= self.Z.min(initial=MAX_Z) <= self.Z.max(initial=1) <= MAX_Z:
            odd = next(z for z in self.Z.tolist() if not 1 <= z <= MAX_Z)
            told = f"an atom is of the element {odd}; known are 1 to {MAX_Z}"
            raise InputError("unknown_element", told, "replace placeholders by real elements")


def arrays_of(structure: Structure, columns: int) -> dict[str, Any]:
    """The arrays of a :class:`~andersonn.structures.image.NodeNeighborImage` by their names.

    Neighbor slots hold the nodes with the fewest bonds between. As in an image with distances, nodes that are equally far are all
    shown or none, so that the image does not depend on how the molecule is written; only of an atom with more than ``columns``
    bonds some are left out.

    Args:
        structure: must be a :class:`MolecularGraph`.
        columns: K.

    Raises:
        InputError: it has no list of bonds.
    """
    if not isinstance(structure, MolecularGraph):
        raise InputError(
            "no_bonds",
            f"{structure.id or structure.formula} has no list of bonds, which is all that would be read of it",
            "give SMILES, SDF, MOL or MOL2; or read it with its geometry (--geometry many)",
        )
    between = structure.bonds_between
    n = len(between)
    near = np.argsort(between, axis=1, kind="stable")[:, 1 : columns + 2]
    row = np.arange(n)[:, None]
    far = between[row, near]
    shown = far[:, :columns] > 0
    if far.shape[1] > columns:
        shown &= (far[:, :columns] < far[:, columns:]) | (far[:, :columns] == 1)
    near = near[:, :columns]
    arrays = {
        "neighbor_index": near.astype(np.int32),
        "distance": structure.length[row, near],
        "weight": shown.astype(np.float32),
        "bonded": far[:, :columns] == 1,
    }
    wide = {name: np.zeros((n, columns), dtype=array.dtype) for name, array in arrays.items()}
    for name, array in arrays.items():
        wide[name][:, : near.shape[1]] = np.where(shown, array, 0)
    return wide | {
        "Z": structure.Z[:n],
        "neighbor_vector": np.zeros((n, columns, 3), dtype=np.float32),
        "color": np.arange(n, dtype=np.int32),
        "multiplicity": np.ones(n, dtype=np.int32),
        "atom_row": structure.node_of_atom,
        "of_row": structure.by_atom,
        "of_whole": structure.by_molecule,
    }
