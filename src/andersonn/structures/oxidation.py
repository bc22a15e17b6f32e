"""Oxidation states of a crystal whose charges sum to zero, found over the whole formula.

A salt whose usual oxidation states sum to zero has filled shells and a band gap; one electron too many or too few usually
makes a metal. Message passing cannot count electrons over a whole formula, so the counts are channels of the image.
"""

from __future__ import annotations

import csv
import hashlib
import io
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple

import numpy as np

from andersonn.structures import elements

FORMAT = 1
"""Increased whenever the same structure would give other numbers, so that cached images are computed again."""
BY_ATOM = ("oxidation_state", "state_rarity")
"""Channels of an atom: the state its element has in the assignment of :func:`assign`; how rare that state is."""
BY_STRUCTURE = ("charge_left", "neutral_rarity", "excess_rarity", "usual_charge", "odd_electrons")
"""Channels of a structure, charges in e per atom. First the smallest total charge of any assignment; the mean rarity of the best
neutral assignment (:data:`UNHEARD` if there is none); and that rarity minus the lowest one of any assignment. Then the charge if each
element had its most frequent state, and 1 if the formula unit has an odd number of electrons.
"""
UNHEARD = 8.0
"""Rarity of states that are not in the table: a frequency of 1 in 3,000."""


class Oxidation(NamedTuple):
    """Oxidation states of a structure.

    Attributes:
        by_atom: float32 ``[n, 2]``: :data:`BY_ATOM`.
        by_structure: float32 ``[5]``: :data:`BY_STRUCTURE`.
    """

    by_atom: np.ndarray
    by_structure: np.ndarray

    @classmethod
    def of(cls, Z: np.ndarray) -> Oxidation:
        """Oxidation states for atomic numbers ``Z [n]``; a multiple of a formula gives the same numbers."""
        kinds, element, counts = np.unique(Z, return_inverse=True, return_counts=True)
        counts = counts // np.gcd.reduce(counts)
        by_element, by_structure = assign(tuple(kinds.tolist()), tuple(counts.tolist()))
        return cls(by_element[element], by_structure)


@cache
def _table() -> tuple[tuple[tuple[int, float], ...], ...]:
    """By atomic number: (state, rarity) of each state. Rarity is −log of its frequency, with 0.5 added to each count because
    small counts are noise. Noble gases without compounds have state 0.
    """
    counts: list[dict[int, float]] = [{} for _ in range(elements.MAX_Z + 1)]
    for row in csv.DictReader(io.StringIO(_text())):
        counts[int(row["z"])][int(row["state"])] = float(row["count"]) + 0.5
    return tuple(
        tuple((state, float(np.log(sum(of.values()) / n))) for state, n in of.items()) or ((0, 0.0),) for of in counts
    )


def _text() -> str:
    return resources.files(__package__).joinpath("oxidation_states.csv").read_text(encoding="utf-8")


@cache
def table_hash() -> str:
    """Changes with the table of states."""
    return hashlib.sha256(_text().encode()).hexdigest()


@lru_cache(maxsize=4096)
def assign(kinds: tuple[int, ...], counts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Oxidation states of a formula, one for each element: the assignment with the smallest total charge; among several, the
    one with the lowest mean rarity. Dynamic programming over the total charge: a dozen elements take milliseconds.

    Args:
        kinds: atomic numbers of the elements, each once.
        counts: how many atoms of each the formula unit has.

    Returns:
        :data:`BY_ATOM` by element, float32 ``[kinds, 2]``, and :data:`BY_STRUCTURE`, float32 ``[5]``.
    """
    atoms = sum(counts)
    sums: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    """Charge → (least mean rarity, which state each element so far has)."""
    for z, count in zip(kinds, counts, strict=True):
        further: dict[int, tuple[float, tuple[int, ...]]] = {}
        for k, (state, rarity) in enumerate(_table()[z]):
            for charge, (total, chosen) in sums.items():
                reached, cost = charge + state * count, total + rarity * count / atoms
                if reached not in further or cost < further[reached][0]:
                    further[reached] = (cost, (*chosen, k))
        sums = further
    left = min(sums, key=lambda charge: (abs(charge), sums[charge][0]))
    usual = min(sums, key=lambda charge: (sums[charge][0], abs(charge)))
    neutral = min(sums[0][0], UNHEARD) if left == 0 else UNHEARD
    excess = min(neutral - sums[usual][0], UNHEARD)
    odd = sum(z * count for z, count in zip(kinds, counts, strict=True)) % 2
    states = [_table()[z][k] for z, k in zip(kinds, sums[left][1], strict=True)]
    whole = [abs(left) / atoms, neutral, excess, usual / atoms, odd]
    return np.array(states, dtype=np.float32), np.array(whole, dtype=np.float32)
