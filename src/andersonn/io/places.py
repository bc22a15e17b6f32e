"""Folders of the user and of this machine, with the standard library alone."""

from __future__ import annotations

import os
import stat
import tempfile
from functools import cache
from pathlib import Path


def cache_folder() -> Path:
    """Where downloads, graph images and logs are kept.

    ``$ANDERSONN_CACHE``; else a folder in ``$XDG_CACHE_HOME`` or in the home folder; else, where neither can be written,
    one of this user's own in the temporary folder. It need not exist yet.
    """
    own = os.environ.get("ANDERSONN_CACHE")
    return Path(own) if own else _of_the_user() or _temporary()


def is_temporary(folder: Path) -> bool:
    """Whether a folder is the one that stands in for a home folder that cannot be used."""
    return not os.environ.get("ANDERSONN_CACHE") and _of_the_user() is None and folder == _temporary()


def spare_libraries_the_home() -> None:
    """Gives matplotlib a folder where the home folder cannot be used: it would warn, and make its tables anew each time.

    To be called before it is imported.
    """
    if "MPLCONFIGDIR" not in os.environ and _of_the_user() is None:
        os.environ["MPLCONFIGDIR"] = str(cache_folder() / "matplotlib")


def _of_the_user() -> Path | None:
    """Our folder among the user's caches, if it is there or could be made."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base) and _may_be_written(Path(base)):
        return Path(base) / "andersonn"
    if os.environ.get("HOME") == "":  # which Python would take for the root of the file system
        return None
    try:
        home = Path.home()
    except RuntimeError:  # neither $HOME nor an entry for this user among the system's accounts
        return None
    ours = home / ".cache" / "andersonn"
    if not home.is_absolute() or not _is_folder(home):  # a home that is not there is not ours to make
        return None
    return ours if _is_folder(ours) or _may_be_written(ours) else None


def _may_be_written(folder: Path) -> bool:
    """Whether a folder can be written or, where it is not there yet, be made."""
    for place in (folder, *folder.parents):
        try:
            place.stat()
        except FileNotFoundError:
            continue
        except OSError:
            return False
        return _takes_files(place)
    return False


def _takes_files(folder: Path) -> bool:
    """Whether a file can be made in a folder; rights alone do not tell, as in ``/proc`` or on a full quota."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:
        return False


def _temporary() -> Path:
    """A folder of this user's own in the temporary folder."""
    try:
        base = tempfile.gettempdir()
    except OSError:  # nothing at all can be written: what wants to keep something says so
        return Path(os.devnull, "andersonn")
    return _private(base)


@cache
def _private(base: str) -> Path:
    """A folder that nobody else can write to, the same one each time unless somebody else has taken its name."""
    if not hasattr(os, "getuid"):
        return Path(base) / "andersonn"  # there, the temporary folder is the user's own
    folder = Path(base) / f"andersonn-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        found = None
    if found and stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return folder
    return Path(tempfile.mkdtemp(prefix="andersonn-", dir=base))
