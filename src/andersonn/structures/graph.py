"""Structure → atom-bond network: which atoms are near each other, and which of those are bonded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from andersonn.structures import elements
from andersonn.structures.neighbors import pairs_to_count
from andersonn.structures.structure import Structure

BOND_TOLERANCE = 0.45
"""Å added to the sum of covalent radii (Cordero 2008) within which two atoms count as bonded."""


@dataclass(frozen=True, eq=False)
class AtomBondGraph:
    """Atoms and the directed pairs between them, periodic images counted, sorted by (i, distance).

    Attributes:
        structure: the atoms.
        i, j: int64 ``[m]``, atoms of each pair.
        distance: float64 ``[m]`` in Å.
        vector: float64 ``[m, 3]`` in Å, from atom i to the image of atom j.
        bonded: bool ``[m]``: by the bonds of the file if it lists them, else whether distance ≤ sum of covalent radii +
            0.45 Å.
    """

    structure: Structure
    i: np.ndarray
    j: np.ndarray
    distance: np.ndarray
    vector: np.ndarray
    bonded: np.ndarray

    @classmethod
    def from_structure(cls, structure: Structure, count: int = 13, reach: float = 8.0) -> AtomBondGraph:
        """The graph in which each atom has its ``count`` nearest neighbors, if that many lie within ``reach`` Å."""
        i, j, distance, vector = pairs_to_count(structure.xyz, structure.cell, count, reach)
        order = np.lexsort((distance, i))
        i, j, distance, vector = i[order], j[order], distance[order], vector[order]
        if structure.bonds is not None:
            n, (a, b) = len(structure), structure.bonds.T
            bonded = np.isin(i * n + j, np.concatenate([a * n + b, b * n + a]))
        else:
            radius = elements.column("covalent_radius_A")[structure.Z]
            bonded = distance <= radius[i] + radius[j] + BOND_TOLERANCE
        return cls(structure, i, j, distance, vector, bonded)

    @property
    def n_bonds(self) -> int:
        """Number of bonds in the cell (each undirected bond once)."""
        return int(self.bonded.sum()) // 2

    def coordination(self) -> np.ndarray:
        """Number of bonds of each atom, int64 ``[n]``."""
        return np.bincount(self.i[self.bonded], minlength=len(self.structure))
