"""Finding structure files, telling their format, and reading them."""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Callable
from pathlib import Path

from andersonn.errors import InputError
from andersonn.matter.structure import Structure

MAX_MEGABYTES = 64
"""Larger files are refused unread: the largest published crystal structures are a few MB."""

SUFFIXES = {
    ".cif": "cif",
    ".mcif": "cif",
    ".vasp": "poscar",
    ".poscar": "poscar",
    ".contcar": "poscar",
    ".xyz": "xyz",
    ".extxyz": "xyz",
    ".smi": "smi",
    ".smiles": "smi",
    ".sdf": "sdf",
    ".sd": "sdf",
    ".mol": "sdf",
    ".mol2": "mol2",
    ".pdb": "pdb",
    ".ent": "pdb",
    ".mmcif": "mmcif",
}
STEMS = {"POSCAR": "poscar", "CONTCAR": "poscar"}
FORMATS = (
    "CIF (.cif), POSCAR/CONTCAR (.vasp), xyz and extended xyz (.xyz, .extxyz), SMILES (.smi), SDF and MOL (.sdf, .mol), "
    "MOL2 (.mol2), PDB (.pdb), mmCIF (.cif, .mmcif)"
)
MOST_LINES = 4_000_000
"""A file of more is refused: each line takes 60 bytes, however short it is. 64 MB of atoms have 2 millions."""
LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
MMCIF_MARKS = ("_atom_site.Cartn_x", "_chem_comp_atom.atom_id")


def format_of(path: Path) -> str | None:
    """The format by the file's name, such as ``"cif"``, ``"xyz"`` or ``"sdf"``, or None."""
    known = SUFFIXES.get(path.suffix.lower())
    return known or next((kind for stem, kind in STEMS.items() if path.name.upper().startswith(stem)), None)


def find_files(folder: Path) -> list[Path]:
    """All structure files under a folder, sorted by path, hidden ones left out.

    Raises:
        InputError: there is none.
    """
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(root, name) for name in sorted(names) if not name.startswith(".")]
    files = [path for path in found if format_of(path)]
    if not files:
        raise InputError(
            "directory", f"the folder {str(folder)!r} holds no structure file", f"give files or a folder of {FORMATS}"
        )
    return files


def read_file(path: str | os.PathLike[str], max_megabytes: float = MAX_MEGABYTES) -> list[Structure]:
    """All structures of a file, in its order.

    Args:
        path: a CIF (one structure for each data block with atoms), POSCAR, xyz or extended xyz file (one a frame),
            .smi file (one a line), SDF, MOL or MOL2 file (one a record), PDB or mmCIF file (one a model).
        max_megabytes: files larger than this are refused unread.

    Raises:
        InputError: the file is missing, empty, too large, not text, in no known format, or a structure in it is unsound.
    """
    found = read_each(path, max_megabytes)
    for item in found:
        if isinstance(item, InputError):
            raise item
    return found


def read_each(path: str | os.PathLike[str], max_megabytes: float = MAX_MEGABYTES) -> list[Structure | InputError]:
    """As :func:`read_file`, but in a file of several structures an unsound one gives its error in its place.

    Raises:
        InputError: the file as a whole cannot be read, or its only structure is unsound.
    """
    path = Path(path)
    return read_content(_content(path, max_megabytes), path)


def read_content(content: bytes, path: Path) -> list[Structure | InputError]:
    """As :func:`read_each`, of what a file of that name holds; nothing is read from disk.

    Raises:
        InputError: the content as a whole cannot be read, or its only structure is unsound.
    """
    text = _text(content, path)
    if len(text) > MOST_LINES and sum(map(text.count, LINE_ENDS)) > MOST_LINES:
        raise InputError("too_large", f"{str(path)!r} has more than {MOST_LINES:,} lines", "split the file")
    return _parser(path, text)(text, printable(path.stem if path.suffix else path.name))


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text that any output can encode: bytes that are not UTF-8 become escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _content(path: Path, max_megabytes: float) -> bytes:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise InputError("missing_file", f"there is no file {str(path)!r}", "check the path") from None
    except (OSError, ValueError) as error:
        raise InputError(
            "unreadable", f"cannot open {str(path)!r}: {error}", "check the path and permissions"
        ) from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError("directory", f"{str(path)!r} is a folder, not a file", "give the files in it")
    if not stat.S_ISREG(found.st_mode):  # reading a pipe or a device may never end
        raise InputError("not_a_file", f"{str(path)!r} is a pipe or device, not a file", "write it to a file first")
    if found.st_size > max_megabytes * 1e6:
        raise InputError(
            "too_large",
            f"{str(path)!r} has {found.st_size / 1e6:.0f} MB; at most {max_megabytes:g} MB are read",
            "give one structure a file, or split the trajectory",
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("unreadable", f"cannot read {str(path)!r}: {error}", "check its permissions") from None


def _text(content: bytes, path: Path) -> str:
    if not content.strip():
        raise InputError("empty_file", f"{str(path)!r} is empty", "write the structure again")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as some Windows editors save text
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:65536]:
        raise InputError("not_text", f"{str(path)!r} is not a text file", f"give {FORMATS}; unpack archives first")
    return content.decode("utf-8-sig", errors="replace")


def _parser(path: Path, text: str) -> Callable[[str, str], list[Structure | InputError]]:
    from andersonn.matter.readers import biomolecules, cif, frames, molfiles, smiles

    kind = format_of(path) or ("cif" if "_cell_length_a" in text and "data_" in text else None)
    if kind == "cif" and any(mark in text for mark in MMCIF_MARKS):
        kind = "mmcif"
    parsers = {
        "cif": cif.parse,
        "poscar": frames.parse_poscar,
        "xyz": frames.parse_xyz,
        "smi": smiles.parse_smi,
        "sdf": molfiles.parse_sdf,
        "mol2": molfiles.parse_mol2,
        "pdb": biomolecules.parse_pdb,
        "mmcif": biomolecules.parse_mmcif,
    }
    if kind is None:
        raise InputError("unknown_format", f"{str(path)!r} is in no known format", f"give {FORMATS}")
    return parsers[kind]
