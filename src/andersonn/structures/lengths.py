"""Whether lengths can be in Å, decided by the shortest distance between atoms."""

from __future__ import annotations

import numpy as np

from andersonn.structures import elements
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.structure import Structure

FARTHEST_BOND = 1.25
"""Nearest distance over the sum of the covalent radii: at most 1.2 in 1,500 crystals (lithium), 1.01 in as many molecules."""
NOBLE = {2, 10, 18, 36, 54, 86}


def nearest_pair(one: np.ndarray, other: np.ndarray, distance: np.ndarray) -> float:
    """The smallest distance of pairs of atoms, each over the sum of the covalent radii; infinite if there are no pairs.

    Args:
        one: atomic number of one atom of each pair, int ``[m]``.
        other: atomic number of the other, int ``[m]``.
        distance: Å ``[m]``.
    """
    radius = elements.column("covalent_radius_A")
    return float((distance / (radius[one] + radius[other])).min(initial=np.inf))


def expects_bonds(Z: np.ndarray) -> bool:
    """Whether a structure of these atomic numbers has bonds: always, unless all are noble gases."""
    return bool(set(Z.tolist()) - NOBLE)


def may_be_angstrom(structure: Structure) -> bool | None:
    """Whether at least two atoms are near enough for a bond, which is so if lengths are in Å. None where no bond is expected:
    for a single atom and for noble gases.
    """
    if (len(structure) == 1 and structure.cell is None) or not expects_bonds(structure.Z):
        return None
    widest = float(elements.column("covalent_radius_A")[structure.Z].max())
    i, j, distance, _ = pairs_within(structure.xyz, structure.cell, 2.0 * FARTHEST_BOND * widest)
    return nearest_pair(structure.Z[i], structure.Z[j], distance) <= FARTHEST_BOND
