"""Structures that are broken whichever alternative of their disordered parts is kept."""

from __future__ import annotations

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.alternatives import NAMED, Choice
from andersonn.structures.distance_bonds import Bonds
from andersonn.structures.guests import LONG_CONTACT, Groups
from andersonn.structures.networks import connected_parts
from andersonn.structures.open_carbon import NEAR_METAL, open_carbon
from andersonn.structures.structure import Structure

C, H = 6, 1
USUAL = 0.1
"""Share of carbon atoms away from the disorder that lack a neighbor, from which on hydrogens were never located."""
HINT = "order the structure by hand: keep one alternative of each disordered part"


def refuse_broken(structure: Structure, choice: Choice) -> None:
    """Refuses what was cleaned, but makes no sense.

    Args:
        structure: of the atoms that stay.
        choice: which these are.

    Raises:
        InputError: nothing connects a framework any more, or carbon atoms beside those left out lack a neighbor.
    """
    if structure.cell is None:
        return
    if _fell_apart(structure, choice):
        raise InputError(
            "disordered",
            "disorder cannot be resolved: with one alternative kept, no atoms form a connected framework",
            HINT,
        )
    atoms = _torn(structure, choice)
    if len(atoms):
        names = ", ".join(choice.name(k) for k in atoms[:NAMED].tolist()) + (" …" if len(atoms) > NAMED else "")
        many = "1 carbon atom lacks" if len(atoms) == 1 else f"{len(atoms)} carbon atoms lack"
        raise InputError(
            "disordered",
            f"disorder cannot be resolved: whichever alternative is kept, {many} a neighbor ({names})",
            HINT,
        )


def _fell_apart(structure: Structure, choice: Choice) -> bool:
    """Whether all atoms together form an endless network, and those that stay do not."""
    if Groups.of(structure, LONG_CONTACT).endless.any():
        return False
    i, j, vector = choice.contacts.network
    places = np.zeros((len(choice.stays), 3))
    places[choice.stays] = structure.xyz
    return bool(connected_parts(places, i, j, vector)[1].any())


def _torn(structure: Structure, choice: Choice) -> np.ndarray:
    """Carbon atoms that lack a neighbor beside atoms that were left out, as counted before that, int ``[m]``; none where carbon
    lacks hydrogen elsewhere, too.
    """
    lacks = np.zeros(len(structure), dtype=bool)
    lacks[open_carbon(Bonds.of(structure), Bonds.of(structure, NEAR_METAL))] = True
    beside, carbon = choice.beside[choice.stays], structure.Z == C
    away = carbon & ~beside
    if not (structure.Z == H).any() or lacks[away].sum() > USUAL * away.sum():
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(choice.stays)[lacks & beside]
