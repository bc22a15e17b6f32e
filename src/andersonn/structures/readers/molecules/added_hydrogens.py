"""Hydrogens that a file with a geometry lacks: added, and relaxed among the given atoms, which stay where they are."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from andersonn.errors import InputError
from andersonn.structures.readers.molecules.embedding import FORCE_FIELD_STEPS, interruptible

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol
    from rdkit.ForceField.rdForceField import ForceField

N, TURNABLE = 7, (8, 16, 34, 52)
"""Atomic numbers: nitrogen; oxygen and those below it, whose hydrogen may turn about their other bond."""
MOST_RELAXED = 300
"""Atoms, hydrogens included. Added hydrogens of larger molecules are not relaxed, since the time grows steeply: 3 s here, 40 s for 1000."""
REACH = 10.0
"""Å. Atoms further apart do not act on each other while hydrogens relax."""


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


def placed_hydrogens(mol: Mol, given: int, remark: str = "") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Relaxes added hydrogens of a molecule with a 3-D conformer, in place: by MMFF94, or by UFF if that does not know all
    atoms. RDKit places them by bond lengths and ideal angles alone, which makes an amine planar.

    Args:
        mol: with explicit hydrogens; the added ones are the last atoms.
        given: number of given atoms, which stay where they are.
        remark: what else the note says.

    Returns:
        notes on what was added, and warnings on what remains uncertain: the hydrogen of an O-H may turn about the C-O bond,
        and that of an amine may be on either side.
    """
    count = mol.GetNumAtoms() - given
    if not count:
        return (), ()
    added = f"{count} hydrogen atom{'s were missing and have' if count > 1 else ' was missing and has'} been added"
    doubts: tuple[str, ...] = ()
    if mol.GetNumAtoms() > MOST_RELAXED:
        by, doubts = "", (f"the added hydrogens were not relaxed: the molecule has more than {MOST_RELAXED} atoms",)
    else:
        with interruptible():
            by = _relaxed(mol, given)
        doubts = () if by else ("the added hydrogens were not relaxed: no force field knows all atoms",)
    free = _free(mol, given)
    if free:
        shown = ", ".join(f"{mol.GetAtomWithIdx(k).GetSymbol()}{k + 1}" for k in free[:3])
        more = f" and {len(free) - 3} more atoms" if len(free) > 3 else ""
        doubts += (f"where the hydrogen of {shown}{more} points is not given: it was placed by {by or 'ideal angles'}",)
    return (f"{added}{f' and relaxed by {by}' if by else ''}{remark}",), doubts


def _relaxed(mol: Mol, given: int) -> str:
    """Relaxes all atoms behind the given ones, in place; the name of the force field, empty if none knows all atoms."""
    from rdkit.Chem import rdForceFieldHelpers as fields

    if fields.MMFFHasAllMoleculeParams(mol):
        properties = fields.MMFFGetMoleculeProperties(mol)
        _minimize(fields.MMFFGetMoleculeForceField(mol, properties, nonBondedThresh=REACH), given)
        return "MMFF94"
    with contextlib.suppress(RuntimeError):  # it knows the atoms, but perhaps not a bond
        if fields.UFFHasAllMoleculeParams(mol):
            _minimize(fields.UFFGetMoleculeForceField(mol), given)
            return "UFF"
    return ""


def _minimize(field: ForceField, given: int) -> None:
    field.Initialize()
    for k in range(given):
        field.AddFixedPoint(k)
    field.Minimize(maxIts=FORCE_FIELD_STEPS)


def _free(mol: Mol, given: int) -> list[int]:
    """Atoms with an added hydrogen that has several places: O-H, S-H, imines and amines."""
    return [atom.GetIdx() for atom in mol.GetAtoms() if _is_free(atom, given)]


def _is_free(atom: Atom, given: int) -> bool:
    from rdkit.Chem import HybridizationType

    neighbors = atom.GetNeighbors()
    heavy = [other for other in neighbors if other.GetAtomicNum() > 1]
    if not heavy or all(other.GetIdx() < given for other in neighbors) or atom.GetFormalCharge() > 0:
        return False
    if len(heavy) == 1 and len(heavy[0].GetNeighbors()) == 4 and _hydrogens(heavy[0]) == 3:
        return False  # beside a methyl group all places are alike
    if atom.GetAtomicNum() == N:
        imine = len(neighbors) == 2
        return imine or (atom.GetHybridization() == HybridizationType.SP3 and len(neighbors) == 3)
    return atom.GetAtomicNum() in TURNABLE and len(heavy) == 1 and len(neighbors) == 2


def _hydrogens(atom: Atom) -> int:
    return sum(other.GetAtomicNum() == 1 for other in atom.GetNeighbors())
