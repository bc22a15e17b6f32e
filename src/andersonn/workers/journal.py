"""Finished rows in a file of JSON lines, from which an interrupted run goes on."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from andersonn.errors import UsageError
from andersonn.files import from_json
from andersonn.locks import Held, held

Row = dict[str, Any]


class Journal:
    """Rows by their ``key``, appended one by one. A line cut short by a kill is dropped when the file is opened again.
    Lines end in a line feed alone: other marks that some programs take for the end of a line may stand in names.

    Args:
        path: the file; folders are made. None keeps rows in memory only.

    Raises:
        UsageError: the file is no journal, cannot be written, or another run is writing it.
    """

    def __init__(self, path: Path | None) -> None:
        self.rows: dict[str, Row] = {}
        self._path = path
        self._stream: BinaryIO | None = None
        self._held = ExitStack()
        if path is None:
            return
        try:
            self._open(path)
            self._read()
        except BaseException:
            self._held.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._held.close()

    def append(self, row: Row) -> None:
        """Keeps a row; on disk it is whole before this returns."""
        self.rows[row["key"]] = row
        if self._stream is not None:
            self._write(json.dumps(row, allow_nan=False).encode("ascii") + b"\n")

    def _open(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._held.enter_context(held(path.with_name(f".{path.name}.lock")))
            self._stream = self._held.enter_context(path.open("a+b"))
        except Held:
            raise UsageError(
                "in_use", f"another run is writing {str(path)!r}", "wait for it, or choose another --out"
            ) from None
        except OSError as error:
            raise UsageError(
                "not_writable", f"cannot write {str(path)!r}: {error.strerror}", "choose another --out"
            ) from None

    def _write(self, content: bytes) -> None:
        assert self._stream is not None
        self._stream.write(content)
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def _read(self) -> None:
        assert self._stream is not None
        self._stream.seek(0)
        *lines, last = self._stream.read().split(b"\n")
        for number, line in enumerate(lines, start=1):
            if line.strip():
                self._take(line, number)
        if not last:
            return
        if _row(last) is not None:  # only the end of its line is missing
            self._take(last, len(lines) + 1)
            self._write(b"\n")
        elif _may_be_cut(last):
            self._stream.truncate(sum(len(line) + 1 for line in lines))
        else:
            raise self._no_row(len(lines) + 1)

    def _take(self, line: bytes, number: int) -> None:
        row = _row(line)
        if row is None:
            raise self._no_row(number)
        self.rows[row["key"]] = row  # a later row stands for a retried earlier one

    def _no_row(self, number: int) -> UsageError:
        return UsageError(
            "bad_journal",
            f"line {number} of {str(self._path)!r} is no row of an earlier run",
            "choose another --out, or delete the file to begin again",
        )


def _row(line: bytes) -> Row | None:
    """The row that a line holds, or None."""
    try:
        row = from_json(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("key"), str) else None


def _may_be_cut(line: bytes) -> bool:
    """Whether a line can be the beginning of a row, or a block of the disk that was never filled."""
    try:
        from_json(line)
    except ValueError:
        return line.startswith(b"{") or not line.strip(b"\0")
    return False
