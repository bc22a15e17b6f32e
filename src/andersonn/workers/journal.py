"""Finished rows in a file of JSON lines, from which an interrupted run goes on."""

from __future__ import annotations

import codecs
import json
import logging
import os
import re
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from andersonn.errors import UsageError
from andersonn.io.files import cannot_write, from_json, in_use, require_encodable
from andersonn.io.locks import Held, held

log = logging.getLogger(__name__)
Row = dict[str, Any]
MARK = re.compile(r'\\.|["{}\[\]]')
"""What opens or closes a part of JSON; a backslash takes the next character with it."""
ENDS_OF_TEXT = ('"', 'n"', '0"', '00"', '000"', '0000"')
"""What a string may lack, with a backslash or a number of a character cut."""
WORDS = ("true", "false", "null", "NaN", "Infinity")
ENDS = ("", "0", ": 0", '"": 0', *(word[k:] for word in WORDS for k in range(1, len(word))))
"""What may be lacking elsewhere before all brackets are closed."""


class Journal:
    """Rows by their ``key``, appended one by one. A line cut short by a kill is dropped when the file is opened again; if it
    is all there is, it is kept as ``NAME.cut``. Lines end in a line feed alone: other marks that some programs take for the end of a line may stand in names.

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
            require_encodable(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            real = Path(os.path.realpath(path))  # a link to a journal leads to the same lock
            self._held.enter_context(held(real.with_name(f".{real.name}.lock")))
            self._stream = self._held.enter_context(path.open("a+b"))
        except Held:
            raise in_use(path) from None
        except OSError as error:
            raise cannot_write(path, error) from None

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
        elif _may_be_cut(last) if self.rows else _begins(last):
            if not self.rows:
                self._keep(last)
            self._stream.truncate(sum(len(line) + 1 for line in lines))
        else:
            raise self._no_row(len(lines) + 1)

    def _keep(self, cut: bytes) -> None:
        """Puts what is cut off beside the journal: no row before it says for certain that it was one."""
        assert self._path is not None
        number, place = 1, self._path.with_name(f"{self._path.name}.cut")
        while place.exists() or place.is_symlink():
            number += 1
            place = self._path.with_name(f"{self._path.name}.cut-{number}")
        try:
            with place.open("xb") as stream:
                stream.write(cut)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise cannot_write(place, error) from None
        log.warning("%s holds no whole row; what it holds is kept as %s", self._path, place)

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
        row = from_json(line.decode("utf-8-sig"))
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("key"), str) else None


def _may_be_cut(line: bytes) -> bool:
    """Whether what follows whole rows can be the beginning of one, or a block of the disk that was never filled."""
    written = line.rstrip(b"\0")
    return not written or _begins(written)


def _begins(line: bytes) -> bool:
    """Whether a line is the beginning of a row: an end makes it one object of JSON, of which it has not the whole."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(line)  # a character may be cut too
    except ValueError:
        return False
    if "\r" in text or not (text == "{" or text.startswith('{"')):
        return False
    within, brackets = _open_at_end(text)
    ends = chain(ENDS_OF_TEXT, (end + ": 0" for end in ENDS_OF_TEXT)) if within else ENDS
    return bool(brackets) and any(_is_json(text + end + brackets) for end in ends)


def _open_at_end(text: str) -> tuple[bool, str]:
    """Whether a text of JSON ends within a string, and the brackets that close what is open."""
    within, brackets = False, []
    for mark in MARK.findall(text):
        if mark == '"':
            within = not within
        elif within:
            continue
        elif mark in "{[":
            brackets.append("}" if mark == "{" else "]")
        elif mark in "}]" and brackets:
            brackets.pop()
    return within, "".join(reversed(brackets))


def _is_json(text: str) -> bool:
    try:
        from_json(text)
    except ValueError:
        return False
    return True
