"""Surface that the center of a probe can be on, in all and where it can come from outside; by points on spheres."""

from __future__ import annotations

from functools import cache

import numpy as np

from andersonn.structures.pores.diagram import PowerDiagram
from andersonn.structures.pores.percolation import channels
from andersonn.structures.pores.rows import dot

POINTS = 1000
"""On the sphere of each atom. In a crystal of ten atoms the surface is right to about 1 %, in larger ones better."""


def areas(diagram: PowerDiagram, radius: np.ndarray) -> tuple[float, float]:
    """Surface of the union of all spheres, and of its part that borders on channels, Å².

    Exact but for the points. A point of an atom's sphere is outside all others if it lies in the atom's cell of the diagram,
    so only those have to be asked that share a face with it. The part of this convex cell on the far side of the plane that
    touches the sphere in the point is outside the sphere: it connects the point with that corner of the cell that lies
    farthest in its direction, which is in a channel or in a closed cavity.

    Args:
        diagram: of atoms larger by the radius of the probe.
        radius: of these larger atoms, Å, ``[n]``.
    """
    component, dimensions = channels(diagram, 0.0)
    through = dimensions[component] > 0
    apart = diagram.corners[:, None, :, :] - diagram.corners[:, :, None, :]  # [T, of, to, 3]
    away = diagram.center[:, None] - diagram.corners
    owner = diagram.atoms.ravel()
    order = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[order], np.arange(len(radius) + 1))
    whole = reached = 0.0
    turns = _turns(len(radius))
    for atom in range(len(radius)):
        rows = order[starts[atom] : starts[atom + 1]]
        if not len(rows):  # covered by larger spheres
            continue
        vertex, corner = np.divmod(rows, 4)
        to = apart[vertex, corner].reshape(-1, 3)
        size = radius[diagram.atoms[vertex]].ravel()
        limit = (radius[atom] ** 2 + dot(to, to) - size**2) / (2.0 * radius[atom])
        points = _sphere() @ turns[atom]
        bare = points[(points @ to.T <= limit).all(axis=1)]
        farthest = (bare @ away[vertex, corner].T).argmax(axis=1)
        share = 4.0 * np.pi * radius[atom] ** 2 / len(points)
        whole += share * len(bare)
        reached += share * float(through[vertex[farthest]].sum())
    return float(whole), float(reached)


def _turns(count: int) -> np.ndarray:
    """Rotations ``[count, 3, 3]``, the same ones each time: else errors of equal atoms in equal directions would add up."""
    w, x, y, z = np.random.default_rng(0).normal(size=(count, 4)).T
    rows = [
        [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
    return np.moveaxis(np.array(rows) / (w * w + x * x + y * y + z * z), 2, 0)


@cache
def _sphere() -> np.ndarray:
    """Points spread evenly over the unit sphere along a golden spiral, float64 ``[POINTS, 3]``."""
    turn = np.pi * (3.0 - np.sqrt(5.0)) * np.arange(POINTS)
    height = 1.0 - (2.0 * np.arange(POINTS) + 1.0) / POINTS
    across = np.sqrt(1.0 - height**2)
    return np.stack([across * np.cos(turn), across * np.sin(turn), height], axis=1)
