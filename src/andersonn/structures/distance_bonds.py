"""Bonds of a molecule by distance, where its file lists none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from andersonn.structures import elements
from andersonn.structures.graph import BOND_TOLERANCE
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.structure import Structure

METALLOIDS = frozenset((1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 33, 34, 35, 36, 51, 52, 53, 54))
"""Atomic numbers of nonmetals and metalloids; with any other element groups have no certain charge."""


@dataclass(frozen=True)
class Bonds:
    """Neighbors of each atom by distance: directed pairs, sorted by the first atom."""

    Z: np.ndarray
    i: np.ndarray
    j: np.ndarray
    distance: np.ndarray
    vector: np.ndarray

    @classmethod
    def of(cls, structure: Structure, more_to_metals: float = 0.0) -> Bonds:
        """The bonds of a molecule. A cell is used for periodic images if there is one.

        Args:
            structure: whose bonds.
            more_to_metals: how much longer bonds of metals may be, Å.
        """
        radius = elements.column("covalent_radius_A")[structure.Z]
        reach = float(2 * radius.max()) + BOND_TOLERANCE + more_to_metals
        pairs = pairs_within(structure.xyz, structure.cell, reach)
        metal = ~elements.are_among(structure.Z, METALLOIDS)
        longest = radius[pairs[0]] + radius[pairs[1]] + BOND_TOLERANCE
        near = pairs[2] <= longest + more_to_metals * (metal[pairs[0]] != metal[pairs[1]])
        i, j, distance, vector = (part[near] for part in pairs)
        order = np.argsort(i, kind="stable")
        return cls(structure.Z.astype(np.int64), i[order], j[order], distance[order], vector[order])

    @cached_property
    def count(self) -> np.ndarray:
        """How many neighbors each atom has ``[n]``."""
        return np.bincount(self.i, minlength=len(self.Z))

    def around(self, atom: int) -> slice:
        """The pairs of an atom."""
        return slice(*np.searchsorted(self.i, [atom, atom + 1]).tolist())
