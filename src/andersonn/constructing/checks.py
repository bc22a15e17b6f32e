"""What a table must have, and what a user may ask of it, checked; each refusal names the cure."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from andersonn.constructing.findings import suggested
from andersonn.constructing.matter import Matter
from andersonn.constructing.sheets import Sheet
from andersonn.constructing.sides import WORDS
from andersonn.constructing.targets import Target, numeric_columns
from andersonn.errors import UsageError, did_you_mean
from andersonn.structures.readers.tables.columns import Roles, is_missing, plain
from andersonn.structures.readers.tables.rows import name_of

FEWEST = 10
"""Usable rows below which nothing is constructed."""
FEWEST_OF_CLASS = 3
"""Rows of a class: one for each side."""
WAYS = ("auto", "random", "group", "scaffold")
USUAL_NAMES = {2: ("low", "high"), 3: ("low", "medium", "high"), 4: ("very_low", "low", "high", "very_high")}


def thresholds_of(thresholds: Sequence[float] | None, classes: Sequence[str] | None) -> tuple[float, ...]:
    """Thresholds as a tuple; empty if there are none.

    Raises:
        UsageError: they do not rise, or are not one fewer than the classes.
    """
    cuts = tuple(float(cut) for cut in thresholds or ())
    if not all(np.isfinite(cuts)) or any(a >= b for a, b in itertools.pairwise(cuts)):
        raise UsageError(
            "bad_thresholds", f"thresholds {', '.join(f'{c:g}' for c in cuts)} do not rise", "give them in rising order"
        )
    if cuts and classes and len(classes) != len(cuts) + 1:
        raise UsageError("bad_thresholds", f"--thresholds cuts at {len(cuts)}, which makes {len(cuts) + 1} classes, and {len(classes)} are named",
                         "name one class more than there are thresholds")  # fmt: skip
    if classes and len(set(classes)) < len(classes):
        raise UsageError("bad_classes", f"--classes names one class twice: {', '.join(classes)}", "name each once")
    return cuts


def refuse_role(sheet: Sheet, target: int, roles: Roles) -> None:
    """Refuses a target that is the column of the structures.

    Raises:
        UsageError: it is.
    """
    if target in (roles.smiles, roles.path, roles.thing, *(roles.atoms or ())):
        numeric = [name for name in numeric_columns(sheet) if name != sheet.names[target]]
        hint = f"columns of numbers: {', '.join(map(repr, numeric[:12]))}" if numeric else "add a column of values"
        raise UsageError("target_is_structure", f"column {sheet.names[target]!r} holds the structures themselves", hint)


def way_of(sheet: Sheet, split: str) -> tuple[str, int | None]:
    """How rows are to be divided, and the column that says it, if one does.

    Raises:
        UsageError: there is no such way and no such column.
    """
    names = [plain(name) for name in sheet.names]
    if split == "auto" and "split" in names:
        k = names.index("split")
        if all(" ".join(str(word).lower().split()) in WORDS for word in sheet.column(k) if not is_missing(word)):
            return f"column {sheet.names[k]}", k
    if split in WAYS:
        return split, None
    found = [k for k, name in enumerate(sheet.names) if name == split] or [
        k for k, name in enumerate(names) if name == plain(split)
    ]
    if not found:
        hint = did_you_mean(split, [*WAYS[1:], *sheet.names])
        raise UsageError(
            "unknown_split", f"--split {split!r} is no way to divide rows and no column of {sheet.what}", hint
        )
    return f"column {sheet.names[found[0]]}", found[0]


def settled(way: str, group: int | None, matter: Matter, wanted: Sequence[int]) -> str:
    """The way rows are divided, now that it is known what they are.

    Raises:
        UsageError: scaffolds are asked of what has none.
    """
    rows = [matter.rows[k] for k in wanted if k not in matter.problems]
    of_smiles = bool(rows) and sum(bool(row.get("smiles")) for row in rows) > len(rows) / 2
    if way == "scaffold" and rows and not of_smiles:
        what = (
            "crystals have no scaffolds" if matter.periodic else "molecules without SMILES are not divided by scaffold"
        )
        raise UsageError("no_scaffolds", what, "choose --split group, by formula, or --split random")
    if way == "auto":
        return "scaffold" if group is None and of_smiles else "group"
    return way


def names_of(sheet: Sheet, roles: Roles) -> list[str]:
    """A name for each row, each once: as its column of names says, with its number where that is not enough."""
    given = [name_of(roles, values) for _, values in sheet.rows]
    often = Counter(given)
    return [
        f"row {number}" if not name else name if often[name] == 1 else f"{name} (row {number})"
        for name, (number, _) in zip(given, sheet.rows, strict=True)
    ]


def require_some(sheet: Sheet, usable: int, unusable: Mapping[str, str]) -> None:
    """Checks that there are enough rows.

    Raises:
        UsageError: there are not; it tells the commonest reasons.
    """
    if usable >= FEWEST:
        return
    total = len(sheet.rows) + len(sheet.broken)
    reasons = "; ".join(f"{len(rows)} × {reason}" for reason, rows in common_reasons(unusable)[:3])
    if not usable:
        raise UsageError(
            "all_unusable", f"none of the {total} rows of {sheet.what} can be used: {reasons}", "correct these rows"
        )
    told = f"; the others: {reasons}" if reasons else ""
    raise UsageError(
        "too_few_rows", f"{usable} of {total} rows of {sheet.what} can be used, and at least {FEWEST} are needed{told}",
        "add rows; a model worth having takes about a hundred",
    )  # fmt: skip


def common_reasons(unusable: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Reasons and the rows of each, the commonest first; those that differ in a name or a number alone count as one, shown by the
    first.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    for name, reason in unusable.items():
        alike = re.sub(r"'[^']*'|\"[^\"]*\"|\b[A-Z][a-z]?\d+\b|[-+]?\d[\d.e+-]*", "…", reason)
        found.setdefault(alike, (reason, []))[1].append(name)
    return sorted(found.values(), key=lambda one: -len(one[1]))


def class_index(read: Target, cuts: tuple[float, ...], values: np.ndarray) -> np.ndarray | None:
    """The class of each value, int64 ``[n]``; None where there are none."""
    if read.kind == "labels":
        return values.astype(np.int64)
    return np.searchsorted(np.array(cuts), values, side="right").astype(np.int64) if cuts else None


def classes_of(
    read: Target, cuts: tuple[float, ...], classes: Sequence[str] | None, values: np.ndarray, title: str
) -> tuple[str, ...]:
    """Names of the classes; empty for numbers without thresholds.

    Raises:
        UsageError: all values are equal, or a class has fewer than 3 rows.
    """
    if len(np.unique(values)) == 1:
        shown = repr(read.classes[int(values[0])]) if read.kind == "labels" else f"{values[0]:g}"
        raise UsageError("constant_target", f"all {len(values)} usable rows of column {title!r} are {shown}",
                         "there is nothing to learn: name another column, or add rows with other values")  # fmt: skip
    index = class_index(read, cuts, values)
    if index is None:
        return ()
    named = read.classes
    if cuts:
        usual = USUAL_NAMES.get(len(cuts) + 1, tuple(f"class_{k + 1}" for k in range(len(cuts) + 1)))
        named = tuple(classes) if classes else usual
    counts = np.bincount(index, minlength=len(named))
    rare = [k for k in range(len(named)) if counts[k] < FEWEST_OF_CLASS]
    if rare:
        k = rare[0]
        rows = {0: "no rows", 1: "one row"}.get(int(counts[k]), f"{counts[k]} rows")
        if cuts:
            hint = f"values go from {values.min():g} to {values.max():g}; {suggested(values)}"
        else:
            others = ",".join(name for j, name in enumerate(named) if j not in rare)
            hint = (
                f"add rows of it, or leave it out: --classes {others}"
                if len(named) - len(rare) > 1
                else "add rows of it"
            )
        raise UsageError(
            "rare_class",
            f"class {named[k]!r} of column {title!r} has {rows}, and {FEWEST_OF_CLASS} are needed, one for each side",
            hint,
        )
    return named
