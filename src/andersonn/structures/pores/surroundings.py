"""The atoms in and around a cell that a map of its voids needs.

A vertex of the power diagram lies in the cell only if the cells (of the diagram) of its four atoms reach into it. Those
atoms are the crystal's own and a thin layer around the cell, thicker only where a pore cuts the cell's faces: about twice
the atoms of the cell, where all atoms within the radius of the largest cavity are about seven times as many.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.pores.rows import dot

BITS = 12
BASE = 1 << BITS
"""More than twice the lattice vectors that a margin can span in one direction."""
PLACE = np.array([BASE * BASE, BASE, 1])
"""Factors that make one number of a lattice vector."""
MOST_POINTS, MOST_EACH = 25_000, 40
"""Atoms in and around the cell, or as many for each atom of the cell: more are needed only around a void hundreds of Å wide,
and triangulating them takes minutes."""
START = 5.0
"""Å around the cell for a first look at what its faces cut."""
SPACINGS, MOST_STEPS = (1.5, 0.75), 64
"""Å between the points at which the faces are looked at, first and again, and the most points along a lattice vector at first."""
ORIGIN = np.array([0.137, 0.291, 0.433])
"""Where the cell begins, in fractional coordinates: planes of symmetry cut more atoms than others do."""
AT_ONCE = 1 << 18
"""Distances computed in one go: they stay in the processor's cache."""


class Surroundings(NamedTuple):
    """Atoms of a crystal, each with a lattice vector: index ``[m]``, lattice vector ``[m, 3]``, position in Å ``[m, 3]``."""

    atom: np.ndarray
    image: np.ndarray
    xyz: np.ndarray


def within(xyz: np.ndarray, cell: np.ndarray, margin: float) -> Surroundings:
    """Atoms of the cell and of ``margin`` Å around it.

    Raises:
        InputError: there are too many.
    """
    inverse = np.linalg.inv(cell)
    reach = checked_reach(len(xyz), inverse, margin)
    fractional = _wrapped(xyz, inverse)
    atom, image = np.arange(len(xyz)), np.zeros((len(xyz), 3), dtype=np.int64)
    for axis in range(3):
        steps = np.arange(-np.ceil(reach[axis]), np.ceil(reach[axis]) + 1)
        values = fractional[:, axis] + steps[:, None]
        step, row = np.nonzero((values >= -reach[axis]) & (values <= 1.0 + reach[axis]))
        fractional, atom, image = fractional[row], atom[row], image[row]
        fractional[:, axis] += steps[step]
        image[:, axis] += steps[step].astype(np.int64)
    return Surroundings(atom, image, fractional @ cell)


def checked_reach(count: int, inverse: np.ndarray, margin: float) -> np.ndarray:
    """How far a margin in Å reaches along each lattice vector, in units of it, ``[3]``.

    Raises:
        InputError: too many of the ``count`` atoms a cell would be within the margin.
    """
    reach = margin * np.linalg.norm(inverse, axis=0)
    if count * np.prod(1.0 + 2.0 * reach) > max(MOST_POINTS, MOST_EACH * count) or reach.max() > BASE / 4:
        raise InputError(
            "no_voids",
            f"the map of the voids would reach {margin:.0f} Å around the cell, over {np.ceil(reach.max()):.0f} cells",
            "check that the cell is meant as it is; leave out empty space far wider than any pore",
        )
    return reach


