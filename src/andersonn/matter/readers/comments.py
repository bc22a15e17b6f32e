"""What the comment of an xyz frame says: a cell, columns, a charge, a unit, or nothing but words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from andersonn.errors import InputError
from andersonn.matter.readers.poscar import is_count

LATTICE = re.compile(r"\blattice\s*=", re.IGNORECASE)
PROPERTIES = re.compile(r"\bproperties\s*=", re.IGNORECASE)
PERIODIC = re.compile(r"\bpbc\s*=")
SPECIES = {"species", "symbol", "symbols", "element", "elements", "atom", "atoms"}
NUMBERS = {"z", "numbers", "atomic_numbers", "atomic_number"}
POSITIONS = {"pos", "position", "positions", "coord", "coords", "coordinates", "xyz"}
MEASURED = frozenset(
    {"energy", "free_energy", "forces", "stress", "stresses", "virial", "dipole", "charges", "magmom", "magmoms", "energies",
     "dielectric_tensor", "born_effective_charges", "polarization"}
)  # fmt: skip
"""Results of calculations, which ASE checks for their shape and which say nothing of the atoms."""


class Unit(NamedTuple):
    """A unit of length, and how many Å it has."""

    name: str
    angstrom: float


BOHR, NANOMETER, PICOMETER = Unit("bohr", 0.529177210903), Unit("nm", 10.0), Unit("pm", 0.01)
UNITS = {
    "bohr": BOHR, "bohrs": BOHR, "au": BOHR, "a.u.": BOHR, "a.u": BOHR, "atomic units": BOHR, "atomic_units": BOHR,
    "nm": NANOMETER, "nanometer": NANOMETER, "nanometers": NANOMETER, "pm": PICOMETER, "picometer": PICOMETER,
    "picometers": PICOMETER,
}  # fmt: skip
WORD = "|".join(re.escape(word) for word in sorted(UNITS, key=len, reverse=True))
ALONE = re.compile(rf"[(\[]?({WORD})[)\]]?", re.IGNORECASE)
DECLARED = re.compile(
    r"\b(?:length[ _]|distance[ _])?(?:units?|coordinates|coords?|geometry|positions)\b"
    rf" {{0,3}}[=:(\[\"']? {{0,3}}(?:are |is |in )? {{0,3}}[\"'(\[]?({WORD})(?![\w/^*])",
    re.IGNORECASE,
)


def length_unit(text: str, alone: bool = False) -> Unit | None:
    """The unit of length that a comment declares (``units bohr``), or that is all of it; None if it is Å or not told.

    Args:
        text: the comment, or what follows the number of atoms.
        alone: only where it is all of the text.
    """
    text = text.strip()
    found = ALONE.fullmatch(text) or (None if alone else DECLARED.search(text[:1000]))
    return UNITS[found[1].lower()] if found else None


@dataclass(frozen=True)
class Comment:
    """A comment, understood.

    Attributes:
        said: for ASE: cell, periodicity, columns and whatever else has the form ``key=value``.
        species: column of the elements, from 0; None if they are told by a column of atomic numbers.
        position: the first of three columns of coordinates.
    """

    said: dict[str, Any]
    species: int | None = 0
    position: int = 1

    @classmethod
    def read(cls, line: str, columns: int, hint: str) -> Comment:
        """A comment that is no ``key=value`` text is taken as words, but a cell or columns that it announces must be sound.

        Args:
            line: the comment.
            columns: that each atom has, at least.
            hint: for errors.

        Raises:
            InputError: ``Lattice`` or ``Properties`` cannot be understood or does not fit the columns.
        """
        said = _said(line)
        if LATTICE.search(line) and "Lattice" not in said:
            raise InputError(
                "bad_xyz", "Lattice does not give nine numbers", 'write Lattice="ax ay az bx by bz cx cy cz"'
            )
        if "Properties" not in said:
            if PROPERTIES.search(line):
                raise InputError("bad_xyz", "Properties is not of the form name:type:columns", hint)
            return cls(said)
        spec, species, position = _columns(said["Properties"], columns, hint)
        return cls(said | {"Properties": spec}, species, position)


def _said(line: str) -> dict[str, Any]:
    """The pairs of ``key=value`` that mean something to ASE, without words of a sentence, which it takes for true."""
    from ase.io.extxyz import key_val_str_to_dict

    line = re.sub(
        r"\b(lattice|properties)\s*=\s*", lambda found: f"{found[1].capitalize()}=", line, flags=re.IGNORECASE
    )
    try:
        found = key_val_str_to_dict(line)
    except Exception:  # it raises whatever odd words run into: the cell alone may still be read
        cell = re.search(r"\bLattice=\s*[\"'{\[]([^\"'}\]]*)[\"'}\]]", line)
        columns = re.search(r"\bProperties=[\"']?([\w:]+)", line)
        numbers = cell[1].replace(",", " ").split() if cell else []
        found = {"Properties": columns[1]} if columns else {}
        try:
            found |= {"Lattice": np.array(numbers, dtype=float).reshape(3, 3).T} if len(numbers) == 9 else {}
        except ValueError:
            return found
    if not isinstance(found.get("Properties", ""), str) or ":" not in str(found.get("Properties", ":")):
        del found["Properties"]  # the word, in a sentence
    periodic = PERIODIC.search(line) is not None
    return {
        name: value
        for name, value in found.items()
        if (periodic if name == "pbc" else name not in MEASURED and not isinstance(value, (bool, np.bool_)))
    }


def _columns(spec: str, columns: int, hint: str) -> tuple[str, int | None, int]:
    """``Properties`` with names as ASE has them, the column of the elements and the first of the coordinates.

    ASE makes room for as many columns as are announced, so they are counted first.
    """
    words = spec.split(":")
    parts = [tuple(words[k : k + 3]) for k in range(0, len(words), 3)]
    if len(words) % 3 or not all(is_count(part[2]) for part in parts):
        raise InputError("bad_xyz", f"Properties={spec[:60]} is not of the form name:type:columns", hint)
    if sum(int(part[2]) for part in parts) > columns:
        raise InputError("bad_xyz", f"Properties does not describe the {columns} columns there are", hint)
    species, number, position, at, plain = None, None, None, 0, []
    for name, kind, count in parts:
        low = name.lower()
        if low in SPECIES and kind == "S":
            name, species = "species", at
        elif low in NUMBERS and kind == "I":
            name, number = "Z", at
        elif low in POSITIONS and kind == "R" and count == "3":
            name, position = "pos", at
        plain.append(f"{name}:{kind}:{count}")
        at += int(count)
    if position is None or (species is None and number is None):
        lacking = "positions" if position is None else "elements"
        raise InputError("bad_xyz", f"Properties names no column of {lacking}", "it needs species:S:1 and pos:R:3")
    return ":".join(plain), species, position
