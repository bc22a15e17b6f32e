"""One cell of a table → a number, with what stands beside it: a unit, a bound, an uncertainty."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from andersonn.data.tables import NO_NUMBER
from andersonn.errors import UsageError
from andersonn.structures.readers.tables.columns import is_missing

NUMBER = r"[+-]?(?:\d++(?:\.(?!\.)\d*+)?+|\.\d++)(?:[eE][+-]?\d++)?+"
"""Possessive, so that a long row of digits is read once."""
WHOLE = re.compile(NUMBER)
WITH_UNIT = re.compile(rf"({NUMBER})\s*+([%°µμÅA-Za-z][\w%°/·*^²³⁻¹().\- ]{{0,20}})?")
UNCERTAIN = re.compile(rf"({NUMBER})\s*+(?:±|\+/-|\+-)\s*+{NUMBER}(.*)", re.DOTALL)
IN_DIGITS = re.compile(rf"({NUMBER})\(\d++\)(.*)")
POWER = re.compile(r"\s{0,3}[x×·*]\s*+10\s*+(?:\^|\*\*)?+\s*+\{?([+-]?\d++)\}?")
RANGE = re.compile(rf"{NUMBER}\s*+(?:-|–|to|\.\.)\s*+{NUMBER}.*")
BOUND = re.compile(r"\s*+(?:<=|>=|<|>|≤|≥)\s*+")
DASHES = str.maketrans({"−": "-", "–": "-", "﹣": "-", "－": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " "})
SENTINELS = frozenset({-99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, 999999.0, -1e20, 1e20, 1e30, -1e30})
"""Numbers that programs write where there is none."""


@dataclass(frozen=True)
class Cell:
    """What a cell says.

    Attributes:
        value: the number; NaN if there is none.
        unit: behind the number, as written; empty if there is none.
        problem: why there is no number; empty if there is one.
        note: how it was read, where that is not plain; the same words for all such cells.
    """

    value: float = math.nan
    unit: str = ""
    problem: str = ""
    note: str = ""


@dataclass(frozen=True)
class Commas:
    """What a comma in the numbers of a column means: ``"decimal"``, ``"thousands"``, or nothing (``""``)."""

    meaning: str = ""

    def resolved(self, text: str) -> str:
        """A text with the comma as Python has it."""
        if self.meaning == "decimal":
            return re.sub(r"(?<=\d),(?=\d)|^,(?=\d)", ".", text)
        return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text) if self.meaning == "thousands" else text


def commas_of(values: Iterable[Any], column: str, decimal_comma: bool) -> Commas:
    """What commas mean in a column, where its values leave no doubt.

    Args:
        values: of the column.
        column: its name, for messages.
        decimal_comma: whether something other than a comma parts the table's fields.

    Raises:
        UsageError: ``1,234`` may be either, or the column holds both.
    """
    texts = [str(value).strip() for value in values if isinstance(value, str) and "," in value]
    numbers = [text for text in texts if re.match(r"[<>≤≥~+\-−]?\s*+[\d,]*?,\d", text)]
    if not numbers:
        return Commas()
    decimal = [
        text for text in numbers if re.match(r"[^\d]*(?:\d+,(?!\d{3}(?!\d))\d+|0,\d+|\d{4,},\d+)(?![\d,.])", text)
    ]
    thousands = [
        text
        for text in numbers
        if re.match(r"[^\d]*[1-9]\d{0,2}(?:,\d{3})+\.\d|[^\d]*[1-9]\d{0,2}(?:,\d{3}){2,}", text)
    ]
    if decimal and thousands:
        raise UsageError(
            "mixed_commas",
            f"commas in column {column!r} mean decimals in {decimal[0]!r} and thousands in {thousands[0]!r}",
            "write all numbers with a decimal point and no other mark",
        )
    dotted = any(isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d*\.\d+\s*", value) for value in values)
    if decimal or (decimal_comma and not thousands and not dotted):
        return Commas("decimal")
    if thousands or dotted:
        return Commas("thousands")
    raise UsageError(
        "ambiguous_commas",
        f"{numbers[0]!r} in column {column!r} may be {numbers[0].replace(',', '.')} or {numbers[0].replace(',', '')}",
        "write numbers with a decimal point and without marks for thousands",
    )


def cell_of(value: Any, commas: Commas) -> Cell:
    """What a cell says."""
    if is_missing(value) or (isinstance(value, str) and value.strip().lower() in NO_NUMBER):
        return Cell(problem="the value is missing")
    if isinstance(value, (datetime.date, datetime.datetime, datetime.time)):
        return Cell(problem=f"the value is a date ({value}): spreadsheets make dates of some numbers")
    if not isinstance(value, str):
        return _of_number(value)
    text = commas.resolved(value.strip().translate(DASHES))
    if WHOLE.fullmatch(text):
        return _finite(float(text))
    if text.lower().lstrip("+-") in ("inf", "infinity", "∞"):
        return Cell(problem="the value is infinite")
    if bound := BOUND.match(text):
        rest = WITH_UNIT.fullmatch(text[bound.end() :])
        return Cell(unit=(rest[2] or "").strip() if rest else "", problem=f"{_short(value)} is a bound, not a value")
    note = ""
    if text.startswith(("~", "≈", "ca.", "ca ")):
        text, note = text.lstrip("~≈ca. "), "'about' before numbers was left out"
    if found := UNCERTAIN.fullmatch(text) or IN_DIGITS.fullmatch(text):
        text, note = f"{found[1]} {found[2].strip()}".strip(), "uncertainties behind numbers were left out"
    text = re.sub(rf"^({NUMBER}){POWER.pattern}", r"\1e\2", text)
    if RANGE.fullmatch(text):
        return Cell(problem=f"{_short(value)} is a range, not a value")
    if found := WITH_UNIT.fullmatch(text):
        number = _finite(float(found[1]))
        return Cell(number.value, (found[2] or "").strip(), number.problem, note)
    return Cell(problem=f"{_short(value)} is no number")


def _of_number(value: Any) -> Cell:
    try:
        return _finite(float(value))
    except (TypeError, ValueError):
        return Cell(problem=f"the value is a {type(value).__name__}, no number")


def _finite(value: float) -> Cell:
    return Cell(value) if math.isfinite(value) else Cell(problem="the value is infinite")


def sentinels_in(values: Sequence[float]) -> set[float]:
    """Numbers of a column that stand for a missing value: they occur twice or more, and far from all others."""
    counts: dict[float, int] = {}
    for value in values:
        if value in SENTINELS:
            counts[value] = counts.get(value, 0) + 1
    others = [value for value in values if value not in SENTINELS and math.isfinite(value)]
    if not others or not counts:
        return set()
    low, high = min(others), max(others)
    width = max(high - low, abs(high), abs(low), 1e-12)
    return {value for value, count in counts.items() if count > 1 and not low - width <= value <= high + width}


def _short(value: str) -> str:
    text = " ".join(value.split())
    return repr(text if len(text) <= 30 else f"{text[:29]}…")
