"""What a data block states of its symmetry: operations, names and number of the space group in the spellings of files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.sanitize import lines_of
from andersonn.structures.readers.crystals.cif.document import Block
from andersonn.structures.readers.crystals.cif.operations import (
    Operations,
    common_share,
    operations_of,
    read_operations,
)

LISTS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
SYMBOLS = (
    "_space_group_name_H-M_alt",
    "_symmetry_space_group_name_H-M",
    "_space_group_name_H-M",
    "_space_group_name_H-M_full",
    "_symmetry_space_group_name_H-M_full",
)
HALL = ("_space_group_name_Hall", "_symmetry_space_group_name_Hall")
NUMBERS = ("_space_group_IT_number", "_symmetry_Int_Tables_number")
CHOICE = ("_space_group_IT_coordinate_system_code", "_symmetry_IT_coordinate_system_code")
SYMMETRY = re.compile(
    r"_(?:symmetry|space_group|symop|magnetic_space_group|magn|parent_space_group)(?:_|$)|.*(?:symop|equiv_pos)"
)
MODULATED = re.compile(
    r".*_ssg_|_space_group_ssg|_cell_modulation_dimension|_cell_wave_vector|_cell_subsystem"
    r"|_atom_site_(?:displace|occ|rot|moment|u|adp)_(?:special|fourier|legendre|xharm|ortho)"
)
SILENT = re.compile(
    r"_symmetry_cell_setting|_space_group_(?:crystal_system|laue_class|point_group\S*|bravais_type|centring_type|patterson\S*"
    r"|id|transform\S*|name_h-m_ref)|_symmetry_equiv_pos_site_id|_symmetry_equiv_pos_id|_space_group_symop_(?:id|sg_id)"
    r"|_space_group_symop_magn_\S*_id|\S*mxmymz|_symmetry_(?:point_group\S*|special\S*|crystal_system|lattice\S*)|_space_group_wyckoff\S*"
    r"|_space_group_symop_generator_xyz"
)
"""Items about symmetry that do not determine any atom."""
NUMBER = re.compile(r"(?:no\.?|nr\.?|#)? ?\(?(\d{1,3})(?:\.0{0,9})?\)?", re.IGNORECASE)
TRIPLET = re.compile(r"[^,]{0,40}[xyzXYZ][^,]{0,40},[^,]{1,40},[^,]{1,40}(?:,.{0,60})?", re.DOTALL)
LONGEST_SYMBOL = 60
LONGEST_NAME = 100
"""Characters of the names of items of which is kept whether they are about symmetry: what is kept stays small."""
SUBSCRIPTS = {0x2080 + k: str(k) for k in range(10)}
HTML = re.compile(r"</?(?:sub|sup|i|b|u|span[^<>]{0,80})>|[~_$\\]|\boverline\b|\bbar\b", re.IGNORECASE)
CHOICE_BEHIND = re.compile(
    r"(?P<symbol>.*?)[ :]{0,3}(?:\(?(?:origin|o|choice)(?: ?choice)? ?)?(?P<choice>[12]|[sz]|[hr][sz]?|hexagonal|rhombohedral|obverse)"
    r"(?: ?axes)?\)?",
    re.IGNORECASE,
)
"""A symbol with the choice of origin or axes behind it: ``:2``, ``S`` and ``Z`` as in ICSD, ``HR``, ``RS``, ``origin 1``."""
NUMBER_BEHIND = re.compile(r" ?\( ?(?:#|no\.?|nr\.?)? ?\d{1,3} ?\)|[ ,;](?:#|no\.?|nr\.?) ?\d{1,3}$", re.IGNORECASE)
"""The number of a group, which some write behind its symbol."""
CHOICES = {"s": "1", "z": "2", "1": "1", "2": "2", "o": "H"}
FULL_PART = re.compile(r"(?:21|3[12]|4[1-3]|6[1-5])(?:/[a-emn])?|-?[1-6](?:/[a-emn])?|[a-emn]")


SYSTEM = ("_space_group_crystal_system", "_symmetry_cell_setting")


@dataclass(frozen=True)
class Stated:
    """Symmetry as a file states it.

    Attributes:
        texts: its operations as they are written; empty if it lists none.
        centerings: translations to combine them with, as magnetic CIF has them.
        groups: the space groups that its names and its number may mean: none, one, or several to choose from.
        called: how the file calls the group, for messages.
        dispute: the names that contradict each other, or empty.
        modulated: whether the structure is modulated.
        strange: names of symmetry items that are not understood.
        system: the crystal system, in small letters; empty if the file does not name it.
        notes: on how the operations were found.
    """

    texts: tuple[str, ...] = ()
    centerings: tuple[str, ...] = ()
    groups: tuple[gemmi.SpaceGroup, ...] = ()
    called: str = ""
    dispute: str = ""
    modulated: bool = False
    strange: tuple[str, ...] = ()
    system: str = ""
    notes: tuple[str, ...] = ()


def stated(block: Block, cell: gemmi.UnitCell) -> Stated:
    """The symmetry that a block states.

    Raises:
        InputError: the number of the space group is none, or a name is known in no spelling and nothing else is stated.
    """
    names = [name for name in block.columns if may_be_symmetry(name)]
    texts, centerings, notes, used = _operations(block, names)
    groups, called, dispute, unknown = _groups(block, cell)
    if unknown and not groups and not texts:
        raise InputError(
            "bad_symmetry",
            f"unknown space group {unknown!r}",
            "list the symmetry operations in _space_group_symop_operation_xyz",
        )
    known = {name.lower() for name in (*LISTS, *SYMBOLS, *HALL, *NUMBERS, *CHOICE)} | used
    modulated = [name for name in names if MODULATED.match(name) and not _is_zero(block, name)]
    strange = [
        name
        for name in names
        if name not in known and name not in modulated and not SILENT.fullmatch(name) and _says_something(block, name)
    ]
    system = (block.value(*SYSTEM) or "").lower()
    return Stated(texts, centerings, groups, called, dispute, bool(modulated), tuple(strange), system, tuple(notes))


def may_be_symmetry(name: str) -> bool:
    """Whether an item, by its name in lower case, may say something of the symmetry."""
    return _kept_symmetry(name) if len(name) <= LONGEST_NAME else _is_symmetry(name)


def _is_symmetry(name: str) -> bool:
    return bool(SYMMETRY.match(name) or MODULATED.match(name))


_kept_symmetry = lru_cache(maxsize=4096)(_is_symmetry)


def agree(listed: Operations, said: Stated) -> bool:
    """Whether the list is of a space group that is named, in any setting."""
    if listed.number:
        return listed.number in {group.number for group in said.groups}
    return any(_same_kind(listed, operations_of(group.xhm())) for group in said.groups)


def _same_kind(a: Operations, b: Operations) -> bool:
    """Whether two groups have as many operations, and rotations of the same kinds (settings and origins aside)."""

    def kinds(operations: Operations) -> list[tuple[int, int]]:
        turns = np.rint(operations.matrices[:, :, :3])
        return sorted(
            zip(np.rint(np.linalg.det(turns)).astype(int), turns.trace(axis1=1, axis2=2).astype(int), strict=True)
        )

    return len(a) == len(b) and kinds(a) == kinds(b)


def _operations(block: Block, names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...], list[str], set[str]]:
    """Operations, centerings, notes on them, and the items used."""
    magnetic = [name for name in names if "magn" in name and "mxmymz" not in name and "ssg" not in name]
    lists = {name: _triplets(block, name) for name in magnetic}
    centerings = [name for name in magnetic if lists[name] and re.search("cent(?:e?r)ing|centring", name)]
    operations = [name for name in magnetic if lists[name] and name not in centerings]
    if operations:
        shifts = lists[centerings[0]] if centerings else ()
        return lists[operations[0]], shifts, [], {operations[0], *centerings}
    usual = {name: _list(block, name) for name in LISTS}
    found = [name for name in LISTS if usual[name]]
    if found:
        chosen, told = _larger(usual, found) if len(found) > 1 else (found[0], [])
        return usual[chosen], (), told, {name.lower() for name in found}
    others = [n for n in names if not MODULATED.match(n) and not SILENT.fullmatch(n) and n not in centerings]
    for name in others:
        texts = _triplets(block, name)
        if texts and "magn" not in name:
            return texts, (), [f"symmetry operations were taken from the unusual item {name}"], {name}
    return (), (), [], set()


def _list(block: Block, name: str) -> tuple[str, ...]:
    texts = [gemmi.cif.as_string(text) for text in block.column(name) or () if not gemmi.cif.is_null(text)]
    if len(texts) == 1 and "\n" in texts[0].strip():  # all in one text
        texts = [line.strip() for line in lines_of(texts[0]) if line.strip()]
    return tuple(texts)


def _larger(lists: dict[str, tuple[str, ...]], names: list[str]) -> tuple[str, list[str]]:
    """The one of two lists that contains the other, and notes on it.

    Raises:
        InputError: neither holds the other.
    """
    first, second = (read_operations(lists[name]) for name in names)
    if common_share(first, second)[0] == common_share(second, first)[0] == 1.0:
        return names[0], []
    less, more = sorted(((first, names[0]), (second, names[1])), key=lambda pair: len(pair[0]))
    if common_share(less[0], more[0])[0] < 1.0:
        raise InputError(
            "bad_symmetry",
            f"the file has two lists of symmetry operations that contradict each other: {names[0]} and {names[1]}",
            "keep the right one",
        )
    counts = f"{len(more[0])} symmetry operations of {more[1]}"
    return more[1], [f"the {counts} were used; {less[1]} lists only {len(less[0])} of them"]


def _triplets(block: Block, name: str) -> tuple[str, ...]:
    """The values of an item if all are like ``x,y,z`` or ``x,y,z,-1``, else nothing."""
    texts = tuple(gemmi.cif.as_string(text) for text in block.column(name) or ())
    return texts if texts and all(TRIPLET.fullmatch(text) for text in texts) else ()


def _groups(block: Block, cell: gemmi.UnitCell) -> tuple[tuple[gemmi.SpaceGroup, ...], str, str, str]:
    """The groups that are named, how they are called, what the names dispute, and a name that is not known."""
    hexagonal = abs(cell.gamma - 120) < 2
    rhombohedral = not hexagonal and abs(cell.alpha - cell.gamma) < 1 and abs(cell.alpha - 90) > 1
    symbols = [found for name in SYMBOLS if (found := block.value(name)) and found not in "?."]
    choice = (block.value(*CHOICE) or "")[:1]
    by_symbol: tuple[gemmi.SpaceGroup, ...] = ()
    symbol = ""
    for symbol in symbols:
        by_symbol = groups_called(symbol, hexagonal, rhombohedral)
        if len(by_symbol) > 1 and choice in ("1", "2"):
            by_symbol = tuple(group for group in by_symbol if group.ext == choice)
        if by_symbol:
            break
    hall = block.value(*HALL)
    by_hall = group_of_hall(hall) if hall and hall not in "?." else None
    number = _number(block)
    by_number = settings_of(number) if number else ()
    said: list[tuple[str, tuple[gemmi.SpaceGroup, ...]]] = [(f"{symbol!r}", by_symbol)] if by_symbol else []
    said += [(f"Hall symbol {hall!r}", (by_hall,))] if by_hall else []
    said += [(f"number {number}", by_number)] if by_number else []
    unknown = symbols[0] if symbols and not by_symbol else hall if hall and hall not in "?." and not by_hall else ""
    if not said:
        return (), "", "", unknown or (str(number) if number else "")
    if len({groups[0].number for _, groups in said}) > 1:
        every = tuple(group for _, groups in said for group in _default(groups))
        return every, said[0][0], " and ".join(f"{name} (No. {groups[0].number})" for name, groups in said), ""
    if by_hall and (not by_symbol or by_hall in by_symbol or len(by_symbol) > 1):
        return (by_hall,), by_hall.xhm(), "", ""
    if by_symbol:
        return by_symbol, by_symbol[0].hm if len(by_symbol) > 1 else by_symbol[0].xhm(), "", ""
    if by_hall:
        return (by_hall,), by_hall.xhm(), "", ""
    return _default(by_number), by_number[0].hm, "", ""


def _default(groups: tuple[gemmi.SpaceGroup, ...]) -> tuple[gemmi.SpaceGroup, ...]:
    """Of all settings the standard one, or the two that differ by its origin."""
    same = [group for group in groups if group.hm == groups[0].hm and {group.ext, groups[0].ext} <= {"1", "2"}]
    return tuple(same) or groups[:1]


def _number(block: Block) -> int:
    """The number of the space group, 0 if it is not stated: also in quotes, and as 225.0."""
    for name in NUMBERS:
        text = block.value(name)
        if not text or text in "?.":
            continue
        found = NUMBER.fullmatch(text)
        if not found:
            raise InputError(
                "bad_cif", f"{name} is no number of a space group: {text[:40]!r}", "write a number from 1 to 230"
            )
        if not 0 <= int(found[1]) <= 230:
            raise InputError("bad_symmetry", f"there is no space group {found[1]}", "write a number from 1 to 230")
        if int(found[1]):
            return int(found[1])
    return 0


def _is_zero(block: Block, name: str) -> bool:
    values = block.column(name) or []
    return all(gemmi.cif.is_null(value) or gemmi.cif.as_string(value).strip() == "0" for value in values)


def _says_something(block: Block, name: str) -> bool:
    return any(not gemmi.cif.is_null(value) for value in block.column(name) or [])


@lru_cache(maxsize=512)
def groups_called(symbol: str, hexagonal: bool, rhombohedral: bool) -> tuple[gemmi.SpaceGroup, ...]:
    """The space groups that a Hermann–Mauguin symbol may mean: one; two that differ by their origin, where the symbol does
    not say which; none, where it is not known.

    Args:
        symbol: in any of the usual spellings, such as ``P2(1)/n``, ``P 2~1~/n``, ``F 4/m -3 2/m`` and ``F d -3 m Z``.
        hexagonal: whether the cell has such axes, for symbols in R that name none.
        rhombohedral: the same of these.
    """
    plain = _plain(symbol)
    if not plain or len(plain) > LONGEST_SYMBOL:
        return ()
    for spelling in _spellings(plain):
        found = _known(spelling, "", hexagonal, rhombohedral)
        if found:
            return found
    for spelling in _spellings(plain):
        parts = CHOICE_BEHIND.fullmatch(spelling)
        if parts and parts["symbol"].strip():
            found = _known(parts["symbol"].strip(" :"), parts["choice"].lower(), hexagonal, rhombohedral)
            if found:
                return found
    return ()


@lru_cache(maxsize=256)
def group_of_hall(symbol: str) -> gemmi.SpaceGroup | None:
    """The space group of a Hall symbol, or None if it is not known."""
    if len(symbol) > LONGEST_SYMBOL:
        return None
    try:
        return gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(_plain_hall(symbol)))
    except (ValueError, RuntimeError):
        return None


@lru_cache(maxsize=256)
def settings_of(number: int) -> tuple[gemmi.SpaceGroup, ...]:
    """All tabulated settings of a space group, the standard one first; none if there is no such group."""
    return tuple(group for group in gemmi.spacegroup_table() if group.number == number)


def _plain_hall(symbol: str) -> str:
    return " ".join(symbol.replace("_", " ").split())


def _plain(symbol: str) -> str:
    """One blank between parts, plain digits, minus signs before digits, no marks of typesetting."""
    text = " ".join(symbol.strip().strip("'\"")[: 4 * LONGEST_SYMBOL].split())
    text = text.replace("\\=", "-")
    for dash in "\u2212\u2013\u2010\u2011\u00af":
        text = text.replace(dash, "-")
    text = re.sub("(\\d)[\u0304\u0305]", r"-\1", text)
    text = text.translate(SUBSCRIPTS)
    text = re.sub(r"\\?(?:overline|bar) ?\{? ?([1346]) ?\}?", r"-\1", text)
    text = re.sub(r"([1-6]) ?\( ?([1-5]) ?\)", r"\1\2", text)
    text = re.sub(r"([2346]) ?(?:~|_\{?|<sub>) ?([1-5]) ?(?:~|\}|</sub>)?", r"\1\2", text, flags=re.IGNORECASE)
    return " ".join(HTML.sub(" ", text.replace("{", "").replace("}", "").replace("*", "")).split())


def _spellings(symbol: str) -> list[str]:
    """The symbol, without a number in parentheses, and short where it is a full one."""
    bare = NUMBER_BEHIND.sub("", symbol) if NUMBER_BEHIND.search(symbol) else symbol
    found = [symbol, bare, bare.replace(" ", "")]
    for spelling in list(found):
        choice = CHOICE_BEHIND.fullmatch(spelling)
        for text, tail in ((spelling, ""), (choice["symbol"], f":{choice['choice']}") if choice else (spelling, "")):
            short = _short(text)
            if short:
                found.append(short + tail)
    return [text for text in dict.fromkeys(found) if text]


def _short(symbol: str) -> str | None:
    """``F m -3 m`` of the full symbol ``F 4/m -3 2/m``, or None if it is none."""
    letter, rest = symbol[:1].upper(), symbol[1:]
    parts = FULL_PART.findall(rest)
    if "".join(parts) != rest.replace(" ", "") or len(parts) < 2 or not any("/" in part for part in parts):
        return None
    if sum(part != "1" for part in parts) < 2:
        return None  # monoclinic: 2/m keeps its axis
    cubic = len(parts) > 1 and parts[1] in ("-3", "3")
    kept = []
    for k, part in enumerate(parts):
        main_axis = k == 0 and not cubic and part[0] in "46"
        kept.append(part if main_axis or "/" not in part else part.split("/")[1])
    return f"{letter} {' '.join(kept)}"


def _known(symbol: str, choice: str, hexagonal: bool, rhombohedral: bool) -> tuple[gemmi.SpaceGroup, ...]:
    angles = (90.0, 120.0) if hexagonal else (80.0, 80.0) if rhombohedral else (90.0, 90.0)
    group = gemmi.find_spacegroup_by_name(symbol, *angles)
    if group is None:
        return ()
    if group.ext in ("H", "R"):
        wanted = {"h": "H", "r": "R", "o": "H"}.get(choice[:1], "") if choice[:1] not in ("s", "z") else ""
        group = gemmi.find_spacegroup_by_name(f"{group.hm}:{wanted or group.ext}")
        return (group,) if group else ()
    if group.ext in ("1", "2"):
        asked = CHOICES.get(choice, "") or (group.ext if ":" in symbol or symbol.strip()[-2:] in (":1", ":2") else "")
        found = [gemmi.find_spacegroup_by_name(f"{group.hm}:{ext}") for ext in ((asked,) if asked else ("1", "2"))]
        return tuple(other for other in found if other)
    return (group,) if not choice or choice in ("1", "2", "s", "z") else ()
