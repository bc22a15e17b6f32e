"""One spelling of a molecule, where chemists use several: charges on neighboring atoms or another bond."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol

HYPERVALENT = frozenset([15, 16, 33, 34, 51, 52, 83])
"""P, S, As, Se, Sb, Te and Bi, which are written with double bonds: C[S+](C)[O-] is CS(C)=O."""
HALOGENS, OXYGEN = frozenset([17, 35, 53]), 8
"""Cl, Br and I, whose oxides RDKit writes with charges: OCl(=O)=O is O[Cl+2]([O-])[O-]."""
NITROGEN = 7
ACCEPTORS = frozenset([5, 13, 31, 49])
"""B, Al, Ga and In, which share a pair of electrons of their neighbor and make no double bond: C[S+](C)[BH3-]."""
BARE, DONORS = frozenset([6, 14, 32, 50]), frozenset([7, 8, 16, 34])
"""C, Si, Ge and Sn that have one neighbor and no hydrogen; N, O, S and Se, which share a pair of electrons with them."""

UNSPELLED = re.compile(
    r"\+|->|<-|\[\d*(?:C|Si|Ge|Sn)(?:H0)?\]|O=\[?(?:Cl|Br|I)|(?:Cl|Br|I)\]?[\d%]*(?:\([^()]*\))*\(?=O"
)
"""A charge, a dative bond, a bare atom, or an oxide of a halogen."""


def spell(mol: Mol) -> None:
    """Puts the usual bonds in place of pairs of charges, in a molecule that need not be sanitized.

    Chemists write one molecule as CS(C)=O and as C[S+](C)[O-], and force fields, fingerprints and networks take the two for
    different ones. Nitro groups, N-oxides and oxides of halogens have charges, since RDKit knows no other spelling of them.
    Azides, diazo compounds and N2O get their double bonds: [N-][N+]#N becomes N=[N+]=[N-]. Carbon monoxide and isocyanides get their
    triple bond: [C]=O becomes [C-]#[O+]. A dative bond to boron and its group becomes a single one between charges: CS(C)->[BH3] is
    C[S+](C)[BH3-].
    """
    _charge_dative(mol)
    for atom in mol.GetAtoms():
        if atom.GetFormalCharge() > 0 and atom.GetAtomicNum() in HYPERVALENT:
            _join(mol, atom)
        elif atom.GetFormalCharge() == 1 and atom.GetAtomicNum() == NITROGEN and atom.GetDegree() == 2:
            _shift(mol, atom)
        elif atom.GetAtomicNum() in HALOGENS:
            _part(mol, atom)
        elif atom.GetAtomicNum() in BARE and atom.GetDegree() == 1 and atom.GetNoImplicit():
            _close(mol, atom)


def is_spelled(text: str) -> bool:
    """Whether a SMILES surely holds nothing that :func:`spell` would change."""
    return UNSPELLED.search(text) is None


def _join(mol: Mol, positive: Atom) -> None:
    """X+-Y- becomes X=Y, for each charge of X."""
    for other in positive.GetNeighbors():
        if other.GetAtomicNum() in ACCEPTORS:
            continue
        if positive.GetFormalCharge() > 0 > other.GetFormalCharge() and _order_between(mol, positive, other) == 1.0:
            _set_bond(mol, positive, other, 2)
            positive.SetFormalCharge(positive.GetFormalCharge() - 1)
            other.SetFormalCharge(other.GetFormalCharge() + 1)


def _charge_dative(mol: Mol) -> None:
    """X->Y becomes X+-Y-, where Y is boron or of its group."""
    from rdkit.Chem import BondType

    for bond in mol.GetBonds():
        if bond.GetBondType() == BondType.DATIVE and bond.GetEndAtom().GetAtomicNum() in ACCEPTORS:
            bond.SetBondType(BondType.SINGLE)
            donor, acceptor = bond.GetBeginAtom(), bond.GetEndAtom()
            donor.SetFormalCharge(donor.GetFormalCharge() + 1)
            acceptor.SetFormalCharge(acceptor.GetFormalCharge() - 1)


def _shift(mol: Mol, middle: Atom) -> None:
    """Y- -N+≡N becomes Y=N+=N-."""
    first, last = middle.GetNeighbors()
    if first.GetFormalCharge() != -1:
        first, last = last, first
    ends = last.GetAtomicNum() == NITROGEN and last.GetDegree() == 1 and last.GetFormalCharge() == 0
    if (
        first.GetFormalCharge() == -1
        and ends
        and _order_between(mol, middle, first) == 1.0
        and _order_between(mol, middle, last) == 3.0
    ):
        _set_bond(mol, middle, first, 2)
        _set_bond(mol, middle, last, 2)
        first.SetFormalCharge(0)
        last.SetFormalCharge(-1)


def _close(mol: Mol, bare: Atom) -> None:
    """[C]=X becomes [C-]#[X+]."""
    (donor,) = bare.GetNeighbors()
    neutral = bare.GetFormalCharge() == donor.GetFormalCharge() == 0 and not bare.GetNumExplicitHs()
    if neutral and donor.GetAtomicNum() in DONORS and _order_between(mol, bare, donor) == 2.0:
        _set_bond(mol, bare, donor, 3)
        bare.SetFormalCharge(-1)
        donor.SetFormalCharge(1)


def _part(mol: Mol, halogen: Atom) -> None:
    """X=O becomes X+-O-, for each oxygen."""
    for other in halogen.GetNeighbors():
        alone = other.GetAtomicNum() == OXYGEN and other.GetDegree() == 1 and other.GetFormalCharge() == 0
        if alone and _order_between(mol, halogen, other) == 2.0:
            _set_bond(mol, halogen, other, 1)
            halogen.SetFormalCharge(halogen.GetFormalCharge() + 1)
            other.SetFormalCharge(-1)
            halogen.SetNoImplicit(True)  # no hydrogen where O=Cl=O had none


def _order_between(mol: Mol, one: Atom, other: Atom) -> float:
    return mol.GetBondBetweenAtoms(one.GetIdx(), other.GetIdx()).GetBondTypeAsDouble()


def _set_bond(mol: Mol, one: Atom, other: Atom, order: int) -> None:
    from rdkit.Chem import BondType

    kind = {1: BondType.SINGLE, 2: BondType.DOUBLE, 3: BondType.TRIPLE}[order]
    mol.GetBondBetweenAtoms(one.GetIdx(), other.GetIdx()).SetBondType(kind)
