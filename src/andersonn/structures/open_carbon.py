"""Carbon atoms with fewer neighbors than carbon has: hydrogen atoms that are missing, or a linker that is broken."""

from __future__ import annotations

import numpy as np

from andersonn.structures.distance_bonds import METALLOIDS, Bonds

C = 6
NEAR_METAL = 0.3
"""Å by which metals may be farther from carbon than bonds: next to one, carbon may have fewer other neighbors."""
STRAIGHT = 145.0
"""Degrees between the bonds of a carbon with two neighbors from which on it is that of a nitrile or an alkyne."""
FLAT = 340.0
"""Degrees: sum of the angles between three bonds, below which carbon has a fourth."""
SINGLE = 1.42
"""Å from which on a bond of carbon is a single bond. Carbon with a multiple bond among three may be bent in a strained ring."""
TRIPLE = 1.25
"""Å up to which carbon with one neighbor is that of cyanide, carbon monoxide or acetylide."""


def open_carbon(bonds: Bonds, wide: Bonds) -> np.ndarray:
    """Which carbon atoms lack a neighbor, int ``[m]``: those with one at more than the length of a triple bond, with two at an
    angle, and with three single bonds that do not lie flat. Carbon without neighbors and carbon near metals are left out.

    Args:
        bonds: of a structure.
        wide: those with :data:`NEAR_METAL` more to metals.
    """
    metal = ~np.isin(wide.Z, list(METALLOIDS))
    by_metal = np.bincount(wide.i[metal[wide.j]], minlength=len(wide.Z)) > 0
    asked = np.flatnonzero((bonds.Z == C) & ~by_metal & (bonds.count > 0) & (bonds.count < 4))
    return np.array([atom for atom in asked.tolist() if _lacks(bonds, atom)], dtype=np.int64)


def _lacks(bonds: Bonds, atom: int) -> bool:
    own = bonds.around(atom)
    distance = bonds.distance[own]
    if len(distance) == 1:
        return bool(distance[0] > TRIPLE)
    along = bonds.vector[own] / distance[:, None]
    first, second = np.triu_indices(len(along), k=1)
    angles = np.degrees(np.arccos(np.clip((along[first] * along[second]).sum(axis=1), -1.0, 1.0)))
    if len(angles) == 1:
        return bool(angles[0] < STRAIGHT)
    return bool(angles.sum() < FLAT and distance.min() > SINGLE)
