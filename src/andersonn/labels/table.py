"""Rows → a Parquet file of records, in the columns that ``train`` reads, with where each label comes from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.errors import UsageError
from andersonn.io.files import write_whole
from andersonn.workers.journal import Row

PROVENANCE = {
    "charge": pa.int8(), "multiplicity": pa.int8(), "kind": pa.string(), "formula": pa.string(),
    "method": pa.string(), "program": pa.string(), "device": pa.string(), "geometry": pa.string(),
    "conformer": pa.int16(), "conformers": pa.int16(), "jitter": pa.float64(), "attempts": pa.int8(),
    "notes": pa.string(),
}  # fmt: skip
"""Columns beside the record's own; those in which all rows are null are left out."""


def records_table(rows: Iterable[Row], quantities: tuple[str, ...]) -> pa.Table:
    """Columns ``id, group, smiles, atomic_numbers, positions, cell``, the quantities and :data:`PROVENANCE`, one row a
    success; positions and cell in Å.
    """
    good = [row for row in rows if "error" not in row]
    structures = [row["structure"] for row in good]
    columns: dict[str, pa.Array] = {
        "id": pa.array([row["id"] for row in good], pa.string()),
        "group": pa.array([row.get("group") or row["formula"] for row in good], pa.string()),
        "smiles": pa.array([row.get("smiles") for row in good], pa.string()),
        "atomic_numbers": pa.array([s["atomic_numbers"] for s in structures], pa.list_(pa.uint8())),
        "positions": pa.array([np.ravel(s["positions"]) for s in structures], pa.list_(pa.float32())),
        "cell": pa.array([_flat(s["cell"]) for s in structures], pa.list_(pa.float32())),
    }
    for name in quantities:
        columns[name] = pa.array([row[name] for row in good], pa.float64())
    for name, kind in PROVENANCE.items():
        values = [_plain(row.get(name)) for row in good]
        columns[name] = pa.array(values, kind)
    empty = [name for name in ("smiles", *PROVENANCE) if columns[name].null_count == len(good)]
    return pa.table({name: column for name, column in columns.items() if name not in empty})


def write_records(rows: Iterable[Row], quantities: tuple[str, ...], path: Path) -> int:
    """Writes the table, whole or not at all; returns how many records it holds."""
    table = records_table(rows, quantities)
    write_whole(path, lambda name: pq.write_table(table, name, compression="zstd"))
    return len(table)


def fill(source: Path, rows: Iterable[Row], quantities: tuple[str, ...], path: Path) -> tuple[int, int]:
    """Writes a copy of a Parquet file with nulls of the quantities filled in from rows of the same ``id``.

    Returns:
        Numbers of records filled and of records in which a quantity is still null.

    Raises:
        UsageError: two records share an id.
    """
    table = pq.read_table(source)
    ids = [str(id) for id in table["id"].to_pylist()]
    if len(set(ids)) < len(ids):
        raise UsageError("same_id", f"records of {str(source)!r} share an id", "make ids unique before filling")
    found = {row["id"]: row for row in rows if "error" not in row}
    filled, still = set(), set()
    for name in quantities:
        old = table[name].to_pylist() if name in table.column_names else [None] * len(ids)
        new = [found.get(id, {}).get(name) if value is None else value for id, value in zip(ids, old, strict=True)]
        filled |= {id for id, a, b in zip(ids, old, new, strict=True) if a is None and b is not None}
        still |= {id for id, value in zip(ids, new, strict=True) if value is None}
        column = pa.array(new, pa.float64())
        at = table.column_names.index(name) if name in table.column_names else None
        table = table.append_column(name, column) if at is None else table.set_column(at, name, column)
    write_whole(path, lambda name: pq.write_table(table, name, compression="zstd"))
    return len(filled), len(still)


def _flat(cell: Any) -> Any:
    return None if cell is None else np.ravel(cell)


def _plain(value: Any) -> Any:
    return ("; ".join(value) or None) if isinstance(value, list) else value
