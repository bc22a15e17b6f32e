"""RDKit molecules → Structure: checked, with explicit hydrogens, bonds, and a 3-D geometry where there was none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from andersonn.errors import InputError
from andersonn.matter import elements
from andersonn.matter.structure import Structure

if TYPE_CHECKING:
    from rdkit.Chem import Mol

CONFORMER_SEED = 7
CONFORMER_PROTOCOL = f"RDKit ETKDGv3 (seed {CONFORMER_SEED}), MMFF94"
"""Changed whenever geometries would come out otherwise, so that stores of older ones are not read."""
FORCE_FIELD_STEPS = 2000
MOST_HEAVY_ATOMS = 200
"""Larger molecules are not embedded: distance geometry takes minutes for them, and their conformer is a guess."""


def to_structure(mol: Mol, id: str = "", notes: tuple[str, ...] = ()) -> Structure:
    """The structure of an RDKit molecule. Its own 3-D coordinates are kept; without them a seeded conformer is made.

    Args:
        mol: not necessarily sanitized; hydrogens may be implicit.
        id: name of the structure.
        notes: what is already known and worth saying.

    Raises:
        InputError: a valence is impossible, an atom is no element, several molecules have no geometry, or no conformer
            is found.
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        _check_elements(mol)
        sanitize(mol)
        given = has_geometry(mol)
        if not given:
            _check_embeddable(mol)
        whole = Chem.AddHs(mol, addCoords=given)
        added = whole.GetNumAtoms() - mol.GetNumAtoms()
        if given:
            notes += (f"{added} hydrogen atoms were missing and have been added",) if added else ()
        else:
            notes += _embed(whole)
        if len(Chem.GetMolFrags(whole)) > 1:
            notes += (f"{len(Chem.GetMolFrags(whole))} separate molecules are taken together",)
    return finished(whole, id, notes, made_geometry=not given)


def has_geometry(mol: Mol) -> bool:
    """Whether the molecule has 3-D coordinates (of at least one atom off the plane, or marked as 3-D by its file)."""
    return mol.GetNumConformers() > 0 and mol.GetConformer().Is3D()


def finished(mol: Mol, id: str, notes: tuple[str, ...], made_geometry: bool = False) -> Structure:
    """The structure of a molecule that has coordinates and all its hydrogens."""
    from rdkit import Chem

    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
    return Structure(
        np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.int64),
        np.array(mol.GetConformer().GetPositions()),
        id=id,
        charge=Chem.GetFormalCharge(mol),
        notes=notes,
        bonds=np.array(bonds, dtype=np.int64).reshape(-1, 2),
        bond_orders=np.array([b.GetBondTypeAsDouble() for b in mol.GetBonds()]),
        made_geometry=made_geometry,
    )


def _check_elements(mol: Mol) -> None:
    if not mol.GetNumAtoms():
        raise InputError("no_atoms", "the molecule has no atoms", "check that the file or SMILES is complete")
    for atom in mol.GetAtoms():
        if not 1 <= atom.GetAtomicNum() <= elements.MAX_Z or atom.HasQuery():
            raise InputError(
                "unknown_element",
                f"atom {atom.GetIdx() + 1} ({atom.GetSymbol()}) is no element but a placeholder",
                "replace *, R groups, dummy and query atoms by real elements",
            )


def sanitize(mol: Mol) -> None:
    """Checks valences and finds rings, aromatic bonds and stereo, in place.

    Raises:
        InputError: a valence is impossible.
    """
    from rdkit import Chem

    problems = Chem.DetectChemistryProblems(mol)
    if problems:
        raise InputError(
            "bad_valence",
            f"chemically impossible: {problems[0].Message().strip()}",
            "correct bonds and formal charges (a four-bonded nitrogen is [N+], for example)",
        )
    Chem.SanitizeMol(mol)
    if mol.GetNumConformers() and not mol.GetConformer().Is3D():  # a drawing: wedges and double bonds tell the isomer
        Chem.AssignChiralTypesFromBondDirs(mol)
        Chem.SetDoubleBondNeighborDirections(mol, mol.GetConformer())
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)


def _check_embeddable(mol: Mol) -> None:
    from rdkit import Chem

    parts = len(Chem.GetMolFrags(mol))
    if parts > 1:
        raise InputError(
            "several_molecules",
            f"{parts} separate molecules or ions without coordinates: how they lie to each other is not given",
            "give the one molecule meant, without counter-ions and solvent, or a file with 3-D coordinates",
        )
    if mol.GetNumHeavyAtoms() > MOST_HEAVY_ATOMS:
        raise InputError(
            "too_large",
            f"no conformer is made for {mol.GetNumHeavyAtoms()} heavy atoms; at most {MOST_HEAVY_ATOMS}",
            "give a file with 3-D coordinates",
        )


def _embed(mol: Mol) -> tuple[str, ...]:
    """Gives a molecule with explicit hydrogens a geometry, in place; says how."""
    from rdkit.Chem import AllChem, rdDistGeom

    options = rdDistGeom.ETKDGv3()
    options.randomSeed = CONFORMER_SEED
    failed = rdDistGeom.EmbedMolecule(mol, options) != 0
    if failed:  # cages and crowded molecules need a start in space instead of by eigenvectors
        options.useRandomCoords = True
        failed = rdDistGeom.EmbedMolecule(mol, options) != 0
    if failed:
        raise InputError(
            "no_conformer", "RDKit finds no 3-D geometry for this molecule", "give a file with 3-D coordinates"
        )
    return (f"3-D geometry made by {_relax(mol, AllChem)}", *_open_stereo(mol))


def _relax(mol: Mol, chem: object) -> str:
    base = f"RDKit ETKDGv3 (seed {CONFORMER_SEED})"
    if chem.MMFFHasAllMoleculeParams(mol):
        chem.MMFFOptimizeMolecule(mol, maxIters=FORCE_FIELD_STEPS)
        return CONFORMER_PROTOCOL
    if chem.UFFHasAllMoleculeParams(mol):
        chem.UFFOptimizeMolecule(mol, maxIters=FORCE_FIELD_STEPS)
        return f"{base} and UFF, since MMFF94 does not know all its atoms; less exact"
    return f"{base} alone, since no force field knows all its atoms; less exact"


def _open_stereo(mol: Mol) -> tuple[str, ...]:
    from rdkit.Chem import FindPotentialStereo

    found = [s for s in FindPotentialStereo(mol) if s.specified == s.specified.Unspecified]
    return (f"{len(found)} stereo centers are not given; one isomer was taken",) if found else ()
