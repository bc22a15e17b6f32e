"""Writing files whole or not at all, folders that one run at a time writes to, and reading JSON that may be anything."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import secrets
import socket
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from andersonn.errors import FULL, UsageError, cure
from andersonn.io.locks import Held, held

log = logging.getLogger(__name__)
LOCK = ".lock"
WRITER = ".writer"
"""Who holds a folder; apart from the lock, since Windows lets nobody read what is locked."""
LEFTOVER = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp(\.lock)?")
"""Names of files that are being written, and of their locks, or were when a run was killed."""
CODE = re.compile(r"\(os error (\d+)\)")
"""How safetensors tells the operating system's reason."""


def path_of(given: object, what: str) -> Path:
    """A path that a caller gives.

    Args:
        given: text or a path.
        what: what it should be, for the message.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(given, (str, os.PathLike)):
        return Path(given)
    raise UsageError("bad_option", f"{what}, not {type(given).__name__}", "give it as text or as a pathlib.Path")


def write_whole(path: Path, write: Callable[[str], object]) -> None:
    """Writes a file under a temporary name beside its place and renames it when it is on the disk, so that it is never
    seen half written, not even after a loss of power. What a killed process left half written in that folder is removed.

    Args:
        path: where the file shall stand; folders are made as needed.
        write: writes the content to the name it is given.

    Raises:
        OSError: it cannot be written, or there is a pipe or a device, which a file would take the place of; the error
            names ``path``, also where a library told the reason in words alone.
    """
    require_encodable(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EEXIST, "there is a pipe or a device", str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(path.parent)
        with _temporary(path) as name:
            usual = stat.S_IMODE(os.stat(name).st_mode)
            write(name)
            os.chmod(name, usual)  # libraries may have put a private file of their own there
            with open(name, "rb+") as stream:
                os.fsync(stream.fileno())
            os.replace(name, path)
        _settle(path.parent)
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else _code(error)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def require_encodable(path: Path) -> None:
    """Checks that the file system can have a path's name: where it is told to be ASCII, an umlaut is none.

    Raises:
        OSError: it cannot.
    """
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        words = f"this system writes names in {error.encoding}, which lacks {error.object[error.start]!a}"
        raise OSError(errno.EILSEQ, words, ascii(str(path))) from None


def encodable_name(name: str, most: int = 200) -> str:
    """The same with _ in place of what the file system cannot have in a name, and at most so many bytes long."""
    kept = "".join(mark if _is_encodable(mark) else "_" for mark in name)
    return os.fsencode(kept)[:most].decode(sys.getfilesystemencoding(), "ignore")


def _is_encodable(mark: str) -> bool:
    try:
        return b"\0" not in os.fsencode(mark)
    except UnicodeEncodeError:
        return False


def try_writing(folder: Path) -> None:
    """Makes a file without a name in a folder, which is made if needed.

    Raises:
        OSError: that is not possible.
    """
    require_encodable(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def require_writable(folder: Path) -> None:
    """Checks that a folder can be written to, before work whose result shall stand there; makes it if needed.

    Raises:
        UsageError: it cannot.
    """
    try:
        try_writing(folder)
    except OSError as error:
        raise cannot_write(folder, error) from None


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file."""
    write_whole(path, lambda name: Path(name).write_text(text, encoding="utf-8"))


def from_json(text: str | bytes) -> Any:
    """What JSON from a file or the network says.

    Raises:
        ValueError: it is no JSON, or nested so deeply that reading it would exhaust the stack.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON with two spaces of indentation; NaN is an error, not invalid JSON."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds a folder against other processes that would write to it; it is free again when this one ends, however it
    ends. The file ``.lock`` stands in the folder meanwhile.

    Raises:
        UsageError: another process holds it.
        OSError: the folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    writer = folder / WRITER
    try:
        with held(folder / LOCK) as locked:
            if not locked:
                log.warning("%s cannot be locked on this file system: let no second run write to it", folder)
            writer.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
            try:
                yield
            finally:
                with suppress(OSError):
                    writer.unlink()
    except Held:
        raise in_use(folder, f" ({_who(writer)})") from None


def in_use(place: Path, who: str = "") -> UsageError:
    """The error for a file or folder whose lock another process holds."""
    return UsageError(
        "in_use", f"another run{who} is writing to {str(place)!r}", "wait for it, or choose another --out"
    )


def cannot_write(path: Path, error: OSError) -> UsageError:
    """The error for a file or folder that cannot be written."""
    kind = "disk_full" if error.errno in FULL else "not_writable"
    return UsageError(kind, f"cannot write {str(path)!r}: {error.strerror or error}", cure(error))


def require_format(found: Any, known: int, what: str, oldest: int | None = None) -> None:
    """Checks the number that says how a file is laid out.

    Args:
        found: the number in the file.
        known: the one that this version writes.
        what: the file, for the message.
        oldest: the first that this version still reads; default ``known``.

    Raises:
        UsageError: the file is of a newer version, of one too old, or tells no number.
    """
    oldest = known if oldest is None else oldest
    reads = f"format {found}, and this version reads {known if oldest == known else f'{oldest} to {known}'}"
    if not isinstance(found, int) or isinstance(found, bool):
        raise UsageError("bad_format", f"{what} does not tell its format", "make or copy it again")
    if found > known:
        raise UsageError(
            "newer_version", f"{what} was made by a newer version of andersonn: it has {reads}", "upgrade andersonn"
        )
    if found < oldest:
        raise UsageError(
            "older_version",
            f"{what} was made by a version of andersonn too old to be read: it has {reads}",
            "use the version that made it, or make it again",
        )


def _code(error: Exception) -> int | None:
    """The operating system's number in the words of a library's error."""
    found = CODE.search(str(error))
    return int(found[1]) if found else None


@contextmanager
def _temporary(path: Path) -> Iterator[str]:
    """A new file beside a path, with a lock while it is written, so that nobody takes it for a leftover. The system gives
    it the permissions of every new file.
    """
    place = path.parent / f".{path.name[:50]}.{secrets.token_hex(4)}.tmp"
    with held(_lock_of(place)):
        os.close(os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            yield str(place)
        finally:
            place.unlink(missing_ok=True)


def _lock_of(temporary: Path) -> Path:
    return temporary.with_name(f"{temporary.name}.lock")


@lru_cache(maxsize=256)
def _clear_leftovers(folder: Path) -> None:
    """Removes what killed processes left half written in a folder; once in a process, since a folder may be large."""
    with suppress(PermissionError), os.scandir(folder) as entries:
        for name in {entry.name.removesuffix(".lock") for entry in entries if LEFTOVER.fullmatch(entry.name)}:
            with suppress(OSError, Held), held(_lock_of(folder / name)) as locked:
                if locked:  # else what is being written looks like what was left
                    (folder / name).unlink(missing_ok=True)


def _who(writer: Path) -> str:
    """Who holds a folder, as far as that is known."""
    try:
        return writer.read_text(encoding="utf-8", errors="replace")[:200] or "another process"
    except OSError:
        return "another process"


def _settle(folder: Path) -> None:
    """Puts a folder's new names on the disk, where the system can do that for folders."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
