"""Which tetrahedra of a periodic triangulation touch face to face."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from andersonn.structures.pores.surroundings import BASE, BITS, PLACE

FACES = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
"""Vertices of the face opposite each vertex of a tetrahedron."""
ATOM_BITS = np.uint64(3 * BITS)
"""From which bit on a corner's code is the number of its atom."""
MIXED = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
"""Odd factors that make one number of a face's three corners, to sort by; equality is checked with the corners."""


class Faces(NamedTuple):
    """The 2 T faces of T tetrahedra of a period, each once.

    Attributes:
        ends: tetrahedra on both sides, int ``[E, 2]``.
        behind: their corners that do not belong to the face, 0 … 3, int ``[E, 2]``.
        shift: lattice vector by which the second is moved, int ``[E, 3]``.
    """

    ends: np.ndarray
    behind: np.ndarray
    shift: np.ndarray

    @classmethod
    def of(cls, atoms: np.ndarray, images: np.ndarray) -> Faces | None:
        """Faces of tetrahedra. Each face is, up to a lattice vector, a face of exactly one other; None if some face has no
        partner, because a tetrahedron of the period was not found.

        Args:
            atoms: corners, int ``[T, 4]``.
            images: their lattice vectors, int ``[T, 4, 3]``.
        """
        place = images @ PLACE
        code = atoms * BASE**3 + place  # order by code is that by atom, then by lattice vector
        order = np.argsort(code, axis=1)
        order += 4 * np.arange(len(atoms))[:, None]
        code, place, lead = code.ravel()[order], place.ravel()[order], FACES[:, 0]
        code = (code[:, FACES] - place[:, lead, None]).reshape(-1, 3)
        mixed = code.view(np.uint64)
        mixed = (mixed ^ (mixed >> ATOM_BITS)) * MIXED  # a product depends on low bits most: atoms belong there too
        sorting = np.argsort(mixed[:, 0] + mixed[:, 1] + mixed[:, 2])
        left, right = sorting[::2], sorting[1::2]
        if len(left) != len(right) or (code.take(left, axis=0) != code.take(right, axis=0)).any():
            return None
        origin = images.reshape(-1, 3).take(order[:, lead].ravel(), axis=0)
        ends = np.stack([left, right], axis=1)
        behind = order.ravel()[ends] % 4  # the f-th face of sorted corners is opposite the f-th of them
        return cls(ends // 4, behind, origin.take(left, axis=0) - origin.take(right, axis=0))
