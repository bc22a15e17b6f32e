"""Window widths measured from the surfaces of the atoms instead of in the power diagram.

Where radii differ, an edge of the power diagram runs a little beside the ridge of the true clearance: windows then come
out up to about 0.5 Å too narrow. Here each window is the sphere that touches the surfaces of its three atoms, and each
end the one that touches its four (Apollonius), which is exact wherever both diagrams connect the same atoms.
"""

from __future__ import annotations

import numpy as np

from andersonn.structures.pores.diagram import PowerDiagram
from andersonn.structures.pores.percolation import widest_ways
from andersonn.structures.pores.rows import cross, dot

FLAT = 1e-2
"""Determinant (Å³ or Å⁴) under which atoms are too nearly in a plane or line to be solved for."""
FARTHEST = 2.0
"""Å between power center and touching sphere beyond which the two diagrams no longer connect the same atoms."""
NARROWER = 0.05
"""Å by which the widest way against surfaces is hardly ever narrower than that in the power diagram."""
STEEP = 1e-3
"""How close to degenerate the quadratic of the touching sphere may be."""


def widest_touching_way(diagram: PowerDiagram, cell: np.ndarray, radius: np.ndarray, about: float) -> float:
    """Largest radius in Å that percolates in one direction, against surfaces; -inf if none does.

    Args:
        diagram: of a crystal.
        cell: its lattice vectors as rows, Å, ``[3, 3]``.
        radius: of its atoms, Å, ``[n]``.
        about: the same in the power diagram, Å. Only windows that are hardly narrower are computed, unless they do not
            lead through the crystal.
    """
    for least in (about - NARROWER, -np.inf):
        edges, width = touching_windows(diagram, cell, radius, least)
        way = float(widest_ways(diagram.ends[edges], diagram.shift[edges], width)[0])
        if way >= least:
            break
    return way


def touching_windows(
    diagram: PowerDiagram, cell: np.ndarray, radius: np.ndarray, least: float = -np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Edges ``[F]``, and their least clearance in Å, like ``diagram.window`` but against surfaces, ``[F]``.

    Args:
        diagram: of a crystal.
        cell: its lattice vectors as rows, Å, ``[3, 3]``.
        radius: of its atoms, Å, ``[n]``.
        least: all windows at least as wide are among them, Å.
    """
    size, place = _touching_ends(diagram, radius, least)
    narrower_end = np.minimum(size[diagram.ends[:, 0]], size[diagram.ends[:, 1]])
    edges = np.flatnonzero(narrower_end >= least)
    (first, second), rim, narrower_end = diagram.ends[edges].T, diagram.rim[edges], narrower_end[edges]
    three, three_sizes = diagram.corners.reshape(-1, 3)[rim], radius[diagram.atoms.ravel()[rim]]
    normal = cross(three[:, 1] - three[:, 0], three[:, 2] - three[:, 0])
    normal /= np.maximum(np.sqrt(dot(normal, normal)), 1e-9)[:, None]

    def side(points: np.ndarray) -> np.ndarray:
        return dot(points - three[:, 0], normal)

    center = diagram.center[first]
    foot = center - side(center)[:, None] * normal
    _, across, failed = _touching(three, three_sizes, foot)
    one, other = place[first], place[second] + diagram.shift[edges] @ cell
    crosses = side(one) * side(other) < 0.0
    within = np.where(
        failed, diagram.window[edges], np.where(crosses, across, np.inf)
    )  # the clearance between both ends
    return edges, np.minimum(within, narrower_end)


def _touching_ends(diagram: PowerDiagram, radius: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Radius ``[T]`` and center ``[T, 3]`` of the sphere that touches the four atoms around each vertex; -inf where it is
    surely smaller than ``least``.
    """
    # A touching sphere farther than this from the power center would not be used: no larger one is by more than that.
    rows = np.flatnonzero(diagram.clearance + FARTHEST >= least)
    size, place = np.full(len(diagram.center), -np.inf), diagram.center.copy()
    center, found, failed = _touching(diagram.corners[rows], radius[diagram.atoms[rows]], diagram.center[rows])
    size[rows] = np.where(failed, diagram.clearance[rows], found)
    place[rows[~failed]] = center[~failed]
    return size, place


def _touching(points: np.ndarray, sizes: np.ndarray, power_center: np.ndarray) -> tuple[np.ndarray, ...]:
    """The sphere that touches m balls, its center in their plane (m = 3) or in space (m = 4).

    With |x − p_i| = s + r_i, differences of two such equations are linear: x = power center + s u. One of the
    equations is then quadratic in s.

    Args:
        points: centers of the balls, ``[Q, m, 3]``.
        sizes: their radii, ``[Q, m]``.
        power_center: point of equal power in their span, ``[Q, 3]``.

    Returns:
        Center ``[Q, 3]``, radius ``[Q]``, and where there is none (bool ``[Q]``).
    """
    edges, growth = points[:, 1:] - points[:, :1], sizes[:, :1] - sizes[:, 1:]
    u, failed = _outgrown(edges, growth)
    away = power_center - points[:, 0]
    square = dot(u, u)
    a = square - 1.0
    b = dot(u, away) - sizes[:, 0]
    c = dot(away, away) - sizes[:, 0] ** 2
    inside = b * b - a * c
    failed |= (inside < 0.0) | (a > -STEEP)
    s = (-b - np.sqrt(np.maximum(inside, 0.0))) / np.where(failed, -1.0, a)
    failed |= (s * s * square) > FARTHEST**2
    return power_center + s[:, None] * u, s, failed


def _outgrown(edges: np.ndarray, growth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vector u in the span of m - 1 edges with edge · u = growth for each ``[Q, 3]``, and where the edges are too flat for
    one (bool ``[Q]``; u is 0 there).
    """
    if edges.shape[1] == 3:
        a, b, c = edges[:, 0], edges[:, 1], edges[:, 2]
        bc = cross(b, c)
        determinant = dot(a, bc)
        failed = np.abs(determinant) < FLAT
        total = growth[:, :1] * bc + growth[:, 1:2] * cross(c, a) + growth[:, 2:] * cross(a, b)
    else:
        a, b = edges[:, 0], edges[:, 1]
        aa, ab, bb = dot(a, a), dot(a, b), dot(b, b)
        determinant = aa * bb - ab * ab
        failed = determinant < FLAT
        ga, gb = growth.T
        total = (ga * bb - gb * ab)[:, None] * a + (gb * aa - ga * ab)[:, None] * b
    return np.where(failed, 0.0, 1.0 / np.where(failed, 1.0, determinant))[:, None] * total, failed
