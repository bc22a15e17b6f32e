"""Whether the symmetry of a molecule forbids a dipole moment.

A motion that maps a molecule onto itself maps its dipole moment onto itself, too. The mean of the matrices of all such motions projects
onto the directions that a dipole moment may have; where it is zero there is none.
"""

from __future__ import annotations

import numpy as np

from andersonn.structures.structure import Structure

GIVEN, MADE = 0.02, 0.06
"""Å up to which an atom is where another is mapped, of a geometry that was given and of one that was generated."""
MOST_ATOMS = 60
"""Larger molecules are not examined."""
NOT_IN_LINE = 0.05
"""Sine of the angle from which on two directions are two."""


def forbids_dipole(structure: Structure) -> bool:
    """Whether symmetry forbids a dipole moment: of single atoms, of molecules with an inversion center, of CCl4, BF3, SO4(2-) and so on.
    It is that of the geometry. One that was generated is only believed where all atoms surround one, or nothing can turn or pucker.

    Args:
        structure: a molecule; the dipole moment of an ion is meant about the center of nuclear charge.
    """
    n = len(structure)
    if structure.periodic or n > MOST_ATOMS or n == 0:
        return False
    if structure.generated_geometry and not (_surrounds_one(structure) or _is_stiff(structure)):
        return False
    if n == 1:
        return True
    slack = MADE if structure.generated_geometry else GIVEN
    Z = structure.Z.astype(np.int64)
    xyz = structure.xyz - np.average(structure.xyz, axis=0, weights=Z)
    motions = [motion for motion in _candidates(Z, xyz, slack) if _maps(Z, xyz, motion, slack)]
    own = [motion for motion in motions if np.abs(motion - np.eye(3)).max() > 0.1]
    return bool(np.abs(np.mean([np.eye(3), *own], axis=0)).max() < 0.03)


def _surrounds_one(structure: Structure) -> bool:
    """Whether at most one atom has more than one bond, as the bonds are listed."""
    if structure.bonds is None:
        return len(structure) == 1
    return int((np.bincount(structure.bonds.ravel(), minlength=len(structure)) > 1).sum()) <= 1


def _is_stiff(structure: Structure) -> bool:
    """Whether a molecule has one conformation by its bonds: no single bond turns, no ring puckers, and each double bond has an end
    with two like atoms, so that there are no isomers of it.
    """
    if structure.bonds is None or structure.bond_orders is None:
        return False
    n, bonds, orders = len(structure), structure.bonds, structure.bond_orders
    count = np.bincount(bonds.ravel(), minlength=n)
    flat = np.zeros(n, dtype=bool)
    flat[bonds[orders > 1.0].ravel()] = True
    inner = (count[bonds] > 1).all(axis=1)
    ring = np.array([inner[k] and _closes_ring(bonds, k) for k in range(len(bonds))], dtype=bool)
    straight = flat & (count == 2) & (structure.Z == 6) & ~np.isin(np.arange(n), bonds[ring].ravel())
    free = inner & ~ring & ~straight[bonds].any(axis=1)
    if (free & (orders < 1.5)).any() or not flat[bonds[ring]].all():
        return False
    return all(any(_ends_alike(structure, end, count) for end in pair) for pair in bonds[free].tolist())


def _closes_ring(bonds: np.ndarray, k: int) -> bool:
    """Whether the k-th of the bonds is in a ring: without it, the others still lead from one of its atoms to the other."""
    others, (start, end) = np.delete(bonds, k, axis=0), bonds[k].tolist()
    reached, fresh = {start}, {start}
    while fresh and end not in reached:
        touching = np.isin(others, list(fresh)).any(axis=1)
        fresh = set(others[touching].ravel().tolist()) - reached
        reached |= fresh
    return end in reached


def _ends_alike(structure: Structure, end: int, count: np.ndarray) -> bool:
    """Whether an end of a double bond has two atoms of one element besides, bonded to nothing else."""
    assert structure.bonds is not None
    partners = structure.bonds[(structure.bonds == end).any(axis=1)].sum(axis=1) - end
    leaves = structure.Z[partners[count[partners] == 1]]
    return len(leaves) == 2 and leaves[0] == leaves[1]


def _maps(Z: np.ndarray, xyz: np.ndarray, motion: np.ndarray, slack: float) -> bool:
    """Whether a motion maps each atom to where one of its element is."""
    apart = np.linalg.norm((xyz @ motion.T)[:, None] - xyz, axis=2)
    return bool((np.where(np.equal.outer(Z, Z), apart, np.inf).min(axis=1) < slack).all())


def _candidates(Z: np.ndarray, xyz: np.ndarray, slack: float) -> list[np.ndarray]:
    """Orthogonal matrices by which two atoms, not in line with the center, are mapped to two like ones; of linear molecules the
    inversion alone.
    """
    length = np.linalg.norm(xyz, axis=1)
    off = np.flatnonzero(length > 4.0 * slack)
    if not len(off):
        return [-np.eye(3)]
    shell = [np.flatnonzero((Z[k] == Z) & (np.abs(length - length[k]) < 2.0 * slack)) for k in range(len(Z))]
    first = min(off, key=lambda k: len(shell[k]))
    across = np.linalg.norm(np.cross(xyz[off], xyz[first]), axis=1) / (length[off] * length[first])
    second = off[across > NOT_IN_LINE]
    if not len(second):
        return [-np.eye(3)]
    other = min(second, key=lambda k: len(shell[k]))
    frame, found = _frame(xyz[first], xyz[other]), []
    assert frame is not None  # as they are not in line
    for a in shell[first]:
        for b in shell[other]:
            if abs(xyz[a] @ xyz[b] - xyz[first] @ xyz[other]) > 4.0 * slack * max(length[first], length[other]):
                continue
            if a != b and (image := _frame(xyz[a], xyz[b])) is not None:
                found += [image @ np.diag([1.0, 1.0, sign]) @ frame.T for sign in (1.0, -1.0)]
    return found


def _frame(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """Orthonormal columns: along a, across it toward b, and across both; None where they are in line."""
    along = a / np.linalg.norm(a)
    across = b - (b @ along) * along
    size = np.linalg.norm(across)
    if size < 0.5 * NOT_IN_LINE * np.linalg.norm(b):
        return None
    across = across / size
    return np.stack([along, across, np.cross(along, across)], axis=1)
