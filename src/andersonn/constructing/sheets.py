"""What a user gives as a table → columns and rows: files of tables, SDF and extxyz, folders, data frames, lists of dicts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from andersonn.constructing.cells import WHOLE
from andersonn.data.records import Records
from andersonn.data.tables import MEGABYTES
from andersonn.errors import InputError, UsageError
from andersonn.sanitize import lines_of
from andersonn.structures.readers.content import (
    bare,
    content_of,
    find_files,
    format_of,
    is_table_name,
    text_of,
    unpacked_content,
)
from andersonn.structures.readers.molecules.smiles_lists import list_layout
from andersonn.structures.readers.sniffing import sniffed
from andersonn.structures.readers.tables.columns import plain
from andersonn.structures.readers.tables.table import Table, table_of, table_of_mapping, table_of_object, table_of_text

PROPERTIES = "id_prop.csv"
FILES = "structure file"
"""The column that is made of the names of a folder's files."""
HELP = "give a CSV, TSV, Excel or Parquet file, an SDF, an extended xyz, or a folder of structures with id_prop.csv"


@dataclass
class Sheet:
    """A table whose rows are all read.

    Attributes:
        what: it is called in messages.
        source: name of the file or folder, for people.
        names: of its columns.
        rows: number of each row in its file, and its values.
        broken: number of a row that could not be taken apart → why.
        folder: in which files are looked for that rows name; None reads none.
        decimal_comma: whether no comma parts its fields.
        files: whether a column :data:`FILES` was made, of files in a folder.
        told: findings, as sentences.
    """

    what: str
    source: str
    names: list[str]
    rows: list[tuple[str, Sequence[Any]]]
    broken: dict[str, str] = field(default_factory=dict)
    folder: Path | None = Path()
    decimal_comma: bool = False
    files: bool = False
    told: list[str] = field(default_factory=list)

    def column(self, k: int) -> list[Any]:
        """The values of a column, from 0."""
        return [values[k] for _, values in self.rows]

    def as_table(self) -> Table:
        """For functions that read structures from the rows of a table."""
        return Table(self.what, self.names, iter(self.rows), self.decimal_comma)


def sheet_of(table: Any, target: str) -> Sheet:
    """All rows of what a user calls a table.

    Args:
        table: path of a file or folder, DataFrame, Arrow table, Records, dict of columns, or list of dicts.
        target: names the second column of an ``id_prop.csv`` without names.

    Raises:
        UsageError: it is none of these, cannot be read, or holds no rows.
    """
    try:
        if isinstance(table, (str, os.PathLike)):
            found = _of_path(Path(table), target)
        else:
            found = _sheet(_of_object(table), "", Path())
    except InputError as error:  # of the table as a whole
        raise UsageError(error.kind, error.message, error.hint) from None
    if not found.rows:
        raise UsageError("no_records", f"{found.what} holds no rows", "give a table with a row for each structure")
    return found


def _sheet(table: Table, source: str, folder: Path) -> Sheet:
    found = Sheet(table.what, source or table.what.removeprefix("the "), list(map(str, table.names)), [],
                  folder=folder, decimal_comma=table.decimal_comma, told=list(table.told))  # fmt: skip
    for number, values in table.rows:
        if isinstance(values, InputError):
            found.broken[f"row {number}"] = values.message
        else:
            found.rows.append((number, values))
    return found


def _of_object(table: Any) -> Table:
    if isinstance(table, Records):
        table = table.table
    if isinstance(table, Mapping):
        found = table_of_mapping(
            {name: list(column) if hasattr(column, "__array__") else column for name, column in table.items()}
        )
        return found
    if isinstance(table, (list, tuple)):
        if not table or not all(isinstance(row, Mapping) for row in table):
            raise UsageError("bad_table", "a list is a table if it holds a dict for each row", HELP)
        names = list(dict.fromkeys(str(name) for row in table for name in row))
        rows = [tuple({str(k): v for k, v in row.items()}.get(name) for name in names) for row in table]
        return Table("the list", names, iter([(str(k), row) for k, row in enumerate(rows)]))
    if hasattr(table, "itertuples") or hasattr(table, "iter_rows") or hasattr(table, "to_batches"):
        return table_of_object(table)
    raise UsageError(
        "bad_table", f"an object of type {type(table).__name__} is no table", HELP + ", a DataFrame or a list of dicts"
    )


def _of_path(path: Path, target: str) -> Sheet:
    if path.is_dir():
        return _of_folder(path, target)
    source = path.name
    if is_table_name(path):
        return _sheet(table_of(content_of(path, MEGABYTES), path, MEGABYTES), source, path.parent)
    content = unpacked_content(content_of(path, MEGABYTES), str(path), MEGABYTES)
    text = text_of(content, bare(path))
    kind = format_of(path) or sniffed(text)
    if kind == "sdf":
        from andersonn.structures.readers.molecules.molfiles import rows_of_sdf

        return _of_dicts(repr(str(path)), source, path.parent, rows_of_sdf(text))
    if kind == "xyz":
        from andersonn.structures.readers.xyz.frames import rows_of_xyz

        return _of_dicts(repr(str(path)), source, path.parent, rows_of_xyz(text))
    if kind == "smi":
        return _sheet(_of_list(text, repr(str(path))), source, path.parent)
    if kind in (None, "table"):
        return _sheet(table_of_text(text, repr(str(path))), source, path.parent)
    raise UsageError("bad_table", f"{str(path)!r} is a file of structures without values", HELP)


