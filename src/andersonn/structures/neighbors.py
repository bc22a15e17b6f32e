"""Neighbor search under periodic boundary conditions: by vesin's cell lists, in mostly empty space by SciPy's k-d tree.

Throughout, ``xyz`` are Cartesian positions in Å ``[n, 3]``; ``cell`` holds the lattice vectors as rows in Å ``[3, 3]``, or is
None without periodicity.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from andersonn.errors import InputError

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""``i [m]``, ``j [m]``, ``distance [m]`` and ``vector [m, 3]``, see :func:`pairs_within`."""
MOST_PAIRS = 20_000_000
"""More are refused before the search; a pair takes about 100 bytes."""
MOST_CELLS = 1_000_000
"""With more bins of the size of the radius, a cell list is mostly empty and slower than the tree. vesin makes at most 100,000."""
MOST_DISTANCES = 20_000
"""Up to so many distances between atoms and images are computed one and all, which is faster than cell lists."""
FLATTEST_LIST = 20_000
"""With more bins than this times the cube of the smallest side (in bins), the list is so long and flat that vesin 0.7.5 rounds
the bins of the short direction to zero and divides by that number; the tree is used instead.
"""


def pairs_within(xyz: np.ndarray, cell: np.ndarray | None, radius: float) -> Pairs:
    """All directed pairs of atoms not further apart than ``radius`` Å, periodic images counted.

    Returns:
        ``i [m]``, ``j [m]`` (int64 atom indices), ``distance [m]`` in Å and ``vector [m, 3]`` in Å from i to the
        image of j. An atom is a neighbor of its own images, never of itself.

    Raises:
        InputError: there are too many, as when all atoms lie in one place.
    """
    if (found := _pairs_of_few(xyz, cell, radius)) is not None:
        return found
    import vesin  # imported here: it loads its compiled library

    _refuse_crowds(xyz, cell, radius)
    extent = np.ptp(xyz, axis=0) if cell is None else _heights(cell)
    if _mostly_empty(np.maximum(extent / radius, 1.0)):
        return _pairs_by_tree(xyz, cell, radius)
    box = np.zeros((3, 3)) if cell is None else cell
    search = vesin.NeighborList(cutoff=radius, full_list=True, n_threads=1)
    i, j, distance, vector = search.compute(points=xyz, box=box, periodic=cell is not None, quantities="ijdD")
    return i.astype(np.int64), j.astype(np.int64), distance, vector


