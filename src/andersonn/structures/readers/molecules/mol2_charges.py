"""Formal charges of a MOL2 molecule from atom types and bonds; its hydrogens may be missing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, islice
from typing import TYPE_CHECKING

from andersonn.errors import InputError

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol, RWMol

VALENCE = {"H": 1, "B": 3, "C": 4, "N": 3, "O": 2, "F": 1, "Si": 4, "P": 3, "S": 2, "Cl": 1, "Se": 2, "Br": 1, "I": 1}
"""Lowest valence of a neutral atom."""
MOST = {"C": 4, "N": 4, "P": 5, "S": 6, "Se": 6, "Cl": 7, "Br": 7, "I": 7, "As": 5}
"""Bonds of the centers of oxygen groups; of nitrogen with its positive charge."""
IONS = {
    "Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1, "Ag": 1, "Mg": 2, "Ca": 2, "Sr": 2, "Ba": 2, "Zn": 2, "Cd": 2, "Al": 3,
    "F": -1, "Cl": -1, "Br": -1, "I": -1,
}  # fmt: skip
"""Charges of atoms without bonds."""
MOST_CHANGED, MOST_TRIALS = 4, 200
"""Atoms of aromatic rings that may lack a hydrogen, and sets of so many that are tried."""
HYDROGEN_HINT = "add the hydrogens to the file, or write the bonds of its rings as 1 and 2"


def settle(mol: RWMol, types: list[str], formal: dict[int, int], total: int | None) -> tuple[str, ...]:
    """Writes aromatic bonds of charged groups as single and double bonds, and assigns formal charges by types and bonds, in
    place. Valences that are then free are implicit hydrogens.

    Args:
        mol: unsanitized, all atoms neutral.
        types: of each atom.
        formal: charges by atom that the file gives.
        total: charge of the molecule, if the file gives it; then a free valence may be a charge instead of a hydrogen.

    Returns:
        Warnings about the charges.

    Raises:
        InputError: it cannot be told which atom of an aromatic ring lacks a hydrogen.
    """
    _write_ends(mol, types, formal)
    _write_cations(mol, types)
    for atom in mol.GetAtoms():
        atom.SetIsAromatic(_is_aromatic(atom))
    for atom in mol.GetAtoms():
        charge = formal.get(atom.GetIdx(), _charge_of(atom, types[atom.GetIdx()]))
        atom.SetFormalCharge(charge)
        if charge and not atom.GetDegree():
            atom.SetNoImplicit(True)
        if types[atom.GetIdx()].lower() == "n.pl3" and _is_aromatic(atom) and atom.GetDegree() == 2:
            atom.SetNumExplicitHs(1)  # as in pyrrole
    _complete_rings(mol, total, formal)
    for atom in mol.GetAtoms():
        if atom.GetIdx() not in formal and atom.GetFormalCharge() == 0 and _balances(atom):
            atom.SetFormalCharge(-1)
    return _reconcile(mol, total)


def _bonds(atom: Atom) -> float:
    """Sum of bond orders: those of aromatic bonds together as one double bond and the rest single."""
    from rdkit.Chem import BondType

    aromatic = [b for b in atom.GetBonds() if b.GetBondType() == BondType.AROMATIC]
    plain = sum(b.GetBondTypeAsDouble() for b in atom.GetBonds() if b.GetBondType() != BondType.AROMATIC)
    return plain + (len(aromatic) + 1 if aromatic else 0)


def _is_aromatic(atom: Atom) -> bool:
    from rdkit.Chem import BondType

    return any(b.GetBondType() == BondType.AROMATIC for b in atom.GetBonds())


def _write_ends(mol: RWMol, types: list[str], formal: dict[int, int]) -> None:
    """Carboxylates, nitro groups, phosphates and sulfonates: their end atoms, where aromatic or of type O.co2, get so many
    double bonds as the center has room for, and else negative charges. The center's own charge is told by its bonds.
    """
    from rdkit.Chem import BondType

    for center in mol.GetAtoms():
        ends = []
        for bond in center.GetBonds():
            other = bond.GetOtherAtom(center)
            delocal = bond.GetBondType() == BondType.AROMATIC or types[other.GetIdx()].lower() == "o.co2"
            if other.GetSymbol() in ("O", "S") and other.GetDegree() == 1 and delocal and center.GetSymbol() in MOST:
                ends.append(bond)
        if not ends:
            continue
        if len(ends) == 1 and ends[0].GetBondType() != BondType.AROMATIC:  # written as it is meant
            if ends[0].GetBondType() == BondType.SINGLE:
                ends[0].GetOtherAtom(center).SetFormalCharge(-1)
            continue
        own = {bond.GetIdx() for bond in ends}
        rest = sum(b.GetBondTypeAsDouble() for b in center.GetBonds() if b.GetIdx() not in own)
        most = 4 if center.GetSymbol() in ("S", "Se") and center.GetDegree() < 4 else MOST[center.GetSymbol()]
        room = int(most - rest - len(ends))  # number of double bonds among them
        ends.sort(key=lambda bond: formal.get(bond.GetOtherAtom(center).GetIdx(), 0) < 0)
        for k, bond in enumerate(ends):
            bond.SetBondType(BondType.DOUBLE if k < room else BondType.SINGLE)
            bond.SetIsAromatic(False)
            if k >= room:
                bond.GetOtherAtom(center).SetFormalCharge(-1)


def _write_cations(mol: RWMol, types: list[str]) -> None:
    """Guanidinium and amidinium, whose carbon is C.cat, and chains with aromatic bonds: one bond to nitrogen is double."""
    from rdkit.Chem import BondType

    for center in mol.GetAtoms():
        cation = types[center.GetIdx()].lower() == "c.cat"
        arms = [b for b in center.GetBonds() if b.GetOtherAtom(center).GetSymbol() == "N"]
        aromatic = [b for b in arms if b.GetBondType() == BondType.AROMATIC and not b.IsInRing()]
        if not cation and len(aromatic) < 2:
            continue
        double = next((b for b in arms if b.GetBondType() == BondType.DOUBLE), None)
        for bond in aromatic:
            bond.SetBondType(BondType.SINGLE)
            bond.SetIsAromatic(False)
        if double is None and arms:  # at a cation any will do, and an end with hydrogens changes least
            key = _hydrogens if cation else lambda atom: -atom.GetDegree()
            double = max(arms, key=lambda b: (key(b.GetOtherAtom(center)), -b.GetIdx()))
            double.SetBondType(BondType.DOUBLE)
        if not cation:
            continue
        if double is None:
            center.SetFormalCharge(1)
            continue
        nitrogen = double.GetOtherAtom(center)
        listed = any(atom.GetSymbol() == "H" for atom in mol.GetAtoms())
        if nitrogen.GetDegree() > 2 or not (listed or types[nitrogen.GetIdx()].lower() == "n.2"):
            nitrogen.SetFormalCharge(1)  # else it is a neutral guanidine of a wrong type


def _hydrogens(atom: Atom) -> int:
    return sum(other.GetSymbol() == "H" for other in atom.GetNeighbors())


def _charge_of(atom: Atom, kind: str) -> int:
    """The formal charge of an atom by its type and the listed bonds; 0 if bonds are missing."""
    symbol, bonds = atom.GetSymbol(), _bonds(atom)
    if atom.GetFormalCharge():
        return atom.GetFormalCharge()
    if not atom.GetDegree():
        return IONS.get(symbol, 0)
    if any(other.GetSymbol() not in VALENCE for other in atom.GetNeighbors()):
        return 0  # a metal takes part in other bonds
    if kind.lower() in ("n.4", "n4"):
        return 1
    if _is_aromatic(atom) and atom.GetDegree() <= 3:
        return 0  # as in pyrrole, furan and thiophene; whether as in pyridinium is told by all of the ring
    oxide = any(b.GetBondTypeAsDouble() == 2 for b in atom.GetBonds())
    if (symbol == "N" and bonds == 4) or (symbol == "P" and bonds == 4 and not oxide):
        return 1
    if symbol in ("O", "S", "Se") and bonds == 3:
        return 1
    return -1 if symbol == "B" and bonds == 4 else 0


def _balances(atom: Atom) -> bool:
    """Whether an atom at an end lacks the one bond whose electrons its positive neighbor misses: an N-oxide, azide,
    isocyanide.
    """
    if atom.GetDegree() != 1 or atom.GetSymbol() not in ("C", "N", "O", "S", "Se"):
        return False
    (other,) = atom.GetNeighbors()
    spent = sum(n.GetFormalCharge() for n in other.GetNeighbors())
    return other.GetFormalCharge() + spent > 0 and VALENCE[atom.GetSymbol()] - _bonds(atom) == 1


def _complete_rings(mol: RWMol, total: int | None, formal: dict[int, int]) -> None:
    """Finds the hydrogens or charges of atoms in aromatic rings, such as pyrrole's and pyridinium's, that the file lacks."""
    from rdkit import Chem

    for atom in mol.GetAtoms():  # an N-oxide, written with a double bond
        for bond in atom.GetBonds() if _is_aromatic(atom) and atom.GetSymbol() == "N" else ():
            if bond.GetBondType() == Chem.BondType.DOUBLE and bond.GetOtherAtom(atom).GetSymbol() == "O":
                bond.SetBondType(Chem.BondType.SINGLE)
    free = [atom for atom in mol.GetAtoms() if _is_aromatic(atom) and atom.GetIdx() not in formal]
    full = [a.GetIdx() for a in free if a.GetDegree() == (3 if a.GetSymbol() in ("N", "P") else 2)]
    full = [k for k in full if mol.GetAtomWithIdx(k).GetSymbol() in ("N", "P", "O", "S")]
    bare = [a.GetIdx() for a in free if a.GetSymbol() in ("N", "P") and a.GetDegree() == 2 and not a.GetNumExplicitHs()]
    is_sound = _stays_aromatic if bare and _open(mol) else _kekulizes
    if is_sound(mol):
        return
    ways = [(bare, Chem.Atom.SetNumExplicitHs), (full, Chem.Atom.SetFormalCharge)]
    if total is not None and total > sum(atom.GetFormalCharge() for atom in mol.GetAtoms()):
        ways.reverse()
    for places, change in ways:
        found = _trials(mol, places, change, is_sound)
        if len(found) > 1 and places is bare:
            raise InputError(
                "missing_hydrogens", "which nitrogen of an aromatic ring has its hydrogen cannot be told", HYDROGEN_HINT
            )
        if found:  # which of several atoms has the charge is but a way to write the same ring
            for index in next(iter(found.values())):
                change(mol.GetAtomWithIdx(index), 1)
            return


def _trials(
    mol: Mol, places: list[int], change: Callable[[Atom, int], None], is_sound: Callable[[Mol], bool]
) -> dict[str, tuple[int, ...]]:
    """The fewest of atoms at which a change lets all rings be written with single and double bonds, by the molecules that
    result.
    """
    from rdkit import Chem, rdBase

    for size in range(1, MOST_CHANGED + 1):
        found: dict[str, tuple[int, ...]] = {}
        for chosen in islice(combinations(places, size), MOST_TRIALS):
            trial = Chem.RWMol(mol)
            for index in chosen:
                change(trial.GetAtomWithIdx(index), 1)
            if not is_sound(trial):
                continue
            with rdBase.BlockLogs():
                Chem.SanitizeMol(trial, catchErrors=True)
                found.setdefault(Chem.MolToSmiles(Chem.RemoveHs(trial, sanitize=False)), chosen)
        if found:
            return found
    return {}


def _kekulizes(mol: Mol) -> bool:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        return not [p for p in Chem.DetectChemistryProblems(mol) if "Kekulize" in p.GetType()]


def _stays_aromatic(mol: Mol) -> bool:
    """Whether what the file calls aromatic is so: guanine without hydrogens can be written with single and double bonds, but
    of a molecule of which two hydrogens lack.
    """
    from rdkit import Chem, rdBase

    if not _kekulizes(mol):
        return False
    trial = Chem.RWMol(mol)
    called = [bond.GetIdx() for bond in mol.GetBonds() if bond.GetBondType() == Chem.BondType.AROMATIC]
    with rdBase.BlockLogs():
        Chem.SanitizeMol(trial, catchErrors=True)
    return all(trial.GetBondWithIdx(k).GetIsAromatic() for k in called)


def _reconcile(mol: RWMol, total: int | None) -> tuple[str, ...]:
    """Where the file's charge differs by just the bonds that atoms lack, these are charges and not missing hydrogens. Where
    it has no hydrogens, and differs by just the charges that the types make, these are hydrogens.
    """
    charge = sum(atom.GetFormalCharge() for atom in mol.GetAtoms())
    if total is None or total == charge:
        return ()
    lacking = {atom.GetIdx(): int(VALENCE[atom.GetSymbol()] + _extra(atom) - _bonds(atom)) for atom in _open(mol)}
    if sum(lacking.values()) == abs(total - charge):
        for index, bonds in lacking.items():
            atom = mol.GetAtomWithIdx(index)
            atom.SetFormalCharge(atom.GetFormalCharge() + (bonds if total > charge else -bonds))
            atom.SetNoImplicit(True)
        return ()
    sign = -1 if total > charge else 1
    typed = [a for a in mol.GetAtoms() if a.GetFormalCharge() == sign and a.GetDegree() and not _is_paired(a)]
    if len(typed) == abs(total - charge) and not any(atom.GetSymbol() == "H" for atom in mol.GetAtoms()):
        for atom in typed:
            atom.SetFormalCharge(0)
        return ()
    return (f"the file's partial charges add up to {total:+d}, its atom types and bonds make the charge {charge:+d}",)


def _is_paired(atom: Atom) -> bool:
    """Whether a neighbor has the opposite charge, as in nitro groups."""
    return any(other.GetFormalCharge() * atom.GetFormalCharge() < 0 for other in atom.GetNeighbors())


def _open(mol: Mol) -> list[Atom]:
    """Atoms that have fewer bonds than the least of their valences."""
    known = [a for a in mol.GetAtoms() if a.GetSymbol() in VALENCE and a.GetDegree() and not a.GetNumExplicitHs()]
    return [a for a in known if _bonds(a) < VALENCE[a.GetSymbol()] + _extra(a)]


def _extra(atom: Atom) -> int:
    """What a formal charge changes of an atom's valence: N+ has 4 bonds, O- has 1, B- 4, C+ and C- 3."""
    charge, symbol = atom.GetFormalCharge(), atom.GetSymbol()
    if symbol in ("B",):
        return -charge
    return -abs(charge) if symbol in ("C", "Si", "H") else charge
