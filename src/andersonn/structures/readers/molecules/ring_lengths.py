"""Lengths of bonds in rings of small organic molecules, as density functional theory has them.

MMFF94 makes bonds in rings 0.01 to 0.03 Å longer or shorter than B3LYP does. That seems little, but a network that learned from computed
geometries takes it for another molecule: pyridine had 1.91 instead of 2.15 D. ``ring_lengths.csv`` has the medians of kinds of bonds, learned
from molecules of the training side of QM9 (``tools/fit_local_shapes.py --rings``). Other bonds keep the lengths of MMFF94: with those of
B3LYP too, answers about molecules without rings became worse.

Nearly every drug has rings. So that screening takes no more time, only molecules as small as those it was measured on get these lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from andersonn.structures.readers.molecules.kinds import name, rows_of, sign

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol

TABLE = "ring_lengths.csv"
FORCE_FIELD = "MMFF94"
"""The only one whose lengths are put right by this table."""
MOST_HEAVY = 12
"""Atoms besides hydrogen; larger molecules keep their lengths."""
SMALLEST = 4
"""Atoms of a ring: bonds in one of three depend too much on what else is in it (1.51 Å in cyclopropane, 1.47 Å in oxirane)."""
BENZENE = 6
"""Atoms of its ring."""


@cache
def usual() -> dict[str, float]:
    """Kind of bond → the usual length in Å."""
    return {row["kind"]: float(row["usual"]) for row in rows_of(TABLE)}


def lengths(mol: Mol, force_field: str) -> dict[tuple[int, ...], float]:
    """The usual lengths of the bonds in rings of a small molecule, Å, by the two atoms; none of a larger one.

    Args:
        mol: sanitized, with explicit hydrogens.
        force_field: by which it was relaxed.
    """
    if force_field != FORCE_FIELD or mol.GetNumHeavyAtoms() > MOST_HEAVY:
        return {}
    known = usual()
    return {atoms: known[kind] for kind, atoms in kinds_of(mol) if kind in known}


def kinds_of(mol: Mol) -> Iterator[tuple[str, tuple[int, int]]]:
    """The kind of each bond in a ring of four atoms or more, and its two atoms. A kind names both atoms, the bond's order and the size
    of its smallest ring, and says whether a ring is like benzene.

    Args:
        mol: sanitized, with explicit hydrogens.
    """
    like_benzene = _like_benzene(mol)
    rings = [frozenset(ring) for ring in mol.GetRingInfo().BondRings()]
    for bond in mol.GetBonds():
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        size = min((len(ring) for ring in rings if bond.GetIdx() in ring), default=0)
        if size < SMALLEST:
            continue
        ring = f" in a ring of {size}"
        if bond.GetIdx() in like_benzene:
            ring += " and one like benzene" if size < BENZENE else " like benzene"
        yield f"{sign(bond).join(sorted(name(end) for end in ends))}{ring}", (ends[0].GetIdx(), ends[1].GetIdx())


def _like_benzene(mol: Mol) -> set[int]:
    """Bonds in aromatic rings of six atoms that bring one electron each: benzene, pyridine and triazine, but not pyridone."""
    info = mol.GetRingInfo()
    found: set[int] = set()
    for atoms, bonds in zip(info.AtomRings(), info.BondRings(), strict=True):
        if len(atoms) == BENZENE and all(_brings_one_electron(mol.GetAtomWithIdx(k)) for k in atoms):
            found |= set(bonds)
    return found


def _brings_one_electron(atom: Atom) -> bool:
    if not atom.GetIsAromatic():
        return False
    if atom.GetSymbol() == "N":
        return bool(atom.GetDegree() == 2)
    return atom.GetSymbol() == "C" and all(bond.GetBondTypeAsDouble() < 2 for bond in atom.GetBonds())
