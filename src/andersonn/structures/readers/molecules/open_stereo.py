"""Which stereo centers and double bonds of a molecule are not given, though they make different molecules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdkit.Chem import Mol

MOST = 5
"""Open centers up to which it is tried whether they make different molecules; of more it is taken for granted."""


def open_stereo(mol: Mol) -> tuple[str, ...]:
    """A note on stereo centers and double bonds that are not given; none where one molecule alone can be meant.

    RDKit finds more than there are: bridgeheads of cages, cumulated double bonds, equal neighbors around one atom.

    Args:
        mol: sanitized.
    """
    from rdkit.Chem import FindPotentialStereo, Mol, StereoType
    from rdkit.Chem.rdMolDescriptors import CalcNumBridgeheadAtoms

    heads: list[int] = []
    CalcNumBridgeheadAtoms(mol, heads)  # type: ignore[arg-type]  # RDKit's stubs name another class
    found = [
        each.type
        for each in FindPotentialStereo(Mol(mol))
        if each.specified == each.specified.Unspecified
        and not (each.type == StereoType.Atom_Tetrahedral and each.centeredOn in heads)
    ]
    if not found or (len(found) <= MOST and _isomers(mol) == 1):
        return ()
    atoms = sum(kind != StereoType.Bond_Double for kind in found)
    bonds = len(found) - atoms
    told = [
        f"{count} {name}{'s' * (count > 1)}"
        for count, name in ((atoms, "stereo center"), (bonds, "double bond"))
        if count
    ]
    are = "is" if len(found) == 1 else "are"
    return (f"{' and '.join(told)} {are} not given; a geometry is of one isomer",)


def _isomers(mol: Mol) -> int:
    """Isomers that differ by what is open."""
    from rdkit.Chem import Mol, MolToSmiles
    from rdkit.Chem.EnumerateStereoisomers import EnumerateStereoisomers

    return len({MolToSmiles(isomer) for isomer in EnumerateStereoisomers(Mol(mol))})
