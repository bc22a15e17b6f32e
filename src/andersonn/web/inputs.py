"""What a request brings: files, pasted text and SMILES, as items with names that are safe to write to disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from andersonn.errors import InputError
from andersonn.sanitize import lines_of
from andersonn.structures.readers import FORMATS
from andersonn.structures.readers.content import bare
from andersonn.structures.readers.sniffing import HEAD, sniffed

LONGEST_NAME = 60
PASTED = "pasted text"
ENDINGS = {
    "cif": ".cif", "mcif": ".cif", "mmcif": ".mmcif", "vasp": ".vasp", "poscar": ".vasp", "contcar": ".vasp", "xyz": ".xyz",
    "extxyz": ".extxyz", "smi": ".smi", "smiles": ".smi", "sdf": ".sdf", "sd": ".sdf", "mol": ".mol", "mol2": ".mol2",
    "pdb": ".pdb", "ent": ".pdb", "csv": ".csv", "tsv": ".tsv", "tab": ".tsv", "table": ".csv",
    "xlsx": ".xlsx", "parquet": ".parquet",
}  # fmt: skip
"""A file's ending, without the dot, → the ending it is written under. No other ending is."""

DIVISIBLE = (".smi", ".csv", ".tsv", ".xlsx", ".parquet", ".sdf", ".mol", ".xyz", ".extxyz")
"""Endings of lists, tables and files of many records."""


@dataclass(frozen=True)
class Item:
    """One input of a request.

    Attributes:
        shown: the name in answers, as the client gave it.
        content: as it was sent.
        ending: the format, as a file's ending with the dot; empty for a single SMILES; None if who reads it must tell it
            by the content, see :func:`ending_of`.
    """

    shown: str
    content: bytes
    ending: str | None

    @property
    def stem(self) -> str:
        """A file's name without ending, made of letters, digits, ``-``, ``_`` and ``.`` alone; never empty, hidden or a
        path. Nothing else of the client's name reaches the disk.
        """
        last = PurePosixPath(self.shown.replace("\\", "/")).name
        stem = last.rpartition(".")[0] or last
        safe = re.sub(r"[^A-Za-z0-9._+-]+", "_", stem).strip("._-+")[:LONGEST_NAME].rstrip(".")
        return safe or "structure"

    @property
    def is_divisible(self) -> bool:
        """Whether it may be a list, a table or a file of many records, see :mod:`andersonn.web.splitting`."""
        return self.ending is None or self.ending in DIVISIBLE

    def as_payload(self) -> dict[str, Any]:
        """For the process that reads it, JSON."""
        return {
            "shown": self.shown, "stem": self.stem, "ending": self.ending, "content": self.content.decode("latin-1"),
        }  # fmt: skip


def collected(files: list[tuple[str, bytes]], text: str, smiles: list[str]) -> list[Item]:
    """All that a request brings, files first.

    Args:
        files: names and contents.
        text: that was pasted; empty if none was.
        smiles: one a string.
    """
    pasted = [from_text(text)] if text.strip() else []
    return [*(from_file(*file) for file in files), *pasted, *(from_smiles(word) for word in smiles if word.strip())]


def from_file(name: str, content: bytes) -> Item:
    """A file that was sent; its format is told by its name, or later by its content where the name says nothing."""
    last = bare(PurePosixPath(name[-1000:].replace("\\", "/"))).name  # packed content is told by its first bytes
    word = last.rpartition(".")[2].lower() if "." in last else ""
    if word in ENDINGS:
        return Item(printed(name), content, ENDINGS[word])
    return Item(printed(name), content, ".vasp" if last.upper().startswith(("POSCAR", "CONTCAR")) else None)


def from_text(text: str) -> Item:
    """Text that was pasted: a single line, which is SMILES, perhaps with a name, or a file of any format."""
    if len(lines_of(text.strip())) == 1:
        return from_smiles(text)
    return Item(PASTED, text.encode(errors="replace"), None)


def from_smiles(text: str) -> Item:
    """One SMILES."""
    return Item(printed(text.strip()), text.strip().encode(errors="replace"), "")


def ending_of(content: bytes, shown: str) -> str:
    """The ending of a file in the format that a content seems to be in.

    Raises:
        InputError: it is in none.
    """
    kind = sniffed(content[: 4 * HEAD].decode("utf-8", errors="replace"))
    if kind is None:
        what = "the pasted text" if shown == PASTED else repr(shown)
        raise InputError("unknown_format", f"{what} is in no known format", f"give {FORMATS}")
    return ENDINGS.get(kind, ".csv")


def printed(name: str) -> str:
    """A name as answers show it: what cannot be printed becomes ``?``, and the length is bounded."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:200])
    return shown if len(name) <= 200 else shown[:199] + "…"
