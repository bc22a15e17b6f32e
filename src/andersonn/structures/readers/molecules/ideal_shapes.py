"""Shapes of molecules in which one atom holds more than RDKit's force fields know: six neighbors, or a noble gas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from andersonn.structures import elements

if TYPE_CHECKING:
    from rdkit.Chem import Mol

NOBLE = (36, 54)
_AXES = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float)
NAMES = {2: "in line", 4: "a square", 6: "an octahedron"}
"""Neighbors of the central atom by their number, as lone pairs leave them: XeF2, XeF4, SF6."""


def shaped(mol: Mol) -> str:
    """Gives a molecule of one central atom its ideal shape, in place of all its conformers; with bonds as long as the covalent radii say.

    Args:
        mol: with explicit hydrogens and at least one conformer.

    Returns:
        How it was made, in words; empty if it is of another kind, and nothing was changed.
    """
    found = _center(mol)
    if found is None:
        return ""
    center, around = found
    radius = elements.column("covalent_radius_A")
    z = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    for conformer in mol.GetConformers():
        conformer.SetAtomPosition(center, [0.0, 0.0, 0.0])
        for axis, atom in zip(_AXES, around, strict=False):
            conformer.SetAtomPosition(atom, (axis * (radius[z[center]] + radius[z[atom]])).tolist())
    symbol = mol.GetAtomWithIdx(center).GetSymbol()
    return f"rule: neighbors of {symbol} {NAMES[len(around)]}, lengths by covalent radii; less exact"


def _center(mol: Mol) -> tuple[int, list[int]] | None:
    """The central atom, and its neighbors, those of one element that comes twice opposite each other first."""
    if mol.GetNumBonds() != mol.GetNumAtoms() - 1:
        return None
    for atom in mol.GetAtoms():
        around = [other.GetIdx() for other in atom.GetNeighbors()]
        usual = atom.GetAtomicNum() in NOBLE and len(around) in (2, 4)
        if len(around) == mol.GetNumAtoms() - 1 and (usual or len(around) == 6):
            return atom.GetIdx(), sorted(around, key=lambda k: mol.GetAtomWithIdx(k).GetAtomicNum())
    return None
