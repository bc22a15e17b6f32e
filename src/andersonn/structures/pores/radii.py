"""Atomic radii for pores: those that Zeo++ uses by default, so that diameters can be compared with its.

They are the van der Waals radii of the Cambridge Crystallographic Data Centre's table of elemental radii: Bondi
(*J. Phys. Chem.* 68, 441, 1964), hydrogen by Rowland and Taylor (*J. Phys. Chem.* 100, 7384, 1996), and 2.00 Å where
neither has a value. Checked for every element against Zeo++ 0.3 (pyzeo 0.2.0): one atom in a cubic box of 12 Å leaves
a largest cavity of √3 · 12 − 2 r.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from andersonn.errors import UsageError
from andersonn.structures import elements

ELSEWHERE = 2.0
"""Å: radius of the elements that are not in the table."""
RADII = {
    "H": 1.09, "He": 1.40, "Li": 1.82, "C": 1.70, "N": 1.55, "O": 1.52, "F": 1.47, "Ne": 1.54, "Na": 2.27, "Mg": 1.73,
    "Si": 2.10, "P": 1.80, "S": 1.80, "Cl": 1.75, "Ar": 1.88, "K": 2.75, "Ni": 1.63, "Cu": 1.40, "Zn": 1.39, "Ga": 1.87,
    "As": 1.85, "Se": 1.90, "Br": 1.85, "Kr": 2.02, "Pd": 1.63, "Ag": 1.72, "Cd": 1.58, "In": 1.93, "Sn": 2.17,
    "Te": 2.06, "I": 1.98, "Xe": 2.16, "Pt": 1.72, "Au": 1.66, "Hg": 1.55, "Tl": 1.96, "Pb": 2.02, "U": 1.86,
}  # fmt: skip
"""Å, by element."""


@cache
def probe_radii() -> np.ndarray:
    """Radii in Å by atomic number, float64 ``[104]``; index 0 is NaN."""
    values = np.array([np.nan, *(RADII.get(symbol, ELSEWHERE) for symbol in elements.symbols()[1:])])
    values.flags.writeable = False
    return values


def radii_from(text: str) -> dict[str, float]:
    """Radii in Å by element, of a text such as ``"O=1.35,Si=1.1"``.

    Raises:
        UsageError: it is none.
    """
    found = {}
    for word in text.split(","):
        symbol, mark, size = (part.strip() for part in word.partition("="))
        if not mark:
            raise UsageError("bad_option", f"radii have {word.strip()!r}", "give element=length, as in O=1.35,Si=1.1")
        try:
            found[symbol] = float(size)
        except ValueError:
            told = f"the radius {size!r} of {symbol} is no number"
            raise UsageError("bad_option", told, "give numbers in Å, with a point") from None
    return found
