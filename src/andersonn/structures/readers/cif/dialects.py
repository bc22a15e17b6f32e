"""The lax forms of CIF that programs and people write. Read only where a file breaks the syntax, and only where what is
lax leaves cell, sites and symmetry certain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice

import gemmi

from andersonn.errors import InputError
from andersonn.structures.readers.cif.names import current_name, is_decisive, is_structural, is_text
from andersonn.structures.readers.cif.words import ENDLESS, OPEN, Word, quoted, words

MOST_WORDS = 500_000
"""A larger file is not tried: a structure of 50,000 atoms has as many."""
MOST_BLOCKS = 10_000
MOST_COLUMNS = 200
"""Of a loop; the sites of a structure have some 20."""
SHOWN_REPAIRS = 4
LONGEST_NAME = 80
STRAY = re.compile(r"[,;.]+")
RULER = re.compile(r"[-=*~+]{4,200}")
ENDS = ("end", "eof", "end.", "end_of_file")
ERROR = re.compile(r"[(\[]\d{1,3}[)\]]")
UNITS = re.compile(r"Å|A|Ang(?:strom)?s?\.?|°|deg(?:rees?)?\.?", re.IGNORECASE)
MISWRITTEN = ("_loop", "_data")
HEADER = re.compile(r"(?:data|save)_|(?:loop|stop|global)_$", re.IGNORECASE)
SWALLOWED = re.compile(
    r"^[ \t]*(?:loop_|data_|_cell_|_atom_site_|_symmetry_|_space_group_)", re.IGNORECASE | re.MULTILINE
)
"""Lines within a text that show that its end was lost."""


@dataclass
class Draft:
    """A data block in the making: items by their lower-case names, and what was repaired."""

    name: str
    pairs: dict[str, tuple[str, str]] = field(default_factory=dict)
    loops: list[tuple[list[str], list[str]]] = field(default_factory=list)
    looped: dict[str, tuple[int, int]] = field(default_factory=dict)
    repairs: list[str] = field(default_factory=list)

    def notes(self) -> tuple[str, ...]:
        """One note that names what was repaired, or none."""
        if not self.repairs:
            return ()
        told = list(dict.fromkeys(self.repairs))
        more = f"; and {len(told) - SHOWN_REPAIRS} more" if len(told) > SHOWN_REPAIRS else ""
        return (
            f"the file breaks the syntax of CIF and was read nevertheless: {'; '.join(told[:SHOWN_REPAIRS])}{more}",
        )

    def add_pair(self, name: str, value: str) -> None:
        """Takes a single item, its value as it stands in a CIF.

        Raises:
            InputError: the item is there already, with a value that makes another structure.
        """
        key = name.lower()
        known = self.pairs[key][1] if key in self.pairs else None
        if key in self.looped:
            column = self._column(key)
            known = column[0] if len(column) == 1 else "several"
        if known is None:
            self.pairs[key] = (name, value)
            return
        if not _same(known, value) and is_decisive(name):
            raise _twice(name, known, value)
        self.repairs.append(f"{name} stands twice" + ("" if _same(known, value) else ", the first was kept"))

    def add_loop(self, names: list[str], values: list[str]) -> None:
        """Takes a loop of complete rows.

        Raises:
            InputError: an item is there already, with values that make another structure.
        """
        kept: list[int] = []
        first: dict[str, int] = {}
        for k, name in enumerate(names):
            key, column = name.lower(), values[k :: len(names)]
            if key in self.pairs:
                known = [self.pairs[key][1]]
            elif key in self.looped:
                known = self._column(key)
            elif key in first:
                known = values[first[key] :: len(names)]
            else:
                kept.append(k)
                first[key] = k
                continue
            same = len(known) == len(column) and all(map(_same, known, column))
            if not same and is_decisive(name) and not key.endswith(("_label", "_id", "_type_symbol")):
                raise _twice(name, f"{len(known)} values", f"{len(column)} others")
            self.repairs.append(f"{name} stands twice" + ("" if same else ", the first was kept"))
        if not kept:
            return
        if len(kept) < len(names):
            if any(is_structural(names[k]) and not names[k].lower().endswith(("_label", "_id")) for k in kept):
                raise InputError(
                    "bad_cif",
                    f"items of one kind stand in two loops: {names[kept[0]]} and what stands twice",
                    "write one loop of them",
                )
            values = [values[row + k] for row in range(0, len(values), len(names)) for k in kept]
            names = [names[k] for k in kept]
        self.looped.update((name.lower(), (len(self.loops), k)) for k, name in enumerate(names))
        self.loops.append((names, values))

    def _column(self, key: str) -> list[str]:
        loop, place = self.looped[key]
        names, values = self.loops[loop]
        return values[place :: len(names)]

    def built(self) -> gemmi.cif.Block:
        """The block as the parser knows it.

        Raises:
            InputError: it holds a name or a value that no CIF may hold.
        """
        lines = ["data_block"]
        lines += [f"{name} {_placed(value)}" for name, value in self.pairs.values()]
        for names, values in self.loops:
            if values:
                lines += ["loop_", *names, *map(_placed, values)]
        try:
            block = gemmi.cif.read_string("\n".join(lines), 0)[0]
        except (ValueError, RuntimeError):
            raise InputError(
                "bad_cif", "names or values of the CIF hold characters that CIF does not allow", "write the file again"
            ) from None
        block.name = self.name
        return block


def _placed(value: str) -> str:
    """A value where a line may begin: a text needs that, and a bare word with a semicolon in front must not look like one."""
    if value[:1] != ";":
        return value
    return f"\n{value}" if "\n" in value else quoted(value)


def _same(a: str, b: str) -> bool:
    if a == b:
        return True
    x, y = gemmi.cif.as_number(a), gemmi.cif.as_number(b)
    plain = [re.sub(r"[\s_]+", "", gemmi.cif.as_string(value)).lower() for value in (a, b)]
    return plain[0] == plain[1] or abs(x - y) < 1e-9  # NaN is not


def _twice(name: str, a: str, b: str) -> InputError:
    return InputError(
        "bad_cif", f"{name} stands twice, with different values: {a[:40]} and {b[:40]}", "keep the right one"
    )


def read(text: str, error: InputError) -> list[Draft]:
    """The data blocks of a text that breaks the syntax of CIF.

    Raises:
        InputError: ``error``, if what is broken may be the structure, or one that names what is broken.
    """
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
