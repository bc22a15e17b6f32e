"""The element table: one row an element, Z = 1 … 103, from ``elements.csv`` (sources: tools/make_elements.py)."""

from __future__ import annotations

import csv
from collections.abc import Collection
from functools import cache
from importlib import resources

import numpy as np

FEATURES = (
    "electronegativity",
    "covalent_radius_A",
    "ionization_energy_eV",
    "electron_affinity_eV",
    "group",
    "period",
    "valence_s",
    "valence_p",
    "valence_d",
    "valence_f",
)
"""Names of the numeric columns, in the order of :func:`feature_table`."""


@cache
def _rows() -> tuple[dict[str, str], ...]:
    with resources.files(__package__).joinpath("elements.csv").open(encoding="utf-8") as stream:
        return tuple(csv.DictReader(stream))


@cache
def symbols() -> tuple[str, ...]:
    """Element symbols indexed by atomic number; index 0 is an empty string."""
    return ("", *(row["symbol"] for row in _rows()))


def named(Z: np.ndarray, atom: int) -> str:
    """An atom as people read it (``"C12"``): its symbol, and its number counted from 1, as SDF, MOL2 and PDB count.

    Args:
        Z: atomic numbers ``[n]``.
        atom: counted from 0.
    """
    return f"{symbols()[Z[atom]]}{atom + 1}"


@cache
def atomic_number() -> dict[str, int]:
    """Symbol → atomic number, with deuterium and tritium read as hydrogen."""
    return {s: z for z, s in enumerate(symbols()) if s} | {"D": 1, "T": 1}


@cache
def colors() -> tuple[str, ...]:
    """Jmol's element colors as hex strings, indexed by atomic number."""
    return ("#ff1493", *(row["color"] for row in _rows()))


@cache
def column(name: str) -> np.ndarray:
    """One numeric property as a float64 array ``[104]`` indexed by atomic number; index 0 is NaN."""
    values = np.array([np.nan, *(float(row[name]) for row in _rows())])
    values.flags.writeable = False
    return values


_members: dict[Collection[int], np.ndarray] = {}


def are_among(Z: np.ndarray, numbers: Collection[int]) -> np.ndarray:
    """Which atomic numbers are among some: bool, of the shape of ``Z``. For few atoms a tenth of the time of ``numpy.isin``.

    Args:
        Z: atomic numbers from 0 to 255, integers.
        numbers: a tuple or a frozenset.
    """
    table = _members.get(numbers)
    if table is None:
        table = np.zeros(256, dtype=bool)
        table[list(numbers)] = True
        _members[numbers] = table
    return table[Z]


@cache
def feature_table() -> np.ndarray:
    """All :data:`FEATURES`, each standardized over the elements: float64 ``[104, 10]``; row 0 is zero."""
    table = np.stack([column(name) for name in FEATURES], axis=1)
    table = (table - np.nanmean(table, axis=0)) / np.nanstd(table, axis=0)
    table[0] = 0.0
    table.flags.writeable = False
    return table


MAX_Z = 103
"""The heaviest element the table has (lawrencium)."""


def formula(Z: np.ndarray) -> str:
    """Reduced formula of a crystal, elements by rising electronegativity (``"NaCl"``), carbon and hydrogen first (``"CH4"``).

    Args:
        Z: atomic numbers ``[n]``.
    """
    numbers, counts = np.unique(np.asarray(Z), return_counts=True)
    counts = counts // np.gcd.reduce(counts)
    parts = {symbols()[z]: int(c) for z, c in zip(numbers, counts, strict=True)}
    carbon_first = ["C", "H"] if "C" in parts else []
    electronegativity = column("electronegativity")
    rest = sorted((s for s in parts if s not in carbon_first), key=lambda s: (electronegativity[atomic_number()[s]], s))
    order = [s for s in carbon_first if s in parts] + rest
    return "".join(s if parts[s] == 1 else f"{s}{parts[s]}" for s in order)


def hill_formula(Z: np.ndarray) -> str:
    """Molecular formula in Hill's order, not reduced: carbon, hydrogen, then the rest by symbol; all by symbol where there
    is no carbon (``"C6H6"``, ``"H2O"``, ``"ClH"``).

    Args:
        Z: atomic numbers ``[n]``.
    """
    numbers, counts = np.unique(np.asarray(Z), return_counts=True)
    parts = {symbols()[z]: int(c) for z, c in zip(numbers, counts, strict=True)}
    first = [s for s in ("C", "H") if s in parts] if "C" in parts else []
    order = first + sorted(s for s in parts if s not in first)
    return "".join(s if parts[s] == 1 else f"{s}{parts[s]}" for s in order)
