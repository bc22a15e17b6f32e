"""Whether lengths can be in Å: the distances of bonded atoms tell."""

from __future__ import annotations

import numpy as np

from andersonn.structures import elements
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.structure import Structure

FARTHEST_BOND = 1.25
"""Nearest distance over the sum of the covalent radii: at most 1.2 in 1,500 crystals (lithium), 1.01 in as many molecules."""
NOBLE = {2, 10, 18, 36, 54, 86}


def in_bond_lengths(one: np.ndarray, other: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Distances in Å over the sums of the covalent radii of the atoms between which they are, which ``one`` and ``other``
    give as atomic numbers, all three of the same shape or such as can be spread to it.
    """
    radius = elements.column("covalent_radius_A")
    return distance / (radius[one] + radius[other])


def expects_bonds(Z: np.ndarray) -> bool:
    """Whether atoms of these atomic numbers make bonds: all but noble gases alone."""
    return bool(set(Z.tolist()) - NOBLE)


def may_be_angstrom(structure: Structure) -> bool | None:
    """Whether two atoms are near enough for a bond, as they are where lengths are in Å. None if no bond is expected: of a
    single atom, and of noble gases.
    """
    if (len(structure) == 1 and structure.cell is None) or not expects_bonds(structure.Z):
        return None
    widest = float(elements.column("covalent_radius_A")[structure.Z].max())
    i, j, distance, _ = pairs_within(structure.xyz, structure.cell, 2.0 * FARTHEST_BOND * widest)
    return bool((in_bond_lengths(structure.Z[i], structure.Z[j], distance) <= FARTHEST_BOND).any())
