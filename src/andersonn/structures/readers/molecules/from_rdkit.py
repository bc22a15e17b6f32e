"""RDKit molecules → Structure: checked, with explicit hydrogens, bonds, and a 3-D geometry where there was none."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.electrons import judged, unpaired_told
from andersonn.structures.readers.molecules.added_hydrogens import placed_hydrogens, with_hydrogens
from andersonn.structures.readers.molecules.bonds_alone import graph_of
from andersonn.structures.readers.molecules.drawings import check_unit, forget_planes, why_no_geometry
from andersonn.structures.readers.molecules.embedding import (
    MOST_PLACED,
    attempts,
    embed,
    impossible,
    rough_adduct,
    squeezed,
)
from andersonn.structures.readers.molecules.ideal_shapes import is_hypervalent
from andersonn.structures.readers.molecules.open_stereo import open_stereo
from andersonn.structures.readers.molecules.reading import conformers_at_once, is_bonds_alone
from andersonn.structures.readers.molecules.spelling import spell
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
VALENCE = "AtomValenceException"
"""RDKit's name for an atom with too many bonds."""


def to_structure(mol: Mol, id: str = "", notes: tuple[str, ...] = (), warnings: tuple[str, ...] = ()) -> Structure:
    """The structure of an RDKit molecule. Its own 3-D coordinates are kept; without them, and where they are a flat drawing,
    a seeded conformer is made; inside :func:`~andersonn.structures.readers.molecules.reading.reading` several, or neither. Where the list of bonds is empty or has gaps, no hydrogens are added.

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
        if is_bonds_alone():
            return graph_of(mol, id, notes, warnings)
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
            notes += _embed(whole, conformers_at_once())
            warnings += (*squeezed(whole), *rough_adduct(whole))
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
    warnings: tuple[str, ...] = (),
) -> Structure:
    """The structure of a molecule with explicit hydrogens, in its first conformer; the others are kept with it if they were
    generated from ``source_mol``.
    """
    from rdkit import Chem

    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
    others = [c.GetPositions() for c in mol.GetConformers()][1:] if source_mol is not None else []
    atoms = [(atom.GetAtomicNum(), atom.GetNumRadicalElectrons()) for atom in mol.GetAtoms()]
    Z, unpaired = np.array(atoms, dtype=np.int64).T
    found = Structure(
        Z,
        np.array(mol.GetConformer().GetPositions()),
        id=id,
        charge=Chem.GetFormalCharge(mol),
        notes=notes,
        bonds=np.array(bonds, dtype=np.int64).reshape(-1, 2),
        bond_orders=np.array([b.GetBondTypeAsDouble() for b in mol.GetBonds()]),
        generated_geometry=source_mol is not None,
        source_mol=source_mol,
        further_xyz=np.stack(others) if others else None,
        warnings=(*warnings, *unpaired_told(Z, unpaired)),
        charge_given=True,
    )
    return judged(found)


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
    """Checks valences and finds rings, aromatic bonds and stereo, in place; see also
    :mod:`~andersonn.structures.readers.molecules.spelling`.

    Raises:
        InputError: a valence is impossible.
    """
    from rdkit import Chem

    spell(mol)
    try:
        problems = Chem.DetectChemistryProblems(mol)
        if not problems:
            Chem.SanitizeMol(mol)
        elif all(problem.GetType() == VALENCE for problem in problems) and is_hypervalent(mol):
            mol.UpdatePropertyCache(strict=False)
            Chem.SanitizeMol(mol, Chem.SanitizeFlags.SANITIZE_ALL ^ Chem.SanitizeFlags.SANITIZE_PROPERTIES)
            problems = ()
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


def _embed(mol: Mol, count: int) -> tuple[str, ...]:
    """Generates geometries for a molecule with explicit hydrogens, in place; returns notes on them. Unless all ``count`` can be
    made, one is, so that the first does not depend on their number.
    """
    how = embed(mol, count)
    if count > 1 and mol.GetNumConformers() < count:
        how = embed(mol, 1)
    if not how:
        raise InputError(
            "no_conformer",
            f"RDKit finds no 3-D geometry for this molecule in 2 x {attempts(mol.GetNumAtoms())} attempts",
            "give a file with 3-D coordinates",
        )
    return (f"3-D geometry made by {how}", *open_stereo(mol))


def further_conformers(structure: Structure, count: int) -> list[Structure]:
    """Further conformers of a molecule whose geometry was generated, from other random numbers; where stereo centers are not
    given, also of other isomers. The first ones are the same for every ``count``. Those that were made together with the first,
    see :func:`~andersonn.structures.readers.molecules.reading.reading`, are taken as they are.

    Args:
        structure: as :func:`to_structure` returns it; without ``source_mol`` there are no further conformers.
        count: how many are wanted; those that fail are left out.
    """
    if count < 1 or structure.source_mol is None:
        return []
    made = structure.further_xyz
    found = []
    for number, xyz in enumerate(_further(structure, count) if made is None or len(made) < count else made[:count]):
        try:
            found.append(replace(structure, xyz=xyz, further_xyz=None))
        except InputError:  # atoms of this one overlap
            log.debug("further conformer %d of %s is unsound", number + 1, structure.id)
    return found


def _further(structure: Structure, count: int) -> list[np.ndarray]:
    """Positions of up to ``count`` further conformers, made anew, each ``[n, 3]``."""
    from rdkit import Chem, rdBase

    mol = Chem.Mol(structure.source_mol)  # type: ignore[call-overload]  # RDKit's stubs forget bytes
    with rdBase.BlockLogs():
        try:
            embed(mol, 1 + count)
        except InputError as error:
            log.debug("no further conformers of %s: %s", structure.id, error)
            return []
    return [conformer.GetPositions() for conformer in mol.GetConformers() if conformer.GetId() > 0]
