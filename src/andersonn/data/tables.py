"""Labelled tables (CSV, TSV, Excel, Parquet) → records. Missing names and groups are generated, and reported."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.data.records import COLUMNS, LISTS, Records, read_sound
from andersonn.errors import AndersonnError, InputError, UsageError
from andersonn.structures import elements
from andersonn.structures.readers import Columns, is_table_name
from andersonn.structures.readers.content import content_of
from andersonn.structures.readers.molecules.inchi import is_inchi
from andersonn.structures.readers.molecules.smiles import named_smiles, scaffold
from andersonn.structures.readers.tables.columns import USUAL_COLUMNS, Roles, is_missing, plain
from andersonn.structures.readers.tables.rows import name_of, structures_of_row
from andersonn.structures.readers.tables.table import Table, table_of
from andersonn.structures.structure import Structure

MEGABYTES = 2000
"""A larger table is refused; as Parquet, tables of any size are read."""
NO_NUMBER = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "--", "?", "#n/a", "missing"})
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
Say = Callable[[str], None]


def read_table(
    path: Path,
    labels: Sequence[str],
    columns: Columns = USUAL_COLUMNS,
    label_column: str | None = None,
    say: Say = lambda _: None,
) -> Records:
    """The records of a file.

    Columns are found by their usual names or by ``columns``. Without a column ``id``, rows are named by their number, as in a
    spreadsheet. Without ``group``, it is the scaffold of a molecule given as SMILES, else the reduced formula.

    Args:
        path: a Parquet file of records, or a table of any kind with a column of SMILES, of files, or of atoms.
        labels: names of label columns that must be there.
        columns: of SMILES or files, where they have no usual names.
        label_column: what the one label is called in the file, if not by its own name.
        say: is told what was made.

    Raises:
        UsageError: the file cannot be read, or lacks a column.
    """
    if path.suffix.lower() == ".parquet" or not is_table_name(path):
        names = _names(path)
        structural = "smiles" in names or set(LISTS) <= set(names)
        if not names or (
            {"id", "group", *labels} <= set(names) and structural and columns == USUAL_COLUMNS and label_column is None
        ):
            return Records.read(path, tuple(labels))
        return _of_parquet(path, labels, columns, label_column, say)
    try:
        return _of_rows(
            table_of(content_of(path, MEGABYTES), path, MEGABYTES), path, labels, columns, label_column, say
        )
    except InputError as error:  # of the table as a whole
        raise UsageError(error.kind, error.message, error.hint) from None


def columns_of(path: Path) -> list[str]:
    """The columns of a table by their names in it; none if it cannot be read, which reading it will say."""
    if path.suffix.lower() == ".parquet" or not is_table_name(path):
        return _names(path)
    try:
        return table_of(content_of(path, MEGABYTES), path, MEGABYTES).names
    except (InputError, OSError):
        return []


def _names(path: Path) -> list[str]:
    """The columns of a Parquet file; none if it cannot be read, which reading it will say."""
    try:
        return pq.read_schema(path).names
    except (OSError, pa.ArrowException):
        return []


def _of_parquet(path: Path, labels: Sequence[str], columns: Columns, label_column: str | None, say: Say) -> Records:
    names = _names(path)
    try:
        sample = next(pq.ParquetFile(path).iter_batches(20), None)
        rows = list(zip(*(column.to_pylist() for column in sample.columns), strict=True)) if sample else []
        roles = Roles.of(names, columns, rows, repr(str(path)))
        if roles.path is not None or roles.thing is not None:
            table = table_of(content_of(path, MEGABYTES), path, MEGABYTES)
            return _of_rows(table, path, labels, columns, label_column, say)
    except InputError as error:
        raise UsageError(error.kind, error.message, error.hint) from None
    at = {label: _label(names, label, label_column, _numeric(pq.read_schema(path)), str(path)) for label in labels}
    chosen = {label: names[k] for label, k in at.items()} | {name: name for name in (*LISTS, "split") if name in names}
    for name, k in (("smiles", roles.smiles), ("id", roles.id), ("group", group_column(names))):
        chosen |= {name: names[k]} if k is not None else {}
    table = read_sound(path, list(dict.fromkeys(chosen.values())))
    found = {name: table[of] for name, of in chosen.items()}
    count = len(table)
    ids = found["id"].to_pylist() if "id" in found else [f"row {k + 1}" for k in range(count)]
    if "group" not in found:
        smiles = found["smiles"].to_pylist() if "smiles" in found else [None] * count
        atoms = found["atomic_numbers"].to_pylist() if "atomic_numbers" in found else [None] * count
        found["group"] = pa.array([_made_group(*key) for key in zip(smiles, atoms, ids, strict=True)], pa.string())
    found["id"] = pa.array([str(id) for id in ids], pa.string())
    _tell(path, names, chosen, "id" in chosen, "group" in chosen, "smiles" in chosen, say)
    order = [name for name in (*COLUMNS, "smiles", *labels, "split") if name in found]
    records = Records.of(pa.table({name: found[name] for name in order}), str(path))
    records.require_some()
    for name in labels:
        records.label(name)
    return records


def _of_rows(
    table: Table, path: Path, labels: Sequence[str], columns: Columns, label_column: str | None, say: Say
) -> Records:
    sample = table.sample()
    roles = Roles.of(table.names, columns, sample, table.what)
    numeric = [name for k, name in enumerate(table.names) if sample and all(_is_number(row[k]) for row in sample)]
    at = {label: _label(table.names, label, label_column, numeric, str(path)) for label in labels}
    group, split = group_column(table.names), next((k for k, n in enumerate(table.names) if plain(n) == "split"), None)
    rows = [record_of_row(table, roles, at, group, split, path.parent, *row) for row in table.rows]
    if not rows:
        raise UsageError("no_records", f"{str(path)!r} holds no records", "give a file with at least one row")
    chosen = {label: table.names[k] for label, k in at.items()}
    if roles.smiles is not None:
        chosen["smiles"] = table.names[roles.smiles]
    _tell(path, table.names, chosen, roles.id is not None, group is not None, roles.smiles is not None, say)
    schema = [
        ("id", pa.string()), ("group", pa.string()), ("atomic_numbers", pa.list_(pa.uint8())),
        ("positions", pa.list_(pa.float64())), ("cell", pa.list_(pa.float64())), ("smiles", pa.string()),
        *((label, pa.float64()) for label in labels), ("split", pa.string()), ("problem", pa.string()),
    ]  # fmt: skip
    left_out = {name for name, there in (("smiles", roles.smiles), ("split", split)) if there is None}
    return Records(pa.Table.from_pylist(rows, pa.schema([f for f in schema if f[0] not in left_out])), str(path))


def record_of_row(
    table: Table,
    roles: Roles,
    at: dict[str, int],
    group: int | None,
    split: int | None,
    folder: Path | None,
    number: str,
    values: Any,
) -> dict[str, Any]:
    """One record of a table's row; its error, if any, is in ``problem``. SMILES are not yet read; files and atoms are.

    Args:
        table: the row is of.
        roles: of the columns that make its structure.
        at: name of a label → its column.
        group: column of split keys; None makes them of scaffold or formula.
        split: column of the split; None if there is none.
        folder: in which files are looked for that a row names; None reads none.
        number: of the row in its table.
        values: of the row, or its error.
    """
    row: dict[str, Any] = {"id": f"row {number}", "group": f"row {number}"}
    if isinstance(values, InputError):
        return row | {"problem": values.message}
    row["id"] = name_of(roles, values) or row["id"]
    for label, k in at.items():
        row[label], wrong = _number(values[k], table.decimal_comma)
        if wrong:
            row["problem"] = f"{label} {wrong}"
    if split is not None:
        row["split"] = str(values[split]).strip().lower()
    smiles = None if roles.smiles is None or is_missing(values[roles.smiles]) else str(values[roles.smiles]).strip()
    structure = None
    if smiles is not None and is_inchi(smiles):
        try:
            smiles, _ = named_smiles(smiles)
        except InputError as error:
            return row | {"problem": error.message}
    if roles.smiles is not None:
        row["smiles"] = smiles
    if roles.smiles is not None and (roles.atoms is None or (smiles and is_missing(values[roles.atoms[0]]))):
        if smiles is None:
            row["problem"] = "the row has no SMILES"
    else:
        structure, wrong = _structure(partial(structures_of_row, roles, values, folder))
        if structure is None:
            return row | {"problem": wrong}
        row |= {"atomic_numbers": structure.Z, "positions": structure.xyz.ravel()}
        row["cell"] = None if structure.cell is None else structure.cell.ravel()
    given = None if group is None or is_missing(values[group]) else str(values[group]).strip()
    row["group"] = given or _made_group(smiles, None if structure is None else structure.Z, row["group"])
    return row


def _structure(read: Callable[[], list[Structure | InputError]]) -> tuple[Structure | None, str]:
    """The one structure of a row, or why there is none."""
    try:
        found = read()
        if len(found) != 1:
            return None, f"its file holds {len(found)} structures"
        if isinstance(found[0], InputError):
            raise found[0]
        return found[0], ""
    except AndersonnError as error:
        return None, error.message


def _made_group(smiles: str | None, atoms: Any, id: str) -> str:
    """The split key as in the published data sets: the scaffold of a molecule, else the reduced formula."""
    found = scaffold(smiles) if smiles else None
    if found is None and atoms is not None and len(atoms) and all(0 < z <= elements.MAX_Z for z in atoms):
        found = elements.formula(np.asarray(atoms, dtype=np.int64))
    return found or id


def group_column(names: Sequence[str]) -> int | None:
    """The position of the column of split keys, from 0; None if there is none."""
    return next((k for k, name in enumerate(names) if plain(name) == "group"), None)


def _label(names: Sequence[str], label: str, asked: str | None, numeric: Sequence[str], source: str) -> int:
    """The column of a label: by its own name, however that is written, or as the user called it."""
    wanted = asked or label
    for same in (lambda name: name == wanted, lambda name: plain(name) == plain(wanted)):
        found = [k for k, name in enumerate(names) if same(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError("bad_columns", f"{source!r} has {len(found)} columns {wanted!r}", "rename all but one")
    listed = (
        f"columns of numbers: {', '.join(map(repr, numeric[:12]))}" if numeric else f"it has {', '.join(names[:20])}"
    )
    hint = f"{listed}; name the one that holds {label}: --label-column NAME"
    raise UsageError("missing_column", f"{source!r} has no column {wanted}", hint)


def _numeric(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_floating(field.type) or pa.types.is_integer(field.type)]


def _is_number(value: Any) -> bool:
    return _number(value, True)[1] == ""


def _number(value: Any, decimal_comma: bool) -> tuple[float | None, str]:
    """A value as a number (None if missing), and its error."""
    if is_missing(value) or (isinstance(value, str) and value.strip().lower() in NO_NUMBER):
        return None, ""
    if isinstance(value, bool):
        return None, f"is {value}, no number"
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and decimal_comma and DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        if isinstance(text, str) and "_" in text:
            raise ValueError
        return float(text), ""
    except (TypeError, ValueError):
        return None, f"is {str(value)[:40]!r}, no number"


def _tell(
    path: Path, names: Sequence[str], chosen: dict[str, str], has_id: bool, has_group: bool, of_smiles: bool, say: Say
) -> None:
    """Reports which columns were chosen and what was generated."""
    told = [f"column {of!r} is read as {name}" for name, of in chosen.items() if of != name]
    if not has_id:
        told.append("rows are named by their number")
    if not has_group:
        same = "molecular scaffold" if of_smiles else "reduced formula"
        told.append(f"records with the same {same} stay on one side of the split")
    if told:
        say(f"{path.name}: {'; '.join(told)}")
