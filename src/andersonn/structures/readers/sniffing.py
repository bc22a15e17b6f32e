"""The format of a text, guessed from its content."""

from __future__ import annotations

import re

from andersonn.sanitize import lines_of
from andersonn.structures.readers.tables.columns import is_smiles_name
from andersonn.structures.readers.words import NUMBER, decimal

HEAD = 1 << 16
"""Characters that are looked at."""
PDB = ("ATOM  ", "HETATM", "HEADER    ", "CRYST1", "REMARK   ")
SMILES_WORD = re.compile(r"[A-Za-z0-9@+\-\[\]()=#$%/\\.:*~\"']+(?:[,;]\S+)?")
DELIMITERS = re.compile(r"[,;\t|]")


def sniffed(text: str) -> str | None:
    """The format that a text seems to be in, as :func:`~andersonn.structures.readers.format_of` names it, or None.

    A list of SMILES is recognized by its letters alone: nearly every line without blanks looks like one.
    """
    text = text[:HEAD].lstrip("\ufeff").lstrip("\r\n")
    lines = lines_of(text)
    words = [line.split() for line in lines]
    if "_atom_site.Cartn_x" in text or "_chem_comp_atom.atom_id" in text:
        return "mmcif"
    if any(line.lstrip()[:5].lower() == "data_" for line in lines) and "_cell" in text.lower():
        return "cif"
    if "@<TRIPOS>MOLECULE" in text:
        return "mol2"
    if "V2000" in text or "V3000" in text:
        return "sdf"
    if any(line.startswith(PDB) for line in lines):
        return "pdb"
    firsts = [line for line in words if line]
    if not firsts:
        return None
    if any(map(is_smiles_name, DELIMITERS.split(lines[0]))) and DELIMITERS.search(lines[0]):
        return "table"
    if firsts[0][0].isdigit() and len(words) >= 3 and len(words[2]) >= 4:
        return "xyz"
    if len(words) > 7 and _is_scale(words[1]) and all(map(_are_three_numbers, words[2:5])):
        return "poscar"
    if any(map(is_smiles_name, words[0])):
        return "smi"
    return "smi" if all(SMILES_WORD.fullmatch(line[0]) for line in firsts) else None


def _is_scale(words: list[str]) -> bool:
    return bool(words) and _is_number(words[0]) and (len(words) in (1, 3) or words[1][:1] in ("!", "#"))


def _are_three_numbers(words: list[str]) -> bool:
    return len(words) >= 3 and all(map(_is_number, words[:3]))


def _is_number(word: str) -> bool:
    return NUMBER.fullmatch(decimal(word)) is not None