def _pairs_of_few(xyz: np.ndarray, cell: np.ndarray | None, radius: float) -> Pairs | None:
    """As :func:`pairs_within`, by the distances of all atoms to all images that may be near enough; None if these are many.

    A vector no longer than the radius has fractional coordinates of at most the radius over the heights of the cell. Of the
    image of an atom that is nearest along each axis, only so many cells to either side are looked at.
    """
    n = len(xyz)
    if n * n > MOST_DISTANCES:
        return None
    apart, shifts = xyz - xyz[:, None], np.zeros((1, 3))
    if cell is not None:
        inverse = np.linalg.inv(cell)
        steps = np.floor(radius * np.sqrt(np.square(inverse).sum(axis=0)) + (0.5 + 1e-9)).astype(int)
        if n * n * (2 * steps + 1).prod() > MOST_DISTANCES:
            return None
        apart -= np.rint(apart @ inverse) @ cell
        shifts = _lattice_points(*steps.tolist()) @ cell
    flat = apart.reshape(-1, 3)
    squared = (
        2.0 * flat
    ) @ shifts.T  # |a + s|² = |a|² + 2 a·s + |s|²; exact distances follow for those that may be near
    squared += np.square(flat).sum(axis=1)[:, None]
    squared += np.square(shifts).sum(axis=1)
    squared.reshape(n, n, -1)[np.arange(n), np.arange(n), len(shifts) // 2] = np.inf  # the atom itself
    near = np.flatnonzero(squared <= radius**2 + 1e-6)
    pair, shift = np.divmod(near, len(shifts))
    vector = flat[pair] + shifts[shift]
    distance = np.sqrt(np.square(vector).sum(axis=1))
    if (distance > radius).any():
        kept = distance <= radius
        pair, vector, distance = pair[kept], vector[kept], distance[kept]
    i, j = np.divmod(pair, n)
    return i, j, distance, vector


@lru_cache(maxsize=64)
def _lattice_points(a: int, b: int, c: int) -> np.ndarray:
    """All whole numbers of cells along three axes, up to those given to either side, ``[m, 3]``; none at all in the middle."""
    steps = np.indices((2 * a + 1, 2 * b + 1, 2 * c + 1)).reshape(3, -1).T
    points = (steps - np.array([a, b, c])).astype(float)
    points.flags.writeable = False
    return points


def _mostly_empty(bins: np.ndarray) -> bool:
    """Whether a cell list of so many bins in the three directions is too large or too flat for vesin."""
    return bool(bins.prod() > MOST_CELLS or bins.prod() > FLATTEST_LIST * bins.min() ** 3)


def _heights(cell: np.ndarray) -> np.ndarray:
    """Distances between opposite faces of the cell, Å ``[3]``."""
    return 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def _refuse_crowds(xyz: np.ndarray, cell: np.ndarray | None, radius: float) -> None:
    """Estimates the number of pairs from how many atoms share a cube of the radius."""
    n, sphere = len(xyz), 4.0 / 3.0 * np.pi
    expected = 0.0 if cell is None else sphere * radius**3 * n * n / abs(float(np.linalg.det(cell)))
    if n * n > MOST_PAIRS:
        if cell is not None:
            xyz = (xyz @ np.linalg.inv(cell) % 1.0) @ cell
        cubes = np.floor((xyz - xyz.min(axis=0)) / radius).astype(np.int64)
        _, counts = np.unique(cubes @ np.array([1, 1 << 20, 1 << 40]), return_counts=True)
        expected = max(expected, sphere * float((counts.astype(float) ** 2).sum()))
    if expected > MOST_PAIRS:
        raise InputError(
            "too_crowded",
            f"about {expected:.1g} pairs of the {n:,} atoms lie within {radius:.3g} Å; at most {MOST_PAIRS:.0e} are searched",
            "check that lengths are in Å and that atoms are not listed many times; a smaller part may do",
        )


def _pairs_by_tree(xyz: np.ndarray, cell: np.ndarray | None, radius: float) -> Pairs:
    """As :func:`pairs_within`, in time and memory that do not depend on how empty the space is."""
    from scipy.spatial import cKDTree

    if cell is None:
        own = first = np.arange(len(xyz))
    else:
        margin = radius / _heights(cell)
        fractional = xyz @ np.linalg.inv(cell)
        wrap = -np.floor(fractional)
        inside = fractional + wrap
        owners: list[np.ndarray] = []
        shifts: list[np.ndarray] = []
        for step in np.ndindex(*(2 * np.ceil(margin).astype(int) + 1)):
            moved = inside + (step - np.ceil(margin))
            near = np.flatnonzero(((moved >= -margin) & (moved < 1.0 + margin)).all(axis=1))
            owners.append(near)
            shifts.append(wrap[near] + step - np.ceil(margin))
        own, shift = np.concatenate(owners), np.concatenate(shifts)
        xyz = xyz[own] + shift @ cell
        first = np.flatnonzero((shift == wrap[own]).all(axis=1))
    found = cKDTree(xyz[first]).sparse_distance_matrix(cKDTree(xyz), radius, output_type="ndarray")
    a, b = first[found["i"]], found["j"]
    other = a != b
    a, b = a[other], b[other]
    return own[a], own[b], found["v"][other], xyz[b] - xyz[a]


def pairs_to_count(xyz: np.ndarray, cell: np.ndarray | None, count: int, reach: float) -> Pairs:
    """Pairs within a radius at which every atom has at least ``count`` neighbors, but never beyond ``reach`` Å.

    The radius starts from the mean density and grows until it suffices: a dense metal and a sparse framework both cost
    about one search.
    """
    n = len(xyz)
    if cell is None:
        radius = reach if n <= count + 1 else min(reach, 5.0)
    else:
        volume = (count + 1) * abs(float(np.linalg.det(cell))) / n
        radius = min(reach, 1.25 * (3.0 * volume / (4.0 * np.pi)) ** (1.0 / 3.0))
    while True:
        pairs = pairs_within(xyz, cell, radius)
        fewest = np.bincount(pairs[0], minlength=n).min()
        if fewest >= count or radius >= reach:
            return pairs
        radius = min(reach, 1.35 * radius)
