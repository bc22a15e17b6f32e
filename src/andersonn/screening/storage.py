"""Where a library lies: local paths, and URLs through fsspec, which is imported only for them."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from andersonn.errors import InputError, UsageError
from andersonn.io.near_names import where_it_may_be
from andersonn.sanitize import redacted
from andersonn.structures.readers import printable

R = TypeVar("R")
AT_ONCE = 256
"""Remote files fetched together, so that one waits for the network once and not for each."""


@dataclass(frozen=True)
class Found:
    """A file of a library.

    Attributes:
        uri: path or URL to open.
        name: relative to the library, as results show it.
        size: bytes.
        version: what the store calls this content, such as an ETag; empty for local files.
        changed: seconds since 1970 of the last change of a local file; 0 where that is not known.
    """

    uri: str
    name: str
    size: int
    version: str = ""
    changed: float = 0.0


def is_url(uri: str) -> bool:
    """Whether a library is named by a URL (``s3://bucket/folder``) and not by a local path."""
    return "://" in uri


def shown(library: str) -> str:
    """The last part of a library's path or URL, for names and manifests: nothing of what signs or unlocks a URL."""
    if not is_url(library):
        return printable(library.rstrip("/").rpartition("/")[2])
    return redacted(_bare(library).rstrip("/")).rpartition("/")[2]


def files_of(library: str) -> Iterator[Found]:
    """The files of a library, ordered by name; hidden ones are left out.

    Raises:
        UsageError: there is no such library, or its kind of URL cannot be opened here.
    """
    return _remote_files(library) if is_url(library) else _local_files(library)


def opened(uri: str) -> BinaryIO:
    """A stream of a file's bytes, seekable.

    Raises:
        OSError: it cannot be opened.
        InputError: of kind ``unreachable``, also later, when it is read: the store does not answer.
    """
    return io.BufferedReader(_Remote(uri)) if is_url(uri) else open(uri, "rb")


class _Remote(io.RawIOBase):
    """A file of a store, which tells a store that does not answer from a file that is damaged: each of fsspec's packages
    raises errors of its own for the former, OSError among them.
    """

    def __init__(self, uri: str) -> None:
        super().__init__()
        self._uri = uri
        system, path = _system(uri)
        self._stream = _asked(uri, system.open, path, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: Any) -> int:
        content = _asked(self._uri, self._stream.read, len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _asked(uri: str, ask: Callable[..., R], *arguments: Any) -> R:
    """What a store answers.

    Raises:
        FileNotFoundError: it has no such file.
        InputError: of kind ``unreachable``: it does not answer, or not to us.
    """
    try:
        return ask(*arguments)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise unreachable(uri, error) from None


def contents(uris: list[str], limit: int) -> Iterator[bytes | InputError]:
    """What whole files hold, or why one cannot be read; remote ones are fetched :data:`AT_ONCE` at a time.

    Args:
        uris: local paths or URLs, in any mixture.
        limit: bytes that are read of a local file at most.

    Raises:
        InputError: of kind ``unreachable``: a store did not answer, which is no fault of the input.
    """
    for start in range(0, len(uris), AT_ONCE):
        part = uris[start : start + AT_ONCE]
        fetched = _fetched([uri for uri in part if is_url(uri)])
        yield from (fetched[uri] if is_url(uri) else _local(uri, limit) for uri in part)


def unreachable(uri: str, error: BaseException) -> InputError:
    """The error for a store that does not answer: worth another try, and no verdict on the input."""
    return InputError("unreachable", f"cannot read {uri}: {error}", "check network and keys; the same command goes on")


def _local(path: str, limit: int) -> bytes | InputError:
    try:
        with open(path, "rb") as stream:
            return stream.read(limit + 1)
    except FileNotFoundError:
        return InputError("missing_file", f"there is no file {printable(path)!r} any more", "restore it")
    except OSError as error:
        return InputError("unreadable", f"cannot read {printable(path)!r}: {error.strerror}", "check its permissions")


def _fetched(uris: list[str]) -> dict[str, bytes | InputError]:
    if not uris:
        return {}
    system, _ = _system(uris[0])
    paths = {uri: _system(uri)[1] for uri in uris}
    answers = _asked(uris[0], lambda: system.cat(list(paths.values()), on_error="return"))
    found: dict[str, bytes | InputError] = {}
    for uri, path in paths.items():
        answer = answers[path]
        if isinstance(answer, FileNotFoundError):
            found[uri] = InputError("missing_file", f"there is no {uri} any more", "restore it")
        elif isinstance(answer, BaseException):
            raise unreachable(uri, answer)
        else:
            found[uri] = answer
    return found


def _local_files(library: str) -> Iterator[Found]:
    root = Path(library)
    if not root.exists():
        raise UsageError("missing_file", f"there is no library {printable(library)!r}", where_it_may_be(root))
    if not root.is_dir():
        yield _stat(root, root.name)
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file():  # reading a pipe or a device may never end
                yield _stat(path, path.relative_to(root).as_posix())


def _stat(path: Path, name: str) -> Found:
    found = path.stat()
    return Found(str(path), printable(name), found.st_size, changed=found.st_mtime)


def _remote_files(library: str) -> Iterator[Found]:
    system, root = _system(library)
    try:
        listed = {root: system.info(root)} if system.isfile(root) else system.find(root, detail=True)
    except FileNotFoundError:
        listed = {}
    except Exception as error:  # each store has errors of its own
        raise UsageError("unreachable", f"cannot list {library}: {error}", "check the URL, network and keys") from None
    if not listed:
        raise UsageError("missing_file", f"there is no file in {library}", "check the URL")
    for path in sorted(listed):
        info = listed[path]
        name = printable(_bare(path[len(root) :]).strip("/") or shown(path))
        if not any(part.startswith(".") for part in name.split("/")):
            version = str(info.get("ETag") or info.get("etag") or info.get("md5Hash") or "")
            yield Found(system.unstrip_protocol(path), name, int(info.get("size") or 0), version)


def _bare(uri: str) -> str:
    """A web address without its query, which may be a signature; in other stores a name may have a question mark."""
    return re.split(r"[?#]", uri, maxsplit=1)[0] if uri.startswith(("http://", "https://")) else uri


@lru_cache(maxsize=4096)
def _system(uri: str) -> tuple[Any, str]:
    """Fsspec's file system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UsageError("missing_package", "URLs need the package fsspec", "pip install fsspec") from None
    try:
        return url_to_fs(uri)
    except ImportError as error:
        raise UsageError("missing_package", f"cannot open {uri}: {error}", "install that package, or copy it") from None
    except ValueError as error:
        raise UsageError("bad_option", f"cannot open {uri}: {error}", "give a path or a URL fsspec knows") from None
