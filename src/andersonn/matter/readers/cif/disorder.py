"""Sites that do not stand for an atom each: dummies, empty ones, alternatives."""

from __future__ import annotations

import gemmi

from andersonn.matter.readers.cif.document import Block

FULL_OCCUPANCY = 0.999
UNDEFINED = ("", "?", ".", "0")


def drop_what_is_no_atom(block: Block) -> tuple[str, ...]:
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
        notes += _keep_one_alternative(block)
    return tuple(notes)


def number(text: str) -> float:
    """A number of a CIF, NaN if it is none: also ``5.640(2``, ``5.640(0.002)``, ``90.0(-)`` and, for a coordinate, ``1/3``."""
    found = gemmi.cif.as_number(text)
    if found == found or len(text) > 40:
        return found
    text = gemmi.cif.as_string(text).strip().partition("(")[0].strip().replace("\u2212", "-")
    above, slash, below = text.partition("/")
    found = gemmi.cif.as_number(above)
    if slash:
        divisor = gemmi.cif.as_number(below)
        return found / divisor if divisor else float("nan")
    return found


def _keep_one_alternative(block: Block) -> list[str]:
    """Of each assembly of alternatives the first; its other groups never stand beside it."""
    groups = [_name(text) for text in block.column("_atom_site_disorder_group") or []]
    if not any(groups):
        return []
    assemblies = [_name(text) for text in block.column("_atom_site_disorder_assembly") or [""] * len(groups)]
    occupancies = [number(text) for text in block.column("_atom_site_occupancy") or ["1"] * len(groups)]
    kept: dict[str, str] = {}
    others = []
    for row, (group, assembly) in enumerate(zip(groups, assemblies, strict=True)):
        if not group or occupancies[row] < FULL_OCCUPANCY:  # those of partial occupancy are refused by their occupancy
            continue
        if kept.setdefault(assembly, group) != group:
            others.append(row)
    _remove(block, others)
    if not others:
        return []
    return [
        f"of disordered alternatives the first was kept: {_sites(len(others))} of the others {_were(len(others))} left out"
    ]


def around_special_position(block: Block) -> bool:
    """Whether a whole site is disordered about a special position (a group such as −1): its images are alternatives."""
    groups = [_name(text) for text in block.column("_atom_site_disorder_group") or []]
    return any(group.startswith("-") for group in groups)


def _name(text: str) -> str:
    name = gemmi.cif.as_string(text).strip()
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
