"""Splitting a list, a table or a file of many records into parts that are read one by one.

It happens in a process that reads, since what is split was sent by strangers. Nothing is made of the parts here, neither
structures nor geometries, so that a list is counted in a moment and can be refused before work on it begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from andersonn.errors import InputError
from andersonn.sanitize import lines_of
from andersonn.structures.readers.content import (
    LONGEST_NAME,
    MAX_MEGABYTES,
    format_of,
    is_table_name,
    text_of,
    unpacked_content,
)
from andersonn.structures.readers.molecules.molfiles import sdf_records
from andersonn.structures.readers.molecules.smiles_lists import titled_lines
from andersonn.structures.readers.tables.columns import USUAL_COLUMNS, Roles
from andersonn.structures.readers.tables.rows import name_of, required
from andersonn.structures.readers.tables.table import Table, table_of
from andersonn.structures.readers.xyz.frames import atom_count
from andersonn.web.inputs import ending_of

Part = dict[str, Any]
"""The payload of a part, as :meth:`andersonn.web.inputs.Item.as_payload` gives it, with ``id`` (of its structure; empty if
reading finds it), ``within`` (what messages call it) and perhaps ``error`` (what is wrong with it already)."""
RECORDS = {"sdf": "record", "xyz": "frame"}
"""Formats of many records → what a record is called."""


def split(payload: dict[str, Any], most: int) -> list[Part] | None:
    """The parts of an item in their order, each to be read alone; None if it is to be read as a whole.

    Args:
        payload: the item, as :meth:`andersonn.web.inputs.Item.as_payload` gives it.
        most: parts that there may be.

    Raises:
        InputError: ``too_many`` parts; the item as a whole cannot be read.
    """
    if payload["ending"] == "":  # a single SMILES
        return None
    content = payload["content"].encode("latin-1")
    ending = ending_of(content, payload["shown"]) if payload["ending"] is None else payload["ending"]
    path = PurePosixPath(payload["stem"] + ending)
    kind = "table" if is_table_name(path) else format_of(path)
    found: Iterator[Part] | None = None
    if kind == "table":
        found = _rows(payload, table_of(content, path))
    elif kind in ("smi", *RECORDS):
        text = text_of(unpacked_content(content, str(path), MAX_MEGABYTES), path)
        found = _lines(payload, text) if kind == "smi" else _records(payload, text, kind, ending)
    if found is None:
        return None
    parts = []
    for part in found:
        parts.append(part)
        if len(parts) > most:
            raise too_many(most)
    return parts if len(parts) > 1 else None


def too_many(most: int) -> InputError:
    """The error for an item of more than ``most`` parts."""
    return InputError("too_many", f"more than {most} structures", "use andersonn predict, which has no limit")


def _part(payload: Part, id: str, within: str, content: str, ending: str = "") -> Part:
    """A part; its content is text in ASCII, or UTF-8 whose bytes are letters, as that of every payload."""
    own = {"ending": ending, "content": content.encode().decode("latin-1"), "id": id, "within": within}
    return {"shown": payload["shown"], "stem": payload["stem"], **own}


def _lines(payload: Part, text: str) -> Iterator[Part]:
    for title, (_, line) in titled_lines(text).items():
        name = _short(title)
        yield _part(payload, f"{payload['stem']}:{name}", f"molecule {name}", line)


def _records(payload: Part, text: str, kind: str, ending: str) -> Iterator[Part]:
    records = sdf_records(text) if kind == "sdf" else _frames(lines_of(text))
    titles = [_short(record.partition("\n")[0].strip()) if kind == "sdf" else "" for record in records]
    often = Counter(titles)
    for number, (record, title) in enumerate(zip(records, titles, strict=True), start=1):
        name = title if title and often[title] == 1 else str(number)
        yield _part(payload, f"{payload['stem']}:{name}", f"{RECORDS[kind]} {name}", record, ending)


def _frames(lines: list[str]) -> list[str]:
    """Frames of an xyz file, with the text behind each, as their reader splits them. After a first line that should count atoms and
    does not, all is one frame, which its reader will refuse.
    """
    starts: list[int] = []
    left = 0
    for k, line in enumerate(lines):
        if left == 0 and line.strip():
            count = atom_count(line)
            if count is not None or not starts:
                starts.append(k)
                left = -1 if count is None else count + 2
        left -= left > 0
    return ["\n".join(lines[start:end]) + "\n" for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def _rows(payload: Part, table: Table) -> Iterator[Part] | None:
    """The rows of a table of SMILES; None of a table of files or atoms, whose rows may hold several structures."""
    roles = Roles.of(table.names, USUAL_COLUMNS, table.sample(), table.what)
    if roles.smiles is None or roles.atoms is not None:
        return None
    return (_row(payload, roles, number, values) for number, values in table.rows)


def _row(payload: Part, roles: Roles, number: str, values: Sequence[Any] | InputError) -> Part:
    within = f"row {number}"
    try:
        if isinstance(values, InputError):
            raise values
        assert roles.smiles is not None
        return _part(payload, name_of(roles, values), within, required(values[roles.smiles], "SMILES"))
    except InputError as error:
        return _part(payload, "", within, "") | {"error": error.as_dict()}


def _short(title: str) -> str:
    return title if len(title) <= LONGEST_NAME else f"{title[: LONGEST_NAME - 1]}…"
