"""Slices of a file: by size, and by the first of some anions, in the order of their electronegativity, that a structure holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from andersonn.structures import elements

SIZES = ((1, 8), (9, 20), (21, 60), (61, 10_000))
"""Fewest and most atoms."""
FAMILIES = ("F", "O", "Cl", "N", "S", "Br", "I", "Se", "P")


def slices(Zs: Sequence[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Names of slices and which structures they hold, bool ``[n]``.

    Args:
        Zs: atomic numbers of n structures.
    """
    size = np.array([len(Z) for Z in Zs])
    for low, high in SIZES:
        yield f"{low} to {high} atoms", (size >= low) & (size <= high)
    taken = np.zeros(len(Zs), dtype=bool)
    for family in FAMILIES:
        z = elements.atomic_number()[family]
        has = np.array([bool((z == Z).any()) for Z in Zs]) & ~taken
        taken |= has
        yield f"with {family}", has
    yield "others", ~taken
