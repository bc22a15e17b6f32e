"""Packed files (gzip, bzip2, xz) as streams, in bounded memory. Nothing is unpacked to disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from pathlib import PurePath
from typing import BinaryIO

from andersonn.errors import InputError

PACKINGS = {".gz": "gz", ".bz2": "bz2", ".xz": "xz"}
"""The ending of a file's name → how it is packed."""
MARKS = {b"\x1f\x8b\x08": "gz", b"\xfd7zXZ\0": "xz"} | {b"BZh%d1AY&SY" % level: "bz2" for level in range(1, 10)}
"""First bytes → how a file is packed, whatever its name says."""
OTHERS = {b"PK\x03\x04": "a zip archive", b"\x28\xb5\x2f\xfd": "packed by zstd", b"\x1f\x9d": "packed by compress (.Z)",
          b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive", b"Rar!": "a RAR archive"}  # fmt: skip
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


def bare(path: PurePath) -> PurePath:
    """A path without the ending that only says how the file is packed."""
    return path.with_suffix("") if path.suffix.lower() in PACKINGS else path


def packing_of(content: bytes) -> str:
    """How content is packed, by its first bytes; empty if it is not."""
    return next((packing for mark, packing in MARKS.items() if content.startswith(mark)), "")


def unpacked(stream: BinaryIO, packing: str) -> BinaryIO:
    """A stream of unpacked bytes. It can be sought: forwards by reading on, backwards by beginning again.

    Args:
        stream: at its beginning.
        packing: ``gz``, ``bz2`` or ``xz``; empty if it is not packed.
    """
    if packing == "gz":
        return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value]
    if packing == "bz2":
        return bz2.BZ2File(stream)
    return io.BufferedReader(_Xz(stream)) if packing == "xz" else stream  # type: ignore[return-value]


def unpacked_content(content: bytes, name: str, megabytes: float) -> bytes:
    """Content, unpacked if it is packed.

    Args:
        content: of a file.
        name: of the file, for messages.
        megabytes: that it may have unpacked; no more is unpacked.

    Raises:
        InputError: there is more, it is damaged, or it is packed in a way that is not read.
    """
    other = next((what for mark, what in OTHERS.items() if content.startswith(mark)), "")
    if other:
        raise InputError(
            "not_text", f"{name!r} is {other}", "unpack it first; `andersonn screen` reads zip and tar archives"
        )
    packing, most = packing_of(content), int(megabytes * 1e6)
    if not packing:
        return content
    try:
        found = unpacked(io.BytesIO(content), packing).read(most + 1)
    except DAMAGE as error:
        raise damaged(name, error) from None
    if len(found) > most:
        raise InputError(
            "too_large",
            f"{name!r} has more than {megabytes:g} MB when unpacked",
            "give one structure a file, or use `andersonn screen`, which reads a file piece by piece",
        )
    return found


def damaged(name: str, error: BaseException) -> InputError:
    """The error for a file that cannot be read through."""
    reason = str(error) or type(error).__name__
    return InputError(
        "unreadable", f"cannot read {name!r}: {reason}", "it may be cut short or encrypted; copy it again"
    )


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
