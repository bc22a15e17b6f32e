"""What a structure file holds → structures: the format is told by the file's name, else by its text, and names the parser."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path, PurePath

from andersonn.errors import InputError
from andersonn.sanitize import lines_of
from andersonn.structures.readers.content import (
    FORMATS,
    MAX_MEGABYTES,
    TABLES,
    bare,
    content_of,
    format_of,
    printable,
    text_of,
    unpacked_content,
)
from andersonn.structures.readers.molecules.smiles import constitution
from andersonn.structures.readers.molecules.smiles_lists import line_of, list_layout
from andersonn.structures.readers.sniffing import sniffed
from andersonn.structures.structure import Structure

MOST_LINES = 4_000_000
"""A file with more is refused: each line takes 60 bytes, however short it is. 64 MB of atoms have 2 million lines."""
LINE_ENDS = "\n\r"
MMCIF_MARKS = ("_atom_site.Cartn_x", "_chem_comp_atom.atom_id")
LOOK = 1 << 14
"""Characters at the beginning of a list of SMILES that are looked at."""
PARSERS = {
    "cif": ("crystals.cif.parse", "parse"),
    "poscar": ("crystals.poscar", "parse_poscar"),
    "xyz": ("xyz.frames", "parse_xyz"),
    "smi": ("molecules.smiles_lists", "parse_smi"),
    "sdf": ("molecules.molfiles", "parse_sdf"),
    "mol2": ("molecules.molfiles", "parse_mol2"),
    "pdb": ("molecules.pdb", "parse_pdb"),
    "mmcif": ("molecules.pdb", "parse_mmcif"),
}
"""Format → module and function that read it."""
Made = list[Structure | InputError]


def read_one_file(path: Path) -> Made:
    """The structures of a file on disk that is no table.

    Raises:
        InputError: the file as a whole cannot be read, or its only structure is unsound.
    """
    return read_structures(content_of(path), path)


def read_structures(content: bytes, path: PurePath) -> Made:
    """The structures of what a file of that name holds, which is no table; nothing is read from disk.

    Raises:
        InputError: the content as a whole cannot be read, or its only structure is unsound.
    """
    content = unpacked_content(content, str(path), MAX_MEGABYTES)
    path = bare(path)
    text = text_of(content, path)
    if len(text) > MOST_LINES and sum(map(text.count, LINE_ENDS)) > MOST_LINES:
        raise InputError("too_large", f"{str(path)!r} has more than {MOST_LINES:,} lines", "split the file")
    named = format_of(path)
    kind = named or sniffed(text)
    if named is None and kind in ("smi", "table"):
        kind = "smi" if _is_list(text, path) else None
    if kind is None:
        raise InputError("unknown_format", f"{str(path)!r} is in no known format", f"give {FORMATS}, or {TABLES}")
    return parser(kind, text)(text, printable(path.stem if path.suffix else path.name))


def parser(kind: str, text: str) -> Callable[[str, str], Made]:
    """What reads a text, called with the text and a name for its structures.

    It raises an InputError if the text as a whole cannot be read, or its only structure is unsound; of several structures, an
    unsound one gives its error in its place.

    Args:
        kind: the format, as :func:`~andersonn.structures.readers.content.format_of` names it.
        text: to be read; a CIF may turn out to be an mmCIF.
    """
    if kind == "cif" and any(mark in text for mark in MMCIF_MARKS):
        kind = "mmcif"
    module, function = PARSERS[kind]
    # Imported here: no command needs all of them, nor ASE, gemmi and RDKit.
    return getattr(import_module(f"andersonn.structures.readers.{module}"), function)


def _is_list(text: str, path: PurePath) -> bool:
    """Whether a text file may be a list of SMILES: its first words are, or name their column."""
    if path.suffix.lower() != ".txt":
        return False
    lines = [line for line in lines_of(text[:LOOK]) if line.strip() and not line.startswith("#")][:5]
    layout = list_layout(lines[0]) if lines else None
    try:
        found = [line_of(line, layout) for line in lines[layout is not None :]]
    except InputError:
        return False
    return bool(found) and all(row is None or constitution(row[0]) for row in found)
