"""SMILES strings and .smi files."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from andersonn.errors import InputError
from andersonn.sanitize import lines_of
from andersonn.structures.readers.columns import Roles
from andersonn.structures.readers.delimited import Layout
from andersonn.structures.readers.molecules import to_structure
from andersonn.structures.readers.parts import read_parts, refuse_more_parts
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from rdkit.Chem import Mol

HINT = "write it as Daylight SMILES, such as CCO for ethanol; rings are closed by equal digits"
SEPARATOR = re.compile(r"\s|[,;]")
"""Ends a SMILES; no letter of one."""
QUOTED = re.compile(r"\([^()]*\)|\$[^$]*\$")
"""Coordinates and labels in an extension of CXSMILES."""
HARMLESS = re.compile(r"(?:[\d.]*|(?:a|&\d*|o\d*|w[UD]?|r|c|t|ctu|atomProp)(?::.*)?)")
"""What else may stand between commas there that makes no other molecule: properties, groups of stereo centers."""
LONGEST = 5000
"""Characters; a longer word is no SMILES of a molecule that could be embedded."""


class Smiles(str):
    """A string that is SMILES for certain, never the name of a file."""

    __slots__ = ()


def from_smiles(text: str, id: str = "") -> Structure:
    """The molecule of a SMILES string, perhaps with a name behind it (``CCO ethanol``), hydrogens added, its geometry made
    by :data:`~andersonn.structures.readers.embedding.CONFORMER_PROTOCOL`.

    Raises:
        InputError: it is no SMILES, a valence is impossible, or no geometry is found.
    """
    mol = _molecule(text)
    smiles, title = named_smiles(text)
    structure = to_structure(mol, id or title or smiles)
    if not _is_second(text, smiles, title):
        return structure
    told = f"{title[:40]!r} behind {smiles[:40]!r} is itself SMILES, of another molecule: it was taken for the name"
    return replace(structure, warnings=(*structure.warnings, told))


def _is_second(text: str, smiles: str, title: str) -> bool:
    """Whether the name behind a comma or a semicolon is SMILES of another molecule, as where two were meant."""
    if not title or len(title) > LONGEST or not any(mark in text for mark in ",;"):
        return False
    return constitution(title) not in (None, constitution(smiles))


def atomic_numbers(text: str) -> np.ndarray:
    """Atomic numbers of a SMILES string's molecule, hydrogens included, uint8 ``[n]``, without making a geometry.

    Raises:
        InputError: it is no SMILES or a valence is impossible.
    """
    from rdkit import Chem, rdBase

    mol = _molecule(text)
    with rdBase.BlockLogs():
        try:
            Chem.SanitizeMol(mol)
        except ValueError as error:
            raise InputError("bad_valence", f"chemically impossible: {error}", "correct bonds and charges") from None
        return np.array([atom.GetAtomicNum() for atom in Chem.AddHs(mol).GetAtoms()], dtype=np.uint8)


def constitution(text: str) -> str | None:
    """Canonical SMILES without stereo, equal for all ways to write a molecule and its stereo isomers; None if the text is
    no SMILES.
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text.strip().partition(" ")[0])
        return None if mol is None else Chem.MolToSmiles(mol, isomericSmiles=False)


