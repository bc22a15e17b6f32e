"""CIF files → structures."""

from __future__ import annotations

from functools import partial

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.structures.readers.cif import types
from andersonn.structures.readers.cif.cells import Atoms, Sites, squeezed, without_repetitions
from andersonn.structures.readers.cif.disorder import (
    FULL_OCCUPANCY,
    around_special_position,
    drop_what_is_no_atom,
    many_times,
    number,
)
from andersonn.structures.readers.cif.document import Block, read_blocks
from andersonn.structures.readers.cif.formula import Formula, check_formula, hydrogen_told_elsewhere, stated_formula
from andersonn.structures.readers.cif.stated import NUMBERS, stated
from andersonn.structures.readers.cif.symmetry import Evidence, whole_cell
from andersonn.structures.readers.parts import read_parts
from andersonn.structures.structure import LARGEST_EXTENT, SMALLEST_CELL_VOLUME, Structure

LENGTHS = ("_cell_length_a", "_cell_length_b", "_cell_length_c")
ANGLES = ("_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma")
COORDINATES = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")


def parse(text: str, name: str) -> list[Structure | InputError]:
    """The structures of all data blocks that hold atoms, or what is wrong with a block; several blocks add their own
    names to ``name``.
    """
    blocks = [block for block in read_blocks(text) if _holds_sites(block)]
    if not blocks:
        raise InputError("no_atoms", "the CIF has no atom sites", "it needs a loop with _atom_site_fract_x, _y, _z")
    return read_parts("block", {block.name: partial(_structure, block) for block in blocks}, name)


def _holds_sites(block: Block) -> bool:
    return any(block.columns.get(name) for name in ("_atom_site_label", "_atom_site_fract_x", "_atom_site_cartn_x"))


def _structure(block: Block, name: str) -> Structure:
    mended = _mend_cell(block)
    cell = _cell(block)
    said = stated(block, cell)
    _check_coordinates(block)
    notes = (*block.notes, *drop_what_is_no_atom(block, cell))
    _label_sites(block)
    small = _small(block)
    fractional, occupancies = _positions(small)
    if not np.isfinite(fractional).all() or not (occupancies >= FULL_OCCUPANCY).all():
        more = _mend_sites(block)
        mended += more
        small = _small(block) if more else small
        fractional, occupancies = _positions(small)
    if mended:
        notes += (f"{len(mended)} numbers are written in an unusual way, such as {mended[0][:20]!r}",)
    Z = _check_sites(small, fractional, occupancies, block)
    notes += many_times(small, occupancies)
    sites = Sites(Z, fractional, small.cell)
    formula = stated_formula(block)
    multiplicities = block.column("_atom_site_symmetry_multiplicity")
    if multiplicities is not None and len(multiplicities) != len(Z):
        multiplicities = None
    cell = whole_cell(sites, said, Evidence(formula, multiplicities))
    if len(cell.atoms) > len(Z) and around_special_position(block):
        raise InputError(
            "disordered",
            "sites are disordered about a special position (a negative _atom_site_disorder_group)",
            "order the structure first: keep one alternative in a cell without that symmetry",
        )
    doubts = (*cell.warnings, *_guessed_elements(block, small, formula is not None))

    def put_together(atoms: Atoms, *told: str) -> Structure:
        missing, lacks = _what_is_missing(block, formula, atoms)
        positions = atoms.fractional @ sites.orth.T
        all_notes = (*notes, *cell.notes, *told, *missing)
        return Structure(
            atoms.Z,
            positions,
            sites.orth.T,
            id=name,
            notes=all_notes,
            warnings=(*doubts, *lacks, *squeezed(atoms, sites)),
        )

    try:
        return put_together(cell.atoms)
    except InputError as error:
        if error.kind not in ("overlapping_atoms", "incomplete") or len(cell.atoms) == len(Z):
            raise
        once = without_repetitions(cell.atoms, sites)
        if len(once) == len(cell.atoms):
            raise
        count = len(cell.atoms) - len(once)
        return put_together(
            once, f"the file lists atoms that its symmetry makes too: {count} repetitions were left out"
        )


