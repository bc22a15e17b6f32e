"""Molecules whose list of bonds is empty or has gaps: their atoms are taken as listed, and no hydrogens are added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from andersonn.structures import elements
from andersonn.structures.distance_bonds import METALLOIDS
from andersonn.structures.electrons import judged
from andersonn.structures.graph import BOND_TOLERANCE
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from rdkit.Chem import Mol

NO_BONDS = "the file lists no bonds; its atoms are taken as they are"
CLOSE = 1.15
"""Two atoms closer than this times the sum of their covalent radii should be bonded; strong hydrogen bonds are above 1.4."""
TOTAL_CHARGE = "andersonn_total_charge"
"""Property of an RDKit molecule: its total charge, if formal charges of atoms are not known."""


def lists_no_bonds(mol: Mol) -> bool:
    """Whether a molecule of several atoms has no bonds, although some lie at bonding distance. It need not be sanitized."""
    if mol.GetNumBonds() or mol.GetNumAtoms() < 2 or not mol.GetNumConformers():
        return False
    Z, xyz = _of(mol)
    if not np.isfinite(xyz).all() or np.ptp(xyz, axis=0).max() < 1e-3:
        return False
    radius = elements.column("covalent_radius_A")[Z]
    i, j, distance = _near(xyz, 2 * float(radius.max()) + BOND_TOLERANCE)
    return bool((distance <= radius[i] + radius[j] + BOND_TOLERANCE).any())


def missing_bonds(mol: Mol) -> list[tuple[int, int]]:
    """Pairs of nonmetal atoms of two separate molecules that lie at bonding distance.

    Args:
        mol: with a 3-D conformer.
    """
    from rdkit import Chem

    parts = Chem.GetMolFrags(mol)
    if len(parts) < 2:
        return []
    part = np.zeros(mol.GetNumAtoms(), dtype=np.int64)
    for k, atoms in enumerate(parts):
        part[list(atoms)] = k
    Z, xyz = _of(mol)
    radius = np.where(np.isin(Z, tuple(METALLOIDS)), elements.column("covalent_radius_A")[Z], 0.0)
    i, j, distance = _near(xyz, CLOSE * 2 * float(radius.max()))
    apart = (part[i] != part[j]) & (radius[i] > 0) & (radius[j] > 0) & (distance <= CLOSE * (radius[i] + radius[j]))
    return list(zip(i[apart].tolist(), j[apart].tolist(), strict=True))


def missing_bonds_told(mol: Mol, pairs: list[tuple[int, int]]) -> str:
    """The warning on such pairs."""
    i, j = (f"{mol.GetAtomWithIdx(k).GetSymbol()}{k + 1}" for k in pairs[0])
    more = f", and so do {len(pairs) - 1} more pairs" if len(pairs) > 1 else ""
    return f"{i} and {j} lie at bonding distance, but the file lists no bond between them{more}"


def as_listed(mol: Mol, id: str, notes: tuple[str, ...], warnings: tuple[str, ...]) -> Structure:
    """The atoms as an xyz file would have them: without bonds, no hydrogens added, and checked as those are.

    Raises:
        InputError: atoms overlap.
    """
    Z, xyz = _of(mol)
    charges = [atom.GetFormalCharge() for atom in mol.GetAtoms()]
    stated = mol.GetIntProp(TOTAL_CHARGE) if mol.HasProp(TOTAL_CHARGE) else None
    charge = sum(charges) if stated is None else stated
    given = any(charges) or stated is not None
    return judged(Structure(Z, xyz, id=id, charge=charge, charge_given=given, notes=notes, warnings=warnings))


def _of(mol: Mol) -> tuple[np.ndarray, np.ndarray]:
    Z = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.int64)
    return Z, np.array(mol.GetConformer().GetPositions())


def _near(xyz: np.ndarray, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from scipy.spatial import cKDTree

    i, j = cKDTree(xyz).query_pairs(cutoff, output_type="ndarray").reshape(-1, 2).T
    return i, j, np.linalg.norm(xyz[i] - xyz[j], axis=1)
