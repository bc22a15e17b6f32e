"""Whether a crystal's electrons can be shared out: oxidation states that balance, by counting over the whole formula.

A salt whose usual oxidation states sum to zero has filled shells and a gap; one electron too many or too few usually
makes a metal. A network that hears its neighbors cannot count over a formula, so the count comes with the image.
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
"""Raised whenever the same structure would give other numbers, so that stores of older ones are not read."""
BY_ATOM = ("oxidation_state", "state_rarity")
"""Channels of an atom: the state its element has in the assignment of :func:`assign`; how rare that state is."""
BY_STRUCTURE = ("charge_left", "neutral_rarity", "excess_rarity", "usual_charge", "odd_electrons")
"""Channels of a structure, charges in e an atom: charge that no assignment removes; mean rarity of the states of the best
neutral assignment (:data:`UNHEARD` if there is none); that minus the least one without asking for neutrality; charge if
each element had its most frequent state; 1 if the formula unit has an odd number of electrons.
"""
UNHEARD = 8.0
"""Rarity that stands for states nobody has seen: 1 in 3,000."""


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
        """Those of atoms with the numbers ``Z [n]``. A multiple of a formula gives the same."""
        kinds, element, counts = np.unique(Z, return_inverse=True, return_counts=True)
        counts = counts // np.gcd.reduce(counts)
        by_element, by_structure = assign(tuple(kinds.tolist()), tuple(counts.tolist()))
        return cls(by_element[element], by_structure)


@cache
def _table() -> tuple[tuple[tuple[int, float], ...], ...]:
    """Of each atomic number: its states with their rarities, −log of the share of occurrences (one of half an atom is
    added to each, since small counts are chance). Noble gases without compounds have state 0.
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
    """Oxidation states of a formula, one an element: of the assignments that leave the least charge the one with the
    least mean rarity, found over all sums of charge (dynamic programming, so also formulas of a dozen elements take
    milliseconds).

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
    chosen = [_table()[z][k] for z, k in zip(kinds, sums[left][1], strict=True)]
    whole = [abs(left) / atoms, neutral, excess, usual / atoms, odd]
    return np.array(chosen, dtype=np.float32), np.array(whole, dtype=np.float32)
