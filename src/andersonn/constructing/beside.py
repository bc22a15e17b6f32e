"""What other columns say of a number: its unit, and whether it is a bound. Databases such as ChEMBL write these apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from andersonn.constructing.sheets import Sheet
from andersonn.structures.readers.tables.columns import is_missing, plain

UNITS = ("units", "unit")
RELATIONS = ("relation", "relations", "qualifier", "operator", "relationship", "modifier")
MARKS = {"=": "", "==": "", "~": "~", "≈": "~", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "≤": "<=", "≥": ">=",
         "<<": "<", ">>": ">"}  # fmt: skip
VALUES = ("values", "value")
"""Endings of a target's name. Other columns may have another ending instead: "Standard Value", "Standard Units"."""
NUMBER = re.compile(r"[+\-−]?[\d.,]++(?:[eE][+\-]?\d++)?+")
UNIT = re.compile(r"[%°µμÅA-Za-z][\w%°/·*^²³⁻¹().\- ]{0,20}")
"""As it may stand behind a number."""


@dataclass(frozen=True)
class Beside:
    """Values of a column with what stands beside them.

    Attributes:
        values: of all rows; those with a unit or a mark as text.
        unit: of all of them, where it cannot stand behind a number; else empty.
        told: findings.
    """

    values: list[Any]
    unit: str
    told: list[str]


def joined(sheet: Sheet, column: int) -> Beside:
    """The values of a column, each with its unit and its mark of a bound from the columns that hold these, if there are such.

    Args:
        sheet: the table.
        column: of the target.
    """
    values = list(sheet.column(column))
    there = [k for k, value in enumerate(values) if not is_missing(value) and _is_number(value)]
    marks, units, told = _marks(sheet, column, there), _units(sheet, column, there), []
    unit = ""
    if marks:
        name, of = marks
        bounds = sum(MARKS[of[k]] not in ("", "~") for k in there)
        told += [f"column {name!r} says that numbers are bounds ({bounds} rows)"] if bounds else []
    if units:
        name, written = units
        told.append(f"units are read from column {name!r}")
        if not all(UNIT.fullmatch(written[k]) for k in there if written[k]):
            different = sorted({written[k] for k in there})
            if len(different) == 1:
                unit, units = different[0], None
            else:
                units = name, {k: re.sub(r"[^\w%°/·*^²³⁻¹().\- ]", "_", f"u{text}")[:20] for k, text in written.items()}
    for k in there:
        mark = MARKS[marks[1][k]] if marks else ""
        behind = units[1][k] if units else ""
        if mark or behind:
            values[k] = f"{mark}{values[k]} {behind}".strip()
    return Beside(values, unit, told)


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return False
    return isinstance(value, (int, float, np.number)) or (
        isinstance(value, str) and NUMBER.fullmatch(value.strip()) is not None
    )


def _column(sheet: Sheet, column: int, endings: Sequence[str]) -> int | None:
    """A column named like the target's, with one of these endings; or by the ending alone."""
    own = plain(sheet.names[column])
    stems = {own, *(own.removesuffix(ending) for ending in VALUES)} - {""}
    for wanted in ({f"{stem}{ending}" for stem in stems for ending in endings}, set(endings)):
        found = [k for k, name in enumerate(sheet.names) if k != column and plain(name) in wanted]
        if len(found) == 1:
            return found[0]
    return None


def _texts(sheet: Sheet, k: int, rows: Sequence[int]) -> dict[int, str]:
    column = sheet.column(k)
    return {row: "" if is_missing(column[row]) else str(column[row]).strip().strip("'\"").strip() for row in rows}


def _marks(sheet: Sheet, column: int, rows: Sequence[int]) -> tuple[str, dict[int, str]] | None:
    """Name of the column of marks, and the mark of each row."""
    k = _column(sheet, column, RELATIONS)
    found = {} if k is None else {row: text or "=" for row, text in _texts(sheet, k, rows).items()}
    return (sheet.names[k], found) if k is not None and found and set(found.values()) <= set(MARKS) else None


def _units(sheet: Sheet, column: int, rows: Sequence[int]) -> tuple[str, dict[int, str]] | None:
    """Name of the column of units, and the unit of each row; none if it holds numbers or nothing."""
    k = _column(sheet, column, UNITS)
    found = {} if k is None else _texts(sheet, k, rows)
    filled = [text for text in found.values() if text]
    are_units = bool(filled) and not any(map(NUMBER.fullmatch, filled))
    return (sheet.names[k], found) if k is not None and are_units else None
