"""RDKit molecules → Structure: checked, with explicit hydrogens, bonds, and a 3-D geometry where there was none."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.electrons import UNPAIRED, judged
from andersonn.structures.readers.molecules.added_hydrogens import placed_hydrogens, with_hydrogens
from andersonn.structures.readers.molecules.drawings import check_unit, forget_planes, why_no_geometry
from andersonn.structures.readers.molecules.embedding import (
    CONFORMER_SEED,
    FURTHER_SEED,
    MOST_PLACED,
    attempts,
    embed,
    impossible,
)
from andersonn.structures.readers.molecules.unbonded import (
    NO_BONDS,
    as_listed,
    lists_no_bonds,
    missing_bonds,
    missing_bonds_told,
)
from andersonn.structures.readers.words import ISOTOPES
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from rdkit.Chem import Mol

log = logging.getLogger(__name__)


def to_structure(mol: Mol, id: str = "", notes: tuple[str, ...] = (), warnings: tuple[str, ...] = ()) -> Structure:
    """The structure of an RDKit molecule. Its own 3-D coordinates are kept; without them, and where they are a flat drawing,
    a seeded conformer is made. Where the list of bonds is empty or has gaps, no hydrogens are added.

    Args:
        mol: not necessarily sanitized; hydrogens may be implicit.
        id: name of the structure.
        notes: that the structure gets, before those made here.
        warnings: the same.

    Raises:
        InputError: a valence is impossible, an atom is no element, several molecules have no geometry, no conformer is
            found, or lengths are in another unit.
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        check_elements(mol)
        notes += (
            (ISOTOPES,) if any(atom.GetAtomicNum() == 1 and atom.GetIsotope() > 1 for atom in mol.GetAtoms()) else ()
        )
        if lists_no_bonds(mol):
            return as_listed(mol, id, (*notes, NO_BONDS), warnings)
        sanitize(mol)
        given, source_mol = has_geometry(mol), None
        drawn = why_no_geometry(mol) if given else ""
        if drawn:
            mol.GetConformer().Set3D(False)
            forget_planes(mol)
            _stereo(mol)
            given, notes = False, (*notes, drawn)
        if given:
            check_unit(mol)
            gaps = missing_bonds(mol)
            warnings += (missing_bonds_told(mol, gaps),) if gaps else ()
            if any(mol.GetAtomWithIdx(k).GetTotalNumHs() for pair in gaps for k in pair):
                return as_listed(mol, id, notes, warnings)  # hydrogens would take the place of the bonds
        else:
            _check_embeddable(mol)
        whole = with_hydrogens(mol, addCoords=given)
        if given:
            told, doubts = placed_hydrogens(whole, mol.GetNumAtoms())
            notes, warnings = notes + told, warnings + doubts
        else:
            source_mol = whole.ToBinary()
            notes += _embed(whole)
        if len(Chem.GetMolFrags(whole)) > 1:
            notes += (f"{len(Chem.GetMolFrags(whole))} separate molecules are taken together",)
    return finished(whole, id, notes, source_mol, warnings=warnings)


def has_geometry(mol: Mol) -> bool:
    """Whether the molecule has coordinates that are marked as 3-D; those of a drawing may be, see
    :func:`~andersonn.structures.readers.molecules.drawings.why_no_geometry`.
    """
    return mol.GetNumConformers() > 0 and mol.GetConformer().Is3D()


def finished(
    mol: Mol,
    id: str,
    notes: tuple[str, ...],
    source_mol: bytes | None = None,
    conformer: int = -1,
    warnings: tuple[str, ...] = (),
) -> Structure:
    """The structure of a molecule with explicit hydrogens, in one of its conformers (the first by default)."""
    from rdkit import Chem

    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
    found = Structure(
        np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.int64),
        np.array(mol.GetConformer(conformer).GetPositions()),
        id=id,
        charge=Chem.GetFormalCharge(mol),
        notes=notes,
        bonds=np.array(bonds, dtype=np.int64).reshape(-1, 2),
        bond_orders=np.array([b.GetBondTypeAsDouble() for b in mol.GetBonds()]),
        generated_geometry=source_mol is not None,
        source_mol=source_mol,
        warnings=(*warnings, *_unpaired(mol)),
        charge_given=True,
    )
    return judged(found)


def _unpaired(mol: Mol) -> tuple[str, ...]:
    """A warning about unpaired electrons on several atoms; a single one is found by the odd number of electrons."""
    open_ = [atom for atom in mol.GetAtoms() if atom.GetNumRadicalElectrons()]
    if sum(atom.GetNumRadicalElectrons() for atom in open_) < 2:
        return ()  # one makes an odd count
    shown = ", ".join(f"{a.GetSymbol()}{a.GetIdx() + 1} ({a.GetNumRadicalElectrons()})" for a in open_[:3])
    more = f" and {len(open_) - 3} more atoms" if len(open_) > 3 else ""
    return (f"{UNPAIRED} at {shown}{more}: a carbene or radical",)


