"""Elements and numbers, as programs write them in tables of atoms."""

from __future__ import annotations

import re
from collections.abc import Iterable

from andersonn.errors import InputError
from andersonn.structures import elements

NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:(?:[eEdD]|\*\^)[+-]?\d+)?")
"""A decimal number; ``1.0D-03`` is Fortran's and ``1.0*^-3`` Mathematica's way to write 0.001."""
LABEL = re.compile(r"([A-Za-z]{1,2})(?:\d{1,5}[A-Za-z]?'*|_\w{0,10}|\(\d{1,5}\)|\([A-Za-z]{1,20}=[^()\s]{0,80}\))")
"""An element with what tells this atom from others, as O1, H12A, C_2, Fe(1) and, in Gaussian's inputs, O(Fragment=1)."""
ATOMIC_NUMBER = re.compile(r"(\d{1,3})(?:\.0{0,10})?", re.ASCII)
HEAVY = re.compile(r"\biso=0{0,3}[23](?!\d)", re.IGNORECASE)
"""Deuterium and tritium as Gaussian writes them: H(Iso=2)."""
MASS = re.compile(r"\d{1,3}([A-Z][a-z]?)")
GHOST = re.compile(r"x|xx|bq\d*|du\d*|lp\d*|tv|q|gh|gh\(.*|@.*|.*-bq\d*|bq[a-z]{1,2}\d*", re.IGNORECASE)
"""Names of entries that are no atoms: ghost atoms (basis functions only), dummies, lone pairs, lattice vectors."""
REMOTE = re.compile(r"[HCNOS][ABDEGHZ]")
"""Capital letters that mean an element (CA, CD, HG, NB) or the position of an atom in a biomolecule (alpha carbon)."""
UNKNOWN_HINT = "give the symbols of elements from hydrogen to lawrencium"
DUMMY_HINT = "remove ghost and dummy atoms, or replace them by real ones"
ISOTOPES = "deuterium and tritium were read as hydrogen"
LABELS = "atoms such as {} were read by the element in their label"


def decimal(word: str) -> str:
    """A number in Python's notation; any other word unchanged.

    The minus of typesetting (U+2212) is taken for a minus.
    """
    plain = word.replace("\u2212", "-")
    if not NUMBER.fullmatch(plain):
        return word
    return plain.replace("*^", "e").replace("d", "e").replace("D", "e")


def symbols_of(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Symbols of elements, and notes about how they were recognized.

    A word may be a symbol in any case, D or T, an atomic number, a symbol with a mass number (``13C``) or a label such as
    ``O1``.

    Raises:
        InputError: a word names no element, or may name two.
    """
    known: dict[str, tuple[str, str]] = {}
    symbols: list[str] = []
    notes: dict[str, str] = {}
    for word in words:
        if word not in known:
            known[word] = _symbol(word)
        symbol, note = known[word]
        symbols.append(symbol)
        if note:
            notes.setdefault(note, note.format(word))
    return symbols, list(notes.values())


def _symbol(word: str) -> tuple[str, str]:
    """The symbol that a word means, and a note about it or an empty text."""
    table = elements.atomic_number()
    number = ATOMIC_NUMBER.fullmatch(word)
    if number and 1 <= int(number[1]) <= elements.MAX_Z:
        return elements.symbols()[int(number[1])], ""
    symbol = word.capitalize()
    if symbol in table:
        return ("H", ISOTOPES) if symbol in ("D", "T") else (symbol, "")
    mass, label = MASS.fullmatch(word), LABEL.fullmatch(word)
    if GHOST.fullmatch(word) or word == "0":
        raise InputError("unknown_element", f"{word!r} is a ghost or dummy, no atom", DUMMY_HINT)
    if mass and mass[1] in table:
        heavy = mass[1] == "H" and word != "1H"
        return mass[1], ISOTOPES if heavy else ""
    head = label[1].capitalize() if label else ""
    if label and head in table and not (len(head) == 2 and REMOTE.fullmatch(label[1].upper()) and label[1] != head):
        return ("H", ISOTOPES) if head in ("D", "T") or (head == "H" and HEAVY.search(word)) else (head, LABELS)
    if label and head in table:
        also = f"{head}, or {head[0]} at a place of a biomolecule"
        raise InputError("unknown_element", f"the label {word!r} may mean {also}", UNKNOWN_HINT)
    raise InputError("unknown_element", f"{word[:40]!r} names no element", UNKNOWN_HINT)
