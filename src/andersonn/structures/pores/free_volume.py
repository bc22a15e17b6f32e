"""Free volume around each atom, by points in the tetrahedra between the atoms."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np

from andersonn.structures.pores.diagram import PowerDiagram
from andersonn.structures.pores.rows import dot

POINTS = ((0.0, 4.0, 3), (4.0, 7.0, 5), (7.0, 12.0, 8), (12.0, np.inf, 14))
"""Longest edge of a tetrahedron, from and to, in Å, and the divisions of its edges for sampling the free volume."""
PAIRS = np.array(list(combinations(range(4), 2)))
"""Corners that the six edges of a tetrahedron connect."""
AT_ONCE = 1 << 16
"""Distances computed in one go: they stay in the processor's cache."""


def free_volumes(diagram: PowerDiagram, radius: np.ndarray) -> np.ndarray:
    """Free volume of each atom in Å³ ``[n]``: outside all atoms, and nearer to its surface than to any other.

    By points in the tetrahedra of the triangulation, which move along with the atoms, so that neither the choice of the
    cell nor that of the origin matters. Larger tetrahedra get more of them.

    Args:
        diagram: of a crystal.
        radius: of its atoms, Å, ``[n]``.
    """
    between = diagram.corners[:, PAIRS[:, 0]] - diagram.corners[:, PAIRS[:, 1]]
    square = dot(between, between)
    longest = np.sqrt(square.T.max(axis=0))
    free = np.zeros(len(radius))
    for least, most, divisions in POINTS:
        rows = np.flatnonzero((longest > least) & (longest <= most))
        step = max(1, AT_ONCE // _distances(divisions)[0].shape[1])
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            free += _free_of(diagram.atoms[part], square[part], diagram.volume[part], radius, divisions)
    return free


@cache
def _distances(divisions: int) -> tuple[np.ndarray, np.ndarray]:
    """Points that fill a tetrahedron evenly, the same for each of its corners: a matrix ``[6, 4 Q]`` that makes of the squares of
    a tetrahedron's edges those of the distances from each corner to each of Q points, and shares of its volume ``[Q]``.

    Edges cut into d equal parts cut a tetrahedron into small ones, upright and inverted, and octahedra of four times
    their volume; the points are the centers of all those. With barycentric coordinates w, the square of the distance from
    corner k is Σ_i w_i d_ik² - Σ_i<j w_i w_j d_ij² (Lagrange).
    """
    steps = np.stack(np.meshgrid(*[np.arange(divisions)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    points, shares = [], []
    for missing, offset, share in ((1, 0.25, 1.0), (2, 0.5, 4.0), (3, 0.75, 1.0)):
        points.append(steps[steps.sum(axis=1) == divisions - missing] + offset)
        shares.append(np.full(len(points[-1]), share / divisions**3))
    w = np.concatenate(points) / divisions
    matrix = np.zeros((len(PAIRS), 4, len(w)))
    for row, (i, j) in enumerate(PAIRS):
        matrix[row] -= w[:, i] * w[:, j]
        matrix[row, i] += w[:, j]
        matrix[row, j] += w[:, i]
    return matrix.reshape(len(PAIRS), -1), np.concatenate(shares)


def _free_of(
    atoms: np.ndarray, square: np.ndarray, volume: np.ndarray, radius: np.ndarray, divisions: int
) -> np.ndarray:
    """Free volumes within some tetrahedra, given the squares of their edges ``[T, 6]`` and their volumes ``[T]``."""
    matrix, share = _distances(divisions)
    size = radius[atoms][:, :, None]
    clearance = (square @ matrix).reshape(len(atoms), 4, -1)
    np.sqrt(np.maximum(clearance, 0.0, out=clearance), out=clearance)
    clearance -= size
    least = np.minimum(np.minimum(clearance[:, 0], clearance[:, 1]), np.minimum(clearance[:, 2], clearance[:, 3]))
    left = least > 0.0  # points outside all atoms that have no owner yet
    room = np.empty((len(atoms), 4))
    for k in range(4):
        own = left & (clearance[:, k] <= least)
        left &= ~own
        room[:, k] = own @ share
    return np.bincount(atoms.ravel(), weights=(room * volume[:, None]).ravel(), minlength=len(radius))
