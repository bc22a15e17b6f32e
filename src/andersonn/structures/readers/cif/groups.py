"""Space groups by their names, in the spellings that files have: gemmi's tables know the usual ones."""

from __future__ import annotations

import re
from functools import lru_cache

import gemmi

LONGEST_SYMBOL = 60
HTML = re.compile(r"</?(?:sub|sup|i|b)>|[~_$\\]|\boverline\b|\bbar\b", re.IGNORECASE)
CHOICE = re.compile(
    r"(?P<symbol>.*?)[ :]{0,3}(?:\(?(?:origin|o|choice)(?: ?choice)? ?)?(?P<choice>[12]|[sz]|[hr][sz]?|hexagonal|rhombohedral|obverse)"
    r"(?: ?axes)?\)?",
    re.IGNORECASE,
)
"""A symbol with the choice of origin or axes behind it: ``:2``, ``S`` and ``Z`` as in ICSD, ``HR``, ``RS``, ``origin 1``."""
NUMBER = re.compile(r" ?\( ?(?:#|no\.?|nr\.?)? ?\d{1,3} ?\)|[ ,;](?:#|no\.?|nr\.?) ?\d{1,3}$", re.IGNORECASE)
"""The number of a group, which some write behind its symbol."""
CHOICES = {"s": "1", "z": "2", "1": "1", "2": "2", "o": "H"}
FULL_PART = re.compile(r"(?:21|3[12]|4[1-3]|6[1-5])(?:/[a-emn])?|-?[1-6](?:/[a-emn])?|[a-emn]")


@lru_cache(maxsize=512)
def groups_called(symbol: str, hexagonal: bool, rhombohedral: bool) -> tuple[gemmi.SpaceGroup, ...]:
    """The space groups that a Hermann–Mauguin symbol may mean: one; two that differ by their origin, where the symbol does
    not say which; none, where it is not known.

    Args:
        symbol: in any of the usual spellings, such as ``P2(1)/n``, ``P 2~1~/n``, ``F 4/m -3 2/m`` and ``F d -3 m Z``.
        hexagonal: whether the cell has such axes, for symbols in R that name none.
        rhombohedral: the same of these.
    """
    plain = _plain(symbol)
    if not plain or len(plain) > LONGEST_SYMBOL:
        return ()
    for spelling in _spellings(plain):
        found = _known(spelling, "", hexagonal, rhombohedral)
        if found:
            return found
    for spelling in _spellings(plain):
        parts = CHOICE.fullmatch(spelling)
        if parts and parts["symbol"].strip():
            found = _known(parts["symbol"].strip(" :"), parts["choice"].lower(), hexagonal, rhombohedral)
            if found:
                return found
    return ()


@lru_cache(maxsize=256)
def group_of_hall(symbol: str) -> gemmi.SpaceGroup | None:
    """The space group of a Hall symbol, or None if it is not known."""
    if len(symbol) > LONGEST_SYMBOL:
        return None
    try:
        return gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(_plain_hall(symbol)))
    except (ValueError, RuntimeError):
        return None


@lru_cache(maxsize=256)
def settings_of(number: int) -> tuple[gemmi.SpaceGroup, ...]:
    """All tabulated settings of a space group, the standard one first; none if there is no such group."""
    return tuple(group for group in gemmi.spacegroup_table() if group.number == number)


def _plain_hall(symbol: str) -> str:
    return " ".join(symbol.replace("_", " ").split())


def _plain(symbol: str) -> str:
    """One blank between parts, plain digits, minus signs before digits, no marks of typesetting."""
    text = " ".join(symbol.strip().strip("'\"")[: 4 * LONGEST_SYMBOL].split())
    text = text.replace("\\=", "-")
    for dash in "\u2212\u2013\u2010\u2011\u00af":
        text = text.replace(dash, "-")
    text = re.sub("(\\d)[\u0304\u0305]", r"-\1", text)
    text = text.translate({0x2080 + k: str(k) for k in range(10)})
    text = re.sub(r"\\?(?:overline|bar) ?\{? ?([1346]) ?\}?", r"-\1", text)
    text = re.sub(r"([1-6]) ?\( ?([1-5]) ?\)", r"\1\2", text)
    text = re.sub(r"([2346]) ?(?:~|_\{?|<sub>) ?([1-5]) ?(?:~|\}|</sub>)?", r"\1\2", text, flags=re.IGNORECASE)
    return " ".join(HTML.sub(" ", text.replace("{", "").replace("}", "").replace("*", "")).split())


def _spellings(symbol: str) -> list[str]:
    """The symbol, without a number in parentheses, and short where it is a full one."""
    bare = NUMBER.sub("", symbol) if NUMBER.search(symbol) else symbol
    found = [symbol, bare, bare.replace(" ", "")]
    for spelling in list(found):
        choice = CHOICE.fullmatch(spelling)
        for text, tail in ((spelling, ""), (choice["symbol"], f":{choice['choice']}") if choice else (spelling, "")):
            short = _short(text)
            if short:
                found.append(short + tail)
    return [text for text in dict.fromkeys(found) if text]


def _short(symbol: str) -> str | None:
    """``F m -3 m`` of the full symbol ``F 4/m -3 2/m``, or None if it is none."""
    letter, rest = symbol[:1].upper(), symbol[1:]
    parts = FULL_PART.findall(rest)
    if "".join(parts) != rest.replace(" ", "") or len(parts) < 2 or not any("/" in part for part in parts):
        return None
    if sum(part != "1" for part in parts) < 2:
        return None  # monoclinic: 2/m keeps its axis
    cubic = len(parts) > 1 and parts[1] in ("-3", "3")
    kept = []
    for k, part in enumerate(parts):
        main_axis = k == 0 and not cubic and part[0] in "46"
        kept.append(part if main_axis or "/" not in part else part.split("/")[1])
    return f"{letter} {' '.join(kept)}"


def _known(symbol: str, choice: str, hexagonal: bool, rhombohedral: bool) -> tuple[gemmi.SpaceGroup, ...]:
    angles = (90.0, 120.0) if hexagonal else (80.0, 80.0) if rhombohedral else (90.0, 90.0)
    group = gemmi.find_spacegroup_by_name(symbol, *angles)
    if group is None:
        return ()
    if group.ext in ("H", "R"):
        wanted = {"h": "H", "r": "R", "o": "H"}.get(choice[:1], "") if choice[:1] not in ("s", "z") else ""
        group = gemmi.find_spacegroup_by_name(f"{group.hm}:{wanted or group.ext}")
        return (group,) if group else ()
    if group.ext in ("1", "2"):
        asked = CHOICES.get(choice, "") or (group.ext if ":" in symbol or symbol.strip()[-2:] in (":1", ":2") else "")
        found = [gemmi.find_spacegroup_by_name(f"{group.hm}:{ext}") for ext in ((asked,) if asked else ("1", "2"))]
        return tuple(other for other in found if other)
    return (group,) if not choice or choice in ("1", "2", "s", "z") else ()
