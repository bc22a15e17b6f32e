"""Labelled structures in Parquet files: one record a structure, columns as in docs/data.md."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.errors import InputError, UsageError
from andersonn.matter.structure import Structure

COLUMNS = ("id", "group", "atomic_numbers", "positions", "cell")
LISTS = ("atomic_numbers", "positions", "cell")
SPLITS = ("train", "validation", "test")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Records:
    """A table of structures, read column-wise and made into Structures one by one.

    Attributes:
        table: columns ``id, group, atomic_numbers, positions, cell`` and labels; perhaps ``split``.
        source: file it came from.

    Raises:
        UsageError: a column is missing or is no list of numbers where one is needed.
    """

    table: pa.Table
    source: str

    def __post_init__(self) -> None:
        _require_columns(self.table.schema, COLUMNS, self.source)
        object.__setattr__(self, "table", _with_typed_cell(self.table))
        for name in LISTS:
            _require_list_of_numbers(self.table.schema.field(name), self.source)

    @classmethod
    def read(cls, path: str | Path, labels: tuple[str, ...] = ()) -> Records:
        """Reads a Parquet file.

        Args:
            path: the file.
            labels: names of label columns that must be there.

        Raises:
            UsageError: the file is missing, is no Parquet file or a damaged one, holds no records, or lacks a column or
                has one of the wrong type.
        """
        path = Path(path)
        schema = _readable(path, lambda: pq.read_schema(path))
        _require_columns(schema, (*COLUMNS, *labels), str(path))
        for name in labels:
            _require_numbers(schema.field(name), str(path))
        wanted = [*COLUMNS, *labels] + (["split"] if "split" in schema.names else [])
        records = cls(_readable(path, lambda: _read_sound(path, wanted)), str(path))
        records.require_some()
        return records

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> Structure:
        """The structure of one record.

        Raises:
            InputError: its atoms or cell are unsound.
        """
        id = self.ids[index]
        Z, positions, cell = self.atomic_numbers(index), _numbers(self._positions, index), _numbers(self._cell, index)
        if Z is None or positions is None or len(positions) != 3 * len(Z) or (cell is not None and len(cell) != 9):
            raise InputError(
                "bad_record",
                f"record {id!r} does not hold n atomic numbers, 3 n positions and 9 or no cell numbers",
                "see docs/data.md for the columns",
            )
        return Structure(Z, positions.reshape(-1, 3), None if cell is None else cell.reshape(3, 3), id=id)

    def __iter__(self) -> Iterator[Structure]:
        return (self[i] for i in range(len(self)))

    def require_some(self) -> None:
        """Checks that there is at least one record.

        Raises:
            UsageError: there is none.
        """
        if not len(self):
            raise UsageError("no_records", f"{self.source!r} holds no records", "give a file with at least one row")

    def atomic_numbers(self, index: int) -> np.ndarray | None:
        """Atomic numbers ``[n]`` of one record, unchecked but for their type, or None where null.

        Numbers stored as floats, as some writers do, are taken as the integers they stand for.

        Raises:
            InputError: one of them is null or no whole number.
        """
        Z = _numbers(self._Z, index)
        if Z is None or np.issubdtype(Z.dtype, np.integer):
            return Z
        odd = Z[~((np.abs(Z) < 2**31) & (np.rint(Z) == Z))]
        if odd.size:
            found = "null or NaN" if np.isnan(odd[0]) else f"{odd[0]:g}"
            raise InputError(
                "unknown_element",
                f"an atomic number of record {self.ids[index]!r} is {found}",
                "give whole numbers from 1 to 103",
            )
        return Z.astype(np.int64)

    def take(self, indices: np.ndarray) -> Records:
        """The records at ``indices``, in that order."""
        return Records(self.table.take(pa.array(indices)), self.source)

    def label(self, name: str) -> np.ndarray:
        """A label column as float64, NaN where null.

        Raises:
            UsageError: there is no such column or it does not hold numbers.
        """
        _require_columns(self.table.schema, (name,), self.source)
        _require_numbers(self.table.schema.field(name), self.source)
        return self.table[name].to_numpy(zero_copy_only=False).astype(np.float64)

    def is_null(self, name: str) -> np.ndarray:
        """Where a column is null, bool ``[N]``."""
        return self.table[name].is_null().to_numpy(zero_copy_only=False)

    @cached_property
    def ids(self) -> list[str]:
        """The records' names."""
        return [str(x) for x in self.table["id"].to_pylist()]

    @cached_property
    def groups(self) -> list[str]:
        """Split keys: all records of a group go to one side."""
        return [str(x) for x in self.table["group"].to_pylist()]

    @cached_property
    def split_column(self) -> np.ndarray | None:
        """The file's own split as strings, if it has one.

        Raises:
            UsageError: it holds other words than ``train``, ``validation``, ``test``.
        """
        if "split" not in self.table.column_names:
            return None
        split = np.array([str(x) for x in self.table["split"].to_pylist()])
        odd = sorted(set(split.tolist()) - set(SPLITS))
        if odd:
            raise UsageError("bad_split", f"column split holds {odd[:3]}", f"use {', '.join(SPLITS)}")
        return split

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the structures (labels, groups and splits left out): the key of stored images."""
        sink = pa.BufferOutputStream()
        table = self.table.select(["id", "atomic_numbers", "positions", "cell"]).replace_schema_metadata()
        table = table.combine_chunks()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return hashlib.sha256(sink.getvalue()).hexdigest()

    @cached_property
    def _Z(self) -> pa.Array:
        return self.table["atomic_numbers"].combine_chunks()

    @cached_property
    def _positions(self) -> pa.Array:
        return self.table["positions"].combine_chunks()

    @cached_property
    def _cell(self) -> pa.Array:
        return self.table["cell"].combine_chunks()


def _numbers(column: pa.Array, index: int) -> np.ndarray | None:
    values = column[index].values
    return None if values is None else values.to_numpy(zero_copy_only=False)


def _readable(path: Path, read: Callable[[], T]) -> T:
    """What ``read`` returns; what can be wrong with a Parquet file as a UsageError."""
    try:
        return read()
    except FileNotFoundError:
        raise UsageError("missing_file", f"there is no file {str(path)!r}", "check the path") from None
    except (OSError, pa.ArrowException) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UsageError(
            "bad_parquet", f"cannot read {str(path)!r} as Parquet: {reason}", "give a whole Parquet file of records"
        ) from None


def _read_sound(path: Path, columns: list[str]) -> pa.Table:
    table = pq.read_table(path, columns=columns)
    table.validate(full=True)  # damaged pages can yield offsets and strings that crash whoever reads them later
    return table


def _require_columns(schema: pa.Schema, names: tuple[str, ...], source: str) -> None:
    missing = [name for name in names if name not in schema.names]
    if missing:
        raise UsageError(
            "missing_column",
            f"{source!r} has no column {', '.join(missing)}",
            f"it has {', '.join(schema.names)}; rename the matching columns",
        )


def _with_typed_cell(table: pa.Table) -> pa.Table:
    """The table, its cells null lists where the column is of type null, as writers make it when all are molecules."""
    column = table.column_names.index("cell")
    if not pa.types.is_null(table.schema.field(column).type):
        return table
    return table.set_column(column, "cell", pa.nulls(len(table), pa.list_(pa.float64())))


def _require_list_of_numbers(field: pa.Field, source: str) -> None:
    kind = field.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not (is_list and (pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type))):
        raise UsageError(
            "bad_column",
            f"column {field.name} of {source!r} is of type {kind}, not lists of numbers",
            "write one flat list of numbers a record, as docs/data.md has it",
        )


def _require_numbers(field: pa.Field, source: str) -> None:
    kind = field.type
    of_numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (of_numbers or pa.types.is_null(kind)):
        raise UsageError(
            "bad_column",
            f"column {field.name} of {source!r} is of type {kind}, not numbers",
            "write numbers, and null where there is none",
        )