def check_elements(mol: Mol) -> None:
    """Checks that each atom is an element and each bond has an order; RDKit also allows placeholders and queries.

    Raises:
        InputError: one is not or has none, or there are no atoms.
    """
    if not mol.GetNumAtoms():
        raise InputError("no_atoms", "the molecule has no atoms", "check that the file or SMILES is complete")
    for atom in mol.GetAtoms():
        number = atom.GetAtomicNum()
        if not 1 <= number <= elements.MAX_Z or atom.HasQuery():
            known = number <= elements.MAX_Z  # else RDKit may have no symbol for it
            what = f"({atom.GetSymbol()}) is no element but a placeholder" if known else f"is of the element {number}"
            raise InputError(
                "unknown_element",
                f"atom {atom.GetIdx() + 1} {what}; known are 1 to {elements.MAX_Z}",
                "replace *, R groups, dummy and query atoms by real elements",
            )
    for bond in mol.GetBonds():
        if bond.HasQuery():
            ends = f"{bond.GetBeginAtomIdx() + 1} and {bond.GetEndAtomIdx() + 1}"
            raise InputError(
                "bad_bonds",
                f"the bond of atoms {ends} is of no certain order",
                "write 1, 2, 3 or 4 (aromatic) instead of a type for searches (5 to 8)",
            )


def sanitize(mol: Mol) -> None:
    """Checks valences and finds rings, aromatic bonds and stereo, in place.

    Raises:
        InputError: a valence is impossible.
    """
    from rdkit import Chem

    try:
        problems = Chem.DetectChemistryProblems(mol)
        if not problems:
            Chem.SanitizeMol(mol)
    except (RuntimeError, ValueError) as error:  # a few problems are not among those that are looked for
        raise impossible(str(error)) from None
    if problems:
        raise impossible(problems[0].Message())
    _stereo(mol)


def _stereo(mol: Mol) -> None:
    """Assigns stereochemistry, in place; for a drawing, from wedges and double bonds."""
    from rdkit import Chem

    if mol.GetNumConformers() and not mol.GetConformer().Is3D():
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
    atoms = mol.GetNumAtoms() + sum(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    if atoms > MOST_PLACED:
        raise InputError(
            "too_large",
            f"no conformer is made for {atoms} atoms, hydrogens included; at most {MOST_PLACED}",
            "give a file with 3-D coordinates",
        )


def _embed(mol: Mol) -> tuple[str, ...]:
    """Generates a geometry for a molecule with explicit hydrogens, in place; returns notes on it."""
    how = embed(mol, 1, CONFORMER_SEED)
    if not how:
        raise InputError(
            "no_conformer",
            f"RDKit finds no 3-D geometry for this molecule in 2 x {attempts(mol.GetNumAtoms())} attempts",
            "give a file with 3-D coordinates",
        )
    return (f"3-D geometry made by {how}", *_open_stereo(mol))


def further_conformers(structure: Structure, count: int) -> list[Structure]:
    """Further conformers of a molecule whose geometry was generated, from other seeds; where stereo centers are not given,
    also of other isomers. The first ones are the same for every ``count``.

    Args:
        structure: as :func:`to_structure` returns it; without ``source_mol`` there are no further conformers.
        count: how many are wanted; those that fail are left out.
    """
    if count < 1 or structure.source_mol is None:
        return []
    from rdkit import Chem, rdBase

    mol, found = Chem.Mol(structure.source_mol), []  # type: ignore[call-overload]  # RDKit's stubs forget bytes
    with rdBase.BlockLogs():
        try:
            embed(mol, count, FURTHER_SEED)
        except InputError as error:
            log.debug("no further conformers of %s: %s", structure.id, error)
            return []
    for number in [conformer.GetId() for conformer in mol.GetConformers()]:
        try:
            found.append(finished(mol, structure.id, structure.notes, structure.source_mol, number))
        except InputError:  # atoms of this one overlap
            log.debug("conformer %d of %s is unsound", number, structure.id)
    return found


def _open_stereo(mol: Mol) -> tuple[str, ...]:
    from rdkit.Chem import FindPotentialStereo

    found = [s for s in FindPotentialStereo(mol) if s.specified == s.specified.Unspecified]
    return (f"{len(found)} stereo centers are not given; a geometry is of one isomer",) if found else ()
