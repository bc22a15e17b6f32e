"""Parsing a shard's chunks into structures, one input at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.data.records import Records
from andersonn.errors import AndersonnError, InputError
from andersonn.screening.chunks import FILE, PARQUET, REFUSED, SDF, SMI, TABLE, Chunk
from andersonn.screening.decompression import OPEN, read_chunk, too_large
from andersonn.screening.library import decoded
from andersonn.screening.splitting import LIMIT, spans
from andersonn.screening.storage import contents, is_url, opened
from andersonn.structures.readers import from_smiles, read_content
from andersonn.structures.readers.content import bare, damaged
from andersonn.structures.readers.molecules.smiles_lists import line_of
from andersonn.structures.readers.tables.columns import Roles
from andersonn.structures.readers.tables.delimited import Layout, records
from andersonn.structures.readers.tables.rows import structures_of_row
from andersonn.structures.structure import Structure

COLUMNS = ("id", "atomic_numbers", "positions", "cell", "smiles")
Parsed = list[Structure | InputError]


class Unit(NamedTuple):
    """One input.

    Attributes:
        input: name of the file it is in.
        record: its number in that file, from 1; None where the file is one input.
        make: gives its structures, or raises InputError.
    """

    input: str
    record: int | None
    make: Callable[[], Parsed]


class Reader:
    """Reads the inputs of a shard, and takes the hash of what it read.

    Args:
        chunks: of the shard.
    """

    def __init__(self, chunks: list[Chunk]) -> None:
        self._chunks = chunks
        self._hash = hashlib.sha256()

    @property
    def content(self) -> str:
        """Hash of all that was read, once all units have been given."""
        return self._hash.hexdigest()[:32]

    def units(self) -> Iterator[Unit]:
        """One unit for each input that the chunks count, in their order.

        Raises:
            InputError: of kind ``unreachable``: a store does not answer.
        """
        bare = [chunk for chunk in self._chunks if _is_plain_file(chunk)]
        fetched = contents([chunk.uri for chunk in bare], LIMIT)
        for chunk in self._chunks:
            if _is_plain_file(chunk):
                yield self._file(chunk, next(fetched))
                continue
            try:
                yield from self._units_of(chunk)
            except InputError as error:
                if error.kind == "unreachable":
                    raise
                numbers = range(chunk.first, chunk.first + chunk.count) if chunk.first else [None]
                yield from (Unit(chunk.name, number, partial(_raise, error)) for number in numbers)

    def _units_of(self, chunk: Chunk) -> Iterator[Unit]:
        if chunk.kind == REFUSED:
            assert chunk.error is not None
            raise InputError(**chunk.error)
        if chunk.kind == PARQUET:
            yield from self._rows(chunk)
        elif chunk.kind == FILE:
            yield self._file(chunk, read_chunk(chunk, LIMIT))
        else:
            yield from self._records(chunk)

    def _file(self, chunk: Chunk, content: bytes | InputError) -> Unit:
        if isinstance(content, bytes) and len(content) > LIMIT:
            content = too_large(chunk.name)
        if isinstance(content, InputError):
            return Unit(chunk.name, None, partial(_raise, content))
        self._hash.update(content)
        return Unit(chunk.name, None, partial(read_content, content, _path(chunk.name)))

    def _records(self, chunk: Chunk) -> Iterator[Unit]:
        content = read_chunk(chunk, LIMIT)
        self._hash.update(content)
        if chunk.kind == TABLE:
            yield from self._table(chunk, content)
            return
        layout = Layout.from_text(chunk.layout) if chunk.layout else None
        makers: dict[str, Callable[[bytes, Path, int], Parsed]] = {SDF: _molecule, SMI: partial(_line, layout)}
        make = makers.get(chunk.kind, _frame)
        path = _path(chunk.name)
        for span in spans(BytesIO(content), chunk.kind, 1):
            number = chunk.first + span.first - 1
            record = content[span.offset : span.offset + span.length]
            yield Unit(chunk.name, number, partial(make, record, path, number))

    def _table(self, chunk: Chunk, content: bytes) -> Iterator[Unit]:
        how = json.loads(chunk.layout)
        layout, roles = Layout.from_text(how["layout"]), Roles(**how["roles"])
        folder = None if is_url(chunk.uri) or chunk.member >= 0 else Path(chunk.uri).parent
        lines = (line.decode("latin-1") for line in BytesIO(content))
        for k, record in enumerate(records(lines, layout.delimiter)):
            yield Unit(chunk.name, chunk.first + k, partial(_fields, layout, roles, record.encode("latin-1"), folder))

    def _rows(self, chunk: Chunk) -> Iterator[Unit]:
        try:
            table = _rows_of(chunk.uri, chunk.layout).take(chunk.offset, chunk.count)
            found = Records.of(table, chunk.name)
        except AndersonnError as error:
            _rows_of.cache_clear()  # its position is unknown
            raise InputError(error.kind, error.message, error.hint) from None
        except (OSError, pa.ArrowException) as error:
            _rows_of.cache_clear()
            raise damaged(chunk.name, error) from None
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        self._hash.update(sink.getvalue())
        for k in range(chunk.count):
            yield Unit(chunk.name, chunk.first + k, partial(_row, found, k))


class Rows:
    """Rows of a Parquet file, read forwards as a stream, so that a row group is never whole in memory.

    Args:
        uri: of a Parquet file.
        called: name of a column here → in the file, where it is another.
    """

    BATCH = 1024

    def __init__(self, uri: str, called: dict[str, str]) -> None:
        self._file = pq.ParquetFile(opened(uri), pre_buffer=False, buffer_size=1 << 20)
        metadata = self._file.metadata
        self._starts = [0]
        for group in range(metadata.num_row_groups):
            self._starts.append(self._starts[-1] + metadata.row_group(group).num_rows)
        there = {called.get(name, name): name for name in COLUMNS}
        self._names = {of: name for of, name in there.items() if of in self._file.schema_arrow.names}
        self._columns = list(self._names)
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._held: list[pa.RecordBatch] = []
        self._at = -1
        """Row that comes next; -1 before the first."""

    def take(self, start: int, count: int) -> pa.Table:
        """Rows ``start`` to ``start + count``, with the columns that :class:`Records` wants."""
        group = next(g for g, end in enumerate(self._starts[1:]) if start < end)
        if self._at < 0 or start < self._at or self._starts[group] > self._at:
            groups = list(range(group, len(self._starts) - 1))
            self._batches = self._file.iter_batches(self.BATCH, groups, self._columns, use_threads=False)
            self._held, self._at = [], self._starts[group]
        self._read(start - self._at)
        table = pa.Table.from_batches(
            self._read(count), self._file.schema_arrow.empty_table().select(self._columns).schema
        )
        table = table.rename_columns([self._names[name] for name in table.column_names]).combine_chunks()
        table.validate(full=True)  # damaged pages can yield offsets that crash whoever reads them later
        return _completed(table, start)

    def _read(self, count: int) -> list[pa.RecordBatch]:
        """The next ``count`` rows."""
        taken = []
        while count:
            batch = self._held.pop() if self._held else next(self._batches, None)
            if batch is None:
                raise OSError("the table has fewer rows than it announces")
            if len(batch) > count:
                self._held.append(batch.slice(count))
                batch = batch.slice(0, count)
            taken.append(batch)
            count -= len(batch)
            self._at += len(batch)
        return taken


def _completed(table: pa.Table, start: int) -> pa.Table:
    """The table with ids for rows that have none, and the column of split keys that screening does without."""
    if "id" not in table.column_names:
        names = [f"row {start + k + 1}" for k in range(len(table))]
        table = table.append_column("id", pa.array(names, pa.string()))
    return table.append_column("group", pa.nulls(len(table), pa.string()))


@lru_cache(maxsize=OPEN)
def _rows_of(uri: str, layout: str) -> Rows:
    return Rows(uri, json.loads(layout) if layout else {})


def _is_plain_file(chunk: Chunk) -> bool:
    """Whether a chunk is a whole file, neither compressed nor in an archive."""
    return chunk.kind == FILE and not chunk.packing and chunk.member < 0 and chunk.length < 0


def _path(name: str) -> Path:
    """The last part of a name, without an ending for compression: it tells the format and gives the id."""
    path = PurePosixPath(name)
    return Path(bare(path).name)


def _raise(error: InputError) -> Parsed:
    raise error


def _row(records: Records, k: int) -> Parsed:
    return [records[k]]


def _molecule(record: bytes, path: Path, number: int) -> Parsed:
    from andersonn.structures.readers.molecules.molfiles import parse_sdf

    text = _text(record)
    title = text.partition("\n")[0].strip()
    return parse_sdf(text, f"{path.stem}:{title or number}")


def _frame(record: bytes, path: Path, number: int) -> Parsed:
    from andersonn.structures.readers.xyz.frames import parse_xyz

    return parse_xyz(_text(record), f"{path.stem}:{number}")


def _line(layout: Layout | None, record: bytes, path: Path, number: int) -> Parsed:
    """The molecule of a line; none of an empty line, a comment and the column titles."""
    line = _text(record)
    found = None if layout is not None and number == 1 else line_of(line, layout)
    return [] if found is None else [from_smiles(line if layout is None else found[0], found[1])]


def _fields(layout: Layout, roles: Roles, record: bytes, folder: Path | None) -> Parsed:
    """The structures of a row; none of an empty one."""
    values = layout.fields(decoded(record))
    return [] if values is None else structures_of_row(roles, values, folder)


def _text(record: bytes) -> str:
    return record.decode("utf-8-sig", errors="replace")
