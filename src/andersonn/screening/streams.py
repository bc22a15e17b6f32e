"""Packed files as streams: gzip, bzip2 and xz, the members of zip archives. Nothing is unpacked to disk."""

from __future__ import annotations

import bz2
import gzip
import io
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
DICTIONARY = 256 << 20
"""Bytes that unpacking xz may take; the tightest packing of the usual program takes 65 MiB."""
AT_ONCE = 16 << 20
"""Bytes of a tar archive that are read in one go, at most: more than any header that is meant well has."""
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
    return io.BufferedReader(_Xz(stream)) if packing == "xz" else stream  # type: ignore[return-value]


class _Xz(io.RawIOBase):
    """Unpacks xz in bounded memory: a few bytes can announce a dictionary of 4 GB, which Python's own files accept.

    Args:
        stream: at its beginning; may be of several streams of xz, as ``cat`` joins them.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._begin()

    def _begin(self) -> None:
        self._stream.seek(0)
        self._decoder, self._at = lzma.LZMADecompressor(memlimit=DICTIONARY), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._some(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        wanted = offset if whence == io.SEEK_SET else self._at + offset
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the end of a packed file is not known")
        if wanted < self._at:
            self._begin()
        while self._at < wanted and (data := self._some(min(io.DEFAULT_BUFFER_SIZE, wanted - self._at))):
            self._at += len(data)
        return self._at

    def _some(self, most: int) -> bytes:
        """The next bytes, one at least; none at the end."""
        while True:
            if self._decoder.eof:
                given = self._decoder.unused_data.lstrip(b"\0")
                while not given:  # zeros may stand between streams
                    if not (block := self._stream.read(io.DEFAULT_BUFFER_SIZE)):
                        return b""
                    given = block.lstrip(b"\0")
                self._decoder = lzma.LZMADecompressor(memlimit=DICTIONARY)
            else:
                given = self._stream.read(io.DEFAULT_BUFFER_SIZE) if self._decoder.needs_input else b""
                if self._decoder.needs_input and not given:
                    raise EOFError("it ends in the midst of its packed content")
            if data := self._decoder.decompress(given, most):
                return data


class Bounded:
    """A stream for reading the headers of tar archives, which may announce names of any length.

    Args:
        stream: that is read.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

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
