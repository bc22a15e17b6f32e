"""CIFs that break the syntax: the lax forms that programs and people write. They are read only where what is lax leaves
cell, sites and symmetry certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import gemmi

from andersonn.errors import InputError
from andersonn.structures.readers.crystals.cif.document import (
    Draft,
    current_name,
    is_decisive,
    is_structural,
    is_text,
    quoted,
)

PLAIN = {
    0x2212: "-",
    0x2248: "~",
    0x223C: "~",
    0x00B0: " ",
    0x00C5: " ",
    0x212B: " ",
    0x200B: None,
    0xFEFF: None,
    0x1A: " ",
}
"""What a file that breaks the syntax may hold instead of plain signs: a typeset minus or "about", units, marks of no width,
Ctrl-Z.
"""
MOST_WORDS = 500_000
"""A larger file is not tried: a structure of 50,000 atoms has as many."""
MOST_BLOCKS = 10_000
MOST_COLUMNS = 200
"""Of a loop; the sites of a structure have some 20."""
LONGEST_NAME = 80
STRAY = re.compile(r"[,;.]+")
RULER = re.compile(r"[-=*~+]{4,200}")
ENDS = ("end", "eof", "end.", "end_of_file")
ERROR = re.compile(r"[(\[]\d{1,3}[)\]]")
UNITS = re.compile(r"Å|A|Ang(?:strom)?s?\.?|°|deg(?:rees?)?\.?", re.IGNORECASE)
OTHER_UNITS = re.compile(r"[np\u00b5mc]?m|bohr|a\.?u\.?|rad(?:ians?)?", re.IGNORECASE)
MISWRITTEN = ("_loop", "_data")
HEADER = re.compile(r"(?:data|save)_|(?:loop|stop|global)_$", re.IGNORECASE)
SWALLOWED = re.compile(
    r"^[ \t]*(?:loop_|data_|_cell_|_atom_site_|_symmetry_|_space_group_)", re.IGNORECASE | re.MULTILINE
)
"""Lines within a text that show that its end was lost."""
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


def read(text: str, error: InputError) -> list[Draft]:
    """The data blocks of a text that breaks the syntax of CIF.

    Args:
        text: of the file.
        error: what breaks the syntax.

    Raises:
        InputError: ``error``, if what is broken may be the structure, or one that names what is broken.
    """
    plain = text.translate(PLAIN)
    drafts = _drafts(plain, error)
    if drafts and plain != text:
        drafts[0].repairs.append("it holds units or signs that CIF does not know")
    return drafts


def _drafts(text: str, error: InputError) -> list[Draft]:
    found = list(islice(words(text), MOST_WORDS + 1))
    if len(found) > MOST_WORDS or sum(word.bare and word.text[:5].lower() == "data_" for word in found) > MOST_BLOCKS:
        raise error
    first = next((k for k, word in enumerate(found) if _is_mark(word)), 0)
    prose = first if found and found[first].text[:5].lower() == "data_" else 0
    kept = [word for word in found[prose:] if not (word.bare and RULER.fullmatch(word.text))]
    ended = len(kept) > 1 and kept[-1].bare and kept[-1].text.lower() in ENDS and kept[-1].line > kept[-2].line
    drafts = _Assembly(kept[:-1] if ended else kept, error).drafts()
    if drafts:
        told = {
            "words before data_": prose,
            "lines of dashes": len(found) - prose - len(kept),
            f"{kept[-1].text[:5]} at its end": ended,
        }
        drafts[0].repairs += [text for text, is_so in told.items() if is_so]
    return drafts


def other_unit(words: list[str]) -> str:
    """The one word that is a unit which is not read, such as ``nm``; else empty."""
    return words[0] if len(words) == 1 and OTHER_UNITS.fullmatch(words[0]) else ""


def unread_unit(name: str, unit: str) -> InputError:
    """The error for a length or angle of the cell in such a unit."""
    wanted = "degrees" if "angle" in name.lower() else "Å"
    return InputError("bad_cif", f"the unit {unit} of {name} is not read", f"convert to {wanted}")


class _Assembly:
    """Words of a file → drafts of its blocks."""

    def __init__(self, found: list[Word], error: InputError) -> None:
        self.words, self.error, self.at = found, error, 0
        self.blocks: list[Draft] = []
        self.named: set[str] = set()

    def drafts(self) -> list[Draft]:
        while self.at < len(self.words):
            word = self.words[self.at]
            self.at += 1
            if not word.bare:
                raise self.error
            if word.text.lower().startswith("data_"):
                self._block(word.text[5:] + self._rest_of_line(word))
            elif word.text.lower() == "loop_":
                self._loop(self._draft())
            elif word.text[0] == "_":
                self._pair(self._draft(), word)
            elif not self.blocks or not STRAY.fullmatch(word.text):
                raise self.error
            else:
                self.blocks[-1].repairs.append(f"a stray {word.text[:5]!r}")
        return self.blocks

    def _rest_of_line(self, word: Word) -> str:
        """What stands behind the name of a block, as in ``data_sodium chloride``."""
        rest = ""
        while self.at < len(self.words) and self.words[self.at].line == word.line and not _is_mark(self.words[self.at]):
            rest += f" {self.words[self.at].text[:LONGEST_NAME]}"
            self.at += 1
        return rest[:LONGEST_NAME]

    def _draft(self) -> Draft:
        """The present block; a file may begin without the name of one."""
        if not self.blocks:
            self.blocks.append(Draft("", repairs=["it begins without a line data_"]))
        return self.blocks[-1]

    def _block(self, name: str) -> None:
        draft = Draft(name)
        if name.lower() in self.named:
            draft.name = f"{name} ({len(self.blocks) + 1})"
            draft.repairs.append(f"two blocks are called {name[:LONGEST_NAME]!r}")
        self.named.add(name.lower())
        self.blocks.append(draft)

    def _values(self) -> list[Word]:
        start = self.at
        while self.at < len(self.words) and not _is_mark(self.words[self.at]):
            self.at += 1
        return self.words[start : self.at]

    def _pair(self, draft: Draft, name: Word) -> None:
        values = self._values()
        if not values:
            if name.text.lower() in MISWRITTEN:
                raise self.error
            if is_structural(current_name(name.text)):
                raise InputError("bad_cif", f"{name.text} has no value (line {name.line})", "complete the line")
            draft.repairs.append(f"{name.text} has no value")
            return
        self._tell_ends(draft, name.text, values)
        if len(values) > 1:
            draft.add_pair(current_name(name.text), self._joined(draft, name, values))
        else:
            draft.add_pair(current_name(name.text), values[0].text)

    def _joined(self, draft: Draft, name: Word, values: list[Word]) -> str:
        """The value of an item that has several words."""
        title, tag = current_name(name.text), name.text
        rest = [word for word in values[1:] if not (word.bare and STRAY.fullmatch(word.text))]
        if not rest:
            draft.repairs.append(f"stray punctuation after {tag}")
            return values[0].text
        if len(rest) == 1 and title.lower().startswith("_cell_") and ERROR.fullmatch(rest[0].text):
            draft.repairs.append(f"a blank in {tag}")
            return values[0].text
        if len(rest) == 1 and title.lower().startswith("_cell_") and UNITS.fullmatch(rest[0].text):
            draft.repairs.append(f"a unit after {tag}")
            return values[0].text
        unit = other_unit([word.text for word in rest]) if title.lower().startswith("_cell_") else ""
        if unit:
            raise unread_unit(tag, unit)
        if not is_text(title):
            raise InputError(
                "bad_cif",
                f"{tag} has {len(values)} values (line {name.line})",
                "write one value, in quotes if it has blanks",
            )
        draft.repairs.append(f"{tag} has blanks but no quotes")
        return quoted(" ".join(gemmi.cif.as_string(word.text) for word in values))

    def _loop(self, draft: Draft) -> None:
        names = []
        while self.at < len(self.words) and self.words[self.at].bare and self.words[self.at].text[0] == "_":
            names.append(self.words[self.at].text)
            self.at += 1
        values = self._values()
        self._tell_ends(draft, names[0] if names else "loop_", values)
        if (
            not names
            or len(names) > MOST_COLUMNS
            or (not values and self.at < len(self.words) and self._is_strange(names))
        ):
            raise self.error
        if len(values) % len(names):
            kept = [word for word in values if not (word.bare and STRAY.fullmatch(word.text))]
            if len(kept) % len(names) == 0:
                draft.repairs.append(f"stray punctuation in the loop of {names[0]}")
                values = kept
        if len(values) % len(names):
            if any(is_structural(current_name(name)) or is_decisive(current_name(name)) for name in names):
                raise self.error
            draft.repairs.append(f"the loop of {names[0]} has not a value for each item and was left out")
            return
        draft.add_loop([current_name(name) for name in names], [word.text for word in values])

    def _is_strange(self, names: list[str]) -> bool:
        """Whether what follows an empty loop of sites or operations may be its first value (a label such as _H1)."""
        return any(is_structural(current_name(name)) for name in names)

    def _tell_ends(self, draft: Draft, name: str, values: list[Word]) -> None:
        """A text may have lost its end; one that then holds items of the file cannot be told from them."""
        flaws = list(dict.fromkeys(word.flaw for word in values if word.flaw))
        doubtful = values if len(values) > 1 or ENDLESS in flaws else ()
        if any(word.text[:1] == ";" and SWALLOWED.search(word.text) for word in doubtful):
            raise self.error
        if OPEN in flaws and is_structural(current_name(name)):
            raise self.error
        draft.repairs += [f"{flaw} ({name})" for flaw in flaws]


def _is_mark(word: Word) -> bool:
    """Whether a word is the name of an item or a keyword."""
    return word.bare and (word.text[0] == "_" or HEADER.match(word.text) is not None)


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
                word = WORD.match(text, max(start, end - 1))
                assert word is not None  # no space is there
                position = word.end()
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
