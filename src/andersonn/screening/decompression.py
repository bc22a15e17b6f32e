"""Compressed files (gzip, bzip2, xz) and members of zip archives as streams. Nothing is decompressed to disk."""

from __future__ import annotations

import zipfile
from functools import lru_cache
from typing import BinaryIO

from andersonn.errors import InputError
from andersonn.screening.chunks import Chunk
from andersonn.screening.storage import opened
from andersonn.structures.readers import MAX_MEGABYTES
from andersonn.structures.readers.content import DAMAGE, damaged
from andersonn.structures.readers.content import unpacked as unpacked_stream

MAX_HEADER = 16 << 20
"""Bytes of a tar archive that are read at once, at most: more than any honest header has."""
OPEN = 4
"""Files a process keeps open: it is given consecutive shards."""


def unpacked(uri: str, packing: str) -> BinaryIO:
    """A file as a stream of decompressed bytes, see :func:`andersonn.structures.readers.content.unpacked`.

    Raises:
        OSError: it cannot be opened.
    """
    return unpacked_stream(opened(uri), packing)


class BoundedStream:
    """A stream for reading the headers of tar archives, whose names may claim any length.

    Args:
        stream: that is read.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, size: int) -> bytes:
        """As of a stream.

        Raises:
            OSError: more than :data:`MAX_HEADER` are asked for at once.
        """
        if not 0 <= size <= MAX_HEADER:
            raise OSError(f"a header announces {size} bytes")
        return self._stream.read(size)


def read_chunk(chunk: Chunk, limit: int) -> bytes:
    """The bytes of a chunk.

    Raises:
        InputError: there are more than ``limit``, the file cannot be read, or its store does not answer
            (``unreachable``).
    """
    try:
        if chunk.member >= 0:
            archive = _archive(chunk.uri)
            with archive.open(archive.infolist()[chunk.member]) as stream:
                return _read_range(stream, chunk, limit)  # type: ignore[arg-type]
        return _read_range(_stream(chunk.uri, chunk.packing), chunk, limit)
    except InputError:
        _reopen()
        raise
    except DAMAGE as error:
        _reopen()
        raise damaged(chunk.name, error) from None


def _reopen() -> None:
    """Forgets the open streams: the position of one that failed is unknown."""
    _stream.cache_clear()
    _archive.cache_clear()


def too_large(name: str) -> InputError:
    """The error for an input beyond :data:`LIMIT`."""
    return InputError(
        "too_large", f"{name!r} has more than {MAX_MEGABYTES:g} MB for one structure", "give one structure a file"
    )


@lru_cache(maxsize=OPEN)
def _stream(uri: str, packing: str) -> BinaryIO:
    return unpacked(uri, packing)


@lru_cache(maxsize=OPEN)
def _archive(uri: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(opened(uri))


def _read_range(stream: BinaryIO, chunk: Chunk, limit: int) -> bytes:
    wanted = limit + 1 if chunk.length < 0 else chunk.length
    if wanted > limit and chunk.length >= 0:
        raise too_large(chunk.name)
    stream.seek(chunk.offset)
    content = stream.read(wanted)
    if len(content) > limit:
        raise too_large(chunk.name)
    if chunk.length > len(content):
        raise damaged(chunk.name, EOFError(f"it ends {chunk.length - len(content)} bytes too early"))
    return content
