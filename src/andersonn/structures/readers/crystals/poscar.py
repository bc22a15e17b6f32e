"""POSCAR, CONTCAR and XDATCAR of VASP: checked and normalized here, then read by ASE."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from andersonn.errors import InputError
from andersonn.sanitize import lines_of
from andersonn.structures.readers.content import read_parts, refuse_more_parts
from andersonn.structures.readers.objects import as_structure
from andersonn.structures.readers.words import NUMBER, decimal, symbols_of
from andersonn.structures.structure import MOST_ATOMS, Structure, refuse_more_atoms

HINT = "check the cell, the line of element symbols (VASP 5), the counts, and that no line is missing"
SPECIES = re.compile(r"([A-Za-z]{1,2})(?:[_/].*)?")
"""A symbol, perhaps with the name or the hash of its potential, as Na_pv and Na/4c3ab5b3."""
REMARK = re.compile(r"[#!].*")
CONFIGURATION = re.compile(r"\s*direct configuration\s*=", re.IGNORECASE)
"""Begins a step of an XDATCAR."""
HEAD = 5
"""Lines before the symbols: a title, the scale, three lattice vectors."""


class _Head(NamedTuple):
    """The lines before the atoms.

    Attributes:
        numbers: the scale or three of them, and three lattice vectors.
        species: one for each count.
        counts: atoms of each.
        selective: whether each atom tells which of its coordinates may move.
        mode: the line that tells whether coordinates are fractions of the cell.
        end: number of lines.
    """

    numbers: list[list[str]]
    species: list[str]
    counts: list[int]
    selective: bool
    mode: str
    end: int


def parse_poscar(text: str, name: str) -> list[Structure | InputError]:
    """The one structure of a VASP POSCAR or CONTCAR (version 5, with element symbols), or the steps of an XDATCAR. What
    follows the coordinates, such as velocities or the grid of a CHGCAR, is left out.
    """
    lines = lines_of(text)
    if (found := _configurations(lines)) is None:
        return [_structure(lines, name)]
    parts = {str(k): partial(_structure, part) for k, part in enumerate(found, start=1)}
    return read_parts("configuration", parts, name)


def _configurations(lines: list[str]) -> list[list[str]] | None:
    """An XDATCAR as one POSCAR a step; None if it is none. Where the cell changes, its head is repeated before each step."""
    starts = [k for k, line in enumerate(lines) if CONFIGURATION.match(line)]
    if not starts or starts[0] < HEAD + 2:
        return None
    refuse_more_parts(len(starts))
    head, found = lines[: starts[0]], []
    atoms = sum(_head([*head, "Direct"]).counts)
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        found.append([*head, "Direct", *lines[start + 1 : start + 1 + atoms]])
        between = lines[start + 1 + atoms : end]
        if len(between) >= HEAD + 2:
            head = between
    return found


def _structure(lines: list[str], name: str) -> Structure:
    from ase.io.vasp import read_vasp

    head = _head(lines)
    symbols, notes = symbols_of(head.species)
    rows = _rows(lines[head.end : head.end + 2 * MOST_ATOMS], head, symbols)
    present = [(symbol, count) for symbol, count in zip(symbols, head.counts, strict=True) if count]
    plain = [
        "", *(" ".join(map(decimal, words)) for words in head.numbers), " ".join(symbol for symbol, _ in present),
        " ".join(str(count) for _, count in present), head.mode, *(" ".join(row) for row in rows),
    ]  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            atoms = read_vasp(io.StringIO("\n".join(plain) + "\n"))
    except Exception as error:  # ASE's parser raises whatever the broken line runs into
        raise InputError("bad_poscar", f"cannot read the POSCAR: {type(error).__name__}: {error}", HINT) from None
    structure = as_structure(atoms, name)
    return replace(structure, notes=(*structure.notes, *notes))


def _head(lines: list[str]) -> _Head:
    words = [REMARK.sub("", line).split() for line in lines[: HEAD + 2 * MOST_ATOMS]]
    if len(words) < HEAD + 2:
        raise InputError("bad_poscar", f"the POSCAR has {len(words)} lines", HINT)
    if words[HEAD] and all(word.isdigit() for word in words[HEAD]):
        raise InputError("bad_poscar", "the POSCAR has no line of element symbols (VASP 4)", "add it as line 6")
    at = HEAD
    species: list[str] = []
    counts: list[int] = []
    while at < len(words) and not (words[at] and words[at][0][0].isdigit()):
        species += words[at]
        at += 1
    while at < len(words) and len(counts) < len(species) and words[at] and all(map(is_count, words[at])):
        counts += map(int, words[at])
        at += 1
    odd = [word for word in species if not SPECIES.fullmatch(word)]
    if odd and counts:
        raise InputError("bad_poscar", f"the POSCAR holds {odd[0]!r} among the element symbols", HINT)
    if not counts or at >= len(words):
        raise InputError("bad_poscar", "the POSCAR has no line of atom counts after the element symbols", HINT)
    if len(counts) != len(species):
        found = f"{len(species)} element symbols and {len(counts)} counts"
        raise InputError("bad_poscar", f"the POSCAR has {found}", HINT)
    refuse_more_atoms(sum(counts))
    selective = "".join(words[at])[:1].lower() == "s"
    mode = " ".join(words[at + selective]) if at + selective < len(words) else ""
    if not mode[:1].isalpha():
        told = f"line {at + selective + 1} of the POSCAR must say Direct or Cartesian"
        raise InputError("bad_poscar", told, "add the line in front of the coordinates")
    symbols = [SPECIES.fullmatch(word)[1] for word in species]  # type: ignore[index]
    numbers = [[word for word in row[:3] if NUMBER.fullmatch(decimal(word))] for row in words[1:HEAD]]
    return _Head(numbers, symbols, counts, selective, mode, at + selective + 1)


def _rows(lines: list[str], head: _Head, symbols: list[str]) -> list[list[str]]:
    """Coordinates of each atom; labels behind them are compared with the counts."""
    atoms = sum(head.counts)
    filled = [k for k, line in enumerate(lines) if line.strip()][:atoms]
    words = [lines[k].split() for k in filled]
    listed = len(words) + (_further(lines[filled[-1] + 1 :]) if filled else 0)
    if listed != atoms:
        raise InputError("bad_poscar", f"the POSCAR counts {atoms} atoms but lists {listed}", HINT)
    rows = [[decimal(word) for word in row[:3]] for row in words]
    bad = next((k for k, row in enumerate(rows) if len(row) < 3 or not all(map(NUMBER.fullmatch, row))), None)
    if bad is not None:
        raise InputError("bad_poscar", f"atom {bad + 1} has no three coordinates: {' '.join(words[bad])[:60]!r}", HINT)
    behind = 6 if head.selective else 3
    labels = [row[behind] if len(row) > behind else "" for row in words]
    if not all(map(str.isalpha, (label[:1] for label in labels))) or set(labels) <= {"T", "F"}:
        return rows
    expected = [symbol for symbol, count in zip(symbols, head.counts, strict=True) for _ in range(count)]
    try:
        given, _ = symbols_of(labels)
    except InputError:  # remarks of another kind
        return rows
    if given != expected:
        atom = next(k for k, pair in enumerate(zip(given, expected, strict=True)) if pair[0] != pair[1])
        told = f"{expected[atom]} by the counts and {given[atom]} by the label behind it"
        raise InputError("bad_poscar", f"atom {atom + 1} is {told}", "correct the symbols, the counts or the labels")
    return rows


def _further(lines: list[str]) -> int:
    """How many rows of coordinates stand directly behind the counted ones. A blank line or a word comes before velocities and
    grids.
    """
    count = 0
    for line in lines:
        row = [decimal(word) for word in line.split()]
        if len(row) < 3 or not all(map(NUMBER.fullmatch, row[:3])) or any(map(NUMBER.fullmatch, row[3:])):
            break
        count += 1
    return count


def is_count(word: str) -> bool:
    """Whether a word is a plain number of a size that counts have: ``int`` chokes on ² and on thousands of digits."""
    return word.isascii() and word.isdecimal() and len(word) <= 12
