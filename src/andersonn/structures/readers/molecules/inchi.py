"""InChI → SMILES.

Standard InChI leaves open where some hydrogens are, and RDKit then makes imidic acids of amides. Of the tautomers that have the given
InChI, the one is taken that RDKit's score of tautomers likes best: amides, lactams, aromatic rings.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from andersonn.errors import InputError

if TYPE_CHECKING:
    from rdkit.Chem import Mol

START = re.compile(r"InChI=1", re.IGNORECASE)
KEY = re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]")
"""A whole InChIKey, from which no molecule can be made."""
OPEN = "(H"
"""What stands in an InChI whose hydrogens may move."""
MOST = 100
"""Tautomers that are looked at."""
LONGEST = 5000
HINT = "write the whole InChI, as from 'InChI=1S/' on, or SMILES"


def is_inchi(text: str) -> bool:
    """Whether a text begins as InChI does."""
    return START.match(text) is not None


@lru_cache(maxsize=4096)
def smiles_of_inchi(text: str) -> str:
    """SMILES of the molecule of an InChI.

    Args:
        text: the InChI alone.

    Raises:
        InputError: it is none, or too long.
    """
    from rdkit import Chem, rdBase

    if len(text) > LONGEST:
        raise InputError("bad_smiles", f"{len(text)} characters are too many for an InChI", HINT)
    with rdBase.BlockLogs():
        mol = Chem.MolFromInchi("InChI" + text[5:], sanitize=True, removeHs=True)
        if mol is None:  # perhaps with more bonds than RDKit allows, as ClF3: readers of SMILES know what is sound
            raw = Chem.MolFromInchi("InChI" + text[5:], sanitize=False, removeHs=False)
            if raw is not None and raw.GetNumAtoms():
                return Chem.MolToSmiles(raw)
        if mol is None or not mol.GetNumAtoms():
            raise InputError("bad_smiles", f"{text[:80]!r} is no valid InChI", HINT)
        return _likeliest(mol, Chem.MolToInchi(mol)) if OPEN in text else Chem.MolToSmiles(mol)


def _likeliest(mol: Mol, inchi: str) -> str:
    """SMILES of the best tautomer that has an InChI; of the molecule itself if there is none."""
    from rdkit import Chem
    from rdkit.Chem.MolStandardize.rdMolStandardize import TautomerEnumerator

    scored = [(-TautomerEnumerator.ScoreTautomer(each), Chem.MolToSmiles(each)) for each in _tautomers().Enumerate(mol)]
    for _, smiles in sorted(scored):
        again = Chem.MolFromSmiles(smiles)
        if again is not None and Chem.MolToInchi(again) == inchi:
            return smiles
    return Chem.MolToSmiles(mol)


def _tautomers() -> Any:
    """RDKit's enumeration, with stereochemistry as it is."""
    from rdkit.Chem.MolStandardize import rdMolStandardize

    options: Any = rdMolStandardize.CleanupParameters()
    options.maxTautomers = options.maxTransforms = MOST
    options.tautomerRemoveSp3Stereo = options.tautomerRemoveBondStereo = options.tautomerReassignStereo = False
    return rdMolStandardize.TautomerEnumerator(options)
