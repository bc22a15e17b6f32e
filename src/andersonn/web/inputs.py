"""What a request brings: files, pasted text and SMILES, as items with names that are safe to write to disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from andersonn.errors import InputError
from andersonn.matter.readers import FORMATS
from andersonn.matter.readers.packed import bare
from andersonn.matter.readers.sniffing import HEAD, sniffed
from andersonn.textlines import lines_of

LONGEST_NAME = 60
PASTED = "pasted text"
ENDINGS = {
    "cif": ".cif", "mcif": ".cif", "mmcif": ".mmcif", "vasp": ".vasp", "poscar": ".vasp", "contcar": ".vasp", "xyz": ".xyz",
    "extxyz": ".extxyz", "smi": ".smi", "smiles": ".smi", "sdf": ".sdf", "sd": ".sdf", "mol": ".mol", "mol2": ".mol2",
    "pdb": ".pdb", "ent": ".pdb", "csv": ".csv", "tsv": ".tsv", "table": ".csv",
}  # fmt: skip
"""A file's ending, without the dot, → the ending it is written under. No other ending is."""


@dataclass(frozen=True)
class Item:
    """One input of a request.

    Attributes:
        shown: the name in answers, as the client gave it.
        content: as it was sent.
        ending: the format, as a file's ending with the dot; empty for a single SMILES.
    """

    shown: str
    content: bytes
    ending: str

    @property
    def stem(self) -> str:
        """A file's name without ending, made of letters, digits, ``-``, ``_`` and ``.`` alone; never empty, hidden or a
        path. Nothing else of the client's name reaches the disk.
        """
        last = PurePosixPath(self.shown.replace("\\", "/")).name
        stem = last.rpartition(".")[0] or last
        safe = re.sub(r"[^A-Za-z0-9._+-]+", "_", stem).strip("._-+")[:LONGEST_NAME].rstrip(".")
        return safe or "structure"

    def as_payload(self) -> dict[str, Any]:
        """For the process that reads it, JSON."""
        return {
            "shown": self.shown, "stem": self.stem, "ending": self.ending, "content": self.content.decode("latin-1"),
        }  # fmt: skip


@dataclass(frozen=True)
class Unusable:
    """An input of which not even the format is known.

    Attributes:
        shown: its name in answers.
        error: what is wrong.
    """

    shown: str
    error: InputError


def collected(files: list[tuple[str, bytes]], text: str, smiles: list[str]) -> list[Item | Unusable]:
    """All that a request brings, files first.

    Args:
        files: names and contents.
        text: that was pasted; empty if none was.
        smiles: one a string.
    """
    found: list[Item | Unusable] = []
    for name, content in files:
        try:
            found.append(from_file(name, content))
        except InputError as error:
            found.append(Unusable(printed(name), error))
    if text.strip():
        try:
            found.append(from_text(text))
        except InputError as error:
            found.append(Unusable(PASTED, error))
    return found + [from_smiles(word) for word in smiles if word.strip()]


def from_file(name: str, content: bytes) -> Item:
    """A file that was sent; its format is told by its name, or by its content where the name says nothing.

    Raises:
        InputError: neither tells it.
    """
    last = bare(PurePosixPath(name.replace("\\", "/"))).name  # packed content is told by its first bytes
    word = last.rpartition(".")[2].lower() if "." in last else ""
    if word in ENDINGS:
        return Item(printed(name), content, ENDINGS[word])
    if last.upper().startswith(("POSCAR", "CONTCAR")):
        return Item(printed(name), content, ".vasp")
    ending = guess(content[:HEAD].decode("utf-8", errors="replace"))
    if ending is None:
        raise InputError("unknown_format", f"{printed(name)!r} is in no known format", f"give {FORMATS}")
    return Item(printed(name), content, ending)


def from_text(text: str) -> Item:
    """Text that was pasted: a file of any format, or SMILES, one a line.

    Raises:
        InputError: it is none of these.
    """
    ending = guess(text)
    if ending is None:
        raise InputError("unknown_format", "the pasted text is in no known format", f"paste {FORMATS}")
    lines = lines_of(text.strip())
    if ending == ".smi" and len(lines) == 1:
        return from_smiles(lines[0])
    return Item(PASTED, text.encode(), ending)


def from_smiles(text: str) -> Item:
    """One SMILES."""
    return Item(printed(text.strip()), text.strip().encode(), "")


def guess(text: str) -> str | None:
    """The ending of the format that a text seems to be in, or None; see :func:`andersonn.matter.readers.sniffing.sniffed`."""
    kind = sniffed(text)
    return None if kind is None else ENDINGS.get(kind, ".csv")


def printed(name: str) -> str:
    """A name as answers show it: what cannot be printed becomes ``?``, and the length is bounded."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in name)
    return shown if len(shown) <= 200 else shown[:199] + "…"
