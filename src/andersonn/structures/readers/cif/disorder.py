"""Sites that do not stand for an atom each: dummies, empty ones, alternatives."""

from __future__ import annotations

import re

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.structures.readers.cif.document import Block

FULL_OCCUPANCY = 0.999
MOST_OCCUPANCY = 1.05
PERCENT = 100
"""Occupancies from here on may be shares in percent."""
UNCERTAINTY = re.compile(r"[(\[\u00b1]|\+/?-")
MOST_COMPARISONS = 4_000_000
ELEMENT = re.compile(r"[A-Za-z]{0,2}")
UNDEFINED = ("", "?", ".", "0")


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
        empty = [row for row, text in enumerate(occupancies) if number(text) == 0.0]
        if empty and len(empty) < len(occupancies):
            _remove(block, empty)
            notes.append(f"{_sites(len(empty))} with the occupancy 0 {_were(len(empty))} left out")
    if block.column("_atom_site_disorder_group") is not None:
        notes += _keep_one_alternative(block, cell)
    return tuple(notes)


def number(text: str) -> float:
    """A number of a CIF, NaN if it is none: also ``5.640(2``, ``5.640(0.002)``, ``90.0(-)`` and, for a coordinate, ``1/3``."""
    found = gemmi.cif.as_number(text)
    if found == found or len(text) > 40:
        return found
    text = gemmi.cif.as_string(text).strip()
    text = UNCERTAINTY.split(text, maxsplit=1)[0].strip().replace("\u2212", "-")
    above, slash, below = text.partition("/")
    found = gemmi.cif.as_number(above)
    if slash:
        divisor = gemmi.cif.as_number(below)
        return found / divisor if divisor else float("nan")
    return found


def _keep_one_alternative(block: Block, cell: gemmi.UnitCell) -> list[str]:
    """Of each assembly of alternatives the first; its other groups never stand beside it. Groups that keep their distance are no alternatives."""
    groups = [_name(text) for text in block.column("_atom_site_disorder_group") or []]
    if not any(groups):
        return []
    assemblies = [_name(text) for text in block.column("_atom_site_disorder_assembly") or [""] * len(groups)]
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
    apart = others and not any(
        _touch(block, cell, rows, [row for row in others if assemblies[row] == assembly])
        for assembly, rows in members.items()
    )
    if not others or apart:
        return ["all disorder groups were kept: none has an atom near one of another group"] if apart else []
    _remove(block, others)
    return [
        f"of disordered alternatives the first was kept: {_sites(len(others))} of the others {_were(len(others))} left out"
    ]


def many_times(small: gemmi.SmallStructure, occupancies: np.ndarray) -> tuple[str, ...]:
    """A note where occupancies are whole numbers above one, as of programs that write how often a site stands in the cell.

    Raises:
        InputError: one is another number above one.
    """
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


def _touch(block: Block, cell: gemmi.UnitCell, some: list[int], others: list[int]) -> bool:
    """Whether atoms of two lists of sites cannot stand beside each other: too close, or bonded where no metal is."""
    if len(some) * len(others) > MOST_COMPARISONS:
        return True
    symbols = block.column("_atom_site_type_symbol") or block.column("_atom_site_label") or []
    columns = [block.column(f"_atom_site_fract_{x}") or [] for x in "xyz"]
    fractional = np.array([[number(text) for text in column] for column in columns]).T
    found = [gemmi.Element(ELEMENT.match(gemmi.cif.as_string(text))[0].capitalize()) for text in symbols]
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


def _sites(count: int) -> str:
    return "1 site" if count == 1 else f"{count} sites"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
