"""Salts and mixtures → their largest organic part: what is meant where a table names a compound with its counter-ions or solvent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdkit.Chem import Mol


@dataclass(frozen=True, eq=False)
class Part:
    """The largest organic part of several.

    Attributes:
        mol: sanitized; charges are neutralized where hydrogens can be added or taken away for it.
        smiles: canonical.
        others: SMILES of the parts that were left out, each once.
    """

    mol: Mol
    smiles: str
    others: tuple[str, ...]

    @property
    def told(self) -> str:
        """For people."""
        return f"of several parts the largest organic one is read, {self.smiles[:60]}, without {', '.join(self.others)[:60]}"


def largest_part(mol: Mol) -> Part | None:
    """The largest part that holds carbon, by RDKit's ``LargestFragmentChooser``, neutralized by its ``Uncharger``; None if there is one
    part alone, or none holds carbon.

    Args:
        mol: sanitized.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem.MolStandardize import rdMolStandardize

    parts = Chem.GetMolFrags(mol, asMols=True)
    if len(parts) < 2:
        return None
    with rdBase.BlockLogs():
        chosen = rdMolStandardize.LargestFragmentChooser(preferOrganic=True).choose(mol)
        if not any(atom.GetAtomicNum() == 6 for atom in chosen.GetAtoms()):
            return None
        others = Counter(Chem.MolToSmiles(part) for part in parts)
        others[Chem.MolToSmiles(chosen)] -= 1
        neutral = rdMolStandardize.Uncharger().uncharge(chosen)
        Chem.SanitizeMol(neutral)
        return Part(neutral, Chem.MolToSmiles(neutral), tuple(sorted(+others)))
