"""The periodic power diagram of a crystal: spheres fit between the atoms at its vertices and move along its edges.

The power of a point against an atom of radius r at distance d is d² − r². Each atom owns the points whose power against
it is least: a Voronoi diagram that respects radii (Aurenhammer, *SIAM J. Comput.* 16, 78, 1987), as in Zeo++ (Willems
and others, *Microporous Mesoporous Mater.* 149, 134, 2012). Its dual, the regular triangulation, is the lower side of
the convex hull of the atoms lifted to (x, |x|² − r²) in four dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from andersonn.errors import InputError

JITTER = 1e-5
"""Å by which atoms are moved at random, so that no five lie on one sphere and the triangulation is unique."""
FEW = 20
"""Atoms in a cell. With fewer, images of the same atoms can stay on one sphere, as the corners of a cube do."""
SAMPLES = 400
"""Points of the cell for a first estimate of the largest cavity."""
SPARE = 0.9
"""Å. Cavities are usually larger than the estimate by at most this."""
LEVEL = 1e-9
"""How far down the normal of a facet must point for the facet to belong to the lower side of the hull."""
BASE = 1 << 12
"""More than twice the lattice vectors that a margin can span in one direction."""
TRIES = 12
MOST_POINTS, MOST_EACH = 25_000, 40
"""Atoms in and around the cell, or as many for each atom of the cell: more are needed only around a void hundreds of Å wide,
and triangulating them takes minutes."""
FACES = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
"""Vertices of the face opposite each vertex of a tetrahedron."""


class Tied(InputError):
    """The triangulation is not unique however the atoms of the cell are moved."""


@dataclass(frozen=True, eq=False)
class PowerDiagram:
    """One period of the diagram: T vertices (tetrahedra of the dual) and 4 T directed edges (faces of the dual).

    Attributes:
        atoms: the four atoms around each vertex, int ``[T, 4]``.
        corners: where those four are (periodic images), Å, float64 ``[T, 4, 3]``.
        center: position of each vertex, Å, float64 ``[T, 3]``.
        clearance: distance from each vertex to the nearest of its atoms' surfaces, Å (negative inside), ``[T]``.
        neighbor: vertex at the other end of the edge through each face, int ``[T, 4]``.
        shift: lattice vectors between that end and the period's own copy of it, int ``[T, 4, 3]``.
        window: least clearance along each edge, Å, ``[T, 4]``.
        apart: length of each edge, Å, ``[T, 4]``.
    """

    atoms: np.ndarray
    corners: np.ndarray
    center: np.ndarray
    clearance: np.ndarray
    neighbor: np.ndarray
    shift: np.ndarray
    window: np.ndarray
    apart: np.ndarray

    @classmethod
    def of(cls, xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray) -> PowerDiagram:
        """The diagram of a crystal.

        Args:
            xyz: positions ``[n, 3]`` in Å.
            cell: lattice vectors as rows ``[3, 3]`` in Å.
            radius: of the atoms, Å, ``[n]``.

        Raises:
            Tied: images of the same atoms lie on one sphere; a cell doubled along each vector has none such (vertices of
                a Delaunay cell of a lattice are distinct modulo 2: Voronoi, *J. reine angew. Math.* 134, 198, 1908; so are
                those of one sublattice, since between two equal ones would lie a third).
            InputError: no complete period was found, or only with too many atoms around, as of a cell far flatter than its
                cavities are wide.
        """
        moved = xyz + np.random.default_rng(0).uniform(-JITTER, JITTER, xyz.shape)
        margin = _guess(moved, cell) + SPARE
        for _ in range(TRIES):
            found, needed = _try(moved, cell, radius, margin)
            if found is not None:
                return found
            margin = max(1.3 * margin, min(needed, 2.5 * margin))
        raise InputError(
            "no_voids", f"no complete map of the voids within {margin:.0f} Å", "check that the cell is meant as it is"
        )


def _guess(xyz: np.ndarray, cell: np.ndarray) -> float:
    """About the largest distance in Å from any point to the nearest atom. A good guess spares a second triangulation."""
    from scipy.spatial import cKDTree

    points = np.random.default_rng(0).random((SAMPLES, 3)) @ cell
    margin = 5.0
    while True:
        distance = cKDTree(_surroundings(xyz, cell, margin)[2]).query(points)[0].max()
        if distance < margin:
            return float(distance)
        margin *= 2.0


def _try(xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray, margin: float) -> tuple[PowerDiagram | None, float]:
    """The diagram if this margin suffices, and the margin that seems needed."""
    from scipy.spatial import ConvexHull, QhullError

    atom, image, points = _surroundings(xyz, cell, margin)
    middle = cell.sum(axis=0) / 2.0  # small numbers are squared with small errors
    points = points - middle
    lifted = np.column_stack([points, (points**2).sum(axis=1) - radius[atom] ** 2])
    if len(points) < 6:
        return None, 2.0 * margin
    try:
        hull = ConvexHull(lifted)
    except QhullError:  # all points in one plane
        return None, 2.0 * margin
    lower = hull.equations[:, 3] < -LEVEL
    simplices, plane = hull.simplices[lower], hull.equations[lower]
    center = -plane[:, :3] / (2.0 * plane[:, 3:4])
    fractional = (center + middle) @ np.linalg.inv(cell)
    inside = ((fractional >= 0.0) & (fractional < 1.0)).all(axis=1)
    if not inside.any():
        return None, 2.0 * margin
    simplices, center = simplices[inside], center[inside]
    first = simplices[:, 0]
    power = ((center - points[first]) ** 2).sum(axis=1) - radius[atom[first]] ** 2
    reach = float(np.sqrt(max(power.max(), 0.0) + radius.max() ** 2))
    # A vertex may count only if every atom that could be nearer than its own lies within the margin.
    paired = _paired_faces(atom[simplices], image[simplices]) if reach <= margin else None
    if paired is None and reach <= margin and len(xyz) <= FEW:
        raise Tied("no_voids", "the map of the voids is not unique", "check that the cell is meant as it is")
    if paired is None:
        return None, 1.05 * reach
    return _measured(points, atom, simplices, radius, cell, center, *paired), reach


def _surroundings(xyz: np.ndarray, cell: np.ndarray, margin: float) -> tuple[np.ndarray, ...]:
    """Atoms of the cell and of ``margin`` Å around it: index ``[m]``, lattice vector ``[m, 3]``, position ``[m, 3]``.

    Raises:
        InputError: there are too many.
    """
    inverse = np.linalg.inv(cell)
    reach = margin * np.linalg.norm(inverse, axis=0)
    if len(xyz) * np.prod(1.0 + 2.0 * reach) > max(MOST_POINTS, MOST_EACH * len(xyz)) or reach.max() > BASE / 4:
        raise InputError(
            "no_voids",
            f"the map of the voids would reach {margin:.0f} Å around the cell, over {np.ceil(reach.max()):.0f} cells",
            "check that the cell is meant as it is; leave out empty space far wider than any pore",
        )
    fractional = xyz @ inverse
    fractional -= np.floor(fractional)
    atom, image = np.arange(len(xyz)), np.zeros((len(xyz), 3), dtype=np.int64)
    for axis in range(3):
        steps = np.arange(-np.ceil(reach[axis]), np.ceil(reach[axis]) + 1)
        values = fractional[:, axis] + steps[:, None]
        step, row = np.nonzero((values >= -reach[axis]) & (values <= 1.0 + reach[axis]))
        fractional, atom, image = fractional[row], atom[row], image[row]
        fractional[:, axis] += steps[step]
        image[:, axis] += steps[step].astype(np.int64)
    return atom, image, fractional @ cell


def _paired_faces(atoms: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Which tetrahedron of the period lies behind each face, and by which lattice vector it is moved.

    A face of one is, up to a lattice vector, a face of exactly one other; None if some face has no partner, because a
    tetrahedron of the period was not found.

    Args:
        atoms: corners, int ``[T, 4]``.
        images: their lattice vectors, int ``[T, 4, 3]``.
    """
    place = images @ np.array([BASE * BASE, BASE, 1])
    code = (atoms * BASE**3 + place)[:, FACES].reshape(-1, 3)  # order by code is that by atom, then by lattice vector
    order = np.argsort(code, axis=1)
    code = np.take_along_axis(code, order, axis=1)
    lead = order[:, 0]
    rows = np.arange(len(code))
    origin = images[:, FACES].reshape(-1, 3, 3)[rows, lead]
    code = code - (origin @ np.array([BASE * BASE, BASE, 1]))[:, None]
    order = np.lexsort(code.T)
    left, right = order[::2], order[1::2]
    if len(left) != len(right) or (code[left] != code[right]).any():
        return None
    other = np.empty(len(code), dtype=np.int64)
    other[left], other[right] = right, left
    return (other // 4).reshape(-1, 4), (origin - origin[other]).reshape(-1, 4, 3)


def _measured(
    points: np.ndarray,
    atom: np.ndarray,
    simplices: np.ndarray,
    radius: np.ndarray,
    cell: np.ndarray,
    center: np.ndarray,
    neighbor: np.ndarray,
    shift: np.ndarray,
) -> PowerDiagram:
    """The diagram with clearances of vertices and edges."""
    atoms, corners = atom[simplices], points[simplices]
    size = radius[atoms]
    clearance = (np.linalg.norm(center[:, None] - corners, axis=2) - size).min(axis=1)
    way = center[neighbor] + shift @ cell - center[:, None]  # [T, 4, 3]
    start = corners[:, FACES] - center[:, None, None]  # [T, 4, 3 atoms, 3]
    length = np.maximum((way**2).sum(axis=2), 1e-18)
    t = np.clip(np.einsum("tfax,tfx->tfa", start, way) / length[..., None], 0.0, 1.0)
    nearest = np.linalg.norm(start - t[..., None] * way[:, :, None], axis=3) - size[:, FACES]
    return PowerDiagram(atoms, corners, center, clearance, neighbor, shift, nearest.min(axis=2), np.sqrt(length))
