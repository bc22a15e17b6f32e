"""Structure → numbers about the room between its atoms, by atom and for the whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from andersonn.errors import InputError
from andersonn.matter import elements
from andersonn.matter.structure import Structure
from andersonn.matter.voids.diagram import FACES, PowerDiagram
from andersonn.matter.voids.percolation import widest_ways
from andersonn.matter.voids.radii import probe_radii
from andersonn.matter.voids.windows import touching_windows

FORMAT = 1
"""Raised whenever the same structure would give other numbers, so that stores of older ones are not read."""
BY_ATOM = ("void_A", "window_A", "free_volume_A3")
"""Channels of an atom: diameter of the widest sphere that touches it and fits between all atoms; diameter of the widest
window it stands at; room around it that no atom fills.
"""
DENSITY = ("atoms_per_nm3", "mass_g_cm3", "packing")
"""Channels of a structure that need no probe: number density, mass density, volume of covalent spheres over that of the
cell.
"""
BY_STRUCTURE = (*DENSITY, "lcd_A", "pld_A", "pld_2d_A", "pld_3d_A", "pld_touching_A", "void_fraction")
"""Channels of a structure: :data:`DENSITY`; diameters of the largest cavity and of the widest sphere that gets through
the crystal in one, two and three independent directions (as Zeo++ computes them at its default accuracy); the same in
one direction against the surfaces of atoms (:mod:`~andersonn.matter.voids.windows`); share of the cell outside all
atoms.
"""
DISTINCT = 0.05
"""Å: a window between two vertices nearer to each other than this divides one void, and is none."""
DIVISIONS = 4
NM3, G_CM3 = 1000.0, 1.66053907
"""Å⁻³ in nm⁻³; u Å⁻³ in g cm⁻³."""


@dataclass(frozen=True, eq=False)
class Voids:
    """What a graph of atoms does not tell of a crystal.

    Attributes:
        by_atom: :data:`BY_ATOM` of each atom, float32 ``[n, 3]``.
        by_structure: :data:`BY_STRUCTURE`, float32 ``[9]``.
    """

    by_atom: np.ndarray
    by_structure: np.ndarray

    @classmethod
    def of(cls, structure: Structure) -> Voids:
        """Probes a crystal.

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
        diagram = PowerDiagram.of(structure.xyz, structure.cell, radius)
        free = _free_volumes(diagram, radius, len(structure))
        by_atom = np.stack([*_largest(diagram, len(structure)), free], axis=1)
        ways = 2.0 * widest_ways(diagram.neighbor, diagram.shift, diagram.window)
        touching = touching_windows(diagram, structure.cell, radius)
        widest = 2.0 * widest_ways(diagram.neighbor, diagram.shift, touching)[0]
        cavity = 2.0 * diagram.clearance.max()
        by_structure = [*densities(structure), cavity, *ways, widest, free.sum() / structure.volume]
        return cls(by_atom.astype(np.float32), np.array(by_structure, dtype=np.float32))

    def as_dict(self) -> dict[str, float]:
        """The numbers of the structure by name."""
        return {name: float(value) for name, value in zip(BY_STRUCTURE, self.by_structure, strict=True)}


def densities(structure: Structure) -> np.ndarray:
    """:data:`DENSITY` of a periodic structure, float64 ``[3]``."""
    Z, volume = structure.Z, structure.volume
    balls = 4.0 / 3.0 * np.pi * (elements.column("covalent_radius_A")[Z] ** 3).sum()
    return np.array([NM3 * len(Z) / volume, G_CM3 * _masses()[Z].sum() / volume, balls / volume])


@cache
def _masses() -> np.ndarray:
    from ase.data import atomic_masses

    return np.asarray(atomic_masses)


def _largest(diagram: PowerDiagram, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Diameters in Å of the widest void and the widest window at each atom, each ``[n]``."""
    void, window = np.full(n, -np.inf), np.full(n, -np.inf)
    np.maximum.at(void, diagram.atoms.ravel(), np.repeat(diagram.clearance, 4))
    # The way from a vertex to the next is long where there is a window between two voids.
    apart = diagram.apart > DISTINCT
    rims = diagram.atoms[:, FACES][apart]
    np.maximum.at(window, rims.ravel(), np.repeat(diagram.window[apart], 3))
    return 2.0 * void, 2.0 * np.where(np.isfinite(window), window, void)


@cache
def _samples() -> np.ndarray:
    """Barycentric coordinates of points that fill a tetrahedron evenly, the same for each of its corners, ``[20, 4]``."""
    steps = np.stack(np.meshgrid(*[np.arange(DIVISIONS)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    return (steps[steps.sum(axis=1) == DIVISIONS - 1] + 0.25) / DIVISIONS


def _free_volumes(diagram: PowerDiagram, radius: np.ndarray, n: int) -> np.ndarray:
    """Å³ around each atom, nearer to its surface than to others, that no atom fills: ``[n]``.

    By points in the tetrahedra of the triangulation, which move along with the atoms, so that neither the choice of the
    cell nor that of the origin matters.
    """
    corners = diagram.corners
    edges = corners[:, 1:] - corners[:, :1]
    volume = np.abs(np.linalg.det(edges)) / 6.0
    # |Σ w_k p_k − p_i|² from the squared distances between corners (Lagrange), much cheaper than from points.
    square = ((corners[:, :, None] - corners[:, None]) ** 2).sum(axis=-1)
    weights = _samples()
    own = np.einsum("qk,tkl,ql->tq", weights, square, weights) / 2.0
    distance = np.sqrt(np.maximum(np.einsum("qk,tki->tqi", weights, square) - own[..., None], 0.0))
    clearance = distance - radius[diagram.atoms][:, None]
    owner = np.take_along_axis(diagram.atoms, clearance.argmin(axis=2), axis=1)
    room = np.where(clearance.min(axis=2) > 0.0, volume[:, None] / len(weights), 0.0)
    return np.bincount(owner.ravel(), weights=room.ravel(), minlength=n)
