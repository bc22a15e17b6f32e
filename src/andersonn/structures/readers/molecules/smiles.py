"""SMILES strings → molecules."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.readers.molecules.from_rdkit import to_structure
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
    by :data:`~andersonn.structures.readers.molecules.embedding.CONFORMER_PROTOCOL`.

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
