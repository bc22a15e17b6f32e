"""Neighbor search under periodic boundary conditions, by vesin's cell lists; in mostly empty space by SciPy's tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from andersonn.errors import InputError

if TYPE_CHECKING:
    from andersonn.structures.structure import Structure

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
MOST_PAIRS = 20_000_000
"""More are refused before they are searched; a pair takes about 100 bytes."""
MOST_CELLS = 1_000_000
"""Cells of the size of the radius above which a cell list is mostly empty (vesin has at most 100,000: larger ones) …"""
FLATTEST_LIST = 20_000
"""… and this is how many times more of them a cube has than fit into it at the same proportions: a long and flat list
leaves vesin 0.7.5 with no cell at all in the short direction, and it divides by that.
"""


def pairs_within(structure: Structure, radius: float) -> Pairs:
    """All directed pairs of atoms not further apart than ``radius`` Å, periodic images counted.

    Returns:
        ``i [m]``, ``j [m]`` (int64 atom indices), ``distance [m]`` in Å and ``vector [m, 3]`` in Å from i to the
        image of j. An atom is a neighbor of its own images, never of itself.

    Raises:
        InputError: there are too many, as when all atoms lie in one place.
    """
    import vesin  # imported here: it loads its compiled library

    _refuse_crowds(structure, radius)
    if _mostly_empty(structure, radius):
        return _pairs_by_tree(structure, radius)
    periodic = structure.cell is not None
    box = structure.cell if periodic else np.zeros((3, 3))
    search = vesin.NeighborList(cutoff=radius, full_list=True, n_threads=1)
    i, j, distance, vector = search.compute(points=structure.xyz, box=box, periodic=periodic, quantities="ijdD")
    return i.astype(np.int64), j.astype(np.int64), distance, vector


def _mostly_empty(structure: Structure, radius: float) -> bool:
    extent = np.ptp(structure.xyz, axis=0) if structure.cell is None else _heights(structure.cell)
    cells = np.maximum(extent / radius, 1.0)
    return bool(cells.prod() > MOST_CELLS or cells.prod() > FLATTEST_LIST * cells.min() ** 3)


def _heights(cell: np.ndarray) -> np.ndarray:
    """Distances between opposite faces of the cell, Å ``[3]``."""
    return 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def _refuse_crowds(structure: Structure, radius: float) -> None:
    """Estimates the number of pairs from how many atoms share a cube of the radius."""
    n, volume = len(structure), structure.volume
    sphere = 4.0 / 3.0 * np.pi
    expected = 0.0 if volume is None else sphere * radius**3 * n * n / volume
    if n * n > MOST_PAIRS:
        xyz = structure.xyz
        if structure.cell is not None:
            xyz = (xyz @ np.linalg.inv(structure.cell) % 1.0) @ structure.cell
        cubes = np.floor((xyz - xyz.min(axis=0)) / radius).astype(np.int64)
        _, counts = np.unique(cubes @ np.array([1, 1 << 20, 1 << 40]), return_counts=True)
        expected = max(expected, sphere * float((counts.astype(float) ** 2).sum()))
    if expected > MOST_PAIRS:
        raise InputError(
            "too_crowded",
            f"about {expected:.1g} pairs of the {n:,} atoms lie within {radius:.3g} Å; at most {MOST_PAIRS:.0e} are searched",
            "check that lengths are in Å and that atoms are not listed many times; a smaller part may do",
        )


def _pairs_by_tree(structure: Structure, radius: float) -> Pairs:
    """As :func:`pairs_within`, in time and memory that do not depend on how empty the space is."""
    from scipy.spatial import cKDTree

    n = len(structure)
    xyz, own, shift = structure.xyz, np.arange(n), np.zeros((n, 3))
    if structure.cell is not None:
        margin = radius / _heights(structure.cell)
        fractional = structure.xyz @ np.linalg.inv(structure.cell)
        wrap = -np.floor(fractional)
        inside = fractional + wrap
        own, shifts = [], []
        for step in np.ndindex(*(2 * np.ceil(margin).astype(int) + 1)):
            moved = inside + (step - np.ceil(margin))
            near = np.flatnonzero(((moved >= -margin) & (moved < 1.0 + margin)).all(axis=1))
            own.append(near)
            shifts.append(wrap[near] + step - np.ceil(margin))
        own, shift = np.concatenate(own), np.concatenate(shifts)
        xyz = structure.xyz[own] + shift @ structure.cell
        first = np.flatnonzero((shift == wrap[own]).all(axis=1))
    else:
        first = own
    found = cKDTree(xyz[first]).sparse_distance_matrix(cKDTree(xyz), radius, output_type="ndarray")
    a, b = first[found["i"]], found["j"]
    other = a != b
    a, b = a[other], b[other]
    return own[a], own[b], found["v"][other], xyz[b] - xyz[a]


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
