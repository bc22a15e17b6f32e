"""Excel workbooks → the rows of the one table that is meant."""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from andersonn.errors import InputError
from andersonn.io.installed import how_to_install

MOST_UNPACKED = 512 << 20
"""Bytes that a workbook may have unpacked; it is read as a stream."""
FIRST_ROWS = 20
"""Among these the names of the columns are looked for."""


def rows_of_workbook(content: bytes, what: str) -> tuple[list[str], Iterator[tuple[str, list[Any]]], str]:
    """Names of the columns; number and values of each row; and the name of the sheet, empty if it is the first.

    The first sheet that holds a table is read. Its names are in the first row with several entries, if one of the first rows has several:
    lines above are a title.

    Args:
        content: of the file.
        what: it is called.

    Raises:
        InputError: it cannot be read, openpyxl is missing, or no sheet holds anything.
    """
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise InputError(
            "missing_package", f"{what} is an Excel workbook, and openpyxl is not installed",
            f"{how_to_install('excel')}, or save the sheet as CSV",
        ) from None  # fmt: skip
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > MOST_UNPACKED:
            raise InputError("too_large", f"{what} has {size / 1e6:.0f} MB when unpacked", "save the sheet as CSV")
        sheets = load_workbook(io.BytesIO(content), read_only=True, data_only=True).worksheets
        tables = [(sheet.title, *_begin(sheet.iter_rows(values_only=True))) for sheet in sheets]
    except InputError:
        raise
    except Exception as error:  # openpyxl raises whatever a broken workbook runs into
        raise InputError("unreadable", f"cannot read {what} as a workbook: {error}", "save the sheet as CSV") from None
    filled = [k for k, (_, first, _) in enumerate(tables) if first]
    if not filled:
        raise InputError("empty_file", f"no sheet of {what} holds anything", "put the table on the first sheet")
    chosen = next((k for k in filled if len(tables[k][1]) > 1), filled[0])
    title, first, rest = tables[chosen]
    header, width = first[0][1], max(k for k, value in enumerate(first[0][1]) if value is not None) + 1
    names = ["" if value is None else str(value).strip() for value in header[:width]]
    later = itertools.chain(first[1:], rest)
    rows = ((str(number), [*row, *[None] * width][:width]) for number, row in later if _count(row))
    return names, rows, "" if chosen == 0 else str(title)


def _begin(
    rows: Iterator[Sequence[Any]],
) -> tuple[list[tuple[int, Sequence[Any]]], Iterator[tuple[int, Sequence[Any]]]]:
    """The first filled rows of a sheet from its names on, with their numbers, and those that follow."""
    numbered = enumerate(rows, start=1)
    first = [(number, row) for number, row in itertools.islice(numbered, FIRST_ROWS) if _count(row)]
    head = next((k for k, (_, row) in enumerate(first) if _count(row) > 1), 0)
    return first[head:], numbered


def _count(row: Sequence[Any]) -> int:
    return sum(value is not None and str(value).strip() != "" for value in row)
