"""C code compiled on this machine at its first use and kept in the cache. Callers can do without.

Installing needs no compiler and gives the same files everywhere; a machine with a compiler gets the faster code. What is kept is
named after its source and the command, so neither is ever used for another, and only what nobody else can write is loaded.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import stat
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


def library(source: Path) -> ctypes.CDLL:
    """The functions of a C file.

    Raises:
        Unavailable: there is no compiler, it fails, or there is no folder for its result that only this user can write to.
    """
    if os.name != "posix":
        raise Unavailable("C code is compiled on Linux and macOS alone")
    own = shlex.split(os.environ.get("CC", ""))
    reasons = []
    for compiler in [own] if own else [[name] for name in COMPILERS]:
        for variant in VARIANTS:
            try:
                return _loaded(source, [*compiler, *FLAGS, *variant])
            except OSError as error:
                reasons.append(str(error))
    reason = next((reason for reason in reasons if not reason.startswith("there is no ")), reasons[0])
    raise Unavailable(f"{source.name} cannot be compiled: {reason}")


def _loaded(source: Path, command: list[str]) -> ctypes.CDLL:
    """Loads the kept result of a command, which is run if there is none."""
    system = (platform.system(), platform.machine(), *platform.libc_ver())
    key = hashlib.sha256(repr((command, system)).encode() + source.read_bytes()).hexdigest()[:20]
    folder = cache_folder().absolute() / "compiled"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = folder / f"{source.stem}-{key}.so"
    if not place.exists():
        _require_own(folder)
        write_whole(place, lambda name: _compile([*command, "-o", name, str(source.absolute())], folder))
        place.chmod(0o700)
    for path in (folder, place):
        _require_own(path)
    return ctypes.CDLL(str(place))


def _compile(command: list[str], folder: Path) -> None:
    done = launch.tool(command, str(folder), LONGEST)
    if done.returncode:
        raise OSError(f"{command[0]} fails: {first_line(done.stderr.decode(errors='replace'))}")


def _require_own(path: Path) -> None:
    """Refuses what others could have written: it would be run."""
    found = path.stat()
    if found.st_uid not in (os.getuid(), 0) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Unavailable(f"others can write to {path}: set ANDERSONN_CACHE to a folder of your own")
