"""A CIF taken apart into words, in one pass: CIF 1 and 2, and quotes and texts that are not closed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import gemmi

ENDLESS = "a text has no end"
OPEN = "a quote is not closed"
COMMA = "a comma stands behind a quoted value"
LONGEST_LIST = 100_000
"""Characters of a list or table of CIF 2 that are looked through for its end."""
WORD = re.compile(r"\S+")
SPACE = re.compile(r"(?:\s+|#[^\n]*)+")
BRACKET = re.compile(r"[\[\]{}]")
CLOSED = {mark: re.compile(rf"{mark}(?=\s|\Z)") for mark in "'\""}
CLOSED_BY_A_COMMA = {mark: re.compile(rf"{mark}[,;](?=\s|\Z)") for mark in "'\""}


class Word(NamedTuple):
    """A value as it may stand in a CIF, or, not in quotes, a name or keyword.

    Attributes:
        text: with quotes where it needs them.
        line: its number in the file, counted from 1.
        bare: whether it stands without quotes.
        flaw: what is wrong with its end, such as :data:`ENDLESS`, or empty.
    """

    text: str
    line: int
    bare: bool
    flaw: str = ""


def words(text: str) -> Iterator[Word]:
    """The words of a CIF in their order; comments are left out."""
    return _Scanner(text.replace("\r\n", "\n").replace("\r", "\n")).words()


def quoted(value: str) -> str:
    """A value as it may stand in a file of CIF 1."""
    return gemmi.cif.quote(value.replace("\n;", "\n ;"))


class _Scanner:
    """What was looked for in vain is remembered, so that no stretch of the text is searched again and again."""

    def __init__(self, text: str) -> None:
        self.text, self.size = text, len(text)
        self.triple = {"'''": True, '"""': True}
        self.open_until = {"'": 0, '"': 0}  # no quote that closes stands before this
        self.line_end = -1
        self.lists = True

    def words(self) -> Iterator[Word]:
        text, position, line = self.text, 0, 1
        while True:
            space = SPACE.match(text, position)
            if space:
                line += text.count("\n", position, space.end())
                position = space.end()
            if position == self.size:
                return
            start, first = position, text[position]
            if first == ";" and (position == 0 or text[position - 1] == "\n"):
                end = text.find("\n;", position)
                inner = text[start + 1 : end if end >= 0 else self.size]
                yield Word(quoted(inner), line, False, "" if end >= 0 else ENDLESS)
                position = end + 2 if end >= 0 else self.size
            elif first in "'\"":
                inner, position, flaw = self._string(start)
                yield Word(quoted(inner), line, False, flaw)
            else:
                end = self._end_of_list(start) if first in "[{" else start
                position = WORD.match(text, max(start, end - 1)).end()
                yield Word(text[start:position] if end == start else quoted(text[start:position]), line, end == start)
            line += text.count("\n", start, position)

    def _string(self, start: int) -> tuple[str, int, str]:
        """The string in quotes that starts at a position, where it ends, and what is wrong with that. One without an end takes its line."""
        text, mark = self.text, self.text[start]
        triple = text[start : start + 3]
        if self.triple.get(triple):
            end = text.find(triple, start + 3)
            if end >= 0:
                return text[start + 3 : end], end + 3, ""
            self.triple[triple] = False
        if start > self.line_end:
            end = text.find("\n", start)
            self.line_end = end if end >= 0 else self.size
        found = None
        if start >= self.open_until[mark]:
            found = CLOSED[mark].search(text, start + 1, self.line_end)
            self.open_until[mark] = 0 if found else self.line_end
        flaw = "" if found else COMMA
        found = found or CLOSED_BY_A_COMMA[mark].search(text, start + 1, self.line_end)
        if found is None:
            return text[start + 1 : self.line_end].strip(), self.line_end, OPEN
        return text[start + 1 : found.start()], found.end(), flaw

    def _end_of_list(self, start: int) -> int:
        """Behind the bracket that closes the one at a position; the position itself if there is none."""
        depth = 0
        for found in BRACKET.finditer(self.text, start, min(self.size, start + LONGEST_LIST)) if self.lists else ():
            depth += 1 if found[0] in "[{" else -1
            if depth == 0:
                return found.end()
        self.lists = False
        return start
