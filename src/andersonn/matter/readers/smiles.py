"""SMILES strings and .smi files."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from andersonn.errors import InputError
from andersonn.matter.readers.molecules import to_structure
from andersonn.matter.readers.parts import read_parts, refuse_more_parts
from andersonn.matter.structure import Structure

if TYPE_CHECKING:
    from rdkit.Chem import Mol

HINT = "write it as Daylight SMILES, such as CCO for ethanol; rings are closed by equal digits"
LONGEST = 5000
"""Characters; a longer word is no SMILES of a molecule that could be embedded."""


class Smiles(str):
    """A string that is SMILES for certain, never the name of a file."""

    __slots__ = ()


def from_smiles(text: str, id: str = "") -> Structure:
    """The molecule of a SMILES string, hydrogens added, its geometry made by
    :data:`~andersonn.matter.readers.embedding.CONFORMER_PROTOCOL`.

    Raises:
        InputError: it is no SMILES, a valence is impossible, or no geometry is found.
    """
    return to_structure(_molecule(text), id or text)


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
        mol = Chem.MolFromSmiles(text)
        return None if mol is None else Chem.MolToSmiles(mol, isomericSmiles=False)


def scaffold(text: str) -> str | None:
    """Murcko scaffold, or the canonical SMILES of a molecule without rings, stereo left out: the split key of molecules;
    None if the text is no SMILES.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem.Scaffolds import MurckoScaffold

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text)
        if mol is None:
            return None
        Chem.RemoveStereochemistry(mol)
        return MurckoScaffold.MurckoScaffoldSmiles(mol=mol) or Chem.MolToSmiles(mol)


def titled_smiles(text: str) -> dict[str, str]:
    """Name → SMILES of the content of a .smi file, one a line: SMILES, then perhaps a name. Empty lines, lines that begin
    with ``#`` and a first line of column titles are left out.

    Raises:
        InputError: there are none, or too many to read at once.
    """
    rows = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    refuse_more_parts(len(rows))
    lines = [row.split(maxsplit=1) for row in rows]
    if lines and lines[0][0].lower() == "smiles":
        lines = lines[1:]
    if not lines:
        raise InputError("no_atoms", "the file holds no SMILES", "write one a line, perhaps with a name after it")
    titles = [words[1].strip() if len(words) > 1 else words[0] for words in lines]
    often = Counter(titles)
    return {
        (title if often[title] == 1 else f"{title} ({k})"): words[0]
        for k, (words, title) in enumerate(zip(lines, titles, strict=True), start=1)
    }


def parse_smi(text: str, name: str) -> list[Structure | InputError]:
    """The molecules of a .smi file, see :func:`titled_smiles`, or what is wrong with one."""
    parts = {title: partial(_named, smiles) for title, smiles in titled_smiles(text).items()}
    return read_parts("molecule", parts, name)


def _named(text: str, id: str) -> Structure:
    return from_smiles(text, id)


def _molecule(text: str) -> Mol:
    """The unsanitized molecule of a SMILES string."""
    from rdkit import Chem, rdBase

    text = text.strip()
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
    return "an unknown symbol, an unclosed ring or a bond that leads nowhere"
