"""The column of the target: numbers in one unit, or labels."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from andersonn.constructing import units
from andersonn.constructing.beside import joined
from andersonn.constructing.cells import Cell, cell_of, commas_of, sentinels_in
from andersonn.constructing.labels import labels_of
from andersonn.constructing.sheets import Sheet
from andersonn.errors import UsageError
from andersonn.structures.readers.tables.columns import is_missing, plain

OFTEN = 0.05
"""Fraction of cells from which a word behind numbers is taken for a unit, though no table of units has it."""
LISTED = 12
"""Columns that a message names."""


@dataclass
class Target:
    """What a column holds, row by row.

    Attributes:
        kind: numbers or labels.
        unit: of the numbers; empty if none is known.
        values: float64 ``[rows]``, NaN where there is none; of labels the index into ``classes``.
        classes: names of labels.
        problems: row → why it has no value.
        told: findings, as sentences.
    """

    kind: Literal["number", "labels"]
    unit: str
    values: np.ndarray
    classes: tuple[str, ...] = ()
    problems: dict[int, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


def column_of(sheet: Sheet, target: str) -> int:
    """The position of the column that a user names; capitals, blanks and brackets do not matter if one column alone fits.

    Raises:
        UsageError: there is none, or several.
    """
    names = sheet.names
    for same in (lambda name: name == target.strip(), lambda name: plain(name) == plain(target) != "",
                 lambda name: plain(units.of_name(name)[1]) == plain(target) != ""):  # fmt: skip
        found = [k for k, name in enumerate(names) if same(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError("bad_columns", f"{sheet.what} has {len(found)} columns {target!r}", "rename all but one")
    close = difflib.get_close_matches(target.lower(), [name.lower() for name in names], n=1, cutoff=0.6)
    bare = plain(units.of_name(target)[1])
    near = next((name for name in names if [name.lower()] == close or (len(bare) > 2 and bare in plain(name))), "")
    numeric = numeric_columns(sheet)
    listed = f"columns of numbers: {', '.join(map(repr, numeric[:LISTED]))}" if numeric else (
        f"it has {', '.join(map(repr, names[:LISTED]))}"
    )  # fmt: skip
    hint = f"did you mean {near!r}? {listed[0].upper()}{listed[1:]}" if near else listed
    raise UsageError("missing_column", f"{sheet.what} has no column {target!r}", hint)


def numeric_columns(sheet: Sheet) -> list[str]:
    """Names of the columns whose first values are mostly numbers."""
    found = []
    for k, name in enumerate(sheet.names):
        cells = [value for value in sheet.column(k)[:50] if not is_missing(value)]
        plain_numbers = sum(isinstance(v, (int, float, np.number)) or _is_number(v) for v in cells)
        if cells and 2 * plain_numbers > len(cells):
            found.append(name)
    return found


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def read_target(
    sheet: Sheet, column: int, unit: str | None, thresholds: Sequence[float] | None, classes: Sequence[str] | None
) -> Target:
    """The values of a column, as numbers or as labels.

    Labels are: booleans; text that is mostly no numbers; two whole numbers, such as 0 and 1, unless there are thresholds; and
    any few values where ``classes`` are named without thresholds.

    Raises:
        UsageError: units or commas are mixed, the column holds names, or does not fit ``thresholds`` or ``classes``.
    """
    name, beside = sheet.names[column], joined(sheet, column)
    values, unit = beside.values, unit or beside.unit or None
    if all(map(is_missing, values)):
        raise UsageError("empty_column", f"column {name!r} of {sheet.what} is empty", "name a column with values")
    if _are_flags(values):
        if thresholds:
            told = f"column {name!r} holds true and false, which thresholds do not cut"
            raise UsageError("not_numbers", told, "leave out --thresholds")
        return _labels(name, values, classes, f"{name!r} holds true and false: read as labels")
    commas = commas_of(values, name, sheet.decimal_comma)
    cells = [cell_of(value, commas) for value in values]
    there = [k for k, cell in enumerate(cells) if cell.problem != "the value is missing"]
    counts = Counter(cells[k].unit for k in there)
    usual = {"", *(u for u, n in counts.items() if units.is_known(u) or n >= max(3, OFTEN * len(there)))}
    numbers = [k for k in there if not math.isnan(cells[k].value) and cells[k].unit in usual]
    dates = sum(cells[k].problem.startswith("the value is a date") for k in there)
    if 2 * len(numbers) < len(there) - dates and not thresholds:
        return _labels(name, values, classes, f"{name!r} holds words: read as labels")
    if not numbers:
        example = next(str(values[k]) for k in there)
        raise UsageError("not_numbers", f"column {name!r} holds no numbers, but such as {example[:40]!r}",
                         "name a column of numbers, or leave out --thresholds to learn labels")  # fmt: skip
    distinct = {cells[k].value for k in numbers}
    if not thresholds and (classes or _two_whole(distinct)):
        why = (
            f"{name!r} holds {' and '.join(f'{v:g}' for v in sorted(distinct))} alone: read as labels, not as numbers "
        )
        why += (
            "(--thresholds 0.5 reads it as numbers)" if distinct == {0.0, 1.0} else "(--thresholds reads it as numbers)"
        )
        given = (
            [f"{cells[k].value:g}" if k in set(numbers) else None for k in range(len(cells))]
            if len(distinct) < 1000
            else values
        )
        return _labels(name, given, classes, "" if classes and len(distinct) > 2 else why, number_like=True)
    found = _numbers(name, values, cells, usual, unit, commas.meaning)
    found.told += beside.told
    if (
        2 < len(distinct) <= 6
        and len(numbers) > 10 * len(distinct)
        and all(value.is_integer() for value in distinct)
        and not thresholds
    ):
        found.told.append(
            f"{name!r} holds {len(distinct)} different whole numbers, read as numbers: --classes with as many names reads them as labels"
        )
    return found


def _are_flags(values: Sequence[Any]) -> bool:
    flags = [isinstance(value, (bool, np.bool_)) for value in values]
    return any(flags) and all(flag or is_missing(value) for flag, value in zip(flags, values, strict=True))


def _two_whole(distinct: set[float]) -> bool:
    return len(distinct) == 2 and all(value.is_integer() for value in distinct)


def _labels(
    name: str, values: Sequence[Any], classes: Sequence[str] | None, why: str, number_like: bool = False
) -> Target:
    found = labels_of(name, values, classes, number_like)
    return Target("labels", "", found.index, found.classes, found.problems, [why] * bool(why) + found.told)


def _numbers(
    name: str, raw: Sequence[Any], cells: list[Cell], usual: set[str], unit: str | None, commas: str
) -> Target:
    of_name, _, doubtful = units.of_name(name)
    told = []
    problems = {k: cell.problem for k, cell in enumerate(cells) if cell.problem}
    problems |= {
        k: f"{str(raw[k])[:30]!r} is no number in a known unit"
        for k, cell in enumerate(cells)
        if not cell.problem and cell.unit not in usual
    }
    values = np.array([math.nan if k in problems else cell.value for k, cell in enumerate(cells)])
    factors, in_cells, converted = _to_one_unit(name, raw, cells, problems, unit or of_name)
    values = values * factors
    chosen = unit if unit is not None else in_cells or of_name
    told += converted
    if unit is None and chosen and not in_cells:
        told.append(f"the unit {chosen!r} was read from the column's name; --unit corrects it")
    elif unit is None and in_cells:
        told.append(f"the unit {chosen!r} stands behind the numbers")
    if unit is not None and (other := in_cells or of_name) and units.canonical(other) != units.canonical(unit):
        told.append(f"--unit {unit!r} is kept, though the table says {other!r}: numbers were not converted")
    if unit is None and not chosen:
        doubt = f"; {doubtful!r} in the column's name was not taken for one" if doubtful else ""
        told.append(f"no unit is known for {name!r}{doubt}: --unit names it")
    for value in sentinels_in([v for v in values.tolist() if not math.isnan(v)]):
        stands = np.flatnonzero(values == value).tolist()
        problems |= dict.fromkeys(stands, f"{value:g} stands for a missing value")
        values[values == value] = math.nan
        told.append(f"{value:g} occurs {len(stands)} times and far from all other values: read as missing")
    texts = sum(isinstance(value, str) for value in raw)
    if 0 < texts < len(raw) and not all(isinstance(v, str) or is_missing(v) for v in raw):
        kept = sum(isinstance(value, str) and k not in problems for k, value in enumerate(raw))
        told += [f"{kept} numbers are stored as text; they were read all the same"] if kept else []
    if commas:
        told.append(
            f"commas in the numbers of {name!r} were read as marks of {'decimals' if commas == 'decimal' else 'thousands'}"
        )
    told += [f"{note} ({n} cells)" for note, n in Counter(c.note for c in cells if c.note and not c.problem).items()]
    return Target("number", chosen, values, (), problems, told)


def _to_one_unit(
    name: str, raw: Sequence[Any], cells: list[Cell], problems: dict[int, str], elsewhere: str
) -> tuple[np.ndarray, str, list[str]]:
    """Factors that bring all numbers to one unit ``[rows]``; that unit, empty if no number has one; what was converted.

    Raises:
        UsageError: the units measure different things, or some numbers have one, others none, and no name tells theirs.
    """
    good = [k for k in range(len(cells)) if k not in problems]
    counts: Counter[str] = Counter()
    written: dict[str, str] = {}
    for k in good:
        if cells[k].unit:
            written.setdefault(units.canonical(cells[k].unit), cells[k].unit)
            counts[units.canonical(cells[k].unit)] += 1
    ones = np.ones(len(cells))
    if not counts:
        return ones, "", []
    bare = [k for k in good if not cells[k].unit]
    into = units.commonest(counts, units.canonical(elsewhere) if elsewhere else "")
    factors = {unit: units.factor(unit, into) for unit in counts}
    shown = ", ".join(f"{written[unit]!r} ({n} rows)" for unit, n in counts.most_common(5))
    if None in factors.values():
        raise UsageError("mixed_units", f"column {name!r} holds numbers in units that are not converted into each other: {shown}",
                         "write all of them in one unit, or leave the others out")  # fmt: skip
    if bare and not (elsewhere and units.factor(elsewhere, into) == 1.0):
        examples = f"{str(raw[bare[0]])[:20]!r} beside {str(raw[next(k for k in good if cells[k].unit)])[:20]!r}"
        raise UsageError("mixed_units", f"column {name!r} holds {len(bare)} numbers without a unit and others in {shown}: {examples}",
                         "write a unit behind each, or behind none, or the unit of the bare ones in the column's name")  # fmt: skip
    told = []
    for unit, by in factors.items():
        if unit != into and by is not None:
            told.append(
                f"{counts[unit]} numbers in {written[unit]!r} were converted to {written.get(into, into)!r}, times {by:.6g}"
            )
    ones[good] = [factors.get(units.canonical(cells[k].unit), 1.0) if cells[k].unit else 1.0 for k in good]
    return ones, written.get(into, elsewhere or into), told
