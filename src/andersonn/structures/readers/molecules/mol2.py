"""One record of a Tripos MOL2 file → an RDKit molecule.

The format lists hydrogens as atoms and gives no formal charges; it tells some by its atom types (carboxylate oxygens are
``O.co2``, ammonium nitrogens ``N.4``). RDKit's parser takes each bond that an atom lacks for a negative charge, so that ethanol
without hydrogens becomes C2O with charge -1. Here atoms that lack bonds get hydrogens, unless the file charges them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.readers.molecules.mol2_charges import settle
from andersonn.structures.readers.molecules.mol2_types import element_of
from andersonn.structures.readers.molecules.unbonded import TOTAL_CHARGE, lists_no_bonds

if TYPE_CHECKING:
    from rdkit.Chem import Mol

HINT = "each molecule needs @<TRIPOS>MOLECULE, @<TRIPOS>ATOM and @<TRIPOS>BOND"
SECTION = "@<TRIPOS>"
ORDERS = {"1": 1.0, "2": 2.0, "3": 3.0, "am": 1.0, "ar": 1.5}
NO_BONDS = ("nc",)
HEAVY_HYDROGEN = {"D": 2, "T": 3}
LONE_PAIRS = ("LP", "DU.LP")
WHOLE = 0.1
"""e: partial charges that add up to within this of a whole number make that charge."""


@dataclass
class Record:
    """The content of a record.

    Attributes:
        symbols, types, xyz, partial: of each atom: element, SYBYL or GAFF type, position in Å, partial charge in e.
        bonds: atom indices and order, 1.5 where aromatic.
        formal: formal charges by atom index, from ``UNITY_ATOM_ATTR``.
        charged: whether its partial charges mean something.
    """

    symbols: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    xyz: list[list[float]] = field(default_factory=list)
    partial: list[float] = field(default_factory=list)
    bonds: list[tuple[int, int, float]] = field(default_factory=list)
    formal: dict[int, int] = field(default_factory=dict)
    charged: bool = False

    @property
    def total(self) -> int | None:
        """The charge that the partial charges add up to; None if there are none or they make no whole number."""
        if not self.charged or not any(self.partial):
            return None
        total = sum(self.partial)
        return round(total) if abs(total - round(total)) <= WHOLE else None


def mol_of(text: str) -> tuple[Mol, tuple[str, ...]]:
    """The unsanitized molecule of a record, hydrogens left implicit where the file lacks them, and warnings.

    Raises:
        InputError: a line is broken, an atom type is unknown, or it cannot be told where hydrogens belong.
    """
    record = _parsed(text)
    mol = _built(record)
    if lists_no_bonds(mol):  # then it cannot be told where hydrogens and charges belong
        total = sum(record.formal.values()) if record.formal else record.total
        if total is not None:
            mol.SetIntProp(TOTAL_CHARGE, total)
        return mol, ()
    warnings = settle(mol, record.types, record.formal, record.total)
    return mol, warnings


def _parsed(text: str) -> Record:
    sections = _sections(text)
    if "ATOM" not in sections:
        raise InputError("bad_mol2", "the record has no @<TRIPOS>ATOM", HINT)
    header = sections.get("MOLECULE", [])
    record = Record()
    place: dict[str, int] = {}
    record.charged = "NO_CHARGES" not in "".join(header[3:4]).upper()
    for line in sections["ATOM"]:
        _atom(line, record, place)
    for line in sections.get("BOND", []):
        _bond(line, record, place)
    _formal_charges(sections.get("UNITY_ATOM_ATTR", []), record, place)
    _check_counts(header, record, sections)
    return record


def _sections(text: str) -> dict[str, list[str]]:
    """Lines by section, without comments, empty ones left out but in the header, whose lines have fixed places."""
    found: dict[str, list[str]] = {}
    name, carried = "", ""
    for line in text.split("\n"):
        line = line.rstrip()
        if line.upper().startswith(SECTION):
            name = line[len(SECTION) :].strip().upper()
            if name in found:
                raise InputError("bad_mol2", f"the record has @<TRIPOS>{name} twice", HINT)
            found[name] = []
        elif name == "MOLECULE":
            found[name].append(line)
        elif line.endswith("\\"):  # goes on in the next line
            carried += line[:-1] + " "
        elif name and (carried or line.strip()) and not line.startswith("#"):
            found[name].append(carried + line)
            carried = ""
    return found


def _atom(line: str, record: Record, place: dict[str, int]) -> None:
    words = line.split()
    try:
        number, name, position, kind = words[0], words[1], [float(w) for w in words[2:5]], words[5]
        partial = float(words[8]) if len(words) > 8 else 0.0
        if len(position) < 3 or not np.isfinite([*position, partial]).all():
            raise ValueError
    except (ValueError, IndexError):
        cause = f"cannot read the atom line {line.strip()[:60]!r}"
        raise InputError(
            "bad_mol2", cause, "an atom is: number name x y z type, then perhaps residue and charge"
        ) from None
    if number in place:
        raise InputError("bad_mol2", f"there are two atoms {number}", "number the atoms from 1")
    if kind.upper() in LONE_PAIRS:
        place[number] = -1
        return
    place[number] = len(record.symbols)
    record.symbols.append(element_of(kind, name))
    record.types.append(kind)
    record.xyz.append(position)
    record.partial.append(partial)


def _bond(line: str, record: Record, place: dict[str, int]) -> None:
    words = line.split()
    if len(words) < 4 or words[1] not in place or words[2] not in place or words[1] == words[2]:
        cause = f"cannot read the bond line {line.strip()[:60]!r}"
        raise InputError("bad_mol2", cause, "a bond is: number, the numbers of two atoms that are listed, type")
    i, j, kind = place[words[1]], place[words[2]], words[3].lower()
    if min(i, j) < 0 or kind in NO_BONDS:
        return
    if kind not in ORDERS:
        raise InputError(
            "bad_mol2", f"bond {words[0][:20]} has the type {words[3][:20]!r}", f"known are {', '.join(ORDERS)}"
        )
    record.bonds.append((i, j, ORDERS[kind]))


def _formal_charges(lines: list[str], record: Record, place: dict[str, int]) -> None:
    """``atom count``, then as many lines ``name value``; ``charge`` is a formal charge."""
    atom = None
    for line in lines:
        words = line.split()
        if len(words) == 2 and words[0].lower() == "charge" and atom is not None:
            try:
                record.formal[atom] = int(words[1])
            except ValueError:
                raise InputError("bad_mol2", f"the formal charge {words[1][:20]!r} is no whole number", HINT) from None
        elif len(words) == 2 and words[0] in place and words[1].isdecimal():
            atom = place[words[0]] if place[words[0]] >= 0 else None


def _check_counts(header: list[str], record: Record, sections: dict[str, list[str]]) -> None:
    """A record cut short has fewer atoms or bonds than its header announces."""
    counts = header[1].split() if len(header) > 1 else []
    for announced, name in zip(counts[:2], ("ATOM", "BOND"), strict=False):
        listed = len(sections.get(name, []))
        if announced.isdecimal() and listed < int(announced[:12]):
            raise InputError(
                "bad_mol2",
                f"the record announces {announced[:12]} lines of @<TRIPOS>{name} and has {listed}",
                "the file may be cut short",
            )


def _built(record: Record) -> Mol:
    from rdkit import Chem
    from rdkit.Geometry import Point3D

    mol = Chem.RWMol()
    for symbol, kind in zip(record.symbols, record.types, strict=True):
        atom = Chem.Atom(symbol)
        if kind.partition(".")[0] in HEAVY_HYDROGEN:
            atom.SetIsotope(HEAVY_HYDROGEN[kind.partition(".")[0]])
        mol.AddAtom(atom)
    kinds = {
        1.0: Chem.BondType.SINGLE,
        2.0: Chem.BondType.DOUBLE,
        3.0: Chem.BondType.TRIPLE,
        1.5: Chem.BondType.AROMATIC,
    }
    for i, j, order in record.bonds:
        if mol.GetBondBetweenAtoms(i, j) is not None:
            raise InputError("bad_mol2", f"the bond of atoms {i + 1} and {j + 1} is listed twice", "list it once")
        mol.AddBond(i, j, kinds[order])
    conformer = Chem.Conformer(len(record.xyz))
    for k, position in enumerate(record.xyz):
        conformer.SetAtomPosition(k, Point3D(*position))
    conformer.Set3D(True)  # MOL2 has no mark; drawings are told by what they look like
    mol.AddConformer(conformer)
    return mol