def needed(xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray, slack: float) -> Surroundings:
    """Atoms of the cell, and those around it that own, or nearly own, a point of its faces.

    The faces are looked at on a grid, so that an atom can be missed: who triangulates these must check the result.

    Args:
        xyz: positions ``[n, 3]`` in Å.
        cell: lattice vectors as rows ``[3, 3]`` in Å.
        radius: of the atoms, Å, ``[n]``.
        slack: how much further from a point than its owner another atom may be and still count, in units of the spacing
            of points.

    Raises:
        InputError: there are too many within the largest sphere that a face cuts.
    """
    inverse, margin = np.linalg.inv(cell), START
    while True:
        around = within(xyz, cell, margin)
        rows, reach = _owners_of_faces(around, cell, inverse, radius[around.atom], margin, slack)
        if reach <= margin:
            break
        margin = min(reach, 4.0 * margin)
    codes = [_code(np.arange(len(xyz)), np.zeros(3, dtype=np.int64))]
    for axis, owners in enumerate(rows):
        code = _code(around.atom[owners], around.image[owners])
        codes += [code, code + PLACE[axis]]  # the opposite face is the same face
    code = np.unique(np.concatenate(codes))
    atom = code >> 3 * BITS
    image = (code[:, None] >> BITS * np.array([2, 1, 0]) & BASE - 1) - BASE // 2
    return Surroundings(atom, image, (_wrapped(xyz, inverse)[atom] + image) @ cell)


def _code(atom: np.ndarray, image: np.ndarray) -> np.ndarray:
    """One number for each atom and lattice vector."""
    return atom * BASE**3 + (image + BASE // 2) @ PLACE


def _owners_of_faces(
    around: Surroundings, cell: np.ndarray, inverse: np.ndarray, radius: np.ndarray, margin: float, slack: float
) -> tuple[list[np.ndarray], float]:
    """Which atoms own a point of each of the three faces at the origin, or nearly, and the margin that makes this sure
    (infinite where there are no atoms within the present one).
    """
    length = np.linalg.norm(cell, axis=1)
    reach = margin * np.linalg.norm(inverse, axis=0)
    depth = np.abs(around.xyz @ inverse)
    # Powers are raised by the largest squared radius: distances in four dimensions, and the fourth is the atom's own.
    raised = (dot(around.xyz, around.xyz) + radius.max() ** 2 - radius**2).astype(np.float32)
    sites = around.xyz.T.astype(np.float32)
    found, furthest = [], 0.0
    for axis in range(3):
        rows = np.flatnonzero(depth[:, axis] <= reach[axis])
        for spacing in SPACINGS:  # those that a coarse grid leaves are looked at more closely
            steps = np.clip(np.ceil(length / spacing), 1, MOST_STEPS * SPACINGS[0] / spacing).astype(int)
            points = _grid(tuple(steps.tolist()), axis) @ cell
            further = slack * float((length / steps).max())
            owns, limit = _near_owners(points, sites[:, rows], raised[rows], further)
            rows, furthest = rows[owns], max(furthest, limit)
        found.append(rows)
    return found, furthest


def _near_owners(points: np.ndarray, sites: np.ndarray, raised: np.ndarray, further: float) -> tuple[np.ndarray, float]:
    """Which sites own a point, or are at most that much further than one that does; and the longest way to any of those."""
    square = dot(points, points).astype(np.float32)[:, None]
    twice = (-2.0 * points).astype(np.float32)
    owns, furthest = np.zeros(len(raised), dtype=bool), 0.0
    at_once = max(1, AT_ONCE // max(len(raised), 1))
    for start in range(0, len(points), at_once):
        part = slice(start, start + at_once)
        power = twice[part] @ sites
        power += raised
        limit = np.sqrt(np.maximum(power.min(axis=1, keepdims=True, initial=np.inf) + square[part], 0.0)) + further
        furthest = max(furthest, float(limit.max()))
        owns |= (power <= limit**2 - square[part]).any(axis=0)
    return owns, furthest


@lru_cache(maxsize=64)
def _grid(steps: tuple[int, int, int], axis: int) -> np.ndarray:
    """Fractional coordinates of points of the face at 0 along an axis, its rims included."""
    sides = [np.zeros(1) if k == axis else np.linspace(0.0, 1.0, steps[k] + 1) for k in range(3)]
    return np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 3)


def _wrapped(xyz: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Fractional coordinates in the cell ``[n, 3]``."""
    fractional = xyz @ inverse
    return fractional - np.floor(fractional)
