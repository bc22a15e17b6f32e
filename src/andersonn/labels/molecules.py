"""SMILES → conformers by RDKit. RDKit is imported where it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.electrons import without_inert_pairs
from andersonn.structures.readers.molecules.embedding import interruptible, make_diazenes_trans
from andersonn.structures.structure import Structure

SEED = 41_021
"""Of the conformers: the same SMILES gives the same geometry."""
LONGEST_BOND = 1.3
"""A bond is broken where its atoms are farther apart than this times the sum of their covalent radii."""
NEW_BOND, NEW_IN_TRIANGLE = 1.2, 1.03
"""Atoms without a bond have formed one where they are nearer than this; the second where they are bonded to the same atom. Iodine atoms
of iodoform and of neighbors in a ring are at 1.28, silicon across a ring of Si2O2 at 1.05, carbon in a ring of three at 1.0.
"""
SAME_A = 0.05
"""Two relaxed geometries whose distances all agree within this are one."""


@dataclass(frozen=True)
class Conformers:
    """Geometries of one molecule.

    Attributes:
        structures: by rising energy.
        energies: force-field energies in kcal/mol, float64 ``[C]``.
        force_field: ``"MMFF94"``, where that has no parameters ``"UFF"``, and where that has none ``"none"``.
        bonds: pairs of atom indices, smaller first.
        multiplicity: 2S + 1 from the radical electrons that the SMILES has.
    """

    structures: list[Structure]
    energies: np.ndarray
    force_field: str
    bonds: frozenset[tuple[int, int]]
    multiplicity: int


def conformers(smiles: str, count: int = 1, id: str = "") -> Conformers:
    """Conformers by ETKDGv3 with a fixed seed, pre-optimized by MMFF94.

    Args:
        smiles: of one molecule, charges as written.
        count: how many are embedded.
        id: name of the structures.

    Raises:
        InputError: the SMILES is invalid, is of several parts, or no geometry is found for it.
    """
    from rdkit.Chem import rdDistGeom

    molecule = _molecule(smiles)
    make_diazenes_trans(molecule)
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = SEED  # type: ignore[assignment]  # RDKit's stubs have it as a method
    with interruptible():
        made = list(rdDistGeom.EmbedMultipleConfs(molecule, count, parameters))
    if not made:
        raise InputError("no_conformer", f"no geometry was found for {smiles!r}", "give a file with positions")
    force_field, energies = _optimized(molecule)
    Z = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    charge = sum(atom.GetFormalCharge() for atom in molecule.GetAtoms())
    order = np.argsort(energies, kind="stable")
    found = [Structure(Z, molecule.GetConformer(made[k]).GetPositions(), id=id, charge=charge) for k in order.tolist()]
    pairs = (sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in molecule.GetBonds())
    radicals = without_inert_pairs(Z, np.array([atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms()]))
    bonds = frozenset((i, j) for i, j in pairs)
    return Conformers(found, energies[order], force_field, bonds, int(radicals.sum()) + 1)


def _optimized(molecule: Any) -> tuple[str, np.ndarray]:
    """Optimizes all conformers in place by the best force field that has parameters: its name, and energies in kcal/mol ``[C]``."""
    from rdkit.Chem import rdForceFieldHelpers as fields

    optimize: Callable[..., Any]
    if fields.MMFFHasAllMoleculeParams(molecule):
        name, optimize = "MMFF94", fields.MMFFOptimizeMoleculeConfs
    elif fields.UFFHasAllMoleculeParams(molecule):
        name, optimize = "UFF", fields.UFFOptimizeMoleculeConfs
    else:
        return "none", np.zeros(molecule.GetNumConformers())
    return name, np.array([energy for _, energy in optimize(molecule, maxIters=2000)])


def keeps_bonds(structure: Structure, bonds: frozenset[tuple[int, int]]) -> bool:
    """Whether a geometry still has these bonds and no others.

    Args:
        structure: the geometry.
        bonds: pairs of atoms, smaller index first, as of :class:`Conformers`.
    """
    from andersonn.structures import elements

    radius = elements.column("covalent_radius_A")[structure.Z]
    distance = np.linalg.norm(structure.xyz[:, None] - structure.xyz[None], axis=-1)
    length = distance / (radius[:, None] + radius[None])
    bonded = np.zeros(length.shape, dtype=bool)
    for i, j in bonds:
        bonded[i, j] = bonded[j, i] = True
    beside = (bonded.astype(int) @ bonded.astype(int)) > 0
    limit = np.where(bonded, LONGEST_BOND, np.where(beside, NEW_IN_TRIANGLE, NEW_BOND))
    return bool(((length < limit) == bonded)[np.triu_indices(len(length), k=1)].all())


def distinct(structures: list[Structure]) -> list[int]:
    """Indices of the geometries of one molecule that no earlier one repeats: mirror images and exchanged equal atoms count
    as the same, told by the distances between atoms of each pair of elements, all within :data:`SAME_A`.
    """
    seen: list[np.ndarray] = []
    kept = []
    for index, structure in enumerate(structures):
        first, second = np.triu_indices(len(structure.Z), k=1)
        low, high = np.sort([structure.Z[first], structure.Z[second]], axis=0)
        distance = np.linalg.norm(structure.xyz[first] - structure.xyz[second], axis=-1)
        found = distance[np.lexsort((distance, high, low))]
        if not any(np.allclose(found, other, rtol=0.0, atol=SAME_A) for other in seen):
            seen.append(found)
            kept.append(index)
    return kept


def formal_charge(smiles: str) -> int:
    """Sum of the formal charges, in e.

    Raises:
        InputError: the SMILES is invalid.
    """
    return sum(atom.GetFormalCharge() for atom in _molecule(smiles).GetAtoms())


def molecular_formula(smiles: str) -> str:
    """Hill formula, as in ``"C9H8O4"``.

    Raises:
        InputError: the SMILES is invalid.
    """
    from rdkit.Chem.rdMolDescriptors import CalcMolFormula

    return CalcMolFormula(_molecule(smiles))


def _molecule(smiles: str) -> Any:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or not molecule.GetNumAtoms():
        raise InputError("bad_smiles", f"{smiles!r} is no valid SMILES", "check brackets, rings and valences")
    if "." in smiles and len(Chem.GetMolFrags(molecule)) > 1:
        raise InputError("several_molecules", f"{smiles!r} holds several molecules", "give the one that matters")
    return Chem.AddHs(molecule)
