"""The text of a CIF → its data blocks, under the names that items have in CIF 1."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.structures.readers.content import MOST_PARTS, refuse_more_parts

MOST_VALUES = 10_000_000
"""The parser takes 32 bytes for each, however short it is. A structure of 200,000 atoms with 20 columns has 4 millions."""
SHOWN_REPAIRS = 4
UNCERTAINTY = re.compile(r"[(\[\u00b1]|\+/?-")
ABOUT, MARKED = "~*", "*?,;"
"""Signs before a number and behind it that leave it as it is."""
DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+")
ALIASES = {
    "_space_group_symop_xyz": "_space_group_symop_operation_xyz",
    "_space_group_symop_as_xyz": "_space_group_symop_operation_xyz",
    "_space_group_symop.xyz": "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_xyz": "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv_as_xyz": "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv.pos_as_xyz": "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv_pos_site.as_xyz": "_symmetry_equiv_pos_as_xyz",
    "_space_group_it_coordinate_system_code": "_space_group_IT_coordinate_system_code",
    "_atom_site_label_atom_id": "_atom_site_label",
    "_atom_site_frac_x": "_atom_site_fract_x",
    "_atom_site_frac_y": "_atom_site_fract_y",
    "_atom_site_frac_z": "_atom_site_fract_z",
    "_atom_site_site_symmetry_multiplicity": "_atom_site_symmetry_multiplicity",
    "_atom_site_attached_hydrogen": "_atom_site_attached_hydrogens",
    "_atom_site_attached_h": "_atom_site_attached_hydrogens",
    "_atom_site_number_of_attached_hydrogens": "_atom_site_attached_hydrogens",
    "_cell_z": "_cell_formula_units_Z",
}
"""Names of the same item, dots already replaced → its usual name in CIF 1."""
TEXT = re.compile(
    r"_(?:chemical|publ|journal|audit|symmetry|space_group|exptl|diffrn|refine|reflns?|computing|database|citation|cod|ccdc|geom|"
    r"pd|cell|iucr|shelxl?|olex2|oxdiff|jana|vrf|topology|topos|amcsd|platon|squeeze|atom_type|atom_sites|chem|valence|local|"
    r"custom|author|title|icsd|pauling|name|comment|refln|related|restr|tcod|dft|qmof|ddec|pymatgen|ase|aflow|material|mp)(?:_|$)",
    re.IGNORECASE,
)
"""Names of items that describe a structure in words or hold data beside it."""
FAMILIES = re.compile(r"_(?:atom|cell|symmetry|space_group|magn|parent)", re.IGNORECASE)
"""Beginnings of names that may matter for a structure; an item of an unknown family does not."""
WORDS = re.compile(r"_[A-Za-z]{2,30}_[a-z]{2}")
"""A name made of words, unlike a label such as _H1."""
STRUCTURAL = re.compile(r"_cell_(?:length|angle)_|_atom_site_(?!aniso|moment)|.*(?:symop|equiv_pos|ssg)", re.IGNORECASE)
"""Names of items that make the structure: cell, sites and symmetry operations."""
DECISIVE = re.compile(
    r"_space_group_(?:name|it_|magn)|_symmetry_(?:space_group|int_tables)|_cell_modulation|_cell_formula_units_z$",
    re.IGNORECASE,
)


@dataclass
class Block:
    """One data block.

    Attributes:
        name: as the file has it; a name that several blocks have is numbered.
        items: its single items and loops, under the names of CIF 1.
        columns: lower-case names of all items → how many values each has.
        notes: on breaches of the CIF syntax that were repaired.
        last: whether it is the last block and ends with its atom sites: then the file may be cut short.
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


@dataclass
class Draft:
    """A data block under construction: items by their lower-case names, and what was repaired."""

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


def parsed(text: str) -> gemmi.cif.Document | InputError:
    """The data blocks of a CIF; if it breaks the syntax of CIF, the error that says where, returned and not raised.

    Raises:
        InputError: it is too large.
    """
    _bound(text)
    try:
        return gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        return _broken(text, str(error))


def ends_with_sites(items: gemmi.cif.Block) -> bool:
    """Whether the last thing of a block is its loop of sites."""
    all_items = list(items)
    loop = all_items[-1].loop if all_items else None
    return loop is not None and any(tag.lower().startswith("_atom_site_fract") for tag in loop.tags)


def named_block(items: gemmi.cif.Block, notes: tuple[str, ...] = (), keep: object = None) -> Block:
    """A block under the names of CIF 1: those with a dot, as in DDLm dictionaries, are renamed.

    Args:
        items: as the parser has them.
        notes: on what was repaired.
        keep: what owns the items, so that they live as long as the block.
    """
    columns = _columns(items)
    if all(current_name(name) == name for name in columns):
        return Block(items.name, items, columns, notes, keep=keep)
    draft = Draft(items.name)
    for item in items:
        if item.pair is not None:
            draft.add_pair(current_name(item.pair[0]), item.pair[1])  # type: ignore[index]  # gemmi's stubs call a pair an object
        elif item.loop is not None:
            draft.add_loop([current_name(tag) for tag in item.loop.tags], list(item.loop.values))
    items = draft.built()
    return Block(items.name, items, _columns(items), notes + draft.notes())


def _columns(items: gemmi.cif.Block) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in items:
        if item.pair is not None:
            found[item.pair[0].lower()] = 1  # type: ignore[index]  # gemmi's stubs call a pair an object
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


def current_name(name: str) -> str:
    """The name of an item in CIF 1: ``_atom_site.fract_x`` is ``_atom_site_fract_x``. Others stay as they are."""
    plain = name.replace(".", "_") if "." in name else name
    return ALIASES.get(plain.lower(), plain)


def is_structural(name: str) -> bool:
    """Whether an item holds the cell, sites or symmetry operations."""
    return STRUCTURAL.match(name) is not None


def is_decisive(name: str) -> bool:
    """Whether two different values of an item are two different structures."""
    return is_structural(name) or DECISIVE.match(name) is not None


def is_text(name: str) -> bool:
    """Whether an item is known to describe a structure, not to make it, so that words of it change no atom."""
    return bool(TEXT.match(name) or (WORDS.match(name) and not FAMILIES.match(name))) and not is_structural(name)


def number(text: str) -> float:
    """A number of a CIF, NaN if it is none: also ``5.640(2``, ``5.640(0.002)``, ``90.0(-)``, ``~5.64``, ``5.640*``, ``5,640``
    and, for a coordinate, ``1/3``.
    """
    found = gemmi.cif.as_number(text)
    if found == found or len(text) > 40:
        return found
    text = gemmi.cif.as_string(text).strip()
    text = UNCERTAINTY.split(text.lstrip(ABOUT), maxsplit=1)[0].strip().rstrip(MARKED).replace("\u2212", "-")
    if DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    above, slash, below = text.partition("/")
    found = gemmi.cif.as_number(above)
    if slash:
        divisor = gemmi.cif.as_number(below)
        return found / divisor if divisor else float("nan")
    return found


def numbers(texts: list[str]) -> np.ndarray:
    """:func:`number` of each of some texts ``[n]``, of which most columns have few different ones."""
    known = {text: number(text) for text in set(texts)}
    return np.array([known[text] for text in texts])


def quoted(value: str) -> str:
    """A value as it may stand in a file of CIF 1."""
    return gemmi.cif.quote(value.replace("\n;", "\n ;"))


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
