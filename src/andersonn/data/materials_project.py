"""Crystals with band gaps from the Materials Project, by its own client, into a Parquet file of records."""

from __future__ import annotations

import importlib.util
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.data.download import Progress
from andersonn.errors import InputError, UsageError
from andersonn.io.files import write_whole

FIELDS = ["material_id", "formula_pretty", "structure", "band_gap"]
MOST_ELEMENTS = 9
"""Crystals are asked for by their number of elements, one part each: an interrupted fetch keeps the parts it has."""
SCHEMA = pa.schema(
    [
        ("id", pa.string()), ("group", pa.string()), ("atomic_numbers", pa.list_(pa.uint8())),
        ("positions", pa.list_(pa.float32())), ("cell", pa.list_(pa.float32())), ("band_gap_eV", pa.float64()),
    ]
)  # fmt: skip


def fetch(folder: Path, name: str, progress: Progress | None = None) -> Path:
    """All crystals of the current release but those from GNoME, whose licence is another.

    Args:
        folder: for the file and, until it is whole, its parts.
        name: of the Parquet file.
        progress: called with (parts done, parts in all).

    Raises:
        UsageError: mp-api or the key is missing.
        InputError: the database does not answer.
    """
    if importlib.util.find_spec("mp_api") is None:
        raise UsageError("missing_package", "the Materials Project needs the package mp-api", "pip install mp-api")
    key = os.environ.get("MP_API_KEY")
    if not key:
        raise UsageError(
            "missing_key", "the Materials Project needs an API key", "get one on its dashboard and set MP_API_KEY"
        )
    parts = []
    for count in range(1, MOST_ELEMENTS + 1):
        part = folder / f".part-{count}.parquet"
        if not _sound(part):
            table = _part(key, count)
            write_whole(part, partial(pq.write_table, table, compression="zstd"))
        parts.append(part)
        if progress:
            progress(count, MOST_ELEMENTS)
    whole = pa.concat_tables([pq.read_table(part) for part in parts])
    if not len(whole):
        raise InputError("bad_answer", "the Materials Project gave no crystals", "try again later")
    write_whole(folder / name, lambda temporary: pq.write_table(whole, temporary, compression="zstd"))
    for part in parts:
        part.unlink()
    return folder / name


def _sound(part: Path) -> bool:
    try:
        return pq.read_schema(part) == SCHEMA
    except (OSError, pa.ArrowException):
        return False


def _part(key: str, count: int) -> pa.Table:
    """Records of the crystals of ``count`` elements."""
    from mp_api.client import MPRester

    try:
        with MPRester(key) as client:
            found = client.materials.summary.search(
                num_elements=(count, count), fields=FIELDS, all_fields=False, include_gnome=False
            )
    except Exception as error:  # the client raises errors of many libraries
        raise InputError(
            "unreachable",
            f"the Materials Project: {type(error).__name__}: {error}",
            "check key and connection; the same command keeps what it has",
        ) from None
    rows = [_row(item) for item in found if item.band_gap is not None and item.structure is not None]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _row(item: Any) -> dict[str, Any]:
    structure = item.structure
    return {
        "id": str(item.material_id),
        "group": str(item.formula_pretty),
        "atomic_numbers": list(structure.atomic_numbers),
        "positions": np.asarray(structure.cart_coords, dtype=float).ravel().tolist(),
        "cell": np.asarray(structure.lattice.matrix, dtype=float).ravel().tolist(),
        "band_gap_eV": float(item.band_gap),
    }
