"""The periodic power diagram of a crystal: spheres fit between the atoms at its vertices and move along its edges.

The power of a point against an atom of radius r at distance d is d² − r². Each atom owns the points whose power against
it is least: a Voronoi diagram that respects radii (Aurenhammer, *SIAM J. Comput.* 16, 78, 1987), as in Zeo++ (Willems
and others, *Microporous Mesoporous Mater.* 149, 134, 2012). Its dual, the regular triangulation, is the lower side of
the convex hull of the atoms lifted to (x, |x|² − r²) in four dimensions.

Few atoms around the cell are triangulated first (:func:`~andersonn.structures.pores.surroundings.needed`). Whether they
were enough is certain: tetrahedra that fill a period once and touch face to face, none with a neighbor's far corner in its
sphere, are the regular triangulation of their corners (Delaunay's lemma), and there is no other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.pores.faces import FACES, Faces
from andersonn.structures.pores.rows import cross, dot
from andersonn.structures.pores.surroundings import ORIGIN, Surroundings, checked_reach, needed, within

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
SLACKS = 0.5, 1.0
"""Of :func:`~andersonn.structures.pores.surroundings.needed`, in the order in which they are tried: of 890 frameworks the first
was enough for all but four."""
TRIES = 12
FILLS = 1e-6
"""How exactly, relative to the cell, tetrahedra must fill a period."""
INSIDE = 1e-7
"""Å²: how far a corner may be inside the sphere of a neighboring tetrahedron, by rounding."""


class Tied(InputError):
    """The triangulation is not unique however the atoms of the cell are moved."""


@dataclass(frozen=True, eq=False)
class PowerDiagram:
    """One period of the diagram: T vertices (tetrahedra of the dual) and E = 2 T edges (faces of the dual).

    Attributes:
        atoms: the four atoms around each vertex, int ``[T, 4]``.
        corners: where those four are (periodic images), Å, float64 ``[T, 4, 3]``.
        volume: of each tetrahedron, Å³, ``[T]``.
        center: position of each vertex, Å, float64 ``[T, 3]``.
        clearance: distance from each vertex to the nearest of its atoms' surfaces, Å (negative inside), ``[T]``.
        ends: vertices at both ends of each edge, int ``[E, 2]``.
        shift: lattice vectors between the second end and the period's own copy of it, int ``[E, 3]``.
        rim: which corners, of ``4 T``, are the three around each edge, as the first end sees them, int ``[E, 3]``.
        window: least clearance along each edge, Å, ``[E]``.
        apart: length of each edge, Å, ``[E]``.
    """

    atoms: np.ndarray
    corners: np.ndarray
    volume: np.ndarray
    center: np.ndarray
    clearance: np.ndarray
    ends: np.ndarray
    shift: np.ndarray
    rim: np.ndarray
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
        for slack in SLACKS if len(xyz) > FEW else ():
            if found := _of_few(moved, cell, radius, slack):
                return found
        return _of_all(moved, cell, radius)


@dataclass(frozen=True, eq=False)
class _Period:
    """Tetrahedra whose power centers lie in the cell.

    Attributes:
        atoms: corners, int ``[T, 4]``.
        images: their lattice vectors, int ``[T, 4, 3]``.
        corners: where they are, Å from the middle of the cell, ``[T, 4, 3]``.
        center: power centers, from there too, ``[T, 3]``.
        power: of the centers against their corners, Å², ``[T]``.
        hidden: atoms in the cell that have no region of their own, int ``[h]``, since larger spheres cover them. More atoms
            around do not change that.
    """

    atoms: np.ndarray
    images: np.ndarray
    corners: np.ndarray
    center: np.ndarray
    power: np.ndarray
    hidden: np.ndarray

    @classmethod
    def of(cls, around: Surroundings, cell: np.ndarray, radius: np.ndarray, options: str | None) -> _Period | None:
        """Those of some atoms; None if there are none. ``options`` are Qhull's."""
        from scipy.spatial import ConvexHull, QhullError

        if len(around.atom) < 6:
            return None
        middle, size = cell.sum(axis=0) / 2.0, radius[around.atom]
        points = around.xyz - middle  # small numbers are squared with small errors
        try:
            hull = ConvexHull(np.column_stack([points, dot(points, points) - size**2]), qhull_options=options)
        except QhullError:  # all points in one plane, or rounding got in the way
            return None
        plane = hull.equations[:, :4].T
        down = np.minimum(plane[3], -LEVEL)
        center = -plane[:3] / (2.0 * down)
        fractional = np.linalg.inv(cell).T @ (center + middle[:, None])
        inside = np.flatnonzero((np.floor(fractional) == 0.0).all(axis=0) & (plane[3] < -LEVEL))
        if not len(inside):
            return None
        simplices, center = hull.simplices.take(inside, axis=0), np.ascontiguousarray(center.T[inside])
        corners = points.take(simplices, axis=0)
        away = center - corners[:, 0]
        power = dot(away, away) - size[simplices[:, 0]] ** 2
        images = around.image.take(simplices, axis=0)
        own = np.zeros(len(points), dtype=bool)
        own[hull.simplices[plane[3] < 0.0]] = True
        hidden = around.atom[~own & ~around.image.any(axis=1)]
        return cls(around.atom.take(simplices), images, corners, center, power, hidden)


