"""The comment line of an xyz frame: cell, columns, charge, unit, or just words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.readers.crystals.poscar import is_count
from andersonn.structures.readers.words import NUMBER, decimal
from andersonn.structures.readers.xyz.comment_cells import CommentCell, cell_in

LATTICE = re.compile(r"\blattice {0,3}= {0,3}([\"'{\[]?)([^\"'}\]=]{0,400})", re.IGNORECASE)
PROPERTIES = re.compile(r"\bproperties {0,3}= {0,3}[\"']?([\w:]{0,400})", re.IGNORECASE)
SPEC = re.compile(r"\w{1,60}:[A-Z]:\w")
PERIODIC = re.compile(r"\bpbc\s*=")
SPECIES = {"species", "symbol", "symbols", "element", "elements", "atom", "atoms"}
NUMBERS = {"z", "numbers", "atomic_numbers", "atomic_number"}
POSITIONS = {"pos", "position", "positions", "coord", "coords", "coordinates", "xyz"}
MEASURED = frozenset(
    {"energy", "free_energy", "forces", "stress", "stresses", "virial", "dipole", "charges", "magmom", "magmoms", "energies",
     "dielectric_tensor", "born_effective_charges", "polarization"}
)  # fmt: skip
"""Results of calculations. They do not describe the atoms, and ASE would check their shapes."""
COLUMNS_HINT = "write Properties=species:S:1:pos:R:3 and name:type:columns for what else each atom has, or leave it out"


@dataclass(frozen=True)
class Comment:
    """A parsed comment.

    Attributes:
        said: for ASE: cell, periodicity, columns and whatever else has the form ``key=value``.
        species: column of the elements, from 0; None if they are told by a column of atomic numbers.
        position: the first of three columns of coordinates.
        cell: that it gives in other words than ``Lattice``.
    """

    said: dict[str, Any]
    species: int | None = 0
    position: int = 1
    cell: CommentCell | None = None

    @classmethod
    def read(cls, line: str, columns: int) -> Comment:
        """Parses a comment. Text without ``key=value`` is ignored, but a cell or columns that it announces must be valid.

        Args:
            line: the comment.
            columns: smallest number of columns of an atom.

        Raises:
            InputError: ``Lattice`` or ``Properties`` cannot be understood or does not fit the columns.
        """
        said = _said(line)
        cell = None if "Lattice" in said else cell_in(line)
        if "Lattice" not in said and (cell is None or cell.vectors is None) and _announces_lattice(line):
            raise InputError(
                "bad_xyz", "Lattice does not give nine numbers", 'write Lattice="ax ay az bx by bz cx cy cz"'
            )
        said = {name: value for name, value in said.items() if name != "Lattice" or np.shape(value) == (3, 3)}
        announced = _announced_columns(line)
        if announced is None:
            said.pop("Properties", None)
            return cls(said, cell=cell)
        spec, species, position = _columns(announced, columns)
        return cls(said | {"Properties": spec}, species, position, cell)


def _said(line: str) -> dict[str, Any]:
    """The pairs of ``key=value`` that mean something to ASE, without words of a sentence, which it takes for true."""
    from ase.io.extxyz import key_val_str_to_dict

    if "=" not in line:
        return {}
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


def values_said(line: str) -> dict[str, Any]:
    """The single values, texts and numbers, that a comment gives as ``key=value``, results of calculations among them, without
    what describes the atoms.
    """
    from ase.io.extxyz import key_val_str_to_dict

    if "=" not in line:
        return {}
    try:
        found = key_val_str_to_dict(line)
    except Exception:  # it raises whatever odd words run into
        return {}
    about_atoms = {"lattice", "properties", "pbc"}
    stated = {word.partition("=")[0].strip() for word in re.findall(r"(?<![^\s=])[^\s=]++\s*+=", line)}
    return {
        name: value
        for name, value in found.items()
        if name.lower() not in about_atoms and name in stated and np.ndim(value) == 0
    }


def _announces_lattice(line: str) -> bool:
    """Whether a ``Lattice`` is meant as one: a quoted text of numbers or of several words, or several numbers."""
    for quote, value in LATTICE.findall(line):
        words = value.split()
        numbers = [word for word in words if NUMBER.fullmatch(decimal(word.strip(",")))]
        if (quote and (numbers or len(words) >= 3)) or (numbers[:3] == words[:3] and len(numbers) >= 3):
            return True
    return False


def _announced_columns(line: str) -> str | None:
    """What ``Properties`` announces; None if there is none, or the word is one of a sentence."""
    for spec in PROPERTIES.findall(line):
        names = {word.lower() for word in spec.split(":")}
        if ":" in spec and (names & (SPECIES | NUMBERS | POSITIONS) or SPEC.match(spec)):
            return str(spec)
    return None


def _columns(spec: str, columns: int) -> tuple[str, int | None, int]:
    """``Properties`` with names as ASE has them, the column of the elements and the first of the coordinates.

    ASE makes room for as many columns as are announced, so they are counted first.
    """
    words = spec.split(":")
    parts = [tuple(words[k : k + 3]) for k in range(0, len(words), 3)]
    if len(words) % 3 or not all(is_count(part[2]) for part in parts):
        raise InputError("bad_xyz", f"Properties={spec[:60]} is not of the form name:type:columns", COLUMNS_HINT)
    if sum(int(part[2]) for part in parts) > columns:
        raise InputError("bad_xyz", f"Properties does not describe the {columns} columns there are", COLUMNS_HINT)
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
