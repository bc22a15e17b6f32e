"""The element that a type symbol or, without one, a label names: one element in full, or what else it may be."""

from __future__ import annotations

import re
from typing import NamedTuple

from andersonn.errors import InputError
from andersonn.structures import elements

TYPE = re.compile(r"\^?(\d{0,3})\^?([A-Za-z]{1,12})([^A-Za-z].{0,20}|)")
"""An isotope, letters, and what stands behind them."""
SCATTERING = ("val", "va", "v", "iso", "mof", "I", "II", "III", "IV", "V", "VI", "VII")
"""Letters behind an element that name no further one: states of valence, isolated atoms, oxidation states."""
MARK = re.compile(
    r"[_^]?\(?(?:\d{0,2}(?:\.\d{1,3})?[+-]{1,4}|\d{0,2}[+-]\d{1,2}(?:\.\d{1,3})?|\d{1,4}|1\.0{1,4}|[IV]{1,4})\)?\^?"
    r"|_[A-Z]?(?:_[a-zM])?|_[a-z0-9_]{1,6}|\d{1,3}(?:f\d{1,2}|mof)|\d{1,4}[ADEGJLMQRTXZa-z]['\"*]{0,2}|\d{0,4}[*'\"?^]{1,2}|\(\d{1,4}\)"
)
"""Charge, oxidation state, number, type of a force field such as ``C_R`` and ``Zr8f4``, or a label such as ``C1A``."""
WATER = re.compile(r"O[Ww]\d{0,4}|O\d{1,4}[Ww]")
OXO = re.compile(r"[A-Z]O[2-4]")
"""Groups such as CO3 and PO4, whose letters are elements in capitals, too."""
ELEMENT = re.compile(r"[A-Z][a-z]?")
SEVERAL = re.compile(r"[/,|&:;]|[A-Za-z]\)?\+[A-Za-z]|[A-Za-z]0?\.\d")
"""Signs in a label that make it a list of elements or shares of them."""
SECOND = re.compile(r"[0-9]{0,4}([A-Z][a-z]?)")
SUFFIXES = "BC"
"""Letters of elements that more often count sites of one element: FeA, FeB, FeC."""
HYDRATE = re.compile(r"H[23]O|[A-Z][a-z]?-[A-Z]")
"""A group of atoms, or a hydrogen that is named after its oxygen."""
SHOWN = 30


class Read(NamedTuple):
    """What a type symbol or label means.

    Attributes:
        Z: atomic number, 0 if it is no element alone.
        several: whether it names several elements, a group of atoms, or a share of an atom.
        doubtful: whether it may mean several, such as ``HO``.
    """

    Z: int
    several: bool = False
    doubtful: bool = False


def of_type(text: str) -> Read:
    """What a type symbol means, such as ``Fe3+``, ``FE``, ``2H``, ``C_R``, ``Fe/Mn`` and ``H2O``."""
    known, text = elements.atomic_number(), text.strip()
    found = TYPE.fullmatch(text)
    if not found:
        return Read(0, _names_several(text))
    isotope, letters, behind = found.groups()
    symbol = letters.capitalize()
    doubtful = len(letters) == 2 and letters.isupper() and all(letter in known for letter in letters)
    tail = ""
    if symbol not in known or len(letters) > 2:
        size = 2 if letters[:2] in known and len(letters) > 2 else 1
        symbol, tail = letters[:size].capitalize(), letters[size:]
    if symbol not in known:
        return Read(0, _names_several(text))
    if WATER.fullmatch(text):
        return Read(8)
    is_one = (not tail or tail in SCATTERING) and (not behind or MARK.fullmatch(behind)) and not (isotope and behind)
    if not is_one or (behind[:1] == "_" and _known_part(behind[1:])):
        return Read(0, _names_several(text) or bool(re.match(r"\d{0,2}\.\d", behind)))
    if doubtful and OXO.fullmatch(text):
        return Read(0, True)
    return Read(known[symbol], doubtful=doubtful)


def of_label(label: str, Z: int) -> Read:
    """What a label means in a file without types.

    Args:
        label: such as ``C1A``, ``O1W``, ``HG12``, ``FeMn1``.
        Z: the element that the parser takes it for.
    """
    known = elements.atomic_number()
    if Z < 1 or Z > elements.MAX_Z or SEVERAL.search(label):
        return Read(0, bool(SEVERAL.search(label)) and _names_several(label))
    size = len(elements.symbols()[Z])
    proper = size == 2 and label[1:2].islower()
    second = SECOND.match(label, size)
    if proper and second and len(second[1]) == 2 and second[1] in known:
        return Read(0, True)
    capitals = label[:2].isupper() and size == 2 and label[0] in known
    beside = proper and ELEMENT.match(label, size) and label[size] in known and label[size] not in SUFFIXES
    return Read(Z, doubtful=bool(capitals or beside or HYDRATE.match(label)))


def refused(label: str, text: str, read: Read) -> InputError:
    """What to say of a site that is no single element."""
    if read.several:
        return InputError(
            "unknown_element",
            f"site {label[:SHOWN]!r} has the unknown element {text[:SHOWN]!r}: that is several elements, a group or a share",
            "order the structure first: give each atom a site of its own with one element",
        )
    return InputError(
        "unknown_element",
        f"site {label[:SHOWN]!r} has the unknown element {text[:SHOWN]!r}",
        "write a chemical symbol in _atom_site_type_symbol",
    )


def _known_part(text: str) -> bool:
    """Whether it begins with the symbol of an element, R of ``C_R`` aside."""
    found = ELEMENT.match(text)
    return bool(found) and found[0] in elements.atomic_number()


def _names_several(text: str) -> bool:
    """Whether a text holds two symbols of elements or more, and nothing else in capitals."""
    parts, known = ELEMENT.findall(text), elements.atomic_number()
    parts = [part if part in known else part[:1] for part in parts]
    return len(parts) > 1 and all(part in known for part in parts)
