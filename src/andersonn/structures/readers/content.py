"""What a file holds: its bytes, within bounds, and the text they are."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path, PurePath

from andersonn.errors import InputError
from andersonn.structures.readers.formats import FORMATS

MAX_MEGABYTES = 64
"""Larger files are refused unread: the largest published crystal structures are a few MB."""


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text that any output can encode: bytes that are not UTF-8 become escapes."""
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # the file system is said to be ASCII, and so has no file of that name
        return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def content_of(path: Path, max_megabytes: float = MAX_MEGABYTES) -> bytes:
    """What a file holds, as it is.

    Raises:
        InputError: it is missing, no file, too large or cannot be read.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise InputError("missing_file", f"there is no file {str(path)!r}", "check the path") from None
    except (OSError, ValueError) as error:
        raise InputError(
            "unreadable", f"cannot open {str(path)!r}: {error}", "check the path and permissions"
        ) from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError("directory", f"{str(path)!r} is a folder, not a file", "give the files in it")
    if not stat.S_ISREG(found.st_mode):  # reading a pipe or a device may never end
        raise InputError("not_a_file", f"{str(path)!r} is a pipe or device, not a file", "write it to a file first")
    if found.st_size > max_megabytes * 1e6:
        raise InputError(
            "too_large",
            f"{str(path)!r} has {found.st_size / 1e6:.0f} MB; at most {max_megabytes:g} MB are read",
            "give one structure a file, or split the trajectory",
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("unreadable", f"cannot read {str(path)!r}: {error}", "check its permissions") from None


def text_of(content: bytes, path: PurePath) -> str:
    """Content as text: UTF-8, UTF-16 with its mark, or else of Windows (cp1252).

    Raises:
        InputError: it is empty, or no text.
    """
    if not content.strip():
        raise InputError("empty_file", f"{str(path)!r} is empty", "write the structure again")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as some Windows editors save text
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:65536]:
        raise InputError("not_text", f"{str(path)!r} is not a text file", f"give {FORMATS}; unpack archives first")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # the oldest files are in a code of one byte a letter; names alone depend on which
        return content.decode("cp1252", errors="replace")
