"""How atoms fill a crystal: densities, room, coordination, and how near other atoms lie. No pore is looked for: only atoms are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.graph import AtomBondGraph
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.structure import Structure

FORMAT = 1
"""Increased whenever the same structure gets other numbers, so that cached images are made again."""
RADII = (4.0, 6.0, 8.0, 10.0)
"""Å around an atom within which its surroundings are summed up; neighbors fade out smoothly toward each of them."""
BY_ATOM = tuple(f"{what}_{radius:g}" for radius in RADII for what in ("near", "packed", "one_sided"))
"""Channels of an atom, of each radius R, with weights w = (1 − (d / R)²)² of the atoms at distances d < R: how many there are in a
nm³; the volume of their covalent spheres in that room; and how far they lie to one side, the length of their mean vector over R.
"""
DENSITY = ("atoms_per_nm3", "mass_g_cm3", "packing")
"""Channels of a structure: number density, mass density, volume of covalent spheres over that of the cell."""
WHOLE = (*DENSITY, "room_A3", "coordination", "coordination_spread")
"""Channels of a structure: :data:`DENSITY`; volume an atom outside the covalent spheres; mean and standard deviation of the number
of bonds of an atom.
"""
NM3, G_CM3 = 1000.0, 1.66053907
"""Å⁻³ in nm⁻³; u Å⁻³ in g cm⁻³."""
WEIGHED = 32.0 * np.pi / 105.0
"""Integral of w over space, in units of R³."""


@dataclass(frozen=True, eq=False)
class Filling:
    """How the atoms of a crystal fill its cell.

    Attributes:
        by_atom: :data:`BY_ATOM` of each atom, float32 ``[n, 12]``.
        by_structure: :data:`WHOLE`, float32 ``[6]``; the same for a supercell.
    """

    by_atom: np.ndarray
    by_structure: np.ndarray

    @classmethod
    def of(cls, graph: AtomBondGraph) -> Filling:
        """The filling of a crystal.

        Raises:
            InputError: the structure is not periodic.
        """
        structure = graph.structure
        if structure.volume is None:
            raise InputError(
                "not_periodic",
                f"densities are those of crystals, and {structure.id or structure.formula} has no unit cell",
                "give a cell: a CIF, a POSCAR, or an extended xyz with a Lattice",
            )
        found, bonds = densities(structure), graph.coordination()
        room = structure.volume / len(structure) * (1.0 - found[2])
        whole = np.array([*found, room, bonds.mean(), bonds.std()], dtype=np.float32)
        return cls(_surroundings(structure), whole)


def densities(structure: Structure) -> np.ndarray:
    """:data:`DENSITY` of a periodic structure, float64 ``[3]``."""
    Z, volume = structure.Z, structure.volume
    assert volume is not None  # it is periodic
    return np.array([NM3 * len(Z) / volume, G_CM3 * _masses()[Z].sum() / volume, _spheres(Z).sum() / volume])


def _surroundings(structure: Structure) -> np.ndarray:
    """:data:`BY_ATOM` of each atom, float32 ``[n, 12]``."""
    n, spheres = len(structure), _spheres(structure.Z)
    i, j, distance, vector = pairs_within(structure.xyz, structure.cell, max(RADII))
    found = []
    for radius in RADII:
        weight = np.square(np.clip(1.0 - np.square(distance / radius), 0.0, None))
        count = np.bincount(i, weight, n)
        mean = np.stack([np.bincount(i, weight * part, n) for part in vector.T]) / np.maximum(count, 1e-9)
        room = WEIGHED * radius**3
        packed = np.bincount(i, weight * spheres[j], n) / room
        found += [NM3 * count / room, packed, np.linalg.norm(mean, axis=0) / radius]
    return np.stack(found, axis=1).astype(np.float32)


def _spheres(Z: np.ndarray) -> np.ndarray:
    """Volumes of the covalent spheres of atoms, Å³ ``[n]``."""
    return np.asarray(4.0 / 3.0 * np.pi * elements.column("covalent_radius_A")[Z] ** 3)


@cache
def _masses() -> np.ndarray:
    from ase.data import atomic_masses

    return np.asarray(atomic_masses)
