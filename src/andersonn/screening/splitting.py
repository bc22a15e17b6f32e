"""Splitting a long text into records as a stream: the text may be larger than memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, NamedTuple

import numpy as np

from andersonn.screening.chunks import SDF, SMI, TABLE
from andersonn.structures.readers import MAX_MEGABYTES
from andersonn.structures.readers.tables.delimited import records
from andersonn.structures.readers.xyz.frames import atom_count

LIMIT = int(MAX_MEGABYTES * 1e6)
"""Decompressed bytes of one input that are read at most: also what a decompression bomb can take of memory."""
BLOCK = 1 << 22
RECORD_END = re.compile(rb"^\$\$\$\$[ \t\r]*$\n?", re.MULTILINE)


class Span(NamedTuple):
    """Records ``first`` to ``first + count - 1``, counted from 1, in bytes ``offset`` to ``offset + length``."""

    offset: int
    length: int
    first: int
    count: int  # type: ignore[assignment]  # in place of a tuple's method


def spans(stream: IO[bytes], kind: str, size: int, delimiter: str = ",") -> Iterator[Span]:
    """Spans of ``size`` records, fewer at the end and where they have more than :data:`LIMIT` bytes. A record of SMILES is a
    line, also an empty one.

    Args:
        stream: at its start.
        kind: ``sdf``, ``smi``, ``xyz`` or ``table``; of a table the stream is behind the names of the columns.
        size: records.
        delimiter: of the fields of a table.
    """
    ways: dict[str, Callable[[IO[bytes]], Iterator[list[int]]]] = {
        SDF: _record_ends, SMI: _line_ends, TABLE: partial(_row_ends, delimiter),
    }  # fmt: skip
    ends = ways.get(kind, _frame_ends)
    begin, first, count, last = 0, 1, 0, 0
    for block in ends(stream):
        for end in block:
            if count and (count == size or end - begin > LIMIT):
                yield Span(begin, last - begin, first, count)
                begin, first, count = last, first + count, 0
            count, last = count + 1, end
    if count:
        yield Span(begin, last - begin, first, count)


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """Whole lines, some megabytes at a time."""
    while block := stream.read(BLOCK):
        yield block if block.endswith(b"\n") else block + stream.readline(LIMIT)


def _line_ends(stream: IO[bytes]) -> Iterator[list[int]]:
    at = 0
    for block in _blocks(stream):
        ends = (np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == 10) + 1 + at).tolist()
        at += len(block)
        yield ends if block.endswith(b"\n") else [*ends, at]


def _record_ends(stream: IO[bytes]) -> Iterator[list[int]]:
    at, open_record = 0, False
    for block in _blocks(stream):
        ends = [at + match.end() for match in RECORD_END.finditer(block)]
        rest = block[ends[-1] - at :] if ends else block
        open_record = bool(rest.strip()) or (open_record and not ends)
        at += len(block)
        yield ends
    if open_record:  # as a MOL file has it, which is one record without an end mark
        yield [at]


def _row_ends(delimiter: str, stream: IO[bytes]) -> Iterator[list[int]]:
    at, ends = 0, []
    lines = (line.decode("latin-1") for line in iter(partial(stream.readline, LIMIT), b""))  # one letter a byte
    for record in records(lines, delimiter):
        at += len(record)
        ends.append(at)
        if len(ends) >= 1000:
            yield ends
            ends = []
    yield ends


def _frame_ends(stream: IO[bytes]) -> Iterator[list[int]]:
    """Frames of xyz files, with the text behind each, as their reader splits them. After a first line that should count
    atoms and does not, all is one frame, which its reader will refuse.
    """
    at, left, ends, counted = 0, 0, [], False
    while line := stream.readline(LIMIT):
        if left == 0 and line.strip():
            count = atom_count(line.decode("utf-8-sig", errors="replace").rstrip("\r\n"))
            if count is not None or not counted:
                if counted:
                    ends.append(at)
                counted, left = True, -1 if count is None else count + 2
        at += len(line)
        left -= left > 0
        if len(ends) >= 1000:
            yield ends
            ends = []
    yield [*ends, at] if counted else ends
