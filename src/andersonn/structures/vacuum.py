"""Gaps that go through a whole crystal, such as the vacuum of a slab or of a single layer: no pores, however wide they are."""

from __future__ import annotations

import numpy as np

from andersonn.structures.plausibility.symmetry import reduced

DIRECTIONS = np.array([h for h in np.ndindex(3, 3, 3) if h > (1, 1, 1)]) - 1
"""Lattice planes that are looked at, as Miller indices of the reduced cell ``[13, 3]``."""
LEAST = 5.0
"""Å between the atoms on both sides, from which on a gap is told. No bond crosses it, and layers of crystals lie nearer: of 3,000
frameworks of QMOF, 2,000 of CoRE MOF and 3,000 crystals, none, one and two have such a gap.
"""


def widest_gap(xyz: np.ndarray, cell: np.ndarray) -> float:
    """Å between the two planes that are farthest apart with no atom between them.

    Args:
        xyz: positions ``[n, 3]``, Å.
        cell: lattice vectors as rows, Å.
    """
    return float(_gaps(xyz, cell).max())


def is_alone(xyz: np.ndarray, cell: np.ndarray) -> bool:
    """Whether gaps on all sides part the atoms of a cell from their images: a molecule or cluster in a box. Arguments as of
    :func:`widest_gap`.
    """
    wide = DIRECTIONS[_gaps(xyz, cell) >= LEAST]
    return len(wide) > 0 and int(np.linalg.matrix_rank(wide)) == 3


def _gaps(xyz: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """The widest gap between planes of each of :data:`DIRECTIONS`, Å ``[13]``."""
    inverse = np.linalg.inv(reduced(cell))
    along = xyz @ inverse @ DIRECTIONS.T
    sorted_places = np.sort(along - np.floor(along), axis=0)
    gaps = np.diff(sorted_places, axis=0, append=sorted_places[:1] + 1.0)
    return np.asarray(gaps.max(axis=0) / np.linalg.norm(inverse @ DIRECTIONS.T, axis=0))
