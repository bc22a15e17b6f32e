"""Structure: atoms in space, checked when constructed and immutable afterwards; whether its lengths can be in Å."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from andersonn.errors import InputError
from andersonn.io.deferred import Deferred
from andersonn.structures import elements
from andersonn.structures.alternatives import Choice, is_resolving
from andersonn.structures.neighbors import pairs_within

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_shown = Deferred("andersonn.structures.shown")  # these stand on this file
_damage = Deferred("andersonn.structures.damage")
OVERLAP_FRACTION = 0.5
"""Two atoms overlap if they are closer than this fraction of the sum of their covalent radii, or than :data:`OVERLAP_FLOOR`."""
OVERLAP_FLOOR = 0.5
"""Å. The shortest bond, in H2, measures 0.74 Å."""
LARGEST_EXTENT = 1e4
"""Å. A larger extent means a wrong unit or a broken file, and would exhaust the neighbor search."""
MOST_ATOMS = 200_000
"""A larger structure is refused: its neighbors alone would take more than a GB."""
SMALLEST_CELL_VOLUME = 1.0
"""A cell smaller than this (Å³) holds no atom; solid hydrogen has about 20 Å³ a molecule."""
FLATTEST_CELL = 1e-3
"""A cell is singular if its volume is below this fraction of the product of its three lengths."""

FARTHEST_BOND = 1.25
"""Nearest distance over the sum of the covalent radii: at most 1.2 in 1,500 crystals (lithium), 1.01 in as many molecules."""
NOBLE = {2, 10, 18, 36, 54, 86}


@dataclass(frozen=True, eq=False, repr=False)
class Structure:
    """Atoms in space: a molecule (``cell=None``) or a periodic crystal.

    Attributes:
        Z: atomic numbers, uint8 ``[n]``, 1 … 103.
        xyz: Cartesian positions in Å, float64 ``[n, 3]``.
        cell: lattice vectors as rows in Å, float64 ``[3, 3]``, or None for a molecule.
        id: a name for messages and tables.
        charge: total charge in units of e; 0 where the file gives none.
        notes: how it was read or generated; no reason to doubt a prediction.
        bonds: pairs of bonded atoms as the file gives them, int64 ``[m, 2]``, or None if it gives none.
        bond_orders: 1, 1.5 (aromatic), 2, 3 … of each bond, float64 ``[m]``, or None.
        generated_geometry: whether a reader generated the geometry: one conformer of possibly many.
        source_mol: the molecule that was read by its bonds alone, or from which the geometry was generated, in RDKit's binary
            form, for its descriptors and further conformers; None if not known.
        further_xyz: positions of further conformers that were made with this one, float64 ``[m, n, 3]``, or None.
        warnings: reasons to doubt a prediction, such as an odd number of electrons.
        multiplicity: 2S + 1 if the file states it, else None.
        charge_given: whether the file states the charge; if not, it was taken as 0.

    Raises:
        InputError: a number is not finite or far too large, an element is unknown, the cell is singular, two atoms
            overlap.

    Examples:
        >>> import andersonn as an
        >>> structure = an.Structure([11, 17], [[0, 0, 0], [2.82, 0, 0]], [[0, 2.82, 2.82], [2.82, 0, 2.82], [2.82, 2.82, 0]])
        >>> structure.formula
        'NaCl'
    """

    Z: np.ndarray
    xyz: np.ndarray
    cell: np.ndarray | None = None
    id: str = ""
    charge: int = 0
    notes: tuple[str, ...] = ()
    bonds: np.ndarray | None = None
    bond_orders: np.ndarray | None = None
    generated_geometry: bool = False
    source_mol: bytes | None = None
    further_xyz: np.ndarray | None = None
    warnings: tuple[str, ...] = ()
    multiplicity: int | None = None
    charge_given: bool = False

    def __post_init__(self) -> None:
        Z, xyz = _atomic_numbers(self.Z), _positions(self.xyz)
        refuse_more_atoms(len(Z))
        if len(Z) != len(xyz):
            raise InputError(
                "length_mismatch",
                f"{len(Z)} atomic numbers but {len(xyz)} positions",
                "give one x, y, z triple for each atom",
            )
        cell = None if self.cell is None else _cell(self.cell)
        _check_extent(xyz, cell)
        bonds, orders = _bonds(self.bonds, self.bond_orders, len(Z))
        choice = Choice.of(Z, xyz, cell) if bonds is None and is_resolving() else None
        if choice is not None:
            object.__setattr__(self, "notes", (*self.notes, choice.told))
            Z, xyz = Z[choice.stays], xyz[choice.stays]
        for name, value in (("Z", Z), ("xyz", xyz), ("cell", cell), ("bonds", bonds), ("bond_orders", orders)):
            if value is not None:
                value.flags.writeable = False
            object.__setattr__(self, name, value)
        _check_overlap(self)
        if choice is not None:
            _damage.refuse_broken(self, choice)

    def __len__(self) -> int:
        return len(self.Z)

    @property
    def periodic(self) -> bool:
        """Whether the structure repeats in space."""
        return self.cell is not None

    @property
    def volume(self) -> float | None:
        """Cell volume in Å³, or None for a molecule."""
        return None if self.cell is None else float(abs(np.linalg.det(self.cell)))

    @cached_property
    def formula(self) -> str:
        """Molecule: Hill formula (``"C6H6"``). Crystal: reduced formula, elements by rising electronegativity."""
        return elements.hill_formula(self.Z) if self.cell is None else elements.formula(self.Z)

    def __repr__(self) -> str:
        return _shown.line_of(self)

    def _repr_html_(self) -> str:
        return _shown.html_of(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draws the structure: a molecule as its skeletal formula, a crystal as balls in the cell.

        Args:
            ax: matplotlib axes to draw in; None: those of a new figure.

        Returns:
            The axes.
        """
        return _shown.plot(self, ax)


