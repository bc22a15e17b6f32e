"""The unit of length that an xyz file declares; coordinates are converted to Å if bond lengths confirm the unit."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, NamedTuple

from andersonn.errors import InputError
from andersonn.structures.readers.objects import as_structure
from andersonn.structures.structure import Structure, may_be_angstrom

LONGEST = 1000
"""Characters of a comment that are looked at."""
NEAR = 80
"""Characters before a unit that say what is in it."""
ANGSTROM = {"bohr": 0.529177210903, "nm": 10.0, "pm": 0.01, "Å": 1.0}
"""Unit → its length in Å."""
NAMES = {
    "bohr": "bohr", "bohrs": "bohr", "bohr units": "bohr", "au": "bohr", "a.u.": "bohr", "a.u": "bohr", "atomic unit": "bohr",
    "atomic units": "bohr", "atomic_units": "bohr", "atomic_unit": "bohr", "nm": "nm", "nanometer": "nm", "nanometers": "nm",
    "nanometre": "nm", "nanometres": "nm", "pm": "pm", "picometer": "pm", "picometers": "pm", "picometre": "pm",
    "picometres": "pm", "angstrom": "Å", "angstroms": "Å",
}  # fmt: skip
UNIT = re.compile(
    r"(?<![\w.@+/^*-])(?:bohr units|bohrs?|au|a\.u\.?|atomic[ _]units?|(?:nano|pico)met(?:er|re)s?|nm|pm)(?![\w/^*@+?]|-\w)",
    re.IGNORECASE,
)
"""Neither a power nor a part of another unit, nor a basis set (``au@TZ``), nor a method (``PM7``)."""
IN_BRACES = re.compile(r"\b(positions|cell)\{(\w{1,20})\}", re.IGNORECASE)
"""As i-PI declares units."""
TOKEN = re.compile(r"[a-zA-Z]+|[=:(\[{]")
CLAUSE = re.compile(r"[;|\]}]|,(?! {0,3}[yz]\b)")
LENGTHS = frozenset(
    [
        "coordinates",
        "coordinate",
        "coords",
        "coord",
        "geometry",
        "geom",
        "positions",
        "position",
        "pos",
        "xyz",
        "length",
        "lengths",
        "distance",
        "distances",
        "dist",
        "structure",
    ]
)
QUANTITIES = frozenset(
    [
        "e",
        "energy",
        "energies",
        "scf",
        "dipole",
        "moment",
        "charge",
        "charges",
        "force",
        "forces",
        "gradient",
        "gradients",
        "gap",
        "homo",
        "lumo",
        "time",
        "frequency",
    ]
)
LINKS = frozenset(("=", ":", "(", "[", "{", "in", "of", "are", "is", "given", "all"))
UNITS = ("unit", "units")
OTHER = re.compile(
    r" {0,3}(?:for\b(?! {0,3}(?:coord|geom|pos|length|dist))|to\b|converted\b|wavelength\b|basis\b|level\b)"
)
"""Words after a unit by which it is the unit of something else, or a former unit."""
ATOMIC = ("au", "a.u.", "a.u")
"""May be the unit of any quantity."""
SHORT = ("au", "pm", "nm")
"""May mean something other than a length."""


class Declared(NamedTuple):
    """What a file declares.

    Attributes:
        unit: a key of :data:`ANGSTROM`.
        clear: whether it can only be the unit of the coordinates.
    """

    unit: str
    clear: bool


def declared_unit(comment: str, remark: str = "") -> Declared | None:
    """The unit of length other than Å that a frame declares: alone on a line, or beside a word for lengths; None if it
    declares none.

    Args:
        comment: of the frame.
        remark: what follows the number of atoms.
    """
    for text in (remark, comment):
        text = text[:LONGEST].strip()
        alone = text.strip("()[]{}# ").lower().removeprefix("in ")
        if NAMES.get(alone, "Å") != "Å" and text != "Au":
            return Declared(NAMES[alone], True)
    text = comment[:LONGEST]
    braces = unit_in_braces(text, "positions")
    if braces is not None:
        return Declared(braces, True) if braces != "Å" else None
    for found in UNIT.finditer(text):
        if found[0] == "Au" or OTHER.match(text, found.end()):  # gold
            continue
        how = _how_declared(text[max(0, found.start() - NEAR) : found.start()], text[found.end() :], found[0].lower())
        if how is not None:
            return Declared(NAMES[found[0].lower()], how)
    return None


def unit_in_braces(comment: str, what: str) -> str | None:
    """The unit that i-PI declares, as in ``cell{atomic_unit}``; None if it does not or the unit is not known."""
    found = {match[1].lower(): match[2].lower() for match in IN_BRACES.finditer(comment[:LONGEST])}
    return NAMES.get(found.get(what, ""))


def _how_declared(before: str, after: str, word: str) -> bool | None:
    """Whether the words before a unit declare it clearly; None if they do not."""
    bracket = before.strip()
    if bracket in ("(", "[") and after[:1] in (")", "]"):
        return True
    tokens = [token.lower() for token in TOKEN.findall(CLAUSE.split(before)[-1])]
    linked = bool(tokens) and tokens[-1] in LINKS
    generic = False
    while tokens and tokens[-1] in (*LINKS, *UNITS):
        generic = tokens.pop() in UNITS or generic
    if tokens and (tokens[-1] in LENGTHS or tokens[-3:] == ["x", "y", "z"]):
        return True if linked or generic else None if word in SHORT else True
    near = set(tokens[-5:])
    if generic and not tokens:
        return word not in ATOMIC
    if near & QUANTITIES:
        return None
    return False if (linked and LENGTHS & near) or (generic and word not in (*SHORT, *ATOMIC)) else None


def in_angstrom(atoms: Any, declared: Declared | None, name: str, scale_cell: bool = True) -> Structure:
    """The structure of an ASE ``Atoms`` in a declared unit of length. It is converted to Å only if the lengths cannot be in Å as
    given, but can be after conversion; where bonds do not decide, as for a single atom, if the declaration is clear.

    Args:
        atoms: as the file has them.
        declared: see :func:`declared_unit`.
        name: for the structure.
        scale_cell: whether the cell is in that unit too; else it is in Å.

    Raises:
        InputError: it is unsound.
    """
    if declared is None:
        return as_structure(atoms, name)
    given, refusal = _made(atoms, name)
    fits = False if given is None else may_be_angstrom(given)
    if given is not None and fits is None and not declared.clear:
        return given
    said = f"the file names {declared.unit} as its unit of length"
    if given is not None and fits:
        return _warned(given, f"{said}, but its atoms are as far apart as usual in Å: its lengths were taken as Å")
    turned = atoms.copy()
    turned.set_positions(atoms.positions * ANGSTROM[declared.unit])
    if scale_cell:
        turned.set_cell(atoms.cell[:] * ANGSTROM[declared.unit])
    found, _ = _made(turned, name)
    if found is None or may_be_angstrom(found) is False:
        if refusal is not None:
            raise refusal
        assert given is not None
        return _warned(
            given, f"{said}, but its atoms are no bond lengths apart in {declared.unit}: they were taken as Å"
        )
    note = f"coordinates in {declared.unit}, as the file says, were turned into Å"
    return replace(found, notes=(*found.notes, note))


def _made(atoms: Any, name: str) -> tuple[Structure | None, InputError | None]:
    try:
        return as_structure(atoms, name), None
    except InputError as error:
        return None, error


def _warned(structure: Structure, text: str) -> Structure:
    return replace(structure, warnings=(*structure.warnings, text))
