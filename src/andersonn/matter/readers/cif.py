"""CIF files, with their symmetry, by gemmi."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.matter import elements
from andersonn.matter.readers.parts import MOST_PARTS, read_parts, refuse_more_parts
from andersonn.matter.readers.symmetry import whole_cell
from andersonn.matter.structure import LARGEST_EXTENT, SMALLEST_CELL_VOLUME, Structure

MOST_VALUES = 10_000_000
"""The parser takes 32 bytes for each, however short it is. A structure of 200,000 atoms with 20 columns has 4 millions."""
FULL_OCCUPANCY = 0.999


def parse(text: str, name: str) -> list[Structure | InputError]:
    """The structures of all data blocks that hold atoms, or what is wrong with a block; several blocks add their own
    names to ``name``.
    """
    blocks = [block for block in read_document(text) if block.find_values("_atom_site_label") or _sites_of(block)]
    if not blocks:
        raise InputError(
            "no_atoms",
            "the CIF has no atom sites",
            "it may be cut short; it needs a loop with _atom_site_fract_x, _y, _z",
        )
    return read_parts("block", {block.name: partial(_structure, block) for block in blocks}, name)


def read_document(text: str) -> gemmi.cif.Document:
    """The data blocks of a CIF.

    Raises:
        InputError: it breaks the syntax of CIF, or is too large.
    """
    if len(text) > MOST_PARTS * len("data_"):  # the parser takes quadratic time in their number
        refuse_more_parts(sum(map(text.lower().count, ("data_", "save_"))))
    if len(text) > MOST_VALUES:
        space = np.frombuffer(text.encode(), np.uint8) <= ord(" ")
        values = np.count_nonzero(space[:-1] > space[1:])
        if values > MOST_VALUES:
            raise InputError(
                "too_large", f"the CIF has {values:,} values; at most {MOST_VALUES:,} are read", "split it"
            )
    try:
        return gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        reason = re.sub(r"^string:(?=\d)", "line ", str(error)).removeprefix("string:").strip()
        if "duplicate" in reason:
            raise InputError("bad_cif", f"not a valid CIF: {reason}", "give each block and item its own name") from None
        raise InputError(
            "bad_cif", f"not a complete CIF: {reason}", "the file may be cut short; write or download it again"
        ) from None


def _sites_of(block: gemmi.cif.Block) -> gemmi.cif.Column:
    return block.find_values("_atom_site_fract_x") or block.find_values("_atom_site_Cartn_x")


def _structure(block: gemmi.cif.Block, name: str) -> Structure:
    _check_cell(block)
    _check_coordinates(block)
    _drop_dummies(block)
    _label_sites(block)
    try:
        small = gemmi.make_small_structure_from_block(block)
    except (RuntimeError, ValueError, IndexError) as error:
        raise InputError("bad_cif", f"a value of the CIF is of the wrong kind: {error}", "correct it") from None
    _check_sites(small)
    sites, fractional = whole_cell(small)
    Z = np.array([site.element.atomic_number for site in sites])
    notes = _check_formula(block, Z)
    cell = np.array(small.cell.orth.mat.tolist()).T
    return Structure(Z, fractional @ cell, cell, id=name, notes=notes)


def _check_cell(block: gemmi.cif.Block) -> None:
    for tag in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"):
        value = block.find_value(f"_cell_{tag}")
        if value is None or not np.isfinite(gemmi.cif.as_number(value)):
            raise InputError(
                "no_cell",
                f"the CIF has no number for _cell_{tag}",
                "a crystal needs all three lengths and angles; the file may be cut short",
            )
    lengths = [gemmi.cif.as_number(block.find_value(f"_cell_length_{x}")) for x in "abc"]
    angles = [gemmi.cif.as_number(block.find_value(f"_cell_angle_{x}")) for x in ("alpha", "beta", "gamma")]
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


def _check_coordinates(block: gemmi.cif.Block) -> None:
    """All three fractional coordinates must be there: the parser takes absent ones for zero."""
    for axis in "xyz":
        if not block.find_values(f"_atom_site_fract_{axis}"):
            raise InputError(
                "no_atoms",
                f"the CIF has no _atom_site_fract_{axis}",
                "each site needs _atom_site_fract_x, _y, _z (Cartesian coordinates are not read)",
            )


def _drop_dummies(block: gemmi.cif.Block) -> None:
    """Takes out the sites that the file marks as no atoms (``_atom_site_calc_flag dum``), such as ring centers."""
    table = block.find(["_atom_site_calc_flag"])
    for row in reversed(range(len(table))):
        if table[row].str(0).lower() == "dum":
            table.remove_row(row)


def _label_sites(block: gemmi.cif.Block) -> None:
    """Gives sites without labels their element as label, which the parser insists on."""
    types = block.find_values("_atom_site_type_symbol")
    if not types or block.find_values("_atom_site_label"):
        return
    symbols, loop = list(types), types.get_loop()
    if loop is None:  # a single site, without a loop
        block.set_pair("_atom_site_label", symbols[0])
        return
    loop.add_columns(["_atom_site_label"], ".")
    labels = block.find_loop("_atom_site_label")
    for row, symbol in enumerate(symbols):
        labels[row] = symbol


def _check_sites(small: gemmi.SmallStructure) -> None:
    if not len(small.sites):
        raise InputError("no_atoms", "the CIF has no atom sites", "each needs a label and _atom_site_fract_x, _y, _z")
    for site in small.sites:
        if not 1 <= site.element.atomic_number <= elements.MAX_Z:
            symbol = site.type_symbol or site.label
            raise InputError(
                "unknown_element",
                f"site {site.label!r} has the unknown element {symbol!r}",
                "write a chemical symbol in _atom_site_type_symbol",
            )
        if not np.isfinite(site.fract.tolist()).all():
            raise InputError(
                "not_finite", f"site {site.label!r} has no complete coordinates", "complete or remove the site"
            )
        if not site.occ >= FULL_OCCUPANCY:
            raise InputError(
                "partial_occupancy",
                f"site {site.label!r} is partially occupied ({site.occ:g})",
                "order the structure first: keep one alternative, or build a supercell of whole atoms",
            )


def _check_formula(block: gemmi.cif.Block, Z: np.ndarray) -> tuple[str, ...]:
    """Sites must make up the formula the file states: a file cut between two sites reads well. Hydrogen aside, which
    X-ray structures often lack: that makes a note.
    """
    stated = block.find_value("_chemical_formula_sum")
    if stated is None or gemmi.cif.is_null(stated):
        return ()
    parts = re.findall(r"([A-Z][a-z]?)\s*(\d+\.?\d*|\.\d+|)", gemmi.cif.as_string(stated))
    known = elements.atomic_number()
    expected = {known[s]: float(c or 1) for s, c in parts if s in known and known[s] != 1}
    found = Counter(int(z) for z in Z if z != 1)
    hydrogen = sum(float(c or 1) for s, c in parts if s in ("H", "D"))
    if (
        not all(expected.values())
        or not expected
        or len(expected) + sum(s in ("H", "D") for s, _ in parts) != len(parts)
    ):
        return ()
    total, n = sum(expected.values()), sum(found.values())
    if expected.keys() == found.keys() and all(abs(found[z] / n - c / total) < 0.005 for z, c in expected.items()):
        if abs((Z == 1).sum() / n - hydrogen / total) < 0.005:
            return ()
        return (f"the file's formula is {gemmi.cif.as_string(stated)}, but its sites make {elements.formula(Z)}",)
    raise InputError(
        "incomplete",
        f"the sites make {elements.formula(Z)} but the file's formula is {gemmi.cif.as_string(stated)}",
        "the file may be cut short; complete its sites, or correct _chemical_formula_sum",
    )
