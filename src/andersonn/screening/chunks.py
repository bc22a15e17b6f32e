"""Chunks of a library and the shards they are packed into: which bytes, archive members or rows make the k-th shard.

The division depends on the names and content of the library alone, never on workers or time, so that an interrupted run
resumes with the same shards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

FILE, SDF, SMI, XYZ, TABLE, PARQUET, REFUSED = "file", "sdf", "smi", "xyz", "table", "parquet", "refused"
RECORDS = (SDF, SMI, XYZ)
"""Kinds of text files with many records, which are split between records."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive inputs of one file, by reference: a few hundred bytes, however large the inputs are. The names of the fields are
    part of :attr:`Shard.plan`, which runs on disk hold.

    Attributes:
        uri: path or URL of the file that is opened.
        name: of the inputs, relative to the library; members of archives follow the archive's name.
        kind: one of the constants above.
        size: of the file that is opened, in bytes.
        version: as :class:`~andersonn.screening.storage.Found` has it.
        packing: ``gz``, ``bz2`` or ``xz`` if the file is compressed; ``offset`` then counts decompressed bytes.
        member: number of a zip archive's member; -1 outside of zips.
        offset: first byte, or first row of a table, from 0.
        length: bytes; -1 up to the end.
        first: number of the first record, from 1; 0 where the file is one input.
        count: inputs.
        error: of a refused chunk, why it cannot be read.
        layout: of a table, and of a list whose first line names columns: how its records are read, as JSON.
    """

    uri: str
    name: str
    kind: str
    size: int = 0
    version: str = ""
    packing: str = ""
    member: int = -1
    offset: int = 0
    length: int = -1
    first: int = 0
    count: int = 1
    error: dict[str, str] | None = None
    layout: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON, defaults left out."""
        return {name: value for name, value in asdict(self).items() if value != DEFAULTS.get(name)}


DEFAULTS = {field.name: field.default for field in fields(Chunk)}


@dataclass(frozen=True)
class Shard:
    """The unit of work, output and resumption.

    Attributes:
        number: from 0.
        chunks: in order.
    """

    number: int
    chunks: tuple[Chunk, ...]

    @property
    def name(self) -> str:
        """The name of its output, without ending."""
        return f"shard-{self.number:06d}"

    @property
    def count(self) -> int:
        """Inputs."""
        return sum(chunk.count for chunk in self.chunks)

    @property
    def plan(self) -> str:
        """Hash of the shard's names, sizes and offsets, but not of where the library lies."""
        content = [{k: v for k, v in chunk.as_dict().items() if k != "uri"} for chunk in self.chunks]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def shards(chunks: Iterable[Chunk], size: int) -> Iterator[Shard]:
    """Groups chunks, each of at most ``size`` inputs, into shards of at most ``size`` inputs, in order."""
    number, count = 0, 0
    waiting: list[Chunk] = []
    for chunk in chunks:
        if waiting and count + chunk.count > size:
            yield Shard(number, tuple(waiting))
            number, waiting, count = number + 1, [], 0
        waiting.append(chunk)
        count += chunk.count
    if waiting:
        yield Shard(number, tuple(waiting))
