"""Labelled structures in Parquet files: one record for each structure, columns as in docs/data.md."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from andersonn.errors import InputError, UsageError
from andersonn.io.deferred import Deferred
from andersonn.io.near_names import where_it_may_be
from andersonn.sanitize import first_line
from andersonn.structures.readers.molecules.embedding import CONFORMER_PROTOCOL
from andersonn.structures.readers.molecules.reading import is_bonds_alone
from andersonn.structures.readers.molecules.smiles import atomic_numbers as smiles_numbers
from andersonn.structures.readers.molecules.smiles import from_smiles
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
else:  # a prediction reads no table
    pa, pq = Deferred("pyarrow"), Deferred("pyarrow.parquet")

LISTS = ("atomic_numbers", "positions", "cell")
COLUMNS = ("id", "group", *LISTS)
SPLITS = ("train", "validation", "test")
T = TypeVar("T")
FIRST_PROTOCOL = "RDKit ETKDGv3 (seed 7), MMFF94"
"""Part of :attr:`Records.digest` since 0.1.0. It must not change with the protocol, or older models would not recognize the
records that they were trained on.
"""


def content_of(values: np.ndarray) -> bytes:
    """Numbers as bytes for hashing, all NaNs alike."""
    return np.where(np.isnan(values), np.nan, values).tobytes()


@dataclass(frozen=True, eq=False)
class Records:
    """A table of structures, read by columns; each Structure is made when asked for.

    Attributes:
        table: columns ``id, group, atomic_numbers, positions, cell`` and labels; perhaps ``smiles``, from which
            molecules without positions get a geometry, ``split``, ``file``, from which each record came, and
            ``problem``, why a record cannot be used, null where it can.
        source: file it came from.

    Raises:
        UsageError: a column is missing or is no list of numbers where one is needed.

    Examples:
        >>> import pyarrow as pa
        >>> import andersonn as an
        >>> columns = {"id": ["H2"], "group": ["H2"], "atomic_numbers": [[1, 1]], "positions": [[0, 0, 0, 0, 0, 0.74]]}
        >>> records = an.Records(pa.table({**columns, "cell": pa.nulls(1, pa.list_(pa.float64()))}), "my table")
        >>> len(records), records[0].formula
        (1, 'H2')
    """

    table: pa.Table
    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _with_lists(self.table))
        _require_columns(self.table.schema, COLUMNS, self.source)
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
        structural = ("id", "group", "smiles") if "smiles" in schema.names else COLUMNS
        _require_columns(schema, (*structural, *labels), str(path))
        for name in labels:
            _require_numbers(schema.field(name), str(path))
        wanted = [name for name in (*COLUMNS, "smiles", *labels, "split") if name in schema.names]
        records = cls(_readable(path, lambda: read_sound(path, wanted)), str(path))
        records.require_some()
        return records

    @classmethod
    def of(cls, table: pa.Table, source: str) -> Records:
        """As the constructor, of a table that may do without the column ``cell``: then nothing in it is a crystal."""
        if "cell" not in table.column_names:
            table = table.append_column("cell", pa.nulls(len(table), pa.list_(pa.float64())))
        return cls(table, source)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> Structure:
        """The structure of one record; inside :func:`~andersonn.structures.readers.molecules.reading.reading` by bonds alone it is that of its SMILES,
        if it has one, also where it has positions.

        Raises:
            InputError: its atoms or cell are unsound.
        """
        id = self.ids[index]
        made = is_bonds_alone() or not self._positions[index].is_valid
        if self._smiles is not None and made and self._smiles[index].is_valid:
            return from_smiles(self._smiles[index].as_py(), id)
        if not self._positions[index].is_valid and index in self.problems:
            raise InputError("bad_record", self.problems[index], "complete the row, or leave it out")
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
        if Z is None and self._smiles is not None and self._smiles[index].is_valid:
            return smiles_numbers(self._smiles[index].as_py())
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

    def label_digest(self, name: str) -> str:
        """SHA-256 of a label column."""
        return hashlib.sha256(content_of(self.label(name))).hexdigest()

    def is_null(self, name: str) -> np.ndarray:
        """Where a column is null, bool ``[N]``."""
        return self.table[name].is_null().to_numpy(zero_copy_only=False)

    @cached_property
    def ids(self) -> list[str]:
        """The records' names."""
        return [str(x) for x in self.table["id"].to_pylist()]

    @cached_property
    def groups(self) -> list[str]:
        """Split keys: all records of a group belong to the same split."""
        return [str(x) for x in self.table["group"].to_pylist()]

    @cached_property
    def files(self) -> np.ndarray | None:
        """The file each record came from, as strings ``[N]``, if several were merged."""
        return np.array(self.table["file"].to_pylist()) if "file" in self.table.column_names else None

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
    def problems(self) -> dict[int, str]:
        """Record index → why the record cannot be used, as found when its table was read."""
        if "problem" not in self.table.column_names:
            return {}
        return {k: text for k, text in enumerate(self.table["problem"].to_pylist()) if text is not None}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the structures as given, without labels, groups and splits: by it a model recognizes its training records."""
        sink = pa.BufferOutputStream()
        table = self.table.select(["id", "atomic_numbers", "positions", "cell"]).replace_schema_metadata()
        table = table.combine_chunks()
        if self._smiles is not None:  # it makes structures only where there are no positions
            read = zip(self._smiles.to_pylist(), self.is_null("positions").tolist(), strict=True)
            table = table.append_column(
                "smiles", pa.array([s if lacking else None for s, lacking in read], pa.string())
            )
            table = table.append_column("how", pa.array([FIRST_PROTOCOL] * len(table)))
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return hashlib.sha256(sink.getvalue()).hexdigest()

    @cached_property
    def bonds_digest(self) -> str:
        """SHA-256 of what records are read from without a geometry: the key of cached images of bonds."""
        smiles = None if self._smiles is None else self._smiles.to_pylist()
        return hashlib.sha256(f"{self.digest} {smiles}".encode()).hexdigest()

    @property
    def made_digest(self) -> str:
        """SHA-256 of :attr:`digest` and of how missing geometries are generated: the key of cached images."""
        if self._smiles is None or not self.is_null("positions").any():
            return self.digest
        return hashlib.sha256(f"{self.digest} {CONFORMER_PROTOCOL}".encode()).hexdigest()

    @cached_property
    def _Z(self) -> pa.Array:
        return self.table["atomic_numbers"].combine_chunks()

    @cached_property
    def _positions(self) -> pa.Array:
        return self.table["positions"].combine_chunks()

    @cached_property
    def _smiles(self) -> pa.Array | None:
        return self.table["smiles"].combine_chunks() if "smiles" in self.table.column_names else None

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
        raise UsageError("missing_file", f"there is no file {str(path)!r}", where_it_may_be(path)) from None
    except (OSError, pa.ArrowException) as error:
        reason = first_line(error)
        raise UsageError(
            "bad_parquet", f"cannot read {str(path)!r} as Parquet: {reason}", "give a whole Parquet file of records"
        ) from None


def read_sound(path: Path, columns: list[str]) -> pa.Table:
    """Columns of a Parquet file, checked."""
    table = pq.read_table(path, columns=columns)
    table.validate(full=True)  # damaged pages can yield offsets and strings that crash a later reader
    return table


def _require_columns(schema: pa.Schema, names: tuple[str, ...], source: str) -> None:
    missing = [name for name in names if name not in schema.names]
    if missing:
        raise UsageError(
            "missing_column",
            f"{source!r} has no column {', '.join(missing)}",
            f"it has {', '.join(schema.names)}; rename the matching columns",
        )


def _with_lists(table: pa.Table) -> pa.Table:
    """The table, with null lists where a column is of type null, as writers make it when all its values are missing, and
    for columns that a table of SMILES does without.
    """
    for name, kind in zip(LISTS, (pa.uint8(), pa.float32(), pa.float64()), strict=True):
        column = table.schema.get_field_index(name)
        nulls = pa.nulls(len(table), pa.list_(kind))
        may_lack = name == "cell" or "smiles" in table.column_names
        if column < 0 and "smiles" in table.column_names:
            table = table.append_column(name, nulls)
        elif column >= 0 and may_lack and pa.types.is_null(table.schema.field(column).type):
            table = table.set_column(column, name, nulls)
    return table


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
