"""A structure to label, or a molecule as SMILES, with charge and multiplicity."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.structure import Structure


@dataclass(frozen=True)
class Job:
    """One thing to label.

    Attributes:
        input: as the user named it.
        id: of the structure.
        structure: atoms in space, or None if the geometry is to be made from ``smiles``.
        smiles: of a molecule; what the geometry is made from where there is no structure.
        charge: in e.
        multiplicity: 2S + 1; None takes the lowest that the number of electrons allows.
        group: split key; None derives it from the structure.
        extra: further columns for the output, such as a name.
        error: why it cannot be labeled at all; then the rest does not matter.
    """

    input: str
    id: str
    structure: Structure | None = None
    smiles: str | None = None
    charge: int = 0
    multiplicity: int | None = None
    group: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    error: InputError | None = None

    def payload(self) -> dict[str, Any]:
        """What a worker needs, as JSON."""
        return {
            "id": self.id,
            "structure": None if self.structure is None else structure_as_json(self.structure),
            "smiles": self.smiles if self.structure is None else None,
            "charge": self.charge,
            "multiplicity": self.multiplicity,
        }

    def key(self, labeler: str, settings: dict[str, Any]) -> str:
        """Hash of the atoms and of how they are labeled: rows of another geometry or setting are never taken for it."""
        content = json.dumps([self.payload(), labeler, settings], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:24]


def structure_as_json(structure: Structure) -> dict[str, Any]:
    """Atomic numbers, positions and cell in Å as nested lists."""
    return {
        "atomic_numbers": structure.Z.tolist(),
        "positions": structure.xyz.tolist(),
        "cell": None if structure.cell is None else structure.cell.tolist(),
    }


def structure_from_json(content: dict[str, Any], id: str = "", charge: int = 0) -> Structure:
    """The inverse of :func:`structure_as_json`.

    Raises:
        InputError: the structure is unsound.
    """
    cell = content["cell"]
    return Structure(
        np.array(content["atomic_numbers"]),
        np.array(content["positions"], dtype=float).reshape(-1, 3),
        None if cell is None else np.array(cell, dtype=float).reshape(3, 3),
        id=id,
        charge=charge,
    )


def jittered(structure: Structure, size: float, seed: int) -> Structure:
    """The structure with its fractional coordinates moved by up to ``size``, uniformly, the same way for a seed.

    Exact symmetry makes Voronoi vertices coincide, at which Zeo++ aborts; 1e-5 is far below any accuracy of a
    structure and lifts the coincidence.
    """
    assert structure.cell is not None
    move = np.random.default_rng(seed).uniform(-size, size, structure.xyz.shape)
    return Structure(structure.Z, structure.xyz + move @ structure.cell, structure.cell, structure.id, structure.charge)
