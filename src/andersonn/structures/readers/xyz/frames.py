"""xyz and extended xyz: frames are split and normalized here, then read by ASE."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from andersonn.errors import InputError
from andersonn.sanitize import lines_of
from andersonn.structures.readers.charges import COMMENT
from andersonn.structures.readers.content import read_parts, refuse_more_parts
from andersonn.structures.readers.words import NUMBER, decimal, symbols_of
from andersonn.structures.readers.xyz.comments import Comment, values_said
from andersonn.structures.readers.xyz.length_units import declared_unit, in_angstrom
from andersonn.structures.structure import Structure, refuse_more_atoms

HINT = "the first line gives the number of atoms, the third and following one atom each: symbol x y z"
COUNT = re.compile(r"\s*([0-9]{1,12})(?:\s+(\S.*))?\s*")
"""The first line of a frame: the number of atoms, perhaps with a remark."""
VECTOR = "VEC"
"""Begins a lattice vector after the atoms, as some programs add them."""


@dataclass
class _Frame:
    """Lines of a frame, count and comment included; ``left_out``: number of lines of text after it."""

    lines: list[str]
    left_out: int = 0
    error: InputError | None = None
    vectors: list[str] = field(default_factory=list)


def parse_xyz(text: str, name: str) -> list[Structure | InputError]:
    """All frames of an xyz or extended xyz file, or what is wrong with a frame; a ``Lattice`` makes a frame periodic."""
    frames = _all_frames(text)
    return read_parts("frame", {str(k): partial(_structure, frame) for k, frame in enumerate(frames, start=1)}, name)


def rows_of_xyz(text: str) -> Iterator[tuple[str, dict[str, Any] | InputError]]:
    """The frames of an extended xyz file as rows of a table: number, and ``structure`` and what the comment says as
    ``key=value``. The error of a frame that cannot be read stands in its place.

    Raises:
        InputError: the file has no atoms.
    """
    for number, frame in enumerate(_all_frames(text), start=1):
        try:
            structure = _structure(frame, f"frame {number}")
        except InputError as error:
            yield str(number), error
            continue
        said = {name: value for name, value in values_said(frame.lines[1]).items() if name != "structure"}
        yield str(number), {"structure": structure} | said


def _all_frames(text: str) -> list[_Frame]:
    frames = []
    for frame in _frames(lines_of(text)):
        frames.append(frame)
        refuse_more_parts(len(frames))
    if not frames:
        raise InputError("bad_xyz", "the xyz file has no atoms", HINT)
    return frames


def atom_count(line: str) -> int | None:
    """The number of atoms by the first line of a frame; None for any other line."""
    found = COUNT.fullmatch(line)
    if not found or (found[2] and NUMBER.fullmatch(found[2].split()[0])):
        return None
    return int(found[1])


def _frames(lines: list[str]) -> Iterator[_Frame]:
    """Splits lines into frames. Blank lines are skipped; so is text after a frame, as in raw QM9 files, but its lines are counted.
    A frame with more atoms than its count gets an error; atoms after such text are a frame without a count.
    """
    at, frame = 0, None
    while at < len(lines):
        line, count = lines[at], atom_count(lines[at])
        if count is None:
            if frame is None and line.strip():
                yield _Frame([], error=_no_frame(lines, at))
                return
            if frame is not None and line.strip():
                if frame.error is None and _is_atom(line):
                    if frame.left_out == 0:
                        told = f"it announces {len(frame.lines) - 2} atoms and lists more"
                        frame.error = InputError("bad_xyz", told, HINT)
                    else:
                        yield frame
                        frame = _Frame([], error=_no_frame(lines, at))
                frame.left_out += 1
            at += 1
            continue
        if frame is not None:
            yield frame
        end = at + 2 + count
        frame = _Frame(lines[at:end])
        if _is_tinker(frame.lines):
            frame.error = InputError(
                "bad_xyz",
                "this is a Tinker xyz file, whose atoms are named by the types of a force field",
                "convert it first, for example with Open Babel: obabel -itxyz in.xyz -oxyz -O out.xyz",
            )
            yield frame
            return
        if count == 0:
            frame.error = InputError("bad_xyz", f"line {at + 1} should be a number of atoms, not '0'", HINT)
        elif end > len(lines):
            listed = max(0, len(lines) - at - 2)
            told = f"it announces {count} atoms and lists {listed}"
            frame.error = InputError("bad_xyz", told, "the file may be cut short")
        at = end
        while at < len(lines) and lines[at].startswith(VECTOR):
            frame.vectors.append(lines[at])
            at += 1
    if frame is not None:
        yield frame


def _no_frame(lines: list[str], at: int) -> InputError:
    """The error for lines that are not behind a number of atoms."""
    if _is_atom(lines[at]):
        hint = "put the number of atoms and a comment on two lines before them"
        return InputError("bad_xyz", f"atoms from line {at + 1} on stand without a line that counts them", hint)
    return InputError("bad_xyz", f"line {at + 1} should be a number of atoms, not {lines[at].strip()[:40]!r}", HINT)


def _is_atom(line: str) -> bool:
    """Whether a line is an atom: an element and three numbers."""
    words = line.split()
    if len(words) < 4 or not all(NUMBER.fullmatch(decimal(word)) for word in words[1:4]):
        return False
    try:
        symbols_of(words[:1])
    except InputError:
        return False
    return True


def _structure(frame: _Frame, name: str) -> Structure:
    if frame.error is not None:
        raise frame.error
    count, remark = len(frame.lines) - 2, COUNT.fullmatch(frame.lines[0])[2] or ""  # type: ignore[index]
    refuse_more_atoms(count)
    rows = [line.split() for line in frame.lines[2:]]
    comment = Comment.read(frame.lines[1], min(map(len, rows)))
    notes, warned = _make_plain(rows, comment), []
    atoms = _by_ase([str(count), "", *map(" ".join, rows), *frame.vectors], comment)
    isolated = "pbc" in comment.said and not np.any(atoms.pbc)
    cell = None if isolated or np.any(atoms.cell[:]) else comment.cell
    if cell is not None and cell.vectors is not None:
        atoms.set_cell(cell.vectors)
        atoms.set_pbc(atoms.pbc if "pbc" in comment.said else True)
        notes.append(f"the cell was read from {cell.words!r} in the comment")
    elif cell is not None:
        warned.append(
            f"the comment announces a cell by {cell.words!r} that is not read: write Lattice with nine numbers"
        )
    if frame.left_out:
        s = "s" if frame.left_out > 1 else ""
        notes.append(f"{frame.left_out} line{s} of text after the atoms {'were' if s else 'was'} not read")
    atoms.info[COMMENT] = frame.lines[1]  # it may state a charge
    declared = declared_unit(frame.lines[1], remark)
    structure = in_angstrom(atoms, declared, name, scale_cell=cell is None or not cell.angstrom)
    return replace(structure, notes=(*structure.notes, *notes), warnings=(*structure.warnings, *warned))


def _is_tinker(lines: list[str]) -> bool:
    """Whether atoms begin on the second line, each with its number before its name, and a type behind its coordinates."""
    words = lines[1].split() if len(lines) > 1 else []
    typed = len(words) >= 6 and words[0] == "1" and words[5].isdigit()
    return typed and not NUMBER.fullmatch(words[1]) and all(map(NUMBER.fullmatch, words[2:5]))


def _make_plain(rows: list[list[str]], comment: Comment) -> list[str]:
    """Rewrites numbers and symbols as ASE reads them, in place; returns notes."""
    at, need = comment.species, max(comment.species or 0, comment.position + 2) + 1
    for k, row in enumerate(rows):
        if len(row) < need:
            raise InputError("bad_xyz", f"atom {k + 1} has {len(row)} columns: {' '.join(row)[:60]!r}", HINT)
        plain = [word if j == at else decimal(word) for j, word in enumerate(row)]
        odd = [word for word in plain[comment.position : comment.position + 3] if not NUMBER.fullmatch(word)]
        if odd and not _is_not_finite(odd[0]):
            raise InputError("bad_xyz", f"a coordinate of atom {k + 1} is {odd[0][:40]!r}, no number", HINT)
        row[:] = plain
    if at is None:
        return []
    symbols, notes = symbols_of(row[at] for row in rows)
    for row, symbol in zip(rows, symbols, strict=True):
        row[at] = symbol
    return notes


def _is_not_finite(word: str) -> bool:
    """Whether a word is NaN or infinite, which the structure's own check names."""
    return word.lstrip("+-").lower() in ("nan", "inf", "infinity")


def _by_ase(lines: list[str], comment: Comment) -> Any:
    from ase.io.extxyz import read_xyz

    if comment.said:
        lines[1] = "?"  # ASE asks the parser of comments only if there is one
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            atoms = next(read_xyz(io.StringIO("\n".join(lines) + "\n"), 0, lambda line: dict(comment.said)))
    except Exception as error:  # ASE's parser raises whatever the broken line runs into
        raise InputError("bad_xyz", f"cannot read the xyz file: {type(error).__name__}: {error}", HINT) from None
    return atoms
