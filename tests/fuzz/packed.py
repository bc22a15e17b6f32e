"""Libraries as screening reads them, packed and as tables: spoilt from outside, or sound around spoilt members and rows."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.errors import InputError
from andersonn.structures.structure import Structure

ENDS = {
    "zip": ".zip", "tar": ".tar", "tgz": ".tar.gz", "gz": ".xyz.gz", "bz2": ".sdf.bz2", "xz": ".smi.xz", "parquet": ".parquet",
}  # fmt: skip
"""Kind → how its seeds end."""
INSIDE = {"gz": "xyz", "bz2": "sdf", "xz": "smi"}
MEMBERS = {
    "cif": ".cif",
    "poscar": ".vasp",
    "xyz": ".xyz",
    "smi": ".smi",
    "sdf": ".sdf",
    "pdb": ".pdb",
    "mol2": ".mol2",
}
MOST_UNITS = 12
"""Inputs of a library that are read: each may need a geometry, and many of them are no hang."""
NAMES = [
    "../a.cif", "/a.cif", "C:\\a.cif", "a/../../b.cif", "a\x00.cif", ".cif", "a" * 300 + ".cif", "ü/☃.cif", "a\n.cif", "a.cif.gz",
    "a.zip", "a.CIF", "con.cif", "\u202efic.cif", "a.parquet", "a/", "a.pkl",
]  # fmt: skip
VALUES: list[Callable[[random.Random], list]] = [
    lambda rng: [1] * rng.choice((0, 1, 2, 1000)), lambda rng: [rng.choice((-1, 0, 119, 255, 2**31 - 1, 6))], lambda rng: [None, 6],
]  # fmt: skip
NUMBERS = [0.0, 1.0, -1.0, float("nan"), float("inf"), 1e308, 1e-308, 1e30, 3.9, 0.5]


def seeds() -> list[tuple[str, str, bytes]]:
    """(kind, name, content) of sound libraries."""
    xyz = b"2\n\nH 0 0 0\nH 0 0 0.74\n"
    sdf = b"water\n\n\n  1  0  0  0  0  0            999 V2000\n    0.0000    0.0000    0.0000 O   0  0\nM  END\n$$$$\n"
    members = [("a.xyz", xyz), ("b/c.xyz", xyz * 3), ("d.smi", b"CCO ethanol\nO water\n"), ("notes.txt", b"none")]
    plain = {"gz": xyz * 2, "bz2": sdf * 2, "xz": b"CCO ethanol\nN ammonia\n"}
    found = [(kind, f"seed{ENDS[kind]}", pack(kind, [("a", text)])) for kind, text in plain.items()]
    found += [(kind, f"seed{ENDS[kind]}", pack(kind, members)) for kind in ("zip", "tar", "tgz")]
    table = pa.table({"id": ["a", "b"], "atomic_numbers": [[1, 1], [11, 17]], "positions": [[0.0] * 5 + [0.74], [0.0] * 5 + [2.8]],
                      "cell": [None, [5.6, 0, 0, 0, 5.6, 0, 0, 0, 5.6]]})  # fmt: skip
    found.append(("parquet", "seed.parquet", _written(table)))
    found.append(("parquet", "smiles.parquet", _written(pa.table({"smiles": ["CCO", "O", "N"]}))))
    return found


def pack(kind: str, members: list[tuple[str, bytes]]) -> bytes:
    """A library of that kind; one that holds a single file holds the first."""
    one = {"gz": lambda text: gzip.compress(text, 1), "bz2": bz2.compress, "xz": lzma.compress}
    if kind in one:
        return one[kind](members[0][1])
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                archive.writestr(name, content)
    else:
        with tarfile.open(fileobj=stream, mode="w:gz" if kind == "tgz" else "w") as archive:
            for name, content in members:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def made(rng: random.Random, kind: str, seed: bytes, spoilt: Callable[[str], bytes]) -> bytes:
    """A spoilt library.

    Args:
        kind: of :data:`ENDS`.
        seed: a sound one, spoilt already.
        spoilt: gives a spoilt file of a format of :data:`MEMBERS`.
    """
    if rng.random() < 0.5:
        return seed
    if kind == "parquet":
        return _table(rng, spoilt)
    if kind in INSIDE:
        return pack(kind, [("a", spoilt(INSIDE[kind]))])
    members = []
    for k in range(rng.choice((1, 1, 2, 3))):
        form = rng.choice(list(MEMBERS))
        name = rng.choice(NAMES) if rng.random() < 0.2 else f"{k}{MEMBERS[form]}"
        members.append((name, spoilt(form)))
    return pack(kind, members)


def _table(rng: random.Random, spoilt: Callable[[str], bytes]) -> bytes:
    """A table of rows that hold too much, too little or nonsense."""
    count = rng.choice((1, 2, 5))
    if rng.random() < 0.3:
        words = [spoilt("smi").split(b"\n")[0].decode("utf-8", "replace") for _ in range(count)]
        return _written(pa.table({"smiles": words}))
    columns: dict[str, list] = {"id": [], "atomic_numbers": [], "positions": [], "cell": []}
    for k in range(count):
        numbers = (
            rng.choice(VALUES)(rng)
            if rng.random() < 0.5
            else [rng.randrange(1, 90) for _ in range(rng.randrange(1, 5))]
        )
        length = 3 * len(numbers) if rng.random() < 0.8 else rng.randrange(9)
        columns["id"].append(rng.choice((f"row {k}", "same", "", None, "\x1b[2J")))
        columns["atomic_numbers"].append(numbers if rng.random() < 0.9 else None)
        columns["positions"].append(_floats(rng, length) if rng.random() < 0.9 else None)
        columns["cell"].append(rng.choice((None, _floats(rng, 9), [5.0, 0, 0, 0, 5.0, 0, 0, 0, 5.0], _floats(rng, 3))))
    for name in list(columns):
        if rng.random() < 0.05:
            del columns[name]
        elif rng.random() < 0.05:
            columns[name] = [str(value) for value in columns[name]]
    return _written(pa.table(columns)) if columns else _written(pa.table({"x": [1]}))


def _floats(rng: random.Random, count: int) -> list[float]:
    return [rng.choice(NUMBERS) if rng.random() < 0.1 else rng.uniform(-5.0, 5.0) for _ in range(count)]


def _written(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def read_library(name: str, content: bytes, folder: Path) -> list[Structure | InputError]:
    """The first inputs of a library, read as screening reads them.

    Raises:
        AndersonnError: it holds none.
    """
    from andersonn.screening.library import Library
    from andersonn.screening.parsing import Reader

    path = (
        folder / f"{hashlib.sha256(content).hexdigest()[:12]}-{name}"
    )  # a file is taken for unchanged while it is open
    path.write_bytes(content)
    found: list[Structure | InputError] = []
    try:
        chunks = list(islice(Library(str(path), 5).chunks(), MOST_UNITS))
        for unit in islice(Reader(chunks).units(), MOST_UNITS):
            try:
                found += unit.make()
            except InputError as error:
                found.append(error)
    finally:
        path.unlink()
    return found or [InputError("no_atoms", "its records are all empty", "none")]
