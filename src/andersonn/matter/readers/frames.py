"""POSCAR, xyz and extended xyz: laid out and checked here, the lines of one structure read by ASE."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from andersonn.errors import InputError
from andersonn.matter.readers.charges import COMMENT
from andersonn.matter.readers.objects import as_structure
from andersonn.matter.readers.parts import read_parts, refuse_more_parts
from andersonn.matter.structure import MOST_ATOMS, Structure, refuse_more_atoms

POSCAR_HINT = "check the cell, the line of element symbols (VASP 5), the counts, and that no line is missing"
XYZ_HINT = "the first line gives the number of atoms, the third and following one atom each: symbol x y z"


def parse_poscar(text: str, name: str) -> list[Structure | InputError]:
    """The one structure of a VASP POSCAR or CONTCAR (version 5, with element symbols)."""
    from ase.io.vasp import read_vasp

    lines = text.splitlines()
    _check_poscar(lines)
    stream = io.StringIO("\n".join(lines) + "\n")  # the parser knows no other line ends
    return [_structure("bad_poscar", "POSCAR", POSCAR_HINT, lambda: read_vasp(stream), name)]


def _check_poscar(lines: list[str]) -> None:
    """What the parser would guess or stumble over."""
    words = [line.split() for line in lines[: 9 + MOST_ATOMS]]
    if len(words) > 6 and words[5] and all(word.isdigit() for word in words[5]):
        raise InputError("bad_poscar", "the POSCAR has no line of element symbols (VASP 4)", "add it as line 6")
    odd = [word for word in (words[5] if len(words) > 5 else []) if not word[0].isalpha()]
    if odd:  # a number among them is taken for a count, and room is made for as many atoms
        raise InputError("bad_poscar", f"line 6 of the POSCAR holds {odd[0]!r} among the element symbols", POSCAR_HINT)
    counts = words[6] if len(words) > 6 else []
    if not counts or not all(map(_is_count, counts)):
        raise InputError("bad_poscar", "the POSCAR has no line of atom counts where line 7 should be", POSCAR_HINT)
    atoms = sum(map(int, counts))
    refuse_more_atoms(atoms)
    selective = len(words) > 7 and "".join(words[7])[:1].lower() == "s"
    given = len([line for line in words[8 + selective :] if line])
    if given < atoms:
        raise InputError("bad_poscar", f"the POSCAR counts {atoms} atoms but lists {given}", POSCAR_HINT)


def parse_xyz(text: str, name: str) -> list[Structure | InputError]:
    """All frames of an xyz or extended xyz file, or what is wrong with a frame; a ``Lattice`` makes a frame periodic."""
    frames = []
    for frame in _frames(text.splitlines()):
        frames.append(frame)
        refuse_more_parts(len(frames))
    if not frames:
        raise InputError("bad_xyz", "the xyz file has no atoms", XYZ_HINT)
    return read_parts("frame", {str(k): partial(_frame, frame) for k, frame in enumerate(frames, start=1)}, name)


def _frame(lines: list[str] | InputError, name: str) -> Structure:
    from ase.io.extxyz import read_xyz

    if isinstance(lines, InputError):
        raise lines
    refuse_more_atoms(len(lines) - 2)
    stream, parser = io.StringIO("\n".join(lines) + "\n"), partial(_comment, len(lines[2].split()))
    return _structure("bad_xyz", "xyz file", XYZ_HINT, lambda: next(read_xyz(stream, 0, parser)), name)


def _comment(columns: int, line: str) -> dict[str, Any]:
    """What a frame's second line says. The parser allocates as many columns as it announces, so they are counted first."""
    from ase.io.extxyz import key_val_str_to_dict

    found = key_val_str_to_dict(line)
    announced = str(found.get("Properties", "")).split(":")[2::3]
    if not all(map(_is_count, announced)) or sum(map(int, announced)) > columns:
        raise InputError("bad_xyz", f"Properties does not describe the {columns} columns there are", XYZ_HINT)
    return found | {COMMENT: line}


def _is_count(word: str) -> bool:
    """Whether a word is a plain number of a size that counts have: ``int`` chokes on ² and on thousands of digits."""
    return word.isascii() and word.isdecimal() and len(word) <= 12


def _frames(lines: list[str]) -> Iterator[list[str] | InputError]:
    """Lines of each frame. Blank lines between frames are skipped, at which the parser would stop; after a frame that
    cannot be delimited nothing more can be told.
    """
    start = 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        count = lines[start].strip()
        if not _is_count(count) or int(count) == 0:
            yield InputError("bad_xyz", f"line {start + 1} should be a number of atoms, not {count[:40]!r}", XYZ_HINT)
            return
        end = start + 2 + int(count)
        if end > len(lines):
            listed = max(0, len(lines) - start - 2)
            yield InputError("bad_xyz", f"it announces {count} atoms and lists {listed}", "the file may be cut short")
            return
        while end < len(lines) and lines[end].startswith("VEC"):  # lattice vectors, as some programs add them
            end += 1
        yield lines[start:end]
        start = end


def _structure(kind: str, what: str, hint: str, read: Callable[[], Any], name: str) -> Structure:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            atoms = read()
    except InputError:
        raise
    except KeyError as error:
        raise InputError("unknown_element", f"the {what} names the unknown element {error}", hint) from None
    except Exception as error:  # ASE's parsers raise whatever the broken line runs into
        raise InputError(kind, f"cannot read the {what}: {type(error).__name__}: {error}", hint) from None
    return as_structure(atoms, name)
