"""Window widths measured from the surfaces of the atoms instead of in the power diagram.

Where radii differ, an edge of the power diagram runs a little beside the ridge of the true clearance: windows then come
out up to about 0.5 Å too narrow. Here each window is the sphere that touches the surfaces of its three atoms, and each
end the one that touches its four (Apollonius), which is exact wherever both diagrams connect the same atoms.
"""

from __future__ import annotations

import numpy as np

from andersonn.structures.pores.diagram import FACES, PowerDiagram

FLAT = 1e-2
"""Determinant (Å³ or Å⁴) under which atoms are too nearly in a plane or line to be solved for."""
FARTHEST = 2.0
"""Å between power center and touching sphere beyond which the two diagrams no longer connect the same atoms."""
STEEP = 1e-3
"""How close to degenerate the quadratic of the touching sphere may be."""


def touching_windows(diagram: PowerDiagram, cell: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Least clearance along each edge in Å, float64 ``[T, 4]``, like ``diagram.window`` but against surfaces.

    Args:
        diagram: of a crystal.
        cell: its lattice vectors as rows, Å, ``[3, 3]``.
        radius: of its atoms, Å, ``[n]``.
    """
    sizes = radius[diagram.atoms]
    ends, place = _touching_ends(diagram, sizes)
    three, three_sizes = diagram.corners[:, FACES], sizes[:, FACES]
    normal = np.cross(three[:, :, 1] - three[:, :, 0], three[:, :, 2] - three[:, :, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    height = ((diagram.center[:, None] - three[:, :, 0]) * normal).sum(axis=-1)
    foot = diagram.center[:, None] - height[..., None] * normal
    across, failed = _touching(three, three_sizes, foot)[1:]

    def side(points: np.ndarray) -> np.ndarray:
        return ((points - three[:, :, 0]) * normal).sum(axis=-1)

    crosses = side(place[:, None]) * side(place[diagram.neighbor] + diagram.shift @ cell) < 0.0
    narrower_end = np.minimum(ends[:, None], ends[diagram.neighbor])
    solved = np.where(crosses, np.minimum(across, narrower_end), narrower_end)
    return np.where(failed, np.minimum(diagram.window, narrower_end), solved)


def _touching_ends(diagram: PowerDiagram, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radius ``[T]`` and center ``[T, 3]`` of the sphere that touches the four atoms around each vertex."""
    center, size, failed = _touching(diagram.corners, sizes, diagram.center)
    return np.where(failed, diagram.clearance, size), np.where(failed[:, None], diagram.center, center)


def _touching(points: np.ndarray, sizes: np.ndarray, power_center: np.ndarray) -> tuple[np.ndarray, ...]:
    """The sphere that touches m balls, its center in their plane (m = 3) or in space (m = 4).

    With |x − p_i| = s + r_i, differences of two such equations are linear: x = power center + s u. One of the
    equations is then quadratic in s.

    Args:
        points: centers of the balls, ``[…, m, 3]``.
        sizes: their radii, ``[…, m]``.
        power_center: point of equal power in their span, ``[…, 3]``.

    Returns:
        Center ``[…, 3]``, radius ``[…]``, and where there is none (bool ``[…]``).
    """
    edges, growth = points[..., 1:, :] - points[..., :1, :], sizes[..., :1] - sizes[..., 1:]
    gram = edges @ np.swapaxes(edges, -1, -2)
    determinant = np.linalg.det(gram)
    failed = (np.sqrt(np.abs(determinant)) if points.shape[-2] == 4 else determinant) < FLAT
    gram = np.where(failed[..., None, None], np.eye(gram.shape[-1]), gram)
    u = (np.linalg.solve(gram, growth[..., None]) * edges).sum(axis=-2)
    u = np.where(failed[..., None], 0.0, u)
    away = power_center - points[..., 0, :]
    a = (u**2).sum(axis=-1) - 1.0
    b = (u * away).sum(axis=-1) - sizes[..., 0]
    c = (away**2).sum(axis=-1) - sizes[..., 0] ** 2
    inside = b * b - a * c
    failed |= (inside < 0.0) | (a > -STEEP)
    s = (-b - np.sqrt(np.maximum(inside, 0.0))) / np.where(failed, -1.0, a)
    failed |= (s * s * (u**2).sum(axis=-1)) > FARTHEST**2
    return power_center + s[..., None] * u, s, failed