def scaffold(text: str) -> str | None:
    """Murcko scaffold, or the canonical SMILES of a molecule without rings, stereo left out: the split key of molecules;
    None if the text is no SMILES.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem.Scaffolds import MurckoScaffold

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text.strip().partition(" ")[0])
        if mol is None:
            return None
        Chem.RemoveStereochemistry(mol)
        return MurckoScaffold.MurckoScaffoldSmiles(mol=mol) or Chem.MolToSmiles(mol)


def named_smiles(line: str) -> tuple[str, str]:
    """SMILES and name of a line: a word, then perhaps a name after white space, a comma or a semicolon; either may be quoted.

    Of a name with tabs, the first field is taken. An extension of CXSMILES between them is left out where it does not
    change the molecule.

    Raises:
        InputError: it does.
    """
    line = line.strip()
    if line.startswith(("'", '"')) and (end := line.find(line[0], 1)) > 0:
        smiles, rest = line[1:end], line[end + 1 :]
    else:
        found = SEPARATOR.search(line)
        smiles, rest = (line[: found.start()], line[found.start() :]) if found else (line, "")
    rest = rest.strip(" ,;\t")
    if rest.startswith("|") and (end := rest.find("|", 1)) > 0:
        told = QUOTED.sub("", rest[1:end]).split(",")
        if not all(map(HARMLESS.fullmatch, told)) and not _only_says_again(smiles, told):
            shown = rest[: end + 1][:60]
            raise InputError("bad_smiles", f"the extension {shown} of the SMILES is not read", "write plain SMILES")
        rest = rest[end + 1 :].strip()
    return smiles.strip(), rest.partition("\t")[0].strip(" \"'")


def _only_says_again(smiles: str, told: list[str]) -> bool:
    """Whether an extension tells radicals alone, and of atoms in brackets, whose hydrogens the SMILES tells."""
    from rdkit import Chem, rdBase

    if not all(re.fullmatch(r"(?:\^\d:)?\d+", word) for word in told):
        return False
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles, sanitize=False)
    numbers = [int(word.rpartition(":")[2][:6]) for word in told]
    return mol is not None and all(k < mol.GetNumAtoms() and mol.GetAtomWithIdx(k).GetNoImplicit() for k in numbers)


def list_layout(first: str) -> Layout | None:
    """How the lines of a list of SMILES are taken apart, if its first line names columns; None if each line is SMILES,
    then perhaps a name.
    """
    return None if first.lstrip().startswith("#") else Layout.of_list(first)


def line_of(line: str, layout: Layout | None) -> tuple[str, str] | None:
    """SMILES and name of a line of a list; the name is empty where there is none. None of an empty line and a comment.

    Raises:
        InputError: the line does not fit the layout.
    """
    if not line.strip() or line.startswith("#"):
        return None
    if layout is None:
        return named_smiles(line)
    roles, fields = Roles.of(layout.names), layout.fields(line)
    if fields is None:
        return None
    assert roles.smiles is not None
    return named_smiles(fields[roles.smiles])[0], _title(layout, roles, fields)


def _title(layout: Layout, roles: Roles, fields: list[str]) -> str:
    """The name in a line: in the column of names, else in the one beside the SMILES."""
    beside = 1 if roles.smiles == 0 else 0
    at = roles.id if roles.id is not None else beside if len(layout.names) > 1 else None
    return "" if at is None else fields[at]


def titled_smiles(text: str) -> dict[str, str]:
    """Name → SMILES of the content of a .smi file, one a line, see :func:`line_of`. Empty lines, lines that begin with ``#``
    and a first line of column names are left out; a line that cannot be taken apart is given whole.

    Raises:
        InputError: there are none, or too many to read at once.
    """
    return {title: smiles for title, (smiles, _) in _titled_lines(text).items()}


def _titled_lines(text: str) -> dict[str, tuple[str, str]]:
    """As :func:`titled_smiles`, with the line beside the SMILES; where a first line names columns, the SMILES again."""
    rows = [line for line in lines_of(text) if line.strip() and not line.startswith("#")]
    refuse_more_parts(len(rows))
    layout = list_layout(rows[0]) if rows else None
    found = []
    for row in rows[layout is not None :]:
        try:
            smiles, title = line_of(row, layout) or ("", "")
        except InputError:
            smiles, title = row, ""
        if smiles:
            found.append((title or smiles, (smiles, row if layout is None else smiles)))
    if not found:
        raise InputError("no_atoms", "the file holds no SMILES", "write one a line, perhaps with a name after it")
    often = Counter(title for title, _ in found)
    return {(title if often[title] == 1 else f"{title} ({k})"): both for k, (title, both) in enumerate(found, start=1)}


def parse_smi(text: str, name: str) -> list[Structure | InputError]:
    """The molecules of a .smi file, see :func:`titled_smiles`, or what is wrong with one."""
    parts = {title: partial(from_smiles, line) for title, (_, line) in _titled_lines(text).items()}
    return read_parts("molecule", parts, name)


def _molecule(text: str) -> Mol:
    """The unsanitized molecule of a SMILES string."""
    from rdkit import Chem, rdBase

    text, _ = named_smiles(text)
    if not text:
        raise InputError("bad_smiles", "the SMILES is empty", HINT)
    if len(text) > LONGEST:
        raise InputError("bad_smiles", f"{len(text)} characters are too many for a SMILES", HINT)
    options = Chem.SmilesParserParams()
    options.sanitize, options.removeHs, options.parseName = False, False, False
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text, options)
    if mol is None:
        raise InputError("bad_smiles", f"{text[:80]!r} is no valid SMILES: {_fault(text)}", HINT)
    return mol


def _fault(text: str) -> str:
    """The likely fault of a string that RDKit cannot parse."""
    for opening, closing in ("()", "[]"):
        if text.count(opening) != text.count(closing):
            return f"{text.count(opening)} {opening!r} but {text.count(closing)} {closing!r}"
    if "[D]" in text or "[T]" in text:
        return "deuterium is written [2H] and tritium [3H]"
    return "an unknown symbol, an unclosed ring or a bond that leads nowhere"
