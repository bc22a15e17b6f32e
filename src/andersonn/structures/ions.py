"""Ions recognized by distances: groups of known charge, and metals with more ligands than their charge allows."""

from __future__ import annotations

import numpy as np

from andersonn.structures import elements
from andersonn.structures.distance_bonds import METALLOIDS, Bonds
from andersonn.structures.elements import are_among

B, C, N, OXYGEN, SI, P, S = 5, 6, 7, 8, 14, 15, 16
CHALCOGENS = (8, 16, 34)
HALOGENS = (9, 17, 35, 53)
ALKALI = (3, 11, 19, 37, 55)
OF_GROUPS = METALLOIDS | frozenset(ALKALI)
"""Of no other elements a group with a certain charge is made."""
SINGLE = 1.27
"""Å: an oxygen with one bond, to carbon, is charged if the bond is longer; 1.25 in ureas, 1.28 in phenolates."""
NITRILE = 1.2
"""Å: a nitrogen with one bond, to carbon, lacks others if the bond is longer; 1.16 in nitriles."""
OUT_OF_PLANE = 0.15
"""Å of an atom with three neighbors from their plane, beyond which it is a pyramid; 0.5 in sulfite."""
HELD = {
    4: 2, 12: 2, 20: 2, 38: 2, 56: 2, 13: 3, 31: 3, 49: 3, 81: 3, 50: 4, 82: 4, 83: 5, 21: 3, 39: 3, 57: 3, 22: 4, 40: 4,
    72: 4, 23: 5, 41: 5, 73: 5, 24: 6, 42: 6, 74: 6, 25: 7, 43: 7, 75: 7, 26: 3, 44: 8, 76: 8, 27: 3, 45: 6, 77: 6, 28: 2,
    46: 4, 78: 6, 29: 2, 47: 2, 79: 5, 30: 2, 48: 2, 80: 2, 92: 6,
}  # fmt: skip
"""Atomic number of a metal → highest oxidation state with fluoride and oxide."""
HOLDING = frozenset(HELD)
HELD_WITH_HEAVY = {23: 4, 24: 4, 25: 3, 44: 4, 76: 5, 45: 4, 77: 4, 78: 4, 79: 3, 83: 3}
"""The same with chloride, bromide and iodide, if lower."""


def charge_of_groups(bonds: Bonds) -> int:
    """Total charge in e of the groups with a known charge (ammonium, carboxylate, sulfate, phosphate, lone ions and others);
    0 if the molecule holds a metal other than an alkali metal.
    """
    Z, count = bonds.Z, bonds.count
    if not are_among(Z, OF_GROUPS).all():
        return 0
    ends = are_among(Z, CHALCOGENS) & (count == 1)
    to_ends, to_halogens = _to(bonds, ends), _to(bonds, are_among(Z, HALOGENS))
    total = int(((Z == N) & (count == 4) & (to_ends == 0) & (_to(bonds, are_among(Z, (B, 13))) == 0)).sum())
    total -= int(((Z == B) & (count == 4) & (_to(bonds, Z == N) == 0)).sum())
    total -= int(((Z == C) & (count == 3) & (to_ends == 2)).sum() + 2 * ((Z == C) & (to_ends == 3)).sum())
    total -= int(((Z == N) & (count == 3) & (to_ends == 3)).sum())
    sulfur, pyramid = are_among(Z, (S, 34, 52)), _is_pyramid(bonds)
    total -= int(np.where(sulfur & (count == 4), np.maximum(to_ends - 2, 0), 0).sum())
    total -= int(np.where(sulfur & pyramid, np.maximum(to_ends - 1, 0), 0).sum())
    total -= int(np.where(are_among(Z, (P, 33)) & (count == 4), np.maximum(to_ends - 1, 0), 0).sum())
    total -= int(np.where(are_among(Z, (SI, 32)) & (count == 4), to_ends, 0).sum())
    total -= int((are_among(Z, (17, 35, 53)) & (count == 4) & (to_ends == 4)).sum())
    filled = to_halogens == count
    total -= int(np.where(are_among(Z, (SI, 32)) & filled, np.maximum(count - 4, 0), 0).sum())
    total -= int((are_among(Z, (P, 33, 51)) & filled & (count == 6)).sum())
    total -= int((_is_long(bonds, ends & (Z == OXYGEN), C, SINGLE) & (_to(bonds, to_ends == 1) > 0)).sum())
    total -= int((are_among(Z, HALOGENS) & (count == 0)).sum())
    return total + int((are_among(Z, ALKALI) & (count == 0)).sum())


def is_bare_nitrogen(bonds: Bonds) -> np.ndarray:
    """Which atoms are nitrogens whose only bond, to a carbon, is too long for a nitrile ``[n]``."""
    return _is_long(bonds, (bonds.Z == N) & (bonds.count == 1), C, NITRILE)


def crowded_metals(bonds: Bonds) -> list[int]:
    """Metal atoms whose only neighbors are more halides and oxides than their highest oxidation state allows: complex ions."""
    Z, count = bonds.Z, bonds.count
    halide, oxide = are_among(Z, HALOGENS) & (count == 1), are_among(Z, (OXYGEN, S)) & (count == 1)
    charge = _to(bonds, halide) + 2 * _to(bonds, oxide)
    heavy = _to(bonds, halide & (Z != 9)) > 0
    only = _to(bonds, halide | oxide) == count
    return [
        k
        for k in np.flatnonzero(only & (count > 1) & are_among(Z, HOLDING)).tolist()
        if charge[k] > (HELD_WITH_HEAVY.get(int(Z[k]), HELD[int(Z[k])]) if heavy[k] else HELD[int(Z[k])])
    ]


def crowded_told(metal: int, bonds: Bonds) -> str:
    """The warning about an atom of :func:`crowded_metals`."""
    symbol = elements.symbols()[bonds.Z[metal]]
    return f"{symbol}{metal + 1} has more halides and oxides than it can hold: an ion whose charge is not given"


def _to(bonds: Bonds, chosen: np.ndarray) -> np.ndarray:
    """How many neighbors of each atom are among those chosen ``[n]``."""
    return np.bincount(bonds.i[chosen[bonds.j]], minlength=len(bonds.Z))


def _is_long(bonds: Bonds, chosen: np.ndarray, partner: int, length: float) -> np.ndarray:
    """Which of the chosen atoms have a bond to the partner that is longer ``[n]``."""
    long = chosen[bonds.i] & (bonds.Z[bonds.j] == partner) & (bonds.distance > length)
    return np.bincount(bonds.i[long], minlength=len(bonds.Z)) > 0


def _is_pyramid(bonds: Bonds) -> np.ndarray:
    """Which atoms with three neighbors lie out of their plane ``[n]``."""
    found = np.zeros(len(bonds.Z), dtype=bool)
    for k in np.flatnonzero((bonds.count == 3) & are_among(bonds.Z, (S, 34, 52))).tolist():
        a, b, c = bonds.vector[bonds.around(k)]
        normal = np.cross(b - a, c - a)
        size = float(np.linalg.norm(normal))
        found[k] = size > 1e-6 and abs(float(normal @ a)) / size > OUT_OF_PLANE
    return found
