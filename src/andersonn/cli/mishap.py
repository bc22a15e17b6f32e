"""Unexpected errors: one line on the screen, the traceback in a log file."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from andersonn import __version__
from andersonn.plain import redacted, visible

KEPT = 20
"""Log files at most; older ones are removed."""
PATTERN = "error-*.log"


def tell(error: Exception) -> str:
    """Writes the traceback of an error to a log file and says in one line what happened and where the file is."""
    cause = visible(redacted(" ".join(f"{type(error).__name__}: {error}".split()))).removesuffix(":")
    report = _report(error)
    from andersonn.data.store import cache_folder

    for folder in (cache_folder() / "logs", Path(tempfile.gettempdir())):
        try:
            path = _written(folder, report)
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
    """The new log file, readable by its owner alone, since arguments and paths stand in it."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    handle, name = tempfile.mkstemp(".log", f"error-{now}-", folder)
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(report)
    for path in sorted(folder.glob(PATTERN))[:-KEPT]:
        with suppress(OSError):  # of another user, or already gone
            path.unlink()
    return Path(name)
