"""Whole linkers that are missing: motions of the lattice that map a framework onto itself, but for some atoms, which come to an empty
place that has neighbors in the framework on two sides.

Atoms around a missing linker lack several atoms of several elements, which no atom by itself tells from a place of another kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from andersonn.structures import elements
from andersonn.structures.distance_bonds import METALLOIDS
from andersonn.structures.graph import BOND_TOLERANCE
from andersonn.structures.plausibility.symmetry import motions, reduced

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

SAME = 0.25
"""Å up to which an atom is where another is mapped."""
EMPTY = 1.0
"""Å around a place of a missing atom without any atom."""
LEAST, MOST = 3, 0.5
"""Atoms that are missing together: at least so many, and at most this share of those that are left."""
ANCHORS = 2
"""Atoms of the framework that the missing ones were bonded to, at least; solvent that was bound has one."""
MOST_ATOMS = 700
"""Larger frameworks are not examined."""
TRIED, FAILING = 12, 5
"""Atoms by which most motions are left out before all are mapped, and how many of them may fail."""
MOST_MOTIONS = 60
"""Motions that are looked at: of more, some at even steps."""
TO_METALS = 0.2
"""Å by which bonds of metals may be longer than usual."""


@dataclass(frozen=True, eq=False)
class MissingPart:
    """Atoms that a crystal has elsewhere and, by its symmetry, should have at an empty place, too.

    Attributes:
        Z: atomic numbers ``[m]``.
        xyz: where they should be, Å, ``[m, 3]``.
        anchors: atoms of the structure that they would be bonded to, int ``[k]``.
        motions: how many motions of the lattice tell of as many atoms at that place.
    """

    Z: np.ndarray
    xyz: np.ndarray
    anchors: np.ndarray
    motions: int

    @classmethod
    def of(cls, Z: np.ndarray, xyz: np.ndarray, cell: np.ndarray, full: np.ndarray) -> MissingPart | None:
        """The part that most motions tell of, or None.

        Args:
            Z: atomic numbers ``[n]``.
            xyz: positions ``[n, 3]``, Å.
            cell: lattice vectors as rows, Å.
            full: atoms that cannot have another neighbor, such as carbon with all of its bonds, bool ``[n]``.
        """
        if not LEAST < len(Z) <= MOST_ATOMS:
            return None
        crystal = _Crystal.of(Z, xyz, cell, full)
        turns, shifts = motions(Z, crystal.places, crystal.cell)
        tried = np.linspace(0, len(Z) - 1, min(TRIED, len(Z))).round().astype(int)
        failing = np.zeros(len(turns), dtype=int)
        for atom in tried.tolist():
            image = np.einsum("i,mij->mj", crystal.places[atom], turns) + shifts
            failing += crystal.distance(image, np.full(len(turns), Z[atom])) > SAME
        likely = np.flatnonzero(failing <= FAILING)
        likely = likely[np.linspace(0, len(likely) - 1, min(MOST_MOTIONS, len(likely))).astype(int)]
        found = [crystal.missing(turns[k], shifts[k]) for k in likely.tolist()]
        parts = [part for part in found if part is not None]
        counts = [sum(crystal.is_same(part, other) for other in parts) for part in parts]
        if not parts:
            return None
        best = int(np.argmax(counts))
        place, kinds, anchors = parts[best]
        return cls(kinds, place @ crystal.cell, anchors, counts[best])

    @property
    def formula(self) -> str:
        """In Hill's order."""
        return elements.hill_formula(self.Z)


@dataclass(frozen=True, eq=False)
class _Crystal:
    """A framework in fractional coordinates of its reduced cell, with a tree of its atoms by element.

    Attributes:
        Z: atomic numbers ``[n]``.
        places: fractional coordinates ``[n, 3]``.
        cell: lattice vectors as rows, Å.
        full: as of :meth:`MissingPart.of`.
        trees: element → k-d tree of its atoms on the torus; 0: of all.
    """

    Z: np.ndarray
    places: np.ndarray
    cell: np.ndarray
    full: np.ndarray
    trees: dict[int, cKDTree]

    @classmethod
    def of(cls, Z: np.ndarray, xyz: np.ndarray, cell: np.ndarray, full: np.ndarray) -> _Crystal:
        from scipy.spatial import cKDTree

        small = reduced(cell)
        places = xyz @ np.linalg.inv(small)
        trees = {int(z): cKDTree(_wrapped(places[z == Z]), boxsize=1.0) for z in np.unique(Z)}
        return cls(Z, places, small, full, trees | {0: cKDTree(_wrapped(places), boxsize=1.0)})

    def distance(self, image: np.ndarray, kind: np.ndarray) -> np.ndarray:
        """Å to the atom of an element (0: any) that is nearest in fractional coordinates, ``[m]``; exact where it is small."""
        found = np.empty(len(image))
        for z in np.unique(kind).tolist():
            own = np.flatnonzero(kind == z)
            wrapped = _wrapped(image[own])
            tree = self.trees[z]
            near = tree.data[tree.query(wrapped)[1]]
            apart = wrapped - near
            found[own] = np.linalg.norm((apart - np.rint(apart)) @ self.cell, axis=1)
        return found

    def missing(self, turn: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Fractional coordinates and elements of atoms that a motion maps to an empty place, and their anchors; None if it does
        not tell of a part.
        """
        image = self.places @ turn + shift
        gone = np.flatnonzero(self.distance(image, self.Z) > SAME)
        if not LEAST <= len(gone) <= MOST * len(self.Z):
            return None
        kinds, place = self.Z[gone], image[gone]
        apart = place[:, None] - self.places
        apart = np.linalg.norm((apart - np.rint(apart)) @ self.cell, axis=2)
        if apart.min() < EMPTY or 6 not in kinds:
            return None
        radius, metal = elements.column("covalent_radius_A"), ~np.isin(self.Z, list(METALLOIDS))
        longest = radius[kinds][:, None] + radius[self.Z] + BOND_TOLERANCE + TO_METALS * metal
        anchors = np.flatnonzero((apart <= longest).any(axis=0) & (self.Z > 1))
        return (place, kinds, anchors) if len(anchors) >= ANCHORS and not self.full[anchors].any() else None

    @staticmethod
    def is_same(part: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> bool:
        """Whether two parts are of the same elements and have the same anchors."""
        return np.array_equal(np.sort(part[1]), np.sort(other[1])) and np.array_equal(part[2], other[2])


def _wrapped(places: np.ndarray) -> np.ndarray:
    """Fractional coordinates from 0 to less than 1."""
    inside = places - np.floor(places)
    return np.where(inside >= 1.0, 0.0, inside)
