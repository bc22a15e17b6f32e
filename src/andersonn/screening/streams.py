"""Packed files as streams: gzip, bzip2 and xz, the members of zip archives. Nothing is unpacked to disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from functools import lru_cache
from typing import BinaryIO

from andersonn.errors import InputError
from andersonn.matter.readers import MAX_MEGABYTES
from andersonn.screening.pieces import Piece
from andersonn.screening.storage import opened

DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    ValueError,
)
"""What reading a damaged or encrypted archive can raise."""
OPEN = 4
"""Files a process keeps open: the shards it is given follow each other."""


def unpacked(uri: str, packing: str) -> BinaryIO:
    """A file as a stream of unpacked bytes. It can be sought: forwards by reading on, backwards by beginning again.

    Raises:
        OSError: it cannot be opened.
    """
    stream = opened(uri)
    if packing == "gz":
        return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value]
    if packing == "bz2":
        return bz2.BZ2File(stream)
    return lzma.LZMAFile(stream) if packing == "xz" else stream  # type: ignore[return-value]


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
                return _taken(stream, piece, limit)  # type: ignore[arg-type]
        return _taken(_stream(piece.uri, piece.packing), piece, limit)
    except InputError:
        _forget()
        raise
    except DAMAGE as error:
        _forget()
        raise damaged(piece.name, error) from None


def _forget() -> None:
    """Opens all streams anew: where one stands that failed is not known."""
    _stream.cache_clear()
    _archive.cache_clear()


def damaged(name: str, error: BaseException) -> InputError:
    """The error for a file that cannot be read through."""
    reason = str(error) or type(error).__name__
    return InputError(
        "unreadable", f"cannot read {name!r}: {reason}", "it may be cut short or encrypted; copy it again"
    )


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


def _taken(stream: BinaryIO, piece: Piece, limit: int) -> bytes:
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
