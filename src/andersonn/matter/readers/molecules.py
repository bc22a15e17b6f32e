"""RDKit molecules → Structure: checked, with explicit hydrogens, bonds, and a 3-D geometry where there was none."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from andersonn.errors import InputError
from andersonn.matter import elements
from andersonn.matter.structure import Structure

if TYPE_CHECKING:
    from rdkit.Chem import Mol

log = logging.getLogger(__name__)

CONFORMER_SEED = 7
CONFORMER_PROTOCOL = f"RDKit ETKDGv3 (seed {CONFORMER_SEED}), MMFF94"
"""Changed whenever geometries would come out otherwise, so that stores of older ones are not read."""
FURTHER_SEED = CONFORMER_SEED + 1
FURTHER_PROTOCOL = f"{CONFORMER_PROTOCOL}; others from seed {FURTHER_SEED}"
"""The same for further conformers. RDKit embeds the k-th from k times the seed, so none repeats the first."""
FORCE_FIELD_STEPS = 2000
MOST_PLACED = 200
"""Atoms, hydrogens included. Larger molecules are not embedded: that takes minutes, and their conformer is a guess."""
EMBED_SECONDS = 2
"""By the clock, for a conformer in one of two ways; a molecule that has none can keep distance geometry busy for hours."""


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
        check_elements(mol)
        sanitize(mol)
        given, made_from = has_geometry(mol), None
        if not given:
            _check_embeddable(mol)
        whole = with_hydrogens(mol, addCoords=given)
        added = whole.GetNumAtoms() - mol.GetNumAtoms()
        if given:
            notes += (f"{added} hydrogen atoms were missing and have been added",) if added else ()
        else:
            made_from = whole.ToBinary()
            notes += _embed(whole)
        if len(Chem.GetMolFrags(whole)) > 1:
            notes += (f"{len(Chem.GetMolFrags(whole))} separate molecules are taken together",)
    return finished(whole, id, notes, made_from)


def with_hydrogens(mol: Mol, **options: Any) -> Mol:
    """A molecule with explicit hydrogens.

    Args:
        mol: sanitized.
        options: of RDKit's ``AddHs``.

    Raises:
        InputError: there is no place for one, as between atoms that lie upon each other.
    """
    from rdkit import Chem

    try:
        return Chem.AddHs(mol, **options)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            "missing_hydrogens",
            f"missing hydrogens cannot be placed: {error}",
            "add them to the file, or correct its atoms",
        ) from None


def has_geometry(mol: Mol) -> bool:
    """Whether the molecule has 3-D coordinates (of at least one atom off the plane, or marked as 3-D by its file)."""
    return mol.GetNumConformers() > 0 and mol.GetConformer().Is3D()


def finished(
    mol: Mol, id: str, notes: tuple[str, ...], made_from: bytes | None = None, conformer: int = -1
) -> Structure:
    """The structure of a molecule that has all its hydrogens, in one of its conformers (the first by default)."""
    from rdkit import Chem

    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
    return Structure(
        np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.int64),
        np.array(mol.GetConformer(conformer).GetPositions()),
        id=id,
        charge=Chem.GetFormalCharge(mol),
        notes=notes,
        bonds=np.array(bonds, dtype=np.int64).reshape(-1, 2),
        bond_orders=np.array([b.GetBondTypeAsDouble() for b in mol.GetBonds()]),
        made_geometry=made_from is not None,
        made_from=made_from,
    )


def check_elements(mol: Mol) -> None:
    """Each atom must be an element: RDKit's tables end with the known ones.

    Raises:
        InputError: one is not, or there are none.
    """
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

    try:
        problems = Chem.DetectChemistryProblems(mol)
        if not problems:
            Chem.SanitizeMol(mol)
    except (RuntimeError, ValueError) as error:  # a few problems are not among those that are looked for
        raise _impossible(str(error)) from None
    if problems:
        raise _impossible(problems[0].Message())
    if mol.GetNumConformers() and not mol.GetConformer().Is3D():  # a drawing: wedges and double bonds tell the isomer
        Chem.AssignChiralTypesFromBondDirs(mol)
        Chem.SetDoubleBondNeighborDirections(mol, mol.GetConformer())
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)


def _impossible(why: str) -> InputError:
    return InputError(
        "bad_valence",
        f"chemically impossible: {why.strip()}",
        "correct bonds and formal charges (a four-bonded nitrogen is [N+], for example)",
    )


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
    """Gives a molecule with explicit hydrogens a geometry, in place; says how."""
    if not place(mol, 1, CONFORMER_SEED):
        raise InputError(
            "no_conformer", "RDKit finds no 3-D geometry for this molecule", "give a file with 3-D coordinates"
        )
    return (f"3-D geometry made by {_relax(mol)}", *_open_stereo(mol))


def further_conformers(structure: Structure, count: int) -> list[Structure]:
    """Other conformers of a molecule whose geometry was made, made in the same way from other seeds; where stereo centers
    are open, also of other isomers. The first ones are the same for every ``count``.

    Args:
        structure: as :func:`to_structure` made it.
        count: how many are wanted; those that fail are left out. There are none if ``made_from`` is not known.
    """
    if count < 1 or structure.made_from is None:
        return []
    from rdkit import Chem, rdBase

    mol, found = Chem.Mol(structure.made_from), []
    with rdBase.BlockLogs():
        try:
            made = place(mol, count, FURTHER_SEED)
        except InputError as error:
            log.debug("no further conformers of %s: %s", structure.id, error)
            return []
        if made:
            _relax(mol)
    for conformer in made:
        try:
            found.append(finished(mol, structure.id, structure.notes, structure.made_from, conformer))
        except InputError:  # atoms of this one overlap
            log.debug("conformer %d of %s is unsound", conformer, structure.id)
    return found


def place(mol: Mol, count: int, seed: int) -> list[int]:
    """Embeds up to ``count`` conformers, in place of those the molecule has; returns their RDKit numbers.

    Raises:
        InputError: it takes longer than :data:`EMBED_SECONDS` each.
    """
    from rdkit.Chem import rdDistGeom

    options = rdDistGeom.ETKDGv3()
    options.randomSeed = seed
    options.timeout = EMBED_SECONDS * count
    for options.useRandomCoords in (
        False,
        True,
    ):  # cages and crowded molecules need a start in space, not by eigenvectors
        begin = time.monotonic()
        try:
            numbers = list(rdDistGeom.EmbedMultipleConfs(mol, count, options))
        except (RuntimeError, ValueError) as error:  # it takes the molecule apart anew, and may then find it impossible
            raise _impossible(str(error)) from None
        made = [number for number in numbers if number >= 0]
        if made:
            return made
        if numbers or time.monotonic() - begin >= options.timeout:  # going on would let the load decide on the geometry
            raise InputError(
                "no_conformer",
                f"RDKit finds no 3-D geometry for this molecule in {options.timeout} s",
                "give a file with 3-D coordinates; on a busy machine, try again",
            )
    return []


def _relax(mol: Mol) -> str:
    """Relaxes all conformers, in place; says how."""
    from rdkit.Chem import AllChem

    base = f"RDKit ETKDGv3 (seed {CONFORMER_SEED})"
    if AllChem.MMFFHasAllMoleculeParams(mol):
        AllChem.MMFFOptimizeMoleculeConfs(mol, maxIters=FORCE_FIELD_STEPS)
        return CONFORMER_PROTOCOL
    with contextlib.suppress(RuntimeError):  # it knows the atoms, but perhaps not a bond
        if AllChem.UFFHasAllMoleculeParams(mol):
            AllChem.UFFOptimizeMoleculeConfs(mol, maxIters=FORCE_FIELD_STEPS)
            return f"{base} and UFF, since MMFF94 does not know all its atoms; less exact"
    return f"{base} alone, since no force field knows all its atoms; less exact"


def _open_stereo(mol: Mol) -> tuple[str, ...]:
    from rdkit.Chem import FindPotentialStereo

    found = [s for s in FindPotentialStereo(mol) if s.specified == s.specified.Unspecified]
    return (f"{len(found)} stereo centers are not given; a geometry is of one isomer",) if found else ()
