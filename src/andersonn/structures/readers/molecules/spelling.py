"""One spelling of a molecule: charges on neighboring atoms that a double bond takes the place of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol

HYPERVALENT = frozenset([15, 16, 33, 34, 52])
"""P, S, As, Se and Te, which are written with double bonds: C[S+](C)[O-] is CS(C)=O."""
NITROGEN = 7


def spell(mol: Mol) -> None:
    """Writes double bonds for pairs of charges, in place, in a molecule that need not be sanitized.

    Chemists write one molecule as CS(C)=O and as C[S+](C)[O-], and force fields, fingerprints and networks take the two for
    different ones. Nitro groups and N-oxides keep their charges, since RDKit knows nitrogen by no other spelling; so do halogens.
    Azides, diazo compounds and N2O get their double bonds: [N-][N+]#N becomes N=[N+]=[N-].
    """
    for atom in mol.GetAtoms():
        if atom.GetFormalCharge() > 0 and atom.GetAtomicNum() in HYPERVALENT:
            _join(mol, atom)
        elif atom.GetFormalCharge() == 1 and atom.GetAtomicNum() == NITROGEN and atom.GetDegree() == 2:
            _shift(mol, atom)


def is_spelled(text: str) -> bool:
    """Whether a SMILES has no charge that :func:`spell` could take away."""
    return "+" not in text


def _join(mol: Mol, positive: Atom) -> None:
    """X+-Y- becomes X=Y, for each charge of X."""
    for other in positive.GetNeighbors():
        if positive.GetFormalCharge() > 0 > other.GetFormalCharge() and _order(mol, positive, other) == 1.0:
            _make_double(mol, positive, other)
            positive.SetFormalCharge(positive.GetFormalCharge() - 1)
            other.SetFormalCharge(other.GetFormalCharge() + 1)


def _shift(mol: Mol, middle: Atom) -> None:
    """Y- -N+≡N becomes Y=N+=N-."""
    first, last = middle.GetNeighbors()
    if first.GetFormalCharge() != -1:
        first, last = last, first
    ends = last.GetAtomicNum() == NITROGEN and last.GetDegree() == 1 and last.GetFormalCharge() == 0
    if (
        first.GetFormalCharge() == -1
        and ends
        and _order(mol, middle, first) == 1.0
        and _order(mol, middle, last) == 3.0
    ):
        _make_double(mol, middle, first)
        _make_double(mol, middle, last)
        first.SetFormalCharge(0)
        last.SetFormalCharge(-1)


def _order(mol: Mol, one: Atom, other: Atom) -> float:
    return mol.GetBondBetweenAtoms(one.GetIdx(), other.GetIdx()).GetBondTypeAsDouble()


def _make_double(mol: Mol, one: Atom, other: Atom) -> None:
    from rdkit.Chem import BondType

    mol.GetBondBetweenAtoms(one.GetIdx(), other.GetIdx()).SetBondType(BondType.DOUBLE)
