"""What a data block says of its symmetry: operations, names and number of the space group."""

from __future__ import annotations

import re
from dataclasses import dataclass

import gemmi

from andersonn.errors import InputError
from andersonn.sanitize import lines_of
from andersonn.structures.readers.cif.document import Block
from andersonn.structures.readers.cif.groups import group_of_hall, groups_called, settings_of
from andersonn.structures.readers.cif.operations import common_share, read_operations

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
"""Items in whose names symmetry stands and from which no atom follows."""
NUMBER = re.compile(r"(?:no\.?|nr\.?|#)? ?\(?(\d{1,3})(?:\.0{0,9})?\)?", re.IGNORECASE)
TRIPLET = re.compile(r"[^,]{0,40}[xyzXYZ][^,]{0,40},[^,]{1,40},[^,]{1,40}(?:,.{0,60})?", re.DOTALL)


@dataclass(frozen=True)
class Stated:
    """Symmetry as a file states it.

    Attributes:
        texts: its operations as they are written; empty if it lists none.
        centerings: translations to combine them with, as magnetic CIF has them.
        groups: the space groups that its names and its number may mean: none, one, or several to choose from.
        called: how the file calls the group, for messages.
        dispute: what its names contradict each other in, or empty.
        modulated: whether the structure is modulated.
        strange: names of items of symmetry that are not understood.
        magnetic: whether the operations are magnetic ones.
        notes: what is to be told of how they were found.
    """

    texts: tuple[str, ...] = ()
    centerings: tuple[str, ...] = ()
    groups: tuple[gemmi.SpaceGroup, ...] = ()
    called: str = ""
    dispute: str = ""
    modulated: bool = False
    strange: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def stated(block: Block, cell: gemmi.UnitCell) -> Stated:
    """What a block says of its symmetry.

    Raises:
        InputError: the number of the space group is none, or a name is known in no spelling and nothing else is stated.
    """
    names = [name for name in block.columns if SYMMETRY.match(name) or MODULATED.match(name)]
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
    return Stated(texts, centerings, groups, called, dispute, bool(modulated), tuple(strange), tuple(notes))


def _operations(block: Block, names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...], list[str], set[str]]:
    """Operations, centerings, what is to be told of them, and the items used."""
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
    """Of two lists the one that holds the other, and what is to be told of it.

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
    by_symbol, symbol = (), ""
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
    said = [(f"{symbol!r}", by_symbol)] if by_symbol else []
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
