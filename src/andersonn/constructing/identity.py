"""Which structures are the same: molecules by their bonds, crystals by their distances."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.distance_bonds import Bonds
from andersonn.structures.neighbors import pairs_to_count
from andersonn.structures.structure import Structure

SAME_VOLUME = 0.005
"""Relative difference of volumes per atom below which two crystals of one formula may be the same."""
SAME_DISTANCE = 0.01
"""Å. The same of the mean distances to the nearest neighbors."""
NEAREST = 12
FARTHEST = 8.0
"""Neighbors of an atom that are compared, and Å within which they are looked for."""


def isomer(smiles: str) -> str:
    """Canonical SMILES with stereochemistry: equal for one stereo isomer, however written."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles.strip().partition(" ")[0])
        return smiles if mol is None else Chem.MolToSmiles(mol)


def name_equal(formula: str, members: Sequence[int], rows: Sequence[dict[str, Any]], same: list[str]) -> None:
    """Gives structures of one formula a key each in ``same``, equal keys to equal structures.

    Crystals are equal if volumes per atom and the mean distances of each element's atoms to their nearest neighbors are, however
    the cell was chosen; molecules without SMILES if the same atoms are bonded, whatever the conformation.

    Args:
        formula: of all of them.
        members: their rows.
        rows: records.
        same: key of each row; filled in.
    """
    if len(members) < 2:
        for k in members:
            same[k] = f"{formula} {k}"
        return
    found: list[tuple[str, np.ndarray]] = []
    for k in members:
        try:
            mark = _mark(rows[k])
        except InputError:  # it is unsound, which reading it will say
            same[k] = f"{formula} {k}"
            continue
        equal = next((name for name, other in found if _are_equal(mark, other)), None)
        if equal is None:
            equal = f"{formula} {k}"
            found.append((equal, mark))
        same[k] = equal


def _are_equal(first: np.ndarray, second: np.ndarray) -> bool:
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    if first.dtype.kind == "U":
        return bool(np.array_equal(first, second))
    volumes = abs(first[0] - second[0]) <= SAME_VOLUME * second[0]
    return bool(volumes and np.all(np.abs(first[1:] - second[1:]) <= SAME_DISTANCE))


def _mark(row: dict[str, Any]) -> np.ndarray:
    """What is compared: of crystals volume per atom in Å³ and distances in Å, of molecules a hash of their bonds."""
    cell = None if row.get("cell") is None else np.asarray(row["cell"], dtype=np.float64).reshape(3, 3)
    structure = Structure(row["atomic_numbers"], np.reshape(row["positions"], (-1, 3)), cell)
    return _distances(structure) if cell is not None else np.array([_bonded(structure)])


def _distances(structure: Structure) -> np.ndarray:
    assert structure.cell is not None
    i, _, distance, _ = pairs_to_count(structure.xyz, structure.cell, NEAREST, FARTHEST)
    order = np.lexsort((distance, i))
    i, distance = i[order], distance[order]
    rank = np.arange(len(i)) - np.searchsorted(i, i)
    near = np.full((len(structure), NEAREST), FARTHEST)
    kept = rank < NEAREST
    near[i[kept], rank[kept]] = distance[kept]
    of_element = [near[z == structure.Z].mean(axis=0) for z in np.unique(structure.Z)]
    return np.concatenate([[abs(np.linalg.det(structure.cell)) / len(structure)], *of_element])


def _bonded(structure: Structure) -> str:
    bonds = Bonds.of(structure)
    names = [str(z) for z in bonds.Z]
    around = [bonds.j[bonds.around(atom)].tolist() for atom in range(len(names))]
    for _ in range(len(names)):
        before = len(set(names))
        names = [
            _hash(names[atom] + "|" + ",".join(sorted(names[j] for j in around[atom]))) for atom in range(len(names))
        ]
        if len(set(names)) == before:
            break
    return _hash(" ".join(sorted(names)))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
