"""A library cut into shards: which bytes, members or rows make the k-th unit of work.

The cut depends on names and content of the library alone, never on workers or time, so that an interrupted run goes on
with the very shards it began with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

FILE, SDF, SMI, XYZ, TABLE, PARQUET, REFUSED = "file", "sdf", "smi", "xyz", "table", "parquet", "refused"
RECORDS = (SDF, SMI, XYZ)
"""Kinds of text of many records, which are cut between records."""


@dataclass(frozen=True)
class Piece:
    """A stretch of inputs of one file, by reference: a few hundred bytes, however large the inputs are.

    Attributes:
        uri: path or URL of the file that is opened.
        name: of the inputs, relative to the library; members of archives follow the archive's name.
        kind: one of the constants above.
        size: of the file that is opened, in bytes.
        version: as :class:`~andersonn.screening.storage.Found` has it.
        packing: ``gz``, ``bz2`` or ``xz`` if the file is to be unpacked as a stream; ``offset`` then counts unpacked bytes.
        member: number of a zip archive's member; -1 outside of zips.
        offset: first byte, or first row of a table, from 0.
        length: bytes; -1 up to the end.
        first: number of the first record, from 1; 0 where the file is one input.
        count: inputs.
        error: of a refused piece, why.
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


DEFAULTS = {field.name: field.default for field in fields(Piece)}


@dataclass(frozen=True)
class Shard:
    """The unit of work, of output and of resumption.

    Attributes:
        number: from 0.
        pieces: in order.
    """

    number: int
    pieces: tuple[Piece, ...]

    @property
    def name(self) -> str:
        """The name of its output, without ending."""
        return f"shard-{self.number:06d}"

    @property
    def count(self) -> int:
        """Inputs."""
        return sum(piece.count for piece in self.pieces)

    @property
    def plan(self) -> str:
        """Hash of what the shard is made of: names, sizes and places, not where the library lies."""
        content = [{k: v for k, v in piece.as_dict().items() if k != "uri"} for piece in self.pieces]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def shards(pieces: Iterable[Piece], size: int) -> Iterator[Shard]:
    """Packs pieces, none of more than ``size`` inputs, into shards of at most ``size``, in their order."""
    waiting: list[Piece] = []
    number, count = 0, 0
    for piece in pieces:
        if waiting and count + piece.count > size:
            yield Shard(number, tuple(waiting))
            number, waiting, count = number + 1, [], 0
        waiting.append(piece)
        count += piece.count
    if waiting:
        yield Shard(number, tuple(waiting))
