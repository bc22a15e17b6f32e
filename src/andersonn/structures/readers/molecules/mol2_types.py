"""Atom types of MOL2 files → elements: those of SYBYL, and of GAFF, which AmberTools writes."""

from __future__ import annotations

from andersonn.errors import InputError
from andersonn.structures import elements

SYBYL_DOTS = frozenset(
    [
        "1",
        "2",
        "3",
        "4",
        "ar",
        "cat",
        "co2",
        "am",
        "pl3",
        "pl",
        "o",
        "o2",
        "spc",
        "t3p",
        "th",
        "oh",
        "tet",
        "sq",
        "tbp",
        "oct",
        "dc",
        "hal",
        "het",
        "hev",
    ]
)
"""What may stand behind the dot of a type, such as ``C.3``."""
GAFF = {
    "C": "c c1 c2 c3 c5 c6 ca cc cd ce cf cg ch cp cq cs cu cv cx cy cz",
    "H": "h1 h2 h3 h4 h5 ha hc hn ho hp hs hw hx",
    "N": "n n1 n2 n3 n4 n5 n6 n7 n8 n9 n+ na nb nc nd ne nf nh ni nj nk nl nm nn no np nq ns nt nu nv nx ny nz",
    "O": "o oh op oq os ow",
    "P": "p2 p3 p4 p5 pb pc pd pe pf px py",
    "S": "s s2 s4 s6 sh sp sq ss sx sy",
    "F": "f",
    "Cl": "cl",
    "Br": "br",
    "I": "i",
}
OF_GAFF = {kind: element for element, kinds in GAFF.items() for kind in kinds.split()}
HINT = "types of SYBYL (C.3, O.co2, Cl) and of GAFF (c3, os, cl) are read; `antechamber -at sybyl` or `obabel` rewrite others"


def element_of(kind: str, name: str) -> str:
    """The element's symbol by an atom's type.

    Args:
        kind: the type, as written.
        name: of the atom; it tells which element an upper-case type of two letters means.

    Raises:
        InputError: the type is unknown.
    """
    head, dot, rest = kind.partition(".")
    symbol = head.capitalize()
    known = symbol in elements.atomic_number()
    if dot and known and (rest.lower() in SYBYL_DOTS or rest.isdecimal()):
        return "H" if symbol in ("D", "T") else symbol
    if not dot and kind in OF_GAFF:
        return OF_GAFF[kind]
    letters = name.lstrip("0123456789")
    letters = letters[: next((k for k, c in enumerate(letters) if not c.isalpha()), len(letters))].capitalize()
    if not dot and known and (kind == symbol or (kind.isupper() and letters == symbol)):
        return "H" if symbol in ("D", "T") else symbol
    raise InputError("unknown_element", f"atom {name[:20]} has the unknown type {kind[:20]!r}", HINT)
