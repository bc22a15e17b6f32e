"""What a table says, before time is spent on it: which structures, which values, what is wrong, and how it is divided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from andersonn.constructing import checks, findings, sides
from andersonn.constructing.duplicates import merged
from andersonn.constructing.matter import Matter, located, read_matter
from andersonn.constructing.naming import name_of, quantity_of
from andersonn.constructing.sheets import Sheet, sheet_of
from andersonn.constructing.targets import Target, column_of, read_target
from andersonn.data.records import Records
from andersonn.data.tables import group_column
from andersonn.progress import Progress, Silent
from andersonn.sanitize import harmless
from andersonn.structures.readers.tables.columns import Roles, is_missing

MOST_REASONS = 6
MOST_NAMES = 4


@dataclass(frozen=True, eq=False)
class Understanding:
    """What a table says of one target.

    Attributes:
        source: file or folder, for people.
        target: the column, as the user wrote it.
        name: of the scientist: small letters, digits and _.
        kind: numbers, or labels.
        unit: of the numbers; empty if none is known, and for labels.
        periodic: crystals (True) or molecules.
        records: of usable rows, with the target in a column ``quantity`` and the column ``split`` if a column of the table makes the
            split. No ``group`` is on two sides.
        quantity: name of that column.
        values: of the target, float64 ``[n]``; for labels the index into ``classes``.
        classes: names of labels, or of what thresholds cut, in rising order; empty for numbers alone.
        thresholds: rising, in ``unit``; empty if there are none.
        split: what the sides are made by: ``"random"``, ``"group"``, ``"scaffold"``, or ``"column NAME"``.
        sides: ``"train"``, ``"validation"`` and ``"test"`` → rows of ``records``, int64; no structure is on two of them.
        unusable: row of the table → why it is not used.
        findings: what a person should know, as sentences.
        seed: of the split.
        rows: of the table, used or not.
        largest_part: whether of salts and mixtures the largest organic part was taken, as the scientist then does too.
    """

    source: str
    target: str
    name: str
    kind: Literal["number", "labels"]
    unit: str
    periodic: bool
    records: Records
    quantity: str
    values: np.ndarray
    classes: tuple[str, ...]
    thresholds: tuple[float, ...]
    split: str
    sides: dict[str, np.ndarray]
    unusable: dict[str, str]
    findings: tuple[str, ...]
    seed: int = 0
    rows: int = 0
    largest_part: bool = False

    def as_text(self) -> str:
        """For people, as ``andersonn construct --dry-run`` prints it."""
        return _as_text(self)

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        return _as_dict(self)


def understand(
    table: Any,
    target: str,
    *,
    name: str | None = None,
    unit: str | None = None,
    thresholds: Sequence[float] | None = None,
    classes: Sequence[str] | None = None,
    structures: Any = None,
    split: str = "auto",
    seed: int = 0,
    mixtures: bool = True,
    read_files: bool = True,
    progress: Progress | None = None,
) -> Understanding:
    """Reads a table of structures and values, and says what it holds.

    Args:
        table: a DataFrame, an Arrow table, a dict of columns, or a list of dicts. Or the path of a CSV, TSV, Excel or Parquet file,
            of an SDF or extended xyz with values, or of a folder of structure files with ``id_prop.csv``.
        target: column of what is to be predicted.
        name: of the scientist; default: made of ``target``.
        unit: of the numbers; default: as the table says.
        thresholds: that cut numbers into classes, rising.
        classes: names, in rising order: one more than there are thresholds; or of labels.
        structures: column of SMILES, files or objects, or folder of the files; default: found by its name.
        split: ``"random"``, ``"scaffold"``, ``"group"`` (column ``group``, else scaffold or formula), a column that says ``train``,
            ``validation`` or ``test``, or ``"auto"``: column ``split`` if there is one, else as ``"group"``.
        seed: of the split.
        mixtures: whether the largest organic part of a salt or a mixture is taken; else such rows are not used.
        read_files: whether files that rows name are read; a server does not read those that a stranger's table names.
        progress: told how far the reading is.

    Raises:
        UsageError: the table cannot be read, lacks a column, holds fewer than 10 usable rows, or its target cannot be learned.

    Examples:
        >>> alkanes = [{"SMILES": "C" * n, "boiling point (K)": 300 + 25 * n} for n in range(5, 25)]
        >>> found = understand(alkanes, "boiling point", split="random")
        >>> found.name, found.unit, found.kind, {side: len(rows) for side, rows in found.sides.items()}
        ('boiling_point', 'K', 'number', {'train': 16, 'validation': 2, 'test': 2})
    """
    cuts = checks.thresholds_of(thresholds, classes)
    column = column_of(sheet := sheet_of(table, target), target)
    sheet, roles, told = located(sheet, structures, column, read_files)
    checks.refuse_role(sheet, column, roles)
    read = read_target(sheet, column, unit, cuts, None if cuts else classes)
    rows = _usable(sheet, column, roles, read, split, mixtures, progress or Silent())
    values = rows.values[rows.kept]
    named = checks.classes_of(read, cuts, classes, values, title := sheet.names[column])
    parts, groups, told_parts = _divided(rows, checks.class_index(read, cuts, values), named, seed)
    told = [*sheet.told, *told, *read.told, *rows.told, *told_parts]
    told += _told_of_numbers(sheet, column, rows, bool(cuts)) if read.kind == "number" else []
    quantity = quantity_of(title, read.unit)
    records = _records(sheet, rows.records(), groups, {quantity: values}, None if rows.given is None else parts)
    return Understanding(
        sheet.source, target, name_of(name, title), read.kind, read.unit, rows.matter.periodic, records, quantity, values, named,
        cuts, rows.way, parts, rows.unusable, tuple(told), seed, len(sheet.rows) + len(sheet.broken), rows.largest_part(),
    )  # fmt: skip


@dataclass
class _Rows:
    """Rows of a table, and which of them are used.

    Attributes:
        matter: their structures.
        names: of all.
        kept: those that are used, rising.
        values: of all, float64; of those that are used after merging.
        given: side of each that is used, if a column says it.
        way: they are to be divided.
        unusable: name → why it is not used.
        told: findings.
    """

    matter: Matter
    names: list[str]
    kept: list[int]
    values: np.ndarray
    given: list[str] | None
    way: str
    unusable: dict[str, str]
    told: list[str]

    def records(self) -> list[dict[str, Any]]:
        """Of those that are used."""
        return [self.matter.rows[k] for k in self.kept]

    def largest_part(self) -> bool:
        """Whether one of them was cut."""
        return any(k in self.matter.cut for k in self.kept)

    def same(self) -> list[str]:
        """Keys of those that are used."""
        return [self.matter.same[k] for k in self.kept]


def _usable(
    sheet: Sheet, column: int, roles: Roles, read: Target, split: str, mixtures: bool, progress: Progress
) -> _Rows:
    """Reads the structures of rows that have a value, and merges equal ones."""
    way, by = checks.way_of(sheet, split)
    wanted = [k for k in range(len(sheet.rows)) if k not in read.problems]
    group = None if way == "scaffold" else group_column(sheet.names)
    matter = read_matter(sheet, roles, wanted, group, mixtures, progress)
    way, names = checks.settled(way, group, matter, wanted), checks.names_of(sheet, roles)
    problems = read.problems | matter.problems
    if by is not None:
        problems |= {k: f"column {sheet.names[by]!r} says no side" for k in wanted if is_missing(sheet.rows[k][1][by])}
    usable = [k for k in wanted if k not in problems]
    unusable = sheet.broken | {names[k]: problems[k] for k in sorted(problems)}
    checks.require_some(sheet, len(usable), unusable)
    if read.kind == "number":
        findings.refuse_row_numbers(sheet.names[column], read.values[usable], column == roles.id)
    given = None if by is None else _given(sheet, by, usable, matter, names)
    joint = merged(usable, read.values, matter.same, matter.exact, names, read.classes)
    unusable |= {names[k]: why for k, why in joint.problems.items()}
    checks.require_some(sheet, len(joint.kept), unusable)
    of_kept = None if given is None else [given[k] for k in joint.kept]
    told = [*findings.mixtures(matter.cut, names), *joint.told]
    return _Rows(matter, names, joint.kept, joint.values, of_kept, way, unusable, told)


def _given(sheet: Sheet, by: int, usable: list[int], matter: Matter, names: list[str]) -> dict[int, str]:
    """Row → side, as a column says."""
    found = sides.said([sheet.rows[k][1][by] for k in usable], sheet.names[by])
    sides.refuse_leaks(found, sheet.names[by], [matter.exact[k] for k in usable], [names[k] for k in usable])
    return dict(zip(usable, found.tolist(), strict=True))


def _divided(
    rows: _Rows, index: np.ndarray | None, classes: tuple[str, ...], seed: int
) -> tuple[dict[str, np.ndarray], list[str], list[str]]:
    """Rows of each side; the group of each row, which is never divided unless a column says so; and findings."""
    same = rows.same()
    told: list[str] = []
    groups = same if rows.way == "random" else sides.joined([str(row["group"]) for row in rows.records()], same)
    if rows.given is not None:
        parts, told = sides.by_column(np.array(rows.given), rows.way.removeprefix("column "), same, groups, seed)
    else:
        what = {"scaffold": "scaffolds", "random": "structures"}.get(rows.way, "groups")
        parts = sides.divided(groups, seed, index, what)
    return parts, groups, told + _lacking(parts, index, classes)


def _told_of_numbers(sheet: Sheet, column: int, rows: _Rows, cut: bool) -> list[str]:
    values = rows.values[rows.kept]
    told = findings.outliers(values, [rows.names[k] for k in rows.kept])
    told += [] if cut else [findings.suggested(values)]
    return told + findings.repeated(sheet, column, rows.kept, values, rows.matter.heavy[rows.kept])


def _lacking(parts: dict[str, np.ndarray], index: np.ndarray | None, classes: tuple[str, ...]) -> list[str]:
    told = []
    for side, members in parts.items():
        there = set() if index is None else set(index[members].tolist())
        lacking = [] if index is None else [repr(name) for k, name in enumerate(classes) if k not in there]
        told += [f"no row of {', '.join(lacking[:5])} is in {side}"] if lacking else []
    return told


def _records(
    sheet: Sheet, rows: list[dict[str, Any]], groups: list[str], labels: dict[str, np.ndarray], parts: dict[str, np.ndarray] | None
) -> Records:  # fmt: skip
    """Records of the rows, with their labels; and with the split, if a column makes it."""
    columns: dict[str, Any] = {
        "id": pa.array([row["id"] for row in rows], pa.string()),
        "group": pa.array(groups, pa.string()),
    }
    for name, kind in (("atomic_numbers", pa.uint8()), ("positions", pa.float64()), ("cell", pa.float64())):
        columns[name] = pa.array([row.get(name) for row in rows], pa.list_(kind))
    if any(row.get("smiles") for row in rows):
        columns["smiles"] = pa.array([row.get("smiles") for row in rows], pa.string())
    columns |= {name: pa.array(values) for name, values in labels.items()}
    if parts is not None:
        side_of = np.full(len(rows), "", dtype=object)
        for side, members in parts.items():
            side_of[members] = side
        columns["split"] = pa.array(side_of.tolist(), pa.string())
    return Records(pa.table(columns), sheet.source)


def _as_text(found: Understanding) -> str:
    """Some lines for people."""
    unit = f" in {found.unit}" if found.unit else ""
    lines = [
        f"{found.source}, column {found.target!r}",
        f"  scientist   {found.name}: predicts {_kind(found)}",
        f"  structures  {len(found.records):,} {'crystals' if found.periodic else 'molecules'}{_how(found)}, in {found.rows:,} rows",
    ]
    if found.kind == "number":
        low, median, high = (f"{v:.4g}" for v in np.quantile(found.values, [0, 0.5, 1]))
        lines.append(f"  values      {low} to {high}{unit}, median {median}")
    if found.classes:
        counts = np.bincount(_index(found), minlength=len(found.classes))
        lines.append(
            "  classes     " + ", ".join(f"{name} {n:,}" for name, n in zip(found.classes, counts, strict=True))
        )
    shown = ", ".join(f"{len(rows):,} {side}" for side, rows in found.sides.items())
    lines.append(f"  split       {_split(found)}: {shown} (seed {found.seed})")
    if found.unusable:
        lines += ["", f"{_rows(len(found.unusable))} not used:"]
        reasons = checks.common_reasons(found.unusable)
        for reason, rows in reasons[:MOST_REASONS]:
            alike = "" if all(found.unusable[row] == reason for row in rows) else ", and alike"
            more = ", …" if len(rows) > MOST_NAMES else ""
            lines.append(f"  {len(rows)} × {reason}{alike} ({', '.join(rows[:MOST_NAMES])}{more})")
        rest = sum(len(rows) for _, rows in reasons[MOST_REASONS:])
        lines += [f"  {rest} for other reasons"] if rest else []
    if found.findings:
        lines += ["", "found:", *(f"  - {told}" for told in found.findings)]
    return "\n".join(map(harmless, lines))


def _as_dict(found: Understanding) -> dict[str, Any]:
    """As JSON."""
    index = _index(found) if found.classes else None
    content: dict[str, Any] = {
        "source": found.source, "target": found.target, "name": found.name, "kind": found.kind, "unit": found.unit,
        "periodic": found.periodic, "rows": found.rows, "n": len(found.records),
        "quantity": found.quantity, "classes": list(found.classes), "thresholds": list(found.thresholds),
        "split": found.split, "seed": found.seed, "sides": {side: len(rows) for side, rows in found.sides.items()},
        "unusable": dict(found.unusable), "findings": list(found.findings),
    }  # fmt: skip
    if found.kind == "number":
        names, at = ("lowest", "median", "highest"), (0.0, 0.5, 1.0)
        content["values"] = {name: float(np.quantile(found.values, q)) for name, q in zip(names, at, strict=True)}
    if index is not None:
        counts = np.bincount(index, minlength=len(found.classes)).tolist()
        content["class_counts"] = dict(zip(found.classes, counts, strict=True))
    return content


def _index(found: Understanding) -> np.ndarray:
    if found.kind == "labels":
        return found.values.astype(np.int64)
    return np.searchsorted(np.array(found.thresholds), found.values, side="right")


def _kind(found: Understanding) -> str:
    if found.kind == "labels":
        return f"one of {len(found.classes)} labels"
    unit = f" in {found.unit}" if found.unit else ""
    cut = f", cut at {', '.join(f'{cut:g}' for cut in found.thresholds)} into classes" if found.thresholds else ""
    return f"a number{unit}{cut}"


def _how(found: Understanding) -> str:
    has_geometry = ~found.records.is_null("positions")
    if "smiles" not in found.records.table.column_names:
        return ", from their coordinates"
    return ", from SMILES" if not has_geometry.any() else ", from SMILES and coordinates"


def _split(found: Understanding) -> str:
    if found.split.startswith("column "):
        return f"by column {found.split.removeprefix('column ')!r}"
    return {"random": "at random", "scaffold": "by scaffold", "group": "by group"}[found.split]


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"