def _what_is_missing(block: Block, formula: Formula | None, atoms: Atoms) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Notes and warnings on what the file states beside its sites: solvent, hydrogens."""
    missing, lacks = check_formula(formula, atoms.Z, block.last)
    if formula is None:
        lacks = hydrogen_told_elsewhere(block, atoms.Z)
    attached = _attached_hydrogens(block, atoms)
    if attached and not (formula and not missing and not lacks):
        text = f"{attached} hydrogen atoms are stated as attached to others but have no positions; they are missing"
        lacks = (text, *(lack for lack in lacks if "hydrogen" not in lack))
    return missing, lacks


def _small(block: Block) -> gemmi.SmallStructure:
    for name in NUMBERS:  # the parser takes plain digits only; the number is read elsewhere
        item = block.items.find_pair_item(name)
        if item is not None and not item.pair[1].isdecimal():
            block.items.set_pair(name, "?")
    try:
        return gemmi.make_small_structure_from_block(block.items)
    except (RuntimeError, ValueError, IndexError) as error:
        raise InputError("bad_cif", f"a value of the CIF is of the wrong kind: {error}", "correct it") from None


def _mend_cell(block: Block) -> list[str]:
    """Writes lengths and angles anew that are numbers in an unusual way, such as ``5.640(2``; returns them."""
    mended = []
    for name in LENGTHS + ANGLES:
        text = block.items.find_value(name)
        if text is not None and not np.isfinite(gemmi.cif.as_number(text)) and np.isfinite(number(text)):
            block.items.set_pair(name, repr(number(text)))
            mended.append(text)
    return mended


def _mend_sites(block: Block) -> list[str]:
    """As :func:`_mend_cell`, for coordinates and occupancies."""
    mended = []
    for name in (*COORDINATES, "_atom_site_occupancy"):
        column = block.items.find_values(name)
        for row, text in enumerate(list(column)):
            if not gemmi.cif.is_null(text) and not np.isfinite(gemmi.cif.as_number(text)) and np.isfinite(number(text)):
                column[row] = repr(number(text))
                mended.append(text)
    return mended


def _cell(block: Block) -> gemmi.UnitCell:
    values = []
    for name in LENGTHS + ANGLES:
        text = block.items.find_value(name)
        values.append(float("nan") if text is None else gemmi.cif.as_number(text))
        if np.isfinite(values[-1]):
            continue
        if text is not None and not gemmi.cif.is_null(text):
            raise InputError("no_cell", f"{name} is no number: {text[:40]}", "write it like 5.640(2)")
        raise InputError("no_cell", f"the CIF has no number for {name}", "a crystal needs all three lengths and angles")
    lengths, angles = values[:3], values[3:]
    cosines = np.cos(np.radians(angles))
    squared = 1.0 - (cosines**2).sum() + 2.0 * cosines.prod()
    if min(lengths) <= 0 or min(angles) <= 0 or max(angles) >= 180 or squared < 1e-6:
        raise InputError(
            "singular_cell",
            f"the unit cell is singular: lengths {lengths} Å, angles {angles}°",
            "give positive lengths and three angles that enclose a volume",
        )
    if np.prod(lengths) * squared**0.5 < SMALLEST_CELL_VOLUME or max(lengths) > LARGEST_EXTENT:
        raise InputError(
            "bad_cell", f"a unit cell with the lengths {lengths} Å holds no crystal", "check that lengths are in Å"
        )
    return gemmi.UnitCell(*values)


def _check_coordinates(block: Block) -> None:
    """All three fractional coordinates must be there: the parser takes absent ones for zero."""
    for name in COORDINATES:
        if not block.columns.get(name):
            raise InputError(
                "no_atoms",
                f"the CIF has no {name}",
                "each site needs _atom_site_fract_x, _y, _z (Cartesian coordinates are not read)",
            )


def _label_sites(block: Block) -> None:
    """Gives sites without labels their element as label, which the parser insists on."""
    types = block.items.find_values("_atom_site_type_symbol")
    if not types or block.items.find_values("_atom_site_label"):
        return
    symbols, loop = list(types), types.get_loop()
    if loop is None:  # a single site, without a loop
        block.items.set_pair("_atom_site_label", symbols[0])
        return
    loop.add_columns(["_atom_site_label"], ".")
    labels = block.items.find_loop("_atom_site_label")
    for row, symbol in enumerate(symbols):
        labels[row] = symbol


def _positions(small: gemmi.SmallStructure) -> tuple[np.ndarray, np.ndarray]:
    """Fractional coordinates ``[n, 3]`` and occupancies ``[n]``."""
    fractional = np.array([site.fract.tolist() for site in small.sites]).reshape(-1, 3)
    return fractional, np.array([site.occ for site in small.sites])


def _check_sites(
    small: gemmi.SmallStructure, fractional: np.ndarray, occupancies: np.ndarray, block: Block
) -> np.ndarray:
    """The atomic numbers of sound sites ``[n]``, by their types if there are any, else by their labels."""
    if not len(small.sites):
        raise InputError("no_atoms", "the CIF has no atom sites", "each needs a label and _atom_site_fract_x, _y, _z")
    Z, first = _elements(small, bool(block.columns.get("_atom_site_type_symbol")))
    unknown, vague = np.zeros(len(Z), bool), ~np.isfinite(fractional).all(axis=1)
    unknown[list(first)] = True
    partial_ones = ~(occupancies >= FULL_OCCUPANCY)
    bad = np.flatnonzero(unknown | vague | partial_ones)
    if not bad.size:
        return Z
    site = small.sites[int(bad[0])]
    if unknown[bad[0]]:
        raise types.refused(site.label, site.type_symbol or site.label, first[int(bad[0])])
    if vague[bad[0]]:
        raise InputError(
            "not_finite",
            f"site {site.label[:30]!r} has no complete coordinates{_as_written(block, int(bad[0]))}",
            "write each as a number such as 0.125, or remove the site",
        )
    raise InputError(
        "partial_occupancy",
        f"site {site.label!r} is partially occupied ({site.occ:g})",
        "order the structure first: keep one alternative, or build a supercell of whole atoms",
    )


def _attached_hydrogens(block: Block, atoms: Atoms) -> int:
    """Hydrogen atoms that the file counts beside its sites, in the whole cell."""
    attached = block.column("_atom_site_attached_hydrogens")
    if attached is None:
        return 0
    counts = np.nan_to_num(np.array([number(text) for text in attached]), nan=0.0, posinf=0.0, neginf=0.0)
    if len(counts) <= atoms.site.max():
        return 0
    return int(min(counts.clip(0, 9)[atoms.site].sum(), 10**9))


def _as_written(block: Block, row: int) -> str:
    """The coordinates of a site that are no numbers, for messages."""
    texts = [(block.column(name) or [])[row : row + 1] for name in COORDINATES]
    bad = [
        text[0][:20] for text in texts if text and not np.isfinite(number(text[0])) and not gemmi.cif.is_null(text[0])
    ]
    return f": {', '.join(bad)}" if bad else ""


def _elements(small: gemmi.SmallStructure, typed: bool) -> tuple[np.ndarray, dict[int, types.Read]]:
    """Atomic numbers ``[n]``, and what sites are that are not one element each."""
    Z, strange = np.zeros(len(small.sites), int), {}
    known: dict[str, types.Read] = {}
    for row, site in enumerate(small.sites):
        text = site.type_symbol  # without types the parser puts the label here
        if not typed or text in ("", "?", "."):
            read = types.of_label(site.label, site.element.atomic_number)
        else:
            read = known.get(text) or known.setdefault(text, types.of_type(text))
        Z[row] = read.Z
        if not read.Z:
            strange[row] = read
    return Z, strange


def _guessed_elements(block: Block, small: gemmi.SmallStructure, has_formula: bool) -> tuple[str, ...]:
    """A warning where labels alone, such as CA1 or H2O1, or a type such as HO may mean others, and no formula confirms."""
    if has_formula:
        return ()
    if not block.columns.get("_atom_site_type_symbol"):
        for site in small.sites:
            if types.of_label(site.label, site.element.atomic_number).doubtful:
                taken = f"{site.label[:20]} was taken for {site.element.name}"
                return (f"the file gives no elements, only labels: {taken}",)
        return ()
    for text in sorted({site.type_symbol for site in small.sites}):
        if types.of_type(text).doubtful:
            return (f"the type symbol {text[:20]} was taken for {text[:2].capitalize()}, not for two elements",)
    return ()
