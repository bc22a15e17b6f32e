"""CSV and other delimited text: records, delimiters, fields."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from andersonn.errors import InputError
from andersonn.structures.readers.tables.columns import Columns, is_smiles_name

DELIMITERS = ",\t;|"
LONGEST_RECORD = 1 << 20
"""Characters, as many as a CIF of 10,000 atoms has. A quote that is not closed within so many affects its own line alone."""
HINT = "a field that holds the delimiter or a line end must stand in double quotes"


def records(lines: Iterable[str], delimiter: str) -> Iterator[str]:
    """The records of a table: lines, joined where a quoted field goes on.

    A field opens with a quote at its beginning. One that is never closed costs its own line alone, see :meth:`Layout.fields`.

    Args:
        lines: with or without their ends.
        delimiter: of fields.
    """
    waiting: list[str] = []
    pending = iter(lines)
    again: list[str] = []
    is_open, length = False, 0
    while (line := again.pop() if again else next(pending, None)) is not None:
        is_open = _stays_open(line, is_open, delimiter)
        waiting.append(line)
        length += len(line)
        if is_open and length > LONGEST_RECORD:
            yield waiting[0]
            again += reversed(waiting[1:])
        elif is_open:
            continue
        else:
            yield _joined(waiting)
        waiting, is_open, length = [], False, 0
    while waiting:  # a quote that is open at the end
        yield waiting[0]
        rest, waiting, is_open = waiting[1:], [], False
        for line in rest:
            is_open = _stays_open(line, is_open, delimiter)
            waiting.append(line)
            if not is_open:
                yield _joined(waiting)
                waiting = []


def _joined(lines: list[str]) -> str:
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines[:-1]) + lines[-1]


def _stays_open(line: str, is_open: bool, delimiter: str) -> bool:
    """Whether a quoted field goes on after a line, as Python's csv module has it."""
    if '"' not in line:
        return is_open
    at = 0
    while True:
        if is_open:
            end = line.find('"', at)
            if end < 0:
                return True
            at = end + 1
            if line.startswith('"', at):  # a doubled quote is a letter
                at += 1
                continue
            is_open = False
        elif at == 0 and line.startswith('"'):
            is_open, at = True, 1
            continue
        start = line.find(delimiter + '"', at) if delimiter else -1
        if start < 0:
            return False
        is_open, at = True, start + len(delimiter) + 1


@dataclass(frozen=True)
class Layout:
    """How the records of a table are read.

    Attributes:
        names: of the columns.
        delimiter: of fields; empty if white space parts them.
    """

    names: tuple[str, ...]
    delimiter: str

    @classmethod
    def of(cls, header: str) -> Layout:
        """The layout that a table's first record tells: the delimiter is the one that occurs most often outside of quotes."""
        header = header.lstrip("\ufeff").rstrip("\r\n")
        if found := re.fullmatch(r"sep=(.)", header):  # a line for Excel
            raise InputError("bad_table", f"the table begins with the line 'sep={found[1]}'", "remove that line")
        bare = re.sub(r'"[^"]*"', "", header)
        delimiter = max(DELIMITERS, key=bare.count)
        delimiter = delimiter if bare.count(delimiter) else ","
        return cls(tuple(name.strip() for name in _fields(header, delimiter)), delimiter)

    @classmethod
    def of_list(cls, header: str) -> Layout | None:
        """The layout of a list of SMILES with a first line of column names; None if the line is no such line."""
        header = header.lstrip("\ufeff").strip()
        layout = cls.of(header)
        if len(layout.names) == 1:
            layout = cls(tuple(word.strip("\"'") for word in header.split()), "")
        return layout if any(map(is_smiles_name, layout.names)) else None

    def as_text(self) -> str:
        """As JSON."""
        return json.dumps([self.delimiter, *self.names])

    @classmethod
    def from_text(cls, text: str) -> Layout:
        """The layout back."""
        delimiter, *names = json.loads(text)
        return cls(tuple(names), delimiter)

    def has(self, columns: Columns) -> bool:
        """Whether there is a column that a user named."""
        return any(wanted is not None and wanted in self.names for wanted in columns)

    def fields(self, record: str) -> list[str] | None:
        """The fields of a record, as many as there are columns: missing ones at the end are empty. None of an empty record.

        Raises:
            InputError: there are more, or a quote is not closed.
        """
        record = record.rstrip("\r\n")
        if not record.strip(f" {self.delimiter}"):
            return None
        if not self.delimiter:
            found = [word.strip("\"'") for word in record.split(None, max(len(self.names) - 1, 1))][: len(self.names)]
        else:
            found = [field.strip() for field in _fields(record, self.delimiter)]
        while len(found) > len(self.names) and not found[-1]:
            found.pop()
        if len(found) > len(self.names):
            raise InputError("bad_row", f"it has {len(found)} fields, and the table {len(self.names)} columns", HINT)
        return found + [""] * (len(self.names) - len(found))


def _fields(record: str, delimiter: str) -> list[str]:
    if _stays_open(record, False, delimiter):
        raise InputError("bad_row", f"a double quote is not closed: {record[:40]!r}", f"close or remove it; {HINT}")
    if len(record) > csv.field_size_limit():
        csv.field_size_limit(len(record))
    try:
        return next(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter), [])
    except csv.Error as error:
        raise InputError("bad_row", f"the row cannot be taken apart: {error}", HINT) from None
