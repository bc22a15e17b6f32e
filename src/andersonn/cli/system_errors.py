"""Errors that are no fault of the call: those of the machine by cause and cure, others in one line and a log file.

Only the standard library is imported here: what is wrong may be any other package.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from andersonn.errors import AndersonnError, cure
from andersonn.io import places
from andersonn.sanitize import harmless, redacted
from andersonn.version import __version__

NO_MEMORY = ("can't allocate memory", "out of memory", "Cannot allocate memory", "bad_alloc", "can't start new thread")
"""Words by which libraries say that memory ran out."""
PACKAGES = {"sklearn": "scikit-learn", "markdown_it": "markdown-it-py", "pynvml": "nvidia-ml-py"}
"""Packages that are not called as their modules are."""
KEPT = 20
"""Log files at most; older ones are removed."""
PATTERN = "error-*.log"


def of_machine(error: Exception) -> AndersonnError | None:
    """What the machine lacked, with its cure, if that is what an error is about."""
    if isinstance(error, MemoryError) or (
        isinstance(error, (RuntimeError, OSError)) and any(words in str(error) for words in NO_MEMORY)
    ):
        return AndersonnError(
            "out_of_memory",
            "the memory of this machine does not suffice",
            "lower max_rows and max_images when training; else give smaller inputs, fewer workers or a larger machine",
        )
    if type(error).__name__ in ("TerminatedWorkerError", "BrokenProcessPool"):
        return AndersonnError(
            "worker_died",
            "a worker process was killed, most likely since memory ran out",
            "free some memory, or let taskset give this program fewer cores, and give the same command again",
        )
    if isinstance(error, ImportError) and (package := _foreign(error)):
        return AndersonnError(
            "not_installed", f"the package {package} is missing or broken: {error}", f"pip install --upgrade {package}"
        )
    if isinstance(error, OSError) and error.errno is not None:
        place = f": {str(error.filename)!r}" if error.filename else ""
        return AndersonnError("system", f"{error.strerror or error}{place}", cure(error))
    return None


def _foreign(error: ImportError) -> str:
    """The package of others that could not be imported; "" if the module is Python's or our own."""
    module = (error.name or "").partition(".")[0]
    if not module or module == "andersonn" or module in sys.stdlib_module_names:
        return ""
    return PACKAGES.get(module, module.replace("_", "-"))


def tell(error: Exception) -> str:
    """Writes the traceback of an error to a log file and says in one line what happened and where the file is."""
    cause = harmless(" ".join(f"{type(error).__name__}: {error}".split())).removesuffix(":")
    report = _report(error)
    for folder in (lambda: places.cache_folder() / "logs", lambda: Path(tempfile.gettempdir())):
        try:
            path = _written(folder(), report)
        except OSError:
            continue
        return f"error: {cause} (unexpected; please report it with {path})"
    return f"error: {cause} (unexpected; no log file could be written, so here is what it would say)\n{report}"


def _report(error: Exception) -> str:
    trace = "".join(traceback.format_exception(error))  # source lines, not the values of variables
    return redacted(
        f"andersonn {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"{datetime.now(UTC).isoformat(timespec='seconds')}\n{sys.argv}\n\n{trace}"
    )


def _written(folder: Path, report: str) -> Path:
    """The new log file, readable by its owner only, since it contains arguments and paths."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    handle, name = tempfile.mkstemp(".log", f"error-{now}-", folder)
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(report)
    others = sorted(path for path in folder.glob(PATTERN) if path != Path(name))  # the clock may have gone back
    for path in others[: 1 - KEPT]:
        with suppress(OSError):  # of another user, or already gone
            path.unlink()
    return Path(name)
