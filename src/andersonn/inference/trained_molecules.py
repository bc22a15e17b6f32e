"""Which molecules a network was trained on, so that an answer from SMILES can be as sure of them as it was found to be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from safetensors.numpy import load_file, save_file

from andersonn.structures.structure import Structure

NAME = "molecules"


@dataclass(frozen=True, eq=False)
class TrainedMolecules:
    """A set of molecules. Each is kept as a 64-bit hash of its canonical SMILES without stereochemistry.

    Attributes:
        hashes: rising, int64 ``[m]``.
    """

    hashes: np.ndarray

    @classmethod
    def of(cls, constitutions: Iterable[str]) -> Self:
        """Of canonical SMILES, as :func:`~andersonn.structures.readers.molecules.smiles.constitution` writes them."""
        return cls(np.unique(np.array([_hash(text) for text in constitutions], dtype=np.int64)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """As :meth:`save` wrote them.

        Raises:
            ValueError, KeyError, SafetensorError: the file holds something else.
        """
        hashes = load_file(path)[NAME]
        if hashes.dtype != np.int64 or hashes.ndim != 1 or (np.diff(hashes) <= 0).any():
            raise ValueError("its molecules are not rising numbers")
        return cls(hashes)

    def save(self, path: str | Path) -> None:
        """Writes them as safetensors."""
        save_file({NAME: self.hashes}, path)

    def among(self, structures: Sequence[Structure]) -> np.ndarray:
        """Which molecules with a generated geometry are among them, bool ``[n]``."""
        return np.array([s.generated_geometry and self._has(s) for s in structures], dtype=bool)

    def _has(self, structure: Structure) -> bool:
        from rdkit import Chem, rdBase

        if structure.source_mol is None:
            return False
        mol = Chem.Mol(structure.source_mol)  # type: ignore[call-overload]  # RDKit's stubs forget bytes
        with rdBase.BlockLogs():
            try:
                own = _hash(Chem.MolToSmiles(Chem.RemoveHs(mol), isomericSmiles=False))
            except ValueError:  # more bonds than RDKit allows, as of ClF3, which therefore was in no list
                return False
        k = int(np.searchsorted(self.hashes, own))
        return k < len(self.hashes) and int(self.hashes[k]) == own


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
