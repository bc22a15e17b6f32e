"""How many electrons an element brings to a solid, as chemists count them, and which elements take them up."""

from __future__ import annotations

from functools import cache

import numpy as np

from andersonn.structures import elements

COUNTS = (
    "valence",
    "outer",
    "open_d",
    "open_f",
    "every",
    "s_block",
    "p_block",
    "d_block",
    "f_block",
    "acceptor",
    "anion",
)
"""Columns of :func:`table`, each a number for one atom: its valence electrons, as the valence electron count of half-Heuslers
has them (Ti 4, Ni 10, Sn 4: 18); the same without the ten d electrons of groups 11 and 12 (Zn 2); d and f electrons of open or
outermost shells; all electrons; 1 in its block; 1 in groups 14 to 17, whose atoms can fill an octet; 1 in groups 15 to 17.
"""
LANTHANUM, LUTETIUM, ACTINIUM = 57, 71, 89


@cache
def table() -> np.ndarray:
    """:data:`COUNTS` by atomic number: int64 ``[104, 11]``; row 0 is zero."""
    rows = np.zeros((elements.MAX_Z + 1, len(COUNTS)), dtype=np.int64)
    for Z in range(1, elements.MAX_Z + 1):
        group, (s, p, d, f) = int(elements.column("group")[Z]), _shells(Z)
        block = _block(Z, group)
        valence = s + p + d + f if Z >= ACTINIUM else group if group <= 12 else group - 10
        valence = 2 if Z == 2 else valence
        outer = valence - 10 if group in (11, 12) else valence
        open_d, open_f = (d if block == "d" else 0), (f if f < 14 else 0)
        acceptor = block == "p" and 14 <= group <= 17
        of_block = [block == each for each in "spdf"]
        rows[Z] = [valence, outer, open_d, open_f, Z, *of_block, acceptor, acceptor and group > 14]
    rows.flags.writeable = False
    return rows


def _shells(Z: int) -> tuple[int, ...]:
    """Electrons of the free atom in its valence s, p, d and f shells."""
    return tuple(int(elements.column(f"valence_{shell}")[Z]) for shell in "spdf")


def _block(Z: int, group: int) -> str:
    """``"s"``, ``"p"``, ``"d"`` or ``"f"``: all lanthanides and actinides are in the last."""
    if LANTHANUM <= Z <= LUTETIUM or Z >= ACTINIUM:
        return "f"
    if group <= 2 or Z == 2:
        return "s"
    return "d" if group <= 12 else "p"
