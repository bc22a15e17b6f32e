"""The data blocks of a CIF: read by its syntax, or, where a file breaks it, as the known lax forms."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.structures.readers.cif import dialects
from andersonn.structures.readers.cif.names import current_name
from andersonn.structures.readers.parts import MOST_PARTS, refuse_more_parts

MOST_VALUES = 10_000_000
"""The parser takes 32 bytes for each, however short it is. A structure of 200,000 atoms with 20 columns has 4 millions."""


PLAIN = {0x2212: "-", 0x00B0: " ", 0x00C5: " ", 0x212B: " ", 0x200B: None, 0xFEFF: None, 0x1A: " "}
"""What a file that breaks the syntax may hold instead of plain signs: a typeset minus, units, marks of no width, Ctrl-Z."""


@dataclass
class Block:
    """One data block.

    Attributes:
        name: as the file has it; a name that several blocks have is numbered.
        items: its single items and loops, under the names of CIF 1.
        columns: lower-case names of all items → how many values each has.
        notes: what of it breaks the syntax of CIF and was read nevertheless.
        last: whether it ends with its atom sites and the file with it, as files do that are cut short.
    """

    name: str
    items: gemmi.cif.Block
    columns: dict[str, int]
    notes: tuple[str, ...] = ()
    last: bool = False
    keep: object = field(default=None, repr=False)

    def value(self, *names: str) -> str | None:
        """The first of the single items that is there and not unknown, without quotes."""
        for name in names:
            if name.lower() in self.columns:
                found = self.items.find_values(name)
                if len(found) and not gemmi.cif.is_null(found[0]):
                    return gemmi.cif.as_string(found[0]).strip()
        return None

    def column(self, name: str) -> list[str] | None:
        """All values of an item as they stand in the file, or None if it is not there."""
        return list(self.items.find_values(name)) if name.lower() in self.columns else None


def read_document(text: str) -> gemmi.cif.Document:
    """The data blocks of a CIF that keeps to the syntax.

    Raises:
        InputError: it breaks the syntax of CIF, or is too large.
    """
    _bound(text)
    try:
        return gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        raise _broken(text, str(error)) from None


def read_blocks(text: str) -> list[Block]:
    """The data blocks of a CIF, whose items have the names of CIF 1. What breaks the syntax in a way that leaves the
    structure certain is read and told in the block's notes.

    Raises:
        InputError: it breaks the syntax of CIF otherwise, or is too large.
    """
    _bound(text)
    try:
        document = gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        return _read_lax(text, str(error))
    return _finished([_with_current_names(block, (), document) for block in document])


def _read_lax(text: str, reason: str) -> list[Block]:
    error = _broken(text, reason)
    plain = text.translate(PLAIN)
    drafts = dialects.read(plain, error)
    if drafts and plain != text:
        drafts[0].repairs.append("it holds units or signs that CIF does not know")
    return _finished([_with_current_names(draft.built(), draft.notes(), None) for draft in drafts])


def _finished(blocks: list[Block]) -> list[Block]:
    if blocks:
        items = list(blocks[-1].items)
        loop = items[-1].loop if items else None
        blocks[-1].last = loop is not None and any(tag.lower().startswith("_atom_site_fract") for tag in loop.tags)
    return blocks


def _with_current_names(items: gemmi.cif.Block, notes: tuple[str, ...], keep: object) -> Block:
    """A block under the names of CIF 1: those with a dot, as in DDLm dictionaries, are renamed."""
    columns, renamed = _columns(items), False
    for name in columns:
        if current_name(name) != name:
            renamed = True
            break
    if not renamed:
        return Block(items.name, items, columns, notes, keep=keep)
    draft = dialects.Draft(items.name)
    for item in items:
        if item.pair is not None:
            draft.add_pair(current_name(item.pair[0]), item.pair[1])
        elif item.loop is not None:
            draft.add_loop([current_name(tag) for tag in item.loop.tags], list(item.loop.values))
    items = draft.built()
    return Block(items.name, items, _columns(items), notes + draft.notes())


def _columns(items: gemmi.cif.Block) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in items:
        if item.pair is not None:
            found[item.pair[0].lower()] = 1
        elif item.loop is not None:
            length = item.loop.length()
            found.update((tag.lower(), length) for tag in item.loop.tags)
    return found


def _bound(text: str) -> None:
    if len(text) > MOST_PARTS * len("data_"):  # the parser takes quadratic time in their number
        refuse_more_parts(sum(map(text.lower().count, ("data_", "save_"))))
    if len(text) > MOST_VALUES:
        space = np.frombuffer(text.encode(), np.uint8) <= ord(" ")
        values = np.count_nonzero(space[:-1] > space[1:])
        if values > MOST_VALUES:
            raise InputError(
                "too_large", f"the CIF has {values:,} values; at most {MOST_VALUES:,} are read", "split it"
            )


def _broken(text: str, reason: str) -> InputError:
    """What the parser ran into, and whether the file's end shows that something is missing."""
    place = re.match(r"string:(\d+)", reason)
    reason = re.sub(r"^string:(?=\d)", "line ", reason).removeprefix("string:").strip()
    if "duplicate" in reason:
        return InputError("bad_cif", f"not a valid CIF: {reason}", "give each block and item its own name")
    hint = "correct the line, or write the file again"
    if "unterminated" in reason:
        hint = "the file may be cut short; write or download it again"
    elif "Wrong number" in reason and place and _is_in_last_loop(text, int(place[1])):
        hint = "the file may be cut short, or a value that begins with _ or holds blanks lacks its quotes"
    return InputError("bad_cif", f"not a valid CIF: {reason}", hint)


def _is_in_last_loop(text: str, line: int) -> bool:
    """Whether the loop that starts at a line, counted from 1, is the last thing in the file."""
    start = -1
    for _ in range(line - 1):
        start = text.find("\n", start + 1)
    in_header = True
    for row in text[start + 1 :].split("\n"):
        word = row.lstrip()[:5].lower()
        is_name = word.startswith("_") or word in ("loop_", "data_")
        if is_name and not in_header:
            return False
        in_header = in_header and (is_name or not word or word[0] == "#")
    return True
