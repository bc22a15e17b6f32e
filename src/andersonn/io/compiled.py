"""C code compiled on this machine at its first use and kept in the cache. Callers can do without.

Installing needs no compiler and gives the same files everywhere; a machine with a compiler gets the faster code. What is kept is
named after its source, the command, the processor and its own content, so that none is used for another and nothing damaged is
loaded; nor is what others can write.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from andersonn import launch
from andersonn.io.files import write_whole
from andersonn.io.places import cache_folder
from andersonn.sanitize import first_line

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-shared", "-pthread")
VARIANTS = (("-DCLONES",), ())
"""Tried in turn: with functions for several instruction sets, which some systems cannot load, and without."""
LONGEST = 120
"""Seconds a compiler may take."""


class Unavailable(Exception):
    """There is no compiled code; the message says why, in words for users."""


def library(source: Path, wrong: Callable[[ctypes.CDLL], str]) -> ctypes.CDLL:
    """The functions of a C file.

    Args:
        source: the file.
        wrong: tells what is wrong with a library; empty if nothing is.

    Raises:
        Unavailable: there is no compiler, it fails, or there is no folder for its result that only this user can write to.
    """
    if os.name != "posix":
        raise Unavailable("C code is compiled on Linux and macOS alone")
    try:
        own = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise Unavailable(f"$CC is {os.environ['CC']!r}, which is no command: {error}") from None
    reasons = []
    for compiler in [own] if own else [[name] for name in COMPILERS]:
        for variant in VARIANTS:
            try:
                return _loaded(source, [*compiler, *FLAGS, *variant], wrong)
            except OSError as error:
                reasons.append(str(error))
    reason = next((reason for reason in reasons if not reason.startswith("there is no ")), reasons[0])
    raise Unavailable(f"{source.name} cannot be compiled: {reason}")


def _loaded(source: Path, command: list[str], wrong: Callable[[ctypes.CDLL], str]) -> ctypes.CDLL:
    """Loads the kept result of a command, which is run if there is none that is whole and right. What is neither is not kept."""
    system = (platform.system(), platform.machine(), *platform.libc_ver(), _processor())
    key = hashlib.sha256(repr((command, system)).encode() + source.read_bytes()).hexdigest()[:20]
    folder = _own_folder()
    for kept in sorted(folder.glob(f"{source.stem}-{key}-*.so")):
        with suppress(OSError):  # damaged, or left by a compiler that was broken: made anew
            if _is_whole(kept):
                return _right(kept, wrong)
    code = _compiled(source, command)
    place = folder / f"{source.stem}-{key}-{_digest(code)}.so"
    write_whole(place, lambda name: Path(name).write_bytes(code))
    place.chmod(0o700)
    try:
        return _right(place, wrong)
    except OSError:
        place.unlink(missing_ok=True)
        raise


def _compiled(source: Path, command: list[str]) -> bytes:
    """What a compiler makes of a file, in a folder that holds nothing else."""
    with tempfile.TemporaryDirectory(prefix="andersonn-") as folder:
        place = Path(folder, "library.so")
        done = launch.tool([*command, "-o", str(place), str(source.absolute())], folder, LONGEST)
        if done.returncode:
            raise OSError(f"{command[0]} fails: {first_line(done.stderr.decode(errors='replace'))}")
        if not place.is_file() or not place.stat().st_size:
            raise OSError(f"{command[0]} writes nothing")
        return place.read_bytes()


def _right(place: Path, wrong: Callable[[ctypes.CDLL], str]) -> ctypes.CDLL:
    found = ctypes.CDLL(str(place))
    try:
        told = wrong(found)
    except AttributeError as error:  # it has not the functions
        told = str(error)
    if told:
        raise OSError(told)
    return found


def _is_whole(place: Path) -> bool:
    """Whether a library is what was written, and nobody else could have written it. To load a part of one ends the process."""
    return _is_own(place) and place.stem.endswith(f"-{_digest(place.read_bytes())}")


def _digest(code: bytes) -> str:
    return hashlib.sha256(code).hexdigest()[:20]


def _processor() -> str:
    """What this processor can do, where the system tells: a compiler may be set to use all of it, which others cannot run."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        return next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return ""


def _own_folder() -> Path:
    """The folder of libraries, without links on the way to it.

    Raises:
        Unavailable: others could put another in its place, or write to it; their code would be run.
    """
    folder = (cache_folder() / "compiled").resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    open_to_others = [path for path in folder.parents if not _keeps_entries(path)]
    if open_to_others or not _is_own(folder):
        told = f"others can write to {open_to_others[0] if open_to_others else folder}"
        raise Unavailable(f"{told}: set ANDERSONN_CACHE to a folder of your own")
    return folder


def _is_own(path: Path) -> bool:
    found = path.stat()
    return found.st_uid in (os.getuid(), 0) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _keeps_entries(folder: Path) -> bool:
    """Whether not everybody can replace what lies in a folder: they can in one that all can write to, unless, as in ``/tmp``,
    entries stay with their owners.
    """
    found = folder.stat()
    is_sticky = found.st_mode & stat.S_ISVTX and found.st_uid in (os.getuid(), 0)
    return bool(is_sticky) or not found.st_mode & stat.S_IWOTH
