"""Tables with the labels of a task, which may be words: names of classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.data.merging import merged, read_records
from andersonn.data.records import Records
from andersonn.data.tables import MEGABYTES, read_table
from andersonn.data.tasks import Task
from andersonn.errors import InputError, UsageError, did_you_mean
from andersonn.structures.readers import USUAL_COLUMNS, Columns
from andersonn.structures.readers.content import content_of
from andersonn.structures.readers.tables.columns import is_missing, plain
from andersonn.structures.readers.tables.table import table_of


def read_labelled(
    paths: Sequence[str | os.PathLike[str]],
    task: Task,
    columns: Columns = USUAL_COLUMNS,
    label_column: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Records:
    """The records of files with labels of a task: numbers, or of a task that answers with labels alone the names of its classes.
    Arguments and errors as of :func:`~andersonn.data.merging.read_records`; a task of a user's own may name the column as its
    quantity in words.
    """
    if not task.has_estimate:
        return _read_classes(paths, task, columns, label_column, say)
    try:
        return read_records(paths, (task.quantity,), columns, label_column, say)
    except UsageError as error:
        if error.kind != "missing_column" or label_column is not None or task.answer == "class":
            raise
        try:
            return read_records(paths, (task.quantity,), columns, task.quantity_words, say)
        except UsageError:
            raise error from None


def _read_classes(
    paths: Sequence[str | os.PathLike[str]],
    task: Task,
    columns: Columns,
    label_column: str | None,
    say: Callable[[str], None],
) -> Records:
    """The records of tables whose labels are names of a task's classes; its quantity is the number of the class, from 0. A word that
    names no class leaves its record out, and so does none.

    Raises:
        UsageError: a file cannot be read, or lacks a column, or none of its words is a class.
    """
    parts = [_of_file(Path(path), task, columns, label_column, say) for path in paths]
    return parts[0] if len(parts) == 1 else merged(parts)


def _of_file(path: Path, task: Task, columns: Columns, label_column: str | None, say: Callable[[str], None]) -> Records:
    records = read_table(path, (), columns, None, say)
    words = _words(path, [label_column] if label_column else [task.quantity, task.quantity_words])
    number = {name: float(k) for k, name in enumerate(task.classes)}
    values = [None if word is None else number.get(word) for word in words]
    odd = sorted({word for word, value in zip(words, values, strict=True) if word is not None and value is None})
    if all(value is None for value in values):
        told = f"no label in {str(path)!r} is one of {', '.join(task.classes)}"
        raise UsageError(
            "other_classes", told, did_you_mean(odd[0], task.classes) if odd else "give a table with labels"
        )
    if odd:
        say(f"warning: {path.name}: no class of this model, and left out: {', '.join(odd[:5])}")
    table = records.table.append_column(task.quantity, pa.array(values, pa.float64()))
    return replace(records, table=table)


def _words(path: Path, names: list[str]) -> list[str | None]:
    """The label of each row of a file, as words; None where there is none."""
    try:
        if path.suffix.lower() == ".parquet":
            found = pq.read_schema(path).names
            chosen = _column(found, names, path)
            values: list[Any] = pq.read_table(path, columns=[found[chosen]])[found[chosen]].to_pylist()
        else:
            table = table_of(content_of(path, MEGABYTES), path, MEGABYTES)
            chosen = _column(table.names, names, path)
            values = [None if isinstance(row, InputError) else row[chosen] for _, row in table.rows]
    except InputError as error:
        raise UsageError(error.kind, error.message, error.hint) from None
    return [None if is_missing(value) else _word(value) for value in values]


def _word(value: Any) -> str:
    """A cell as a word; whole numbers without a point, as classes are named that are numbers."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _column(found: Sequence[str], names: list[str], path: Path) -> int:
    for name in names:
        for k, there in enumerate(found):
            if plain(there) == plain(name):
                return k
    hint = f"{did_you_mean(names[0], found)}; name the one that holds the labels: --label-column NAME"
    raise UsageError("missing_column", f"{str(path)!r} has no column {' or '.join(dict.fromkeys(names))}", hint)
