"""Packed files as streams: gzip, bzip2 and xz, the members of zip archives. Nothing is unpacked to disk."""

from __future__ import annotations

import zipfile
from functools import lru_cache
from typing import IO

from andersonn.errors import InputError
from andersonn.screening.pieces import Piece
from andersonn.screening.storage import opened
from andersonn.structures.readers import MAX_MEGABYTES
from andersonn.structures.readers.packed import DAMAGE, damaged
from andersonn.structures.readers.packed import unpacked as unpacked_stream

AT_ONCE = 16 << 20
"""Bytes of a tar archive that are read in one go, at most: more than any header that is meant well has."""
OPEN = 4
"""Files a process keeps open: the shards it is given follow each other."""


def unpacked(uri: str, packing: str) -> IO[bytes]:
    """A file as a stream of unpacked bytes, see :func:`andersonn.structures.readers.packed.unpacked`.

    Raises:
        OSError: it cannot be opened.
    """
    return unpacked_stream(opened(uri), packing)


class Bounded:
    """A stream for reading the headers of tar archives, which may announce names of any length.

    Args:
        stream: that is read.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, size: int) -> bytes:
        """As of a stream.

        Raises:
            OSError: more than :data:`AT_ONCE` are asked for at once.
        """
        if not 0 <= size <= AT_ONCE:
            raise OSError(f"a header announces {size} bytes")
        return self._stream.read(size)


def bytes_of(piece: Piece, limit: int) -> bytes:
    """The bytes of a piece.

    Raises:
        InputError: there are more than ``limit``, the file cannot be read, or its store does not answer
            (``unreachable``).
    """
    try:
        if piece.member >= 0:
            archive = _archive(piece.uri)
            with archive.open(archive.infolist()[piece.member]) as stream:
                return _taken(stream, piece, limit)
        return _taken(_stream(piece.uri, piece.packing), piece, limit)
    except InputError:
        _forget()
        raise
    except DAMAGE as error:
        _forget()
        raise damaged(piece.name, error) from None


def _forget() -> None:
    """Reopens all streams, since the position of a failed one is not known."""
    _stream.cache_clear()
    _archive.cache_clear()


def too_large(name: str) -> InputError:
    """The error for an input beyond :data:`LIMIT`."""
    return InputError(
        "too_large", f"{name!r} has more than {MAX_MEGABYTES:g} MB for one structure", "give one structure a file"
    )


@lru_cache(maxsize=OPEN)
def _stream(uri: str, packing: str) -> IO[bytes]:
    return unpacked(uri, packing)


@lru_cache(maxsize=OPEN)
def _archive(uri: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(opened(uri))


def _taken(stream: IO[bytes], piece: Piece, limit: int) -> bytes:
    wanted = limit + 1 if piece.length < 0 else piece.length
    if wanted > limit and piece.length >= 0:
        raise too_large(piece.name)
    stream.seek(piece.offset)
    content = stream.read(wanted)
    if len(content) > limit:
        raise too_large(piece.name)
    if piece.length > len(content):
        raise damaged(piece.name, EOFError(f"it ends {piece.length - len(content)} bytes too early"))
    return content
