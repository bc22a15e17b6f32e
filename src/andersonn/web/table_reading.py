"""Looking at a visitor's table in a process apart; see :class:`andersonn.workers.pool.Worker` for how it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from andersonn.constructing.sheets import Sheet, sheet_of
from andersonn.constructing.understanding import understand
from andersonn.errors import InputError
from andersonn.sanitize import harmless
from andersonn.web.reading import confine
from andersonn.web.table_question import Question

MOST_COLUMNS = 500
"""That the page lists."""
SAMPLE = 3
"""Values of a column that are shown."""
LONGEST = 60
"""Letters of one."""


def look(payload: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The columns of a table, and what it says of a target.

    Args:
        payload: an item as :meth:`andersonn.web.inputs.Item.as_payload` gives it, with ``question``, a
            :class:`~andersonn.web.table_question.Question` as JSON, or None to list the columns alone.
        settings: ``rows`` (the most there may be), ``folder`` (where this process may write).

    Returns:
        ``{"rows", "columns", "understanding", "text"}``; the last two None without a question. Files that rows name are not read.

    Raises:
        UsageError: as :func:`~andersonn.constructing.understanding.understand`.
        InputError: there are too many rows.
    """
    confine(settings["folder"])
    path = Path(payload["stem"] + payload["ending"])
    path.write_bytes(payload["content"].encode("latin-1"))
    try:
        question = payload["question"] and Question.from_dict(payload["question"])
        sheet = sheet_of(path, question.target if question else "")
        _check_rows(sheet, settings["rows"])
        found = {"rows": len(sheet.rows) + len(sheet.broken), "columns": _columns(sheet)}
        if question is None:
            return found | {"understanding": None, "text": None}
        understood = understand(path, question.target, read_files=False, **question.options())
        return found | {"understanding": understood.as_dict(), "text": understood.as_text()}
    finally:
        path.unlink(missing_ok=True)


def _check_rows(sheet: Sheet, most: int) -> None:
    if len(sheet.rows) > most:
        hint = "send fewer, or use andersonn construct, which has no limit"
        raise InputError(
            "too_many", f"the table has {len(sheet.rows):,} rows; the web lab takes at most {most:,}", hint
        )


def _columns(sheet: Sheet) -> list[dict[str, Any]]:
    """Name, first values, and whether these are numbers, of each column."""
    found = []
    for k, name in enumerate(sheet.names[:MOST_COLUMNS]):
        values = [values[k] for _, values in sheet.rows[:20] if values[k] not in (None, "")]
        shown = [harmless(str(value))[:LONGEST] for value in values[:SAMPLE]]
        found.append({"name": name, "sample": shown, "numbers": bool(values) and all(map(_is_number, values))})
    return found


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
