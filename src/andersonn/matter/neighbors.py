"""Neighbor search under periodic boundary conditions, by vesin's cell lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from andersonn.matter.structure import Structure

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def pairs_within(structure: Structure, radius: float) -> Pairs:
    """All directed pairs of atoms not further apart than ``radius`` Å, periodic images counted.

    Returns:
        ``i [m]``, ``j [m]`` (int64 atom indices), ``distance [m]`` in Å and ``vector [m, 3]`` in Å from i to the
        image of j. An atom is a neighbor of its own images, never of itself.
    """
    import vesin  # imported here: it loads its compiled library

    periodic = structure.cell is not None
    box = structure.cell if periodic else np.zeros((3, 3))
    search = vesin.NeighborList(cutoff=radius, full_list=True, n_threads=1)
    i, j, distance, vector = search.compute(points=structure.xyz, box=box, periodic=periodic, quantities="ijdD")
    return i.astype(np.int64), j.astype(np.int64), distance, vector


def pairs_to_count(structure: Structure, count: int, reach: float) -> Pairs:
    """Pairs within a radius at which every atom has at least ``count`` neighbors, but never beyond ``reach`` Å.

    The radius starts from the mean density and grows until it suffices, so that a dense metal and a sparse
    framework both cost about one search.
    """
    radius = _first_radius(structure, count, reach)
    while True:
        pairs = pairs_within(structure, radius)
        fewest = np.bincount(pairs[0], minlength=len(structure)).min()
        if fewest >= count or radius >= reach:
            return pairs
        radius = min(reach, 1.35 * radius)


def _first_radius(structure: Structure, count: int, reach: float) -> float:
    if structure.volume is None:
        return reach if len(structure) <= count + 1 else min(reach, 5.0)
    sphere = (count + 1) * structure.volume / len(structure)
    return min(reach, 1.25 * (3.0 * sphere / (4.0 * np.pi)) ** (1.0 / 3.0))
