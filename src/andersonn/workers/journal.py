"""Finished rows in a file of JSON lines, from which an interrupted run goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from andersonn.errors import UsageError
from andersonn.files import from_json

Row = dict[str, Any]


class Journal:
    """Rows by their ``key``, appended one by one; a line cut short by a kill is dropped when the file is opened again.

    Args:
        path: the file; folders are made. None keeps rows in memory only.

    Raises:
        UsageError: the file is no journal, cannot be written, or another run is writing it.
    """

    def __init__(self, path: Path | None) -> None:
        self.rows: dict[str, Row] = {}
        self._path = path
        self._stream: IO[str] | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise UsageError(
                "not_writable", f"cannot write {str(path)!r}: {error.strerror}", "choose another --out"
            ) from None
        _lock(self._stream, path)
        self._read()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._stream is not None:
            self._stream.close()

    def append(self, row: Row) -> None:
        """Keeps a row; on disk it is whole before this returns."""
        self.rows[row["key"]] = row
        if self._stream is not None:
            self._stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def _read(self) -> None:
        assert self._stream is not None
        self._stream.seek(0)
        text = self._stream.read()
        whole = text[: text.rfind("\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                row = from_json(line)
                self.rows[row["key"]] = row  # a later row stands for a retried earlier one
            except (ValueError, KeyError, TypeError):
                raise UsageError(
                    "bad_journal",
                    f"line {number} of {str(self._path)!r} is no row of an earlier run",
                    "choose another --out, or delete the file to begin again",
                ) from None
        if len(whole) < len(text):
            self._stream.truncate(len(whole.encode("utf-8")))


def _lock(stream: IO[str], path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # no such locks on Windows: two runs into one file are then the user's to avoid
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UsageError(
            "in_use", f"another run is writing {str(path)!r}", "wait for it, or choose another --out"
        ) from None