def without(structure: Structure, atoms: Any) -> Structure:
    """A structure with some atoms removed, and their bonds with them.

    Args:
        structure: of n atoms.
        atoms: which to remove, counted from 0; fewer than n.
    """
    keep = np.ones(len(structure), dtype=bool)
    keep[np.asarray(atoms, dtype=np.int64)] = False
    bonds, orders = structure.bonds, structure.bond_orders
    if bonds is not None:
        held = keep[bonds].all(axis=1)
        bonds, orders = (np.cumsum(keep) - 1)[bonds[held]], None if orders is None else orders[held]
    Z, xyz = structure.Z[keep], structure.xyz[keep]
    return replace(structure, Z=Z, xyz=xyz, bonds=bonds, bond_orders=orders, source_mol=None, further_xyz=None)


def refuse_more_atoms(count: int) -> None:
    """Refuses too large structures. Readers call it before a library allocates memory for what a file announces.

    Raises:
        InputError: there are more than :data:`MOST_ATOMS`.
    """
    if count > MOST_ATOMS:
        raise InputError(
            "too_large",
            f"the structure has {count:,} atoms; at most {MOST_ATOMS:,} are read",
            "give a smaller cell, or cut out the part that matters",
        )


def _atomic_numbers(values: Any) -> np.ndarray:
    Z = np.asarray(values)
    if Z.ndim != 1 or Z.size == 0:
        raise InputError("no_atoms", "the structure has no atoms", "check that the file holds atomic positions")
    if not np.issubdtype(Z.dtype, np.integer) or Z.min() < 1 or Z.max() > elements.MAX_Z:
        bad = next(z for z in Z.tolist() if not isinstance(z, int) or not 1 <= z <= elements.MAX_Z)
        raise InputError(
            "unknown_element",
            f"atomic number {bad!r} is not an element from hydrogen (1) to lawrencium (103)",
            "replace placeholder or dummy atoms by real elements",
        )
    return Z.astype(np.uint8)


def _positions(values: Any) -> np.ndarray:
    xyz = np.array(values, dtype=np.float64)
    if xyz.ndim != 2 or xyz.shape[1] != 3:
        raise InputError("bad_positions", f"positions have shape {xyz.shape}", "give an array [n, 3] in Å")
    if not np.isfinite(xyz).all():
        atom = int(np.flatnonzero(~np.isfinite(xyz).all(axis=1))[0])
        raise InputError(
            "not_finite", f"the position of atom {atom + 1} is not a finite number", "complete the coordinates"
        )
    return xyz


