"""Several files of records as one, without the same molecule in two splits."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from andersonn.data.records import Records
from andersonn.data.tables import read_table
from andersonn.errors import UsageError
from andersonn.structures.readers import USUAL_COLUMNS, Columns
from andersonn.structures.readers.molecules.smiles import constitution


def read_records(
    paths: Sequence[str | os.PathLike[str]],
    labels: tuple[str, ...] = (),
    columns: Columns = USUAL_COLUMNS,
    label_column: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Records:
    """The records of one file, or of several merged; see :func:`~andersonn.data.tables.read_table` and :func:`merged`."""
    found = [read_table(Path(path), labels, columns, label_column, say) for path in paths]
    return found[0] if len(found) == 1 else merged(found)


def merged(parts: Sequence[Records]) -> Records:
    """One table of the records of several files, in their order, with a column ``file``.

    Groups that hold the same molecule, told by its SMILES without stereo, become one group, named as the first of them
    in the alphabet. Files name groups differently, and a molecule must not be in two splits.

    Raises:
        UsageError: there are no files, or the same column is of different types in two of them.
    """
    if not parts:
        raise UsageError("no_records", "no file of records is given", "give at least one")
    tables = [_named(records) for records in parts]
    try:
        table = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except pa.ArrowException as error:
        raise UsageError("bad_column", f"the files do not fit together: {error}", "give columns equal types") from None
    column = table.schema.get_field_index("group")
    table = table.set_column(column, "group", pa.array(_joined(table)))
    return Records(table, " + ".join(Path(records.source).name for records in parts))


def _named(records: Records) -> pa.Table:
    name = pa.array([Path(records.source).name] * len(records))
    return records.table.replace_schema_metadata().append_column("file", name)


def _joined(table: pa.Table) -> list[str]:
    """The group of each record after those that share a molecule have become one."""
    groups = [str(group) for group in table["group"].to_pylist()]
    if "smiles" not in table.column_names:
        return groups
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while (above := parent.get(group, group)) != group:
            group = above
        return group

    owner: dict[str, str] = {}
    for group, text in zip(groups, table["smiles"].to_pylist(), strict=True):
        key = None if text is None else constitution(text)
        if key is None:
            continue
        first, second = sorted((root(owner.setdefault(key, group)), root(group)))
        parent[second] = first
    return [root(group) for group in groups]
