"""Crystal → numbers that describe its pores, for each atom and for the whole structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.filling import DENSITY, densities
from andersonn.structures.pores.diagram import PowerDiagram, Tied
from andersonn.structures.pores.free_volume import free_volumes
from andersonn.structures.pores.percolation import widest_ways
from andersonn.structures.pores.radii import probe_radii
from andersonn.structures.pores.windows import widest_touching_way
from andersonn.structures.structure import Structure

FORMAT = 2
"""Increased whenever the same structure would give other numbers, so that cached images are computed again."""
BY_ATOM = ("void_A", "window_A", "free_volume_A3")
"""Channels of an atom: diameter of the widest sphere that touches it and fits between all atoms; diameter of the widest
window it borders on; free volume around it.
"""
BY_STRUCTURE = (*DENSITY, "lcd_A", "pld_A", "pld_2d_A", "pld_3d_A", "pld_touching_A", "void_fraction")
"""Channels of a structure: :data:`DENSITY`; diameters of the largest cavity and of the widest sphere that gets through
the crystal in one, two and three independent directions (as Zeo++ computes them at its default accuracy); the same in
one direction against the surfaces of atoms (:mod:`~andersonn.structures.pores.windows`); share of the cell outside all
atoms.
"""
DISTINCT = 0.05
"""Å. Two vertices closer than this belong to one cavity: what lies between them is no window."""
SKEWED = 1.0 + 1e-6
"""A lattice vector is replaced if another, added or subtracted, makes it shorter by more than rounding."""


@dataclass(frozen=True, eq=False)
class Voids:
    """Descriptors of a crystal's pores.

    Attributes:
        by_atom: :data:`BY_ATOM` of each atom, float32 ``[n, 3]``.
        by_structure: :data:`BY_STRUCTURE`, float32 ``[9]``.
    """

    by_atom: np.ndarray
    by_structure: np.ndarray

    @classmethod
    def of(cls, structure: Structure) -> Voids:
        """The pores of a crystal.

        Raises:
            InputError: the structure is not periodic, or its cell is too flat.
        """
        if structure.cell is None:
            raise InputError(
                "not_periodic",
                f"voids are those of crystals, and {structure.id or structure.formula} has no unit cell",
                "give a cell: a CIF, a POSCAR, or an extended xyz with a Lattice",
            )
        radius = probe_radii()[structure.Z]
        try:
            found = _probed(structure.xyz, structure.cell, radius)
        except Tied:  # not in a cell doubled along each vector, whose numbers are the same
            xyz, cell, copies = doubled(structure.xyz, structure.cell)
            by_atom, *rest = _probed(xyz, cell, np.tile(radius, copies))
            found = (by_atom.reshape(copies, -1, len(BY_ATOM)).mean(axis=0), *rest)
        by_atom, cavity, ways = found
        share = by_atom[:, -1].sum() / structure.volume
        by_structure = [*densities(structure), cavity, *ways, share]
        return cls(by_atom.astype(np.float32), np.array(by_structure, dtype=np.float32))

    def as_dict(self) -> dict[str, float]:
        """The numbers of the structure by name."""
        return {name: float(value) for name, value in zip(BY_STRUCTURE, self.by_structure, strict=True)}


def _probed(xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, float, list[float]]:
    """:data:`BY_ATOM` of each atom ``[n, 3]``, diameter of the largest cavity, and those of the four widest ways."""
    cell = compact(cell)
    diagram = PowerDiagram.of(xyz, cell, radius)
    by_atom = np.stack([*_largest(diagram, len(xyz)), free_volumes(diagram, radius)], axis=1)
    ways = widest_ways(diagram.ends, diagram.shift, diagram.window)
    touching = widest_touching_way(diagram, cell, radius, ways[0])
    return by_atom, 2.0 * diagram.clearance.max(), [*(2.0 * ways), 2.0 * touching]


def doubled(xyz: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The same crystal in a cell doubled along each vector: positions ``[8 n, 3]``, copy by copy, cell, and how many copies."""
    shifts = np.array(list(np.ndindex(2, 2, 2))) @ cell
    return (xyz + shifts[:, None]).reshape(-1, 3), 2.0 * cell, len(shifts)


def compact(cell: np.ndarray) -> np.ndarray:
    """Lattice vectors of the same lattice that are as short as they can be: around a skewed cell, many more atoms are near."""
    metric = cell @ cell.T
    shorter = np.minimum.outer(np.diag(metric), np.diag(metric)) / 2.0
    if (np.abs(metric - np.diag(np.diag(metric))) <= SKEWED * shorter).all():
        return cell
    from ase.geometry import minkowski_reduce

    return np.asarray(minkowski_reduce(cell)[0])


def _largest(diagram: PowerDiagram, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Diameters in Å of the widest void and the widest window at each atom, each ``[n]``."""
    void, window = np.full(n, -np.inf), np.full(n, -np.inf)
    order = np.argsort(diagram.clearance)
    void[diagram.atoms.take(order, axis=0)] = diagram.clearance[order][:, None]  # the last, widest one stays
    # The way from a vertex to the next is long where there is a window between two voids.
    apart = np.flatnonzero(diagram.apart > DISTINCT)
    order = apart[np.argsort(diagram.window[apart])]
    window[diagram.atoms.ravel()[diagram.rim.take(order, axis=0)]] = diagram.window[order][:, None]
    void = np.where(np.isfinite(void), void, 0.0)  # a small atom inside a large one borders on no cavity
    return 2.0 * void, 2.0 * np.where(np.isfinite(window), window, void)
