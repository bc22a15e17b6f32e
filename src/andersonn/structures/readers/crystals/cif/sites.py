"""Which of the listed sites are atoms, and of which element."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.alternatives import is_resolving
from andersonn.structures.readers.crystals.cif.document import Block, number, numbers
from andersonn.structures.readers.words import ISOTOPES

COORDINATES = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
FULL_OCCUPANCY = 0.999
MOST_OCCUPANCY = 1.05
PERCENT = 100
"""Occupancies of at least this may be given in percent."""
MOST_COMPARISONS = 4_000_000
FIRST_LETTERS = re.compile(r"[A-Za-z]{0,2}")
UNDEFINED = ("", "?", ".", "0")
TYPE = re.compile(r"\^?(\d{0,3})\^?([A-Za-z]{1,12})([^A-Za-z].{0,20}|)")
"""An isotope, letters, and what stands behind them."""
CHARGE = re.compile(r"\d{0,2}[+-]\d{0,2}")
CHARGE_APART = re.compile(r"(?<=[A-Za-z]) +(?=\d{0,2}[+-]\d{0,2}$)")
"""Blanks before a charge, as in ``Na 1+``."""
SCATTERING = ("val", "va", "v", "iso", "mof", "I", "II", "III", "IV", "V", "VI", "VII")
"""Letters after an element that are no second element: valence states, isolated atoms, oxidation states."""
MARK = re.compile(
    r"[_^]?\(?(?:\d{0,2}(?:\.\d{1,3})?[+-]{1,4}|\d{0,2}[+-]\d{1,2}(?:\.\d{1,3})?|\d{1,4}|1\.0{1,4}|[IV]{1,4})\)?\^?"
    r"|_[A-Z]?(?:_[a-zM])?|_[a-z0-9_]{1,6}|\d{1,3}(?:f\d{1,2}|mof)|\d{1,4}[ADEGJLMQRTXZa-z]['\"*]{0,2}|\d{0,4}[*'\"?^]{1,2}|\(\d{1,4}\)"
)
"""Charge, oxidation state, number, type of a force field such as ``C_R`` and ``Zr8f4``, or a label such as ``C1A``."""
WATER = re.compile(r"O[Ww]\d{0,4}|O\d{1,4}[Ww]")
OXO = re.compile(r"[A-Z]O[2-4]")
"""Groups such as CO3 and PO4, whose letters are elements in capitals, too."""
ELEMENT = re.compile(r"[A-Z][a-z]?")
SEVERAL = re.compile(r"[/,|&:;]|[A-Za-z]\)?\+[A-Za-z]|[A-Za-z]0?\.\d")
"""Signs in a label that make it a list of elements or shares of them."""
SECOND = re.compile(r"[0-9]{0,4}([A-Z][a-z]?)")
SUFFIXES = "BC"
"""Letters of elements that more often count sites of one element: FeA, FeB, FeC."""
LABEL = re.compile(r"[A-Z][a-z]|[CNOFPSKI](?![A-Za-z])")
"""Beginnings of labels that tell an element; other single letters, such as B and Y, often name kinds of sites."""
HEAVY = re.compile(r"[DT]|\^?[23]\^?H")
"""Beginnings of types and labels of deuterium and tritium."""
WATER_LABEL = re.compile(r"HOH|H0H")
"""A label of a whole molecule, which is not holmium."""
HYDRATE = re.compile(r"[HD][23]O|[A-Z][a-z]?-[A-Z]")
"""Labels of a group of atoms, or of a hydrogen named after its oxygen."""
SHOWN = 30
LONGEST_KEPT = 30
"""Characters of a type whose meaning is kept: what is kept stays small."""


class Read(NamedTuple):
    """What a type symbol or label means.

    Attributes:
        Z: atomic number, 0 if it is no element alone.
        several: whether it names several elements, a group of atoms, or a share of an atom.
        doubtful: whether it may mean several, such as ``HO``.
    """

    Z: int
    several: bool = False
    doubtful: bool = False


def of_type(text: str) -> Read:
    """What a type symbol means, such as ``Fe3+``, ``FE``, ``2H``, ``C_R``, ``Fe/Mn`` and ``H2O``."""
    return _kept_type(text) if len(text) <= LONGEST_KEPT else _of_type(text)


def _of_type(text: str) -> Read:
    known, text = elements.atomic_number(), CHARGE_APART.sub("", text.strip().rstrip("."))
    found = TYPE.fullmatch(text)
    if not found:
        return Read(0, _names_several(text))
    isotope, letters, behind = found.groups()
    symbol = letters.capitalize()
    doubtful = len(letters) == 2 and letters.isupper() and all(letter in known for letter in letters)
    tail = ""
    if symbol not in known or len(letters) > 2:
        size = 2 if letters[:2] in known and len(letters) > 2 else 1
        symbol, tail = letters[:size].capitalize(), letters[size:]
    if symbol not in known:
        return Read(0, _names_several(text))
    if WATER.fullmatch(text):
        return Read(8)
    is_one = (
        (not tail or tail in SCATTERING)
        and (not behind or MARK.fullmatch(behind))
        and not (isotope and behind and not CHARGE.fullmatch(behind))
    )
    if not is_one or (behind[:1] == "_" and _known_part(behind[1:])):
        return Read(0, _names_several(text) or bool(re.match(r"\d{0,2}\.\d", behind)))
    if doubtful and OXO.fullmatch(text):
        return Read(0, True)
    return Read(known[symbol], doubtful=doubtful)


_kept_type = lru_cache(maxsize=4096)(_of_type)


def of_label(label: str, Z: int) -> Read:
    """What a label means in a file without types.

    Args:
        label: such as ``C1A``, ``O1W``, ``HG12``, ``FeMn1``.
        Z: the element that the parser takes it for.
    """
    known = elements.atomic_number()
    if WATER_LABEL.match(label):
        return Read(0, True)
    if Z < 1 or Z > elements.MAX_Z or SEVERAL.search(label):
        return Read(0, bool(SEVERAL.search(label)) and _names_several(label))
    size = len(elements.symbols()[Z])
    proper = size == 2 and label[1:2].islower()
    second = SECOND.match(label, size)
    if proper and second and len(second[1]) == 2 and second[1] in known:
        return Read(0, True)
    capitals = label[:2].isupper() and size == 2 and label[0] in known
    beside = proper and ELEMENT.match(label, size) and label[size] in known and label[size] not in SUFFIXES
    return Read(Z, doubtful=bool(capitals or beside or HYDRATE.match(label)))


def _known_part(text: str) -> bool:
    """Whether it begins with the symbol of an element, R of ``C_R`` aside."""
    found = ELEMENT.match(text)
    return found is not None and found[0] in elements.atomic_number()


def _names_several(text: str) -> bool:
    """Whether a text holds two symbols of elements or more, and nothing else in capitals."""
    parts, known = ELEMENT.findall(text), elements.atomic_number()
    parts = [part if part in known else part[:1] for part in parts]
    return len(parts) > 1 and all(part in known for part in parts)


def drop_what_is_no_atom(block: Block, cell: gemmi.UnitCell) -> tuple[str, ...]:
    """Takes out the sites that the file marks as no atoms (``_atom_site_calc_flag dum``), such as ring centers; those with
    an occupancy of zero; and, of alternatives that are fully occupied each, all but the first.

    Returns:
        notes on what was taken out.
    """
    flags = block.column("_atom_site_calc_flag")
    if flags is not None:
        _remove(block, [row for row, flag in enumerate(flags) if gemmi.cif.as_string(flag).lower() == "dum"])
    notes = []
    occupancies = block.column("_atom_site_occupancy")
    if occupancies is not None:
        empty = np.flatnonzero(numbers(occupancies) == 0.0).tolist()
        if empty and len(empty) < len(occupancies):
            _remove(block, empty)
            notes.append(f"{_sites(len(empty))} with the occupancy 0 {_were(len(empty))} left out")
    if block.column("_atom_site_disorder_group") is not None:
        notes += _keep_one_alternative(block, cell)
    return tuple(notes)


def _keep_one_alternative(block: Block, cell: gemmi.UnitCell) -> list[str]:
    """Keeps the first group of each disorder assembly, in place; returns notes. Groups of a named assembly exclude each other, by
    definition; those without one may be no alternatives, and all are kept if they do not come close to each other.
    """
    groups, assemblies = disorder_of(block)
    if not any(groups):
        return []
    occupancies = [number(text) for text in block.column("_atom_site_occupancy") or ["1"] * len(groups)]
    kept: dict[str, str] = {}
    members: dict[str, list[int]] = {}
    others = []
    for row, (group, assembly) in enumerate(zip(groups, assemblies, strict=True)):
        if not group or occupancies[row] < FULL_OCCUPANCY:  # those of partial occupancy are refused by their occupancy
            continue
        if kept.setdefault(assembly, group) != group:
            others.append(row)
        else:
            members.setdefault(assembly, []).append(row)
    removed = [
        row
        for row in others
        if assemblies[row] or _touch(block, cell, members[""], [other for other in others if not assemblies[other]])
    ]
    notes = []
    if removed:
        _remove(block, removed)
        were = _were(len(removed))
        notes.append(
            f"of disordered alternatives the first was kept: {_sites(len(removed))} of the others {were} left out"
        )
    if len(removed) < len(others):
        notes.append("disordered alternatives do not overlap, so all were kept; check the composition")
    return notes


def disorder_of(block: Block) -> tuple[list[str], list[str]]:
    """The disorder group and the assembly of each site, empty where it is in none; no groups at all if none are listed."""
    groups = [_name(text) for text in block.column("_atom_site_disorder_group") or []]
    return groups, [_name(text) for text in block.column("_atom_site_disorder_assembly") or [""] * len(groups)]


def _touch(block: Block, cell: gemmi.UnitCell, some: list[int], others: list[int]) -> bool:
    """Whether two lists of sites exclude each other: some atoms are too close, or bonded without a metal."""
    if len(some) * len(others) > MOST_COMPARISONS:
        return True
    symbols = block.column("_atom_site_type_symbol") or block.column("_atom_site_label") or []
    columns = [block.column(f"_atom_site_fract_{x}") or [] for x in "xyz"]
    fractional = np.array([[number(text) for text in column] for column in columns]).T
    letters = [FIRST_LETTERS.match(gemmi.cif.as_string(text)) for text in symbols]  # it matches any text
    found = [gemmi.Element(first[0].capitalize()) for first in letters if first is not None]
    found = [one if one.atomic_number else gemmi.Element(one.name[:1]) for one in found]
    radii = np.array([one.covalent_r for one in found])
    metals = np.array([one.is_metal for one in found])
    apart = fractional[some][:, None] - fractional[others][None]
    distances = np.linalg.norm((apart - np.round(apart)) @ np.array(cell.orth.mat.tolist()).T, axis=2)
    beside_metal = metals[some][:, None] | metals[others][None]
    nearest = (radii[some][:, None] + radii[others][None]) * np.where(beside_metal, 0.75, 1.25)
    return not (distances > nearest).all()


def _name(text: str) -> str:
    """The name of a group, numbers without decimals, as ``1`` for ``1.0``."""
    name = gemmi.cif.as_string(text).strip()
    name = name.partition(".")[0] if re.fullmatch(r"-?\d{1,4}\.0{1,9}", name) else name
    return "" if name in UNDEFINED else name


def _remove(block: Block, rows: list[int]) -> None:
    """Takes out rows of the loop of sites."""
    if not rows:
        return
    item = block.items.find_loop_item("_atom_site_fract_x")
    if item is None:
        return
    loop = item.loop
    tags, values, width = list(loop.tags), list(loop.values), loop.width()
    gone = set(rows)
    kept = [values[k * width : (k + 1) * width] for k in range(len(values) // width) if k not in gone]
    loop.set_all_values([[row[k] for row in kept] for k in range(width)])
    block.columns.update((tag.lower(), len(kept)) for tag in tags)


def many_times(small: gemmi.SmallStructure, occupancies: np.ndarray) -> tuple[str, ...]:
    """A note where occupancies are whole numbers above one, as of programs that write how often a site stands in the cell, or
    all 100.

    Raises:
        InputError: one is another number above one.
    """
    if len(occupancies) and (occupancies == PERCENT).all():
        return (f"all occupancies are {PERCENT}: they were read as percent",)
    many = np.flatnonzero(occupancies > MOST_OCCUPANCY)
    for row in many.tolist():
        if occupancies[row] % 1.0 or occupancies[row] >= PERCENT:
            raise InputError(
                "partial_occupancy",
                f"site {small.sites[row].label[:30]!r} has the occupancy {occupancies[row]:g}, more than 1",
                "write the occupancy as a share from 0 to 1",
            )
    if not many.size:
        return ()
    return (
        f"{_sites(len(many))} with an occupancy such as {occupancies[many[0]]:g} {_were(len(many))} taken for full",
    )


def around_special_position(block: Block) -> bool:
    """Whether a whole site is disordered about a special position (a group such as −1): its images are alternatives."""
    groups = [_name(text) for text in block.column("_atom_site_disorder_group") or []]
    return any(group.startswith("-") for group in groups)


def _sites(count: int) -> str:
    return "1 site" if count == 1 else f"{count} sites"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def check_sites(
    small: gemmi.SmallStructure, fractional: np.ndarray, occupancies: np.ndarray, block: Block
) -> np.ndarray:
    """The atomic numbers of sound sites ``[n]``, by their types if there are any, else by their labels."""
    if not len(small.sites):
        raise InputError("no_atoms", "the CIF has no atom sites", "each needs a label and _atom_site_fract_x, _y, _z")
    Z, first = _elements(small, bool(block.columns.get("_atom_site_type_symbol")))
    if not first and np.isfinite(fractional).all() and (occupancies >= FULL_OCCUPANCY).all():
        return Z
    unknown, vague = np.zeros(len(Z), bool), ~np.isfinite(fractional).all(axis=1)
    unknown[list(first)] = True
    partial_ones = ~(occupancies > 0.0) if is_resolving() else ~(occupancies >= FULL_OCCUPANCY)
    bad = np.flatnonzero(unknown | vague | partial_ones)
    if not len(bad):  # one alternative of partially occupied sites is kept
        return Z
    site = small.sites[int(bad[0])]
    if unknown[bad[0]]:
        raise refused(site.label, site.type_symbol or site.label, first[int(bad[0])])
    if vague[bad[0]]:
        raise InputError(
            "not_finite",
            f"site {site.label[:30]!r} has no complete coordinates{_as_written(block, int(bad[0]))}",
            "write each as a number such as 0.125, or remove the site",
        )
    if np.isnan(occupancies[bad[0]]):
        text = (block.column("_atom_site_occupancy") or [])[int(bad[0])]
        raise InputError(
            "not_finite",
            f"the occupancy of site {site.label[:30]!r} is no number: {text[:40]}",
            "write it as a share from 0 to 1",
        )
    raise InputError(
        "partial_occupancy",
        f"site {site.label!r} is partially occupied ({site.occ:g})",
        "order the structure first: keep one alternative, as --clean does for pores, or build a supercell of whole atoms",
    )


def _elements(small: gemmi.SmallStructure, typed: bool) -> tuple[np.ndarray, dict[int, Read]]:
    """Atomic numbers ``[n]``, and what sites are that are not one element each."""
    found = []
    for site in small.sites:
        text = site.type_symbol  # without types the parser puts the label here
        if not typed or text in ("", "?", "."):
            found.append(of_label(site.label, site.element.atomic_number))
        else:
            found.append(of_type(text))
    Z = np.array([read.Z for read in found], dtype=int)
    return Z, {row: read for row, read in enumerate(found) if not read.Z}


def _as_written(block: Block, row: int) -> str:
    """The coordinates of a site that are no numbers, for messages."""
    texts = [(block.column(name) or [])[row : row + 1] for name in COORDINATES]
    bad = [
        text[0][:20] for text in texts if text and not np.isfinite(number(text[0])) and not gemmi.cif.is_null(text[0])
    ]
    return f": {', '.join(bad)}" if bad else ""


def heavy_hydrogen(small: gemmi.SmallStructure, Z: np.ndarray) -> tuple[str, ...]:
    """A note where hydrogen is deuterium or tritium."""
    types = {small.sites[row].type_symbol for row in np.flatnonzero(Z == 1).tolist()}
    return (ISOTOPES,) if any(map(HEAVY.match, types)) else ()


def disputed_labels(block: Block, small: gemmi.SmallStructure) -> tuple[str, ...]:
    """A note where the label of a site, such as ``Ca1``, tells another element than its type."""
    if not block.columns.get("_atom_site_type_symbol"):
        return ()
    first: dict[tuple[str, str], str] = {}
    """Type and what its label begins with, all that matters here → the first such label."""
    for site in small.sites:
        label = site.label
        first.setdefault((site.type_symbol, label[:2]), label)
    known = elements.atomic_number()
    for (kind, head), label in first.items():
        Z, found = of_type(kind).Z, LABEL.match(head)
        if found and Z and Z not in (known.get(found[0].capitalize()), known.get(found[0][0])) and found[0] in known:
            told = f"site {label[:20]} is of the type {kind[:20]}"
            return (f"labels and types disagree: {told}; the types were used",)
    return ()


def guessed_elements(block: Block, small: gemmi.SmallStructure, has_formula: bool) -> tuple[str, ...]:
    """A warning where labels alone, such as CA1 or H2O1, or a type such as HO may mean others, and no formula confirms."""
    if has_formula:
        return ()
    if not block.columns.get("_atom_site_type_symbol"):
        for site in small.sites:
            if of_label(site.label, site.element.atomic_number).doubtful:
                taken = f"{site.label[:20]} was taken for {site.element.name}"
                return (f"the file gives no elements, only labels: {taken}",)
        return ()
    for text in sorted({site.type_symbol for site in small.sites}):
        if of_type(text).doubtful:
            return (f"the type symbol {text[:20]} was taken for {text[:2].capitalize()}, not for two elements",)
    return ()


def refused(label: str, text: str, read: Read) -> InputError:
    """The error for a site that is not a single element."""
    if read.several:
        return InputError(
            "unknown_element",
            f"site {label[:SHOWN]!r} has the unknown element {text[:SHOWN]!r}: that is several elements, a group or a share",
            "order the structure first: give each atom a site of its own with one element",
        )
    return InputError(
        "unknown_element",
        f"site {label[:SHOWN]!r} has the unknown element {text[:SHOWN]!r}",
        "write a chemical symbol in _atom_site_type_symbol",
    )
