"""Labelled structures in Parquet files: one record a structure, columns as in docs/data.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.errors import InputError, UsageError
from andersonn.matter.structure import Structure

COLUMNS = ("id", "group", "atomic_numbers", "positions", "cell")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Records:
    """A table of structures, read column-wise and made into Structures one by one.

    Attributes:
        table: columns ``id, group, atomic_numbers, positions, cell`` and labels; perhaps ``split``.
        source: file it came from.
    """

    table: pa.Table
    source: str

    @classmethod
    def read(cls, path: str | Path, labels: tuple[str, ...] = ()) -> Records:
        """Reads a Parquet file.

        Args:
            path: the file.
            labels: names of label columns that must be there.

        Raises:
            UsageError: the file is missing, is no Parquet file, or lacks a column.
        """
        path = Path(path)
        try:
            schema = pq.read_schema(path)
        except FileNotFoundError:
            raise UsageError("missing_file", f"there is no file {str(path)!r}", "check the path") from None
        except (OSError, pa.ArrowInvalid) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(
                "bad_parquet", f"cannot read {str(path)!r} as Parquet: {reason}", "give a Parquet file of records"
            ) from None
        missing = [name for name in (*COLUMNS, *labels) if name not in schema.names]
        if missing:
            raise UsageError(
                "missing_column",
                f"{str(path)!r} has no column {', '.join(missing)}",
                f"it has {', '.join(schema.names)}; rename the matching columns",
            )
        wanted = [*COLUMNS, *labels] + (["split"] if "split" in schema.names else [])
        return cls(pq.read_table(path, columns=wanted), str(path))

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> Structure:
        """The structure of one record.

        Raises:
            InputError: its atoms or cell are unsound.
        """
        id = self.ids[index]
        Z, positions, cell = (_numbers(column, index) for column in (self._Z, self._positions, self._cell))
        if Z is None or positions is None or len(positions) != 3 * len(Z) or (cell is not None and len(cell) != 9):
            raise InputError(
                "bad_record",
                f"record {id!r} does not hold n atomic numbers, 3 n positions and 9 or no cell numbers",
                "see docs/data.md for the columns",
            )
        return Structure(Z, positions.reshape(-1, 3), None if cell is None else cell.reshape(3, 3), id=id)

    def __iter__(self) -> Iterator[Structure]:
        return (self[i] for i in range(len(self)))

    def take(self, indices: np.ndarray) -> Records:
        """The records at ``indices``, in that order."""
        return Records(self.table.take(pa.array(indices)), self.source)

    def label(self, name: str) -> np.ndarray:
        """A label column as float64, NaN where null."""
        return self.table[name].to_numpy(zero_copy_only=False).astype(np.float64)

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