def _of_list(text: str, what: str) -> Table:
    """A list of SMILES whose first line names columns."""
    lines = [line for line in lines_of(text) if line.strip()]
    layout = list_layout(lines[0]) if lines else None
    if layout is None or len(layout.names) < 2:
        raise InputError(
            "no_table",
            f"{what} is a list of SMILES without values",
            "write a first line of names, such as 'smiles logS', and values behind",
        )
    rows = ((str(number), layout.fields(line)) for number, line in enumerate(lines[1:], start=2))
    return Table(what, list(layout.names), ((number, values) for number, values in rows if values is not None))


def _of_dicts(what: str, source: str, folder: Path, rows: Iterator[tuple[str, dict[str, Any] | InputError]]) -> Sheet:
    """Records that each have their own properties."""
    found = Sheet(what, source, [], [], folder=folder)
    good = []
    for number, row in rows:
        if isinstance(row, InputError):
            found.broken[f"record {number}"] = row.message
        else:
            good.append((number, row))
    found.names = list(dict.fromkeys(name for _, row in good for name in row))
    found.rows = [(number, tuple(row.get(name) for name in found.names)) for number, row in good]
    if not found.rows and found.broken:
        first = next(iter(found.broken.values()))
        raise UsageError("all_unusable", f"{what} has no readable record: {first}", "correct the file")
    return found


def _of_folder(folder: Path, target: str) -> Sheet:
    """A folder of structure files with a table of their names and values, as CGCNN has it."""
    tables = sorted(
        path for path in folder.iterdir() if path.is_file() and is_table_name(path) and not path.name.startswith(".")
    )
    named = [path for path in tables if path.name == PROPERTIES] or tables
    if len(named) != 1:
        told = (
            "holds no table"
            if not named
            else f"holds {len(named)} tables: {', '.join(path.name for path in named[:5])}"
        )
        raise UsageError(
            "no_table",
            f"the folder {str(folder)!r} {told}",
            f"put one table there, such as {PROPERTIES} with lines of id,value",
        )
    path = named[0]
    found = _sheet(table_of(content_of(path, MEGABYTES), path, MEGABYTES), folder.name or str(folder), folder)
    found.what = repr(str(folder))
    if len(found.names) > 1 and all(WHOLE.fullmatch(name.strip()) for name in found.names[1:]):
        found.rows.insert(0, ("1", found.names))
        found.names = ["id", target, *(f"column {k}" for k in range(3, len(found.names) + 1))]
        found.told.append(
            f"{path.name} has no line of names: its first column was read as id, its second as {target!r}"
        )
    has_structures = any(
        "smiles" in plain(name) or plain(name) in ("file", "path", "cif", "filename") for name in found.names
    )
    return found if has_structures else with_files(found, folder)


def with_files(sheet: Sheet, folder: Path) -> Sheet:
    """The sheet with a column of the files of a folder that its rows name, with or without their endings.

    Raises:
        UsageError: the folder holds no structure file, or no column names them.
    """
    try:
        files = find_files(folder)
    except InputError as error:
        raise UsageError(error.kind, error.message, error.hint) from None
    by_name: dict[str, Path] = {}
    for path in files:
        called = (
            path.parent.name
            if path.stem.upper() in ("POSCAR", "CONTCAR") and path.parent != folder
            else bare(path).stem
        )
        for name in (called, path.name, str(path.relative_to(folder))):
            by_name.setdefault(name, path)
    hits = [sum(_name(value) in by_name for value in sheet.column(k)) for k in range(len(sheet.names))]
    best = max(range(len(hits)), key=hits.__getitem__)
    if not hits[best]:
        shown = ", ".join(repr(_name(values[0])[:30]) for _, values in sheet.rows[:3])
        raise UsageError(
            "no_structures", f"no column of {sheet.what} names the files in {str(folder)!r}, such as {files[0].name!r}",
            f"rows are named {shown}: a file must be called like its row",
        )  # fmt: skip
    rows: list[tuple[str, Sequence[Any]]] = []
    for number, values in sheet.rows:
        name = _name(values[best])
        rows.append((number, [*values, str(by_name[name].resolve()) if name in by_name else f"{name}.cif"]))
    names = ["id" if k == best and plain(name) not in ("id", "name") and "id" not in sheet.names else name
             for k, name in enumerate(sheet.names)]  # fmt: skip
    told = [*sheet.told, f"structures are the files of {folder.name or folder} that column {sheet.names[best]!r} names"]
    unnamed = len(files) - len({by_name[n] for n in (_name(v) for v in sheet.column(best)) if n in by_name})
    told += [f"{unnamed} structure files in {folder.name or folder} have no row"] if unnamed else []
    return Sheet(sheet.what, sheet.source, [*names, FILES], rows, sheet.broken, folder, sheet.decimal_comma, True, told)


def _name(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()