def _of_few(xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray, slack: float) -> PowerDiagram | None:
    """The diagram from the atoms that seem needed, or None if it is not certain to be that of the crystal.

    Raises:
        InputError: a cavity is too wide.
    """
    try:
        around = needed(xyz - ORIGIN @ cell, cell, radius, slack)
    except InputError:  # too many around the wide space that its faces cut: whether all are, the margin tells
        return None
    # Qhull is faster when it does not look for facets to merge, and says so where it should have.
    period = _Period.of(around, cell, radius, "Q0") or _Period.of(around, cell, radius, None)
    faces = Faces.of(period.atoms, period.images) if period else None
    if period is None or faces is None:
        return None
    # Whether a crystal is refused must not depend on where its cell begins, though the atoms needed do.
    checked_reach(len(xyz), np.linalg.inv(cell), _reach(period, radius))
    found = _measured(period, faces, cell, radius)
    first, second = faces.ends.T
    far = 4 * second + faces.behind[:, 1]
    away = found.corners.reshape(-1, 3).take(far, axis=0) + faces.shift @ cell - found.center.take(first, axis=0)
    power = dot(away, away) - radius[found.atoms.ravel()[far]] ** 2
    whole = abs(found.volume.sum() / abs(np.linalg.det(cell)) - 1.0) < FILLS
    known = np.bincount(found.atoms.ravel(), minlength=len(xyz)) > 0
    known[period.hidden] = True
    every = known.all()
    certain = whole and every and (power > period.power[first] - INSIDE).all()
    return found if certain else None


def _of_all(xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray) -> PowerDiagram:
    """The diagram from all atoms within a margin around the cell, wide enough."""
    margin = _guess(xyz, cell) + SPARE
    for _ in range(TRIES):
        found, wanted = _try(xyz, cell, radius, margin)
        if found is not None:
            return found
        margin = max(1.3 * margin, min(wanted, 2.5 * margin))
    raise InputError(
        "no_voids", f"no complete map of the voids within {margin:.0f} Å", "check that the cell is meant as it is"
    )


def _guess(xyz: np.ndarray, cell: np.ndarray) -> float:
    """About the largest distance in Å from any point to the nearest atom. A good guess spares a second triangulation."""
    from scipy.spatial import cKDTree

    points = np.random.default_rng(0).random((SAMPLES, 3)) @ cell
    margin = 5.0
    while True:
        distance = cKDTree(within(xyz, cell, margin).xyz).query(points)[0].max()
        if distance < margin:
            return float(distance)
        margin *= 2.0


def _try(xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray, margin: float) -> tuple[PowerDiagram | None, float]:
    """The diagram if this margin suffices, and the margin that seems needed."""
    period = _Period.of(within(xyz, cell, margin), cell, radius, None)
    if period is None:
        return None, 2.0 * margin
    reach = _reach(period, radius)
    if reach > margin:
        return None, 1.05 * reach
    # A vertex may count only if every atom that could be nearer than its own lies within the margin.
    faces = Faces.of(period.atoms, period.images)
    if faces is None and len(xyz) <= FEW:
        raise Tied("no_voids", "the map of the voids is not unique", "check that the cell is meant as it is")
    if faces is None:
        return None, 1.05 * reach
    return _measured(period, faces, cell, radius), reach


def _reach(period: _Period, radius: np.ndarray) -> float:
    """Å from a vertex within which every atom is that could be nearer to it than its own."""
    return float(np.sqrt(max(period.power.max(), 0.0) + radius.max() ** 2))


def _measured(period: _Period, faces: Faces, cell: np.ndarray, radius: np.ndarray) -> PowerDiagram:
    """The diagram with clearances of vertices and edges."""
    atoms, corners, center = period.atoms, period.corners, period.center
    size = radius[atoms]
    edges = corners[:, 1:] - corners[:, :1]
    volume = np.abs(dot(cross(edges[:, 0], edges[:, 1]), edges[:, 2])) / 6.0
    from_center = corners - center[:, None]
    clearance = (np.sqrt(dot(from_center, from_center)) - size).T.min(axis=0)
    first, second = faces.ends.T
    rim = 4 * first[:, None] + FACES.take(faces.behind[:, 0], axis=0)
    way = center.take(second, axis=0) + faces.shift @ cell - center.take(first, axis=0)
    length = np.maximum(dot(way, way), 1e-18)[:, None]
    start = from_center.reshape(-1, 3).take(rim, axis=0)  # [E, 3 atoms, 3]
    along = np.einsum("eax,ex->ea", start, way)
    t = np.clip(along / length, 0.0, 1.0)
    nearest = np.sqrt(dot(start, start) - t * (2.0 * along - t * length)) - size.ravel().take(rim)
    window = np.minimum(np.minimum(nearest[:, 0], nearest[:, 1]), nearest[:, 2])
    return PowerDiagram(
        atoms, corners, volume, center, clearance, faces.ends, faces.shift, rim, window, np.sqrt(length[:, 0])
    )