def _cell(values: Any) -> np.ndarray:
    cell = np.array(values, dtype=np.float64)
    if cell.shape != (3, 3) or not np.isfinite(cell).all():
        raise InputError("bad_cell", "the cell is not a finite 3 × 3 matrix", "give three lattice vectors in Å as rows")
    volume, lengths = abs(np.linalg.det(cell)), np.linalg.norm(cell, axis=1)
    if volume < SMALLEST_CELL_VOLUME or volume < FLATTEST_CELL * lengths.prod():
        raise InputError(
            "singular_cell",
            f"the unit cell is singular: lengths {', '.join(f'{x:.4g}' for x in lengths)} Å enclose {volume:.3g} Å³",
            "give three lattice vectors that span space, in Å",
        )
    return cell


def _bonds(pairs: Any, orders: Any, n: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    if pairs is None:
        return None, None
    bonds = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    if bonds.size and (bonds.min() < 0 or bonds.max() >= n or (bonds[:, 0] == bonds[:, 1]).any()):
        raise InputError("bad_bonds", f"a bond names an atom beyond the {n} there are, or itself", "correct the bonds")
    if orders is None:
        return bonds, None
    orders = np.array(orders, dtype=np.float64)
    if orders.shape != (len(bonds),) or not np.isfinite(orders).all():
        raise InputError("bad_bonds", f"{len(bonds)} bonds but orders of shape {orders.shape}", "give one a bond")
    return bonds, orders


def _check_extent(xyz: np.ndarray, cell: np.ndarray | None) -> None:
    extent = float(np.abs(xyz).max() if cell is None else max(np.abs(xyz).max(), np.linalg.norm(cell, axis=1).max()))
    if extent > LARGEST_EXTENT:
        raise InputError(
            "too_large",
            f"the structure reaches {extent:.3g} Å from the origin; at most {LARGEST_EXTENT:g} Å make sense",
            "check that lengths are in Å and that no number is broken",
        )


def overlap_limit(Z1: np.ndarray, Z2: np.ndarray) -> np.ndarray:
    """The distance in Å under which atoms of the elements ``Z1`` and ``Z2`` overlap."""
    radius = elements.column("covalent_radius_A")
    return np.maximum(OVERLAP_FLOOR, OVERLAP_FRACTION * (radius[Z1] + radius[Z2]))


def _check_overlap(structure: Structure) -> None:
    Z = structure.Z
    largest = np.array([elements.column("covalent_radius_A")[Z].argmax()])
    radius = float(overlap_limit(Z[largest], Z[largest])[0])
    i, j, distance, _ = pairs_within(structure.xyz, structure.cell, radius)
    bad = np.flatnonzero(distance < overlap_limit(Z[i], Z[j]))
    if not bad.size:
        return
    worst = bad[distance[bad].argmin()]
    names = [elements.named(Z, a) for a in (int(i[worst]), int(j[worst]))]
    raise InputError(
        "overlapping_atoms",
        f"atoms {names[0]} and {names[1]} overlap: {distance[worst]:.3f} Å apart",
        "remove duplicated or disordered sites, or check that lengths are in Å",
    )


def nearest_pair(one: np.ndarray, other: np.ndarray, distance: np.ndarray) -> float:
    """The smallest distance of pairs of atoms, each over the sum of the covalent radii; infinite if there are no pairs.

    Args:
        one: atomic number of one atom of each pair, int ``[m]``.
        other: atomic number of the other, int ``[m]``.
        distance: Å ``[m]``.
    """
    radius = elements.column("covalent_radius_A")
    return float((distance / (radius[one] + radius[other])).min(initial=np.inf))


def expects_bonds(Z: np.ndarray) -> bool:
    """Whether a structure of these atomic numbers has bonds: always, unless all are noble gases."""
    return bool(set(Z.tolist()) - NOBLE)


def may_be_angstrom(structure: Structure) -> bool | None:
    """Whether at least two atoms are near enough for a bond, which is so if lengths are in Å. None where no bond is expected:
    for a single atom and for noble gases.
    """
    if (len(structure) == 1 and structure.cell is None) or not expects_bonds(structure.Z):
        return None
    widest = float(elements.column("covalent_radius_A")[structure.Z].max())
    i, j, distance, _ = pairs_within(structure.xyz, structure.cell, 2.0 * FARTHEST_BOND * widest)
    return nearest_pair(structure.Z[i], structure.Z[j], distance) <= FARTHEST_BOND
