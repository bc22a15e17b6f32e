"""Locks on files, by which one process at a time writes to a place. A lock ends with its process. No other code locks."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger(__name__)
NO_LOCKS = frozenset(
    getattr(errno, name)
    for name in ("ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOLCK", "EINVAL", "ENOTTY")
    if hasattr(errno, name)
)
"""Errors of file systems that have no locks."""


class Held(Exception):
    """Another process holds the lock."""


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Holds the lock of a file, which is made, and removed in the end. It is free again when this process ends, however it
    ends; then the file stays, and does no harm.

    Args:
        path: in a folder that exists.

    Yields:
        Whether there is a lock; False where the file system knows none.

    Raises:
        Held: another process, or another part of this one, has it.
        OSError: the file cannot be made, or something else stands in its place.
    """
    from filelock import FileLock, Timeout  # imported here: with asyncio, which most commands do without

    if not _may_be_lock(path):
        raise OSError(errno.EEXIST, f"its lock {path.name!r} is a link or a folder, which has to go", str(path))
    lock = FileLock(str(path), timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise Held(str(path)) from None
    except NotImplementedError:  # as filelock tells ENOSYS, in some of its versions
        yield False
        return
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        with suppress(OSError):
            path.unlink()
        yield False
        return
    try:
        yield True
    finally:
        if os.name != "nt":  # who opened it before it is removed finds out, and makes a new one
            with suppress(OSError):
                path.unlink()
        lock.release()
        if os.name == "nt":  # which removes no open file
            with suppress(OSError):
                path.unlink()


def _may_be_lock(path: Path) -> bool:
    """Whether a path is a regular file, or nothing. One question, since another process may remove the file after it."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return True
