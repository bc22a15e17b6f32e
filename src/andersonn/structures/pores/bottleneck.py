"""The narrowest place of the widest way through a crystal, and the atoms that make it so narrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from andersonn.structures import elements
from andersonn.structures.pores.diagram import PowerDiagram, Tied
from andersonn.structures.pores.geometry import widest_way
from andersonn.structures.pores.percolation import widest_ways
from andersonn.structures.pores.probe import compact, doubled
from andersonn.structures.pores.radii import probe_radii
from andersonn.structures.pores.rows import dot
from andersonn.structures.structure import Structure

TOUCHING = 0.05
"""Å between the surfaces of an atom and of the sphere up to which they touch: a window that symmetry makes round has more atoms
than the three that fix it, and coordinates in files are rounded.
"""

NAMED = 8
"""Atoms that a sentence names."""


@dataclass(frozen=True, eq=False)
class Bottleneck:
    """The largest sphere that gets through a crystal, where it gets stuck, and the k atoms that it touches there.

    Attributes:
        center: Å, in the frame of the structure, float64 ``[3]``.
        diameter: of the sphere, Å: the pore-limiting diameter against the surfaces of atoms.
        atoms: which touch it, counted from 0, nearest surface first, int64 ``[k]``; an atom is named once for each of its
            periodic images that does.
        distance: from the center to each, Å, float64 ``[k]``.
        radius: of each, Å, float64 ``[k]``.
    """

    center: np.ndarray
    diameter: float
    atoms: np.ndarray
    distance: np.ndarray
    radius: np.ndarray

    @classmethod
    def of(cls, structure: Structure, radius: np.ndarray | None = None) -> Bottleneck | None:
        """The bottleneck of a crystal; None if atoms overlap on every way, so that nothing gets through.

        Args:
            structure: a crystal of n atoms.
            radius: of its atoms, Å, ``[n]``; default: those of :func:`~andersonn.structures.pores.radii.probe_radii`.

        Raises:
            InputError: its cell is too flat.
        """
        assert structure.cell is not None  # pores are those of crystals
        radius = probe_radii()[structure.Z] if radius is None else radius
        try:
            found = _sphere(structure.xyz, structure.cell, radius)
        except Tied:
            xyz, cell, copies = doubled(structure.xyz, structure.cell)
            found = _sphere(xyz, cell, np.tile(radius, copies))
        if found is None or found[1] <= 0.0:
            return None
        center, size = found
        atoms, distance = around(center, structure, size + float(radius.max()) + TOUCHING)
        gap = distance - radius[atoms] - size
        near = np.argsort(gap)[: int((gap <= TOUCHING).sum())]
        atoms = atoms[near]
        return cls(center, 2.0 * size, atoms, distance[near], radius[atoms])

    def words(self, structure: Structure) -> str:
        """A sentence that names the atoms.

        Args:
            structure: that was measured.
        """
        named = [elements.named(structure.Z, atom) for atom in dict.fromkeys(self.atoms.tolist())]
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        return f"the bottleneck, {self.diameter:.2f} Å wide, is bounded by {', '.join(named[:NAMED])}{more}"

    def as_dict(self, structure: Structure) -> dict[str, Any]:
        """As in the JSON contract of ``explain``."""
        rows = zip(self.atoms, self.distance, self.radius, strict=True)
        touching = [
            {
                "atom": int(atom),
                "element": elements.symbols()[structure.Z[atom]],
                "distance_A": float(distance),
                "gap_A": float(distance - radius - 0.5 * self.diameter),
                "name": elements.named(structure.Z, int(atom)),
            }
            for atom, distance, radius in rows
        ]
        return {"diameter_A": self.diameter, "center_A": self.center.tolist(), "touching": touching}


def _sphere(xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Center in Å ``[3]`` and radius in Å of the sphere at the narrowest place of the widest way; None if atoms overlap there. Of
    equivalent places it is any.
    """
    cell = compact(cell)
    way = widest_way(PowerDiagram.of(xyz, cell, radius), xyz, cell, radius)
    if not way > 0.0:
        return None
    exact = PowerDiagram.of(xyz, cell, radius + way)  # which leaves room for points alone
    left = float(widest_ways(exact.ends, exact.shift, exact.window)[0])
    place = _narrowest_on(exact, int(np.abs(exact.window - left).argmin()), cell, radius + way)
    return place - (exact.corners[0, 0] - xyz[exact.atoms[0, 0]]), way + left  # its origin is moved by a lattice vector


def _narrowest_on(diagram: PowerDiagram, edge: int, cell: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """The place on an edge of a diagram that is nearest to the surfaces of the three atoms around it, Å ``[3]``."""
    (first, second), rim = diagram.ends[edge], diagram.rim[edge]
    start = diagram.center[first]
    along = diagram.center[second] + diagram.shift[edge] @ cell - start
    corners = diagram.corners.reshape(-1, 3)[rim]
    share = np.clip((corners - start) @ along / max(float(along @ along), 1e-18), 0.0, 1.0)
    foot = start + share[:, None] * along
    away = foot - corners
    gap = np.sqrt(dot(away, away)) - radius[diagram.atoms.ravel()[rim]]
    return foot[int(gap.argmin())]


def around(point: np.ndarray, structure: Structure, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last of :func:`images_around`."""
    atoms, _, distance = images_around(point, structure, reach)
    return atoms, distance


def images_around(point: np.ndarray, structure: Structure, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atoms of a crystal, each once for every periodic image near enough to a point: numbers, int64 ``[k]``, the vectors from the
    point to them ``[k, 3]`` and their lengths ``[k]``, Å.

    Args:
        point: Å ``[3]``.
        structure: periodic.
        reach: how near, Å.
    """
    cell = structure.cell
    assert cell is not None
    inverse = np.linalg.inv(cell)
    fractional = (structure.xyz - point) @ inverse
    fractional -= np.round(fractional)
    count = np.ceil(reach * np.linalg.norm(inverse, axis=0) + 0.5).astype(int)
    shifts = np.array(list(np.ndindex(*(2 * count + 1)))) - count
    vectors = (fractional + shifts[:, None]) @ cell
    distance = np.linalg.norm(vectors, axis=2)
    near = distance <= reach
    return np.argwhere(near)[:, 1], vectors[near], distance[near]
