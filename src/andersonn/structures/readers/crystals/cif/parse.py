"""The text of a CIF → structures: one for each data block with atoms."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.io.deferred import Deferred
from andersonn.structures.alternatives import is_resolving
from andersonn.structures.readers.content import read_parts
from andersonn.structures.readers.crystals.cif import disputes, lax
from andersonn.structures.readers.crystals.cif.cell import Atoms, Cell, Sites, without_repetitions
from andersonn.structures.readers.crystals.cif.document import (
    Block,
    ends_with_sites,
    named_block,
    number,
    numbers,
    parsed,
)
from andersonn.structures.readers.crystals.cif.evidence import (
    Evidence,
    contradicted_size,
    doubt,
    squeezed,
    stated_evidence,
)
from andersonn.structures.readers.crystals.cif.missing import (
    hydrogen_told_elsewhere,
    what_is_missing,
)
from andersonn.structures.readers.crystals.cif.operations import read_operations
from andersonn.structures.readers.crystals.cif.sites import (
    COORDINATES,
    around_special_position,
    check_sites,
    disputed_labels,
    drop_what_is_no_atom,
    guessed_elements,
    heavy_hydrogen,
    many_times,
)
from andersonn.structures.readers.crystals.cif.stated import NUMBERS, Stated, agree, stated
from andersonn.structures.structure import LARGEST_EXTENT, SMALLEST_CELL_VOLUME, Structure

if TYPE_CHECKING:
    from andersonn.structures.readers.crystals.cif.partial import Occupancies

_partial = Deferred("andersonn.structures.readers.crystals.cif.partial")  # most files need none of it
LENGTHS = ("_cell_length_a", "_cell_length_b", "_cell_length_c")
ANGLES = ("_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma")
LIST = re.compile(
    r"(?:^[ \t]*(?:loop_[ \t]+)?_(?:space_group_symop|symmetry_equiv)\S{1,60}[ \t\r]*\n)+", re.IGNORECASE | re.MULTILINE
)
"""The names of the items in a list of symmetry operations, each on a line."""
PARTS_OF_LIST = "_space_group_symop", "_symmetry_equiv"
WITH_UNIT = re.compile(rf"(.{{1,30}}?) ?(?:{lax.UNITS.pattern})", re.IGNORECASE)
"""A number with its unit in the same quotes."""
SUM = r" ?[-+]? ?[\d./*xyz]+(?: ?[-+] ?[\d./*xyz]+)* ?"
BARE = re.compile(rf"{SUM},{SUM},{SUM}", re.IGNORECASE)
"""A symmetry operation with blanks."""
NUMBERED = re.compile(r"\d{1,3}[.:)]? ")
LONGEST_ROW = 200
BLOCK_OR_LOOP = re.compile(r"(?:data|save)_|loop_$", re.IGNORECASE)


def parse(text: str, name: str) -> list[Structure | InputError]:
    """The structures of all data blocks that hold atoms, or what is wrong with a block; several blocks add their own
    names to ``name``.
    """
    text, told = _with_quotes(text)
    document = parsed(text)
    if isinstance(document, InputError):
        blocks = [named_block(draft.built(), told + draft.notes()) for draft in lax.read(text, document)]
    else:
        blocks = [named_block(items, told, keep=document) for items in document]
    if blocks:
        blocks[-1].last = ends_with_sites(blocks[-1].items)
    blocks = [block for block in blocks if _holds_sites(block)]
    if not blocks:
        raise InputError("no_atoms", "the CIF has no atom sites", "it needs a loop with _atom_site_fract_x, _y, _z")
    return read_parts("block", {block.name: partial(_structure, block) for block in blocks}, name)


def _with_quotes(text: str) -> tuple[str, tuple[str, ...]]:
    """The text of a CIF with quotes around symmetry operations such as ``x, y+1/2, z`` that lack them and fill a row of their
    list; and a note where that was so. Without quotes, their parts are values of their own.
    """
    pieces, at = [], 0
    lower = text.lower()
    mentions = [place for part in PARTS_OF_LIST if (place := lower.find(part)) >= 0]
    if not mentions:
        return text, ()
    begin, end = lower.rfind("\n", 0, min(mentions)) + 1, lower.find("\n", max(map(lower.rfind, PARTS_OF_LIST))) + 1
    if len(lower) != len(text) or not end:  # letters that are two in lower case; no line behind the last mention
        begin, end = 0, len(text)
    for header in LIST.finditer(text, begin, end):
        names = header[0].lower().replace("loop_", "").split()
        column = next((k for k, name in enumerate(names) if name.endswith("xyz")), None)
        place = header.end()
        while column is not None and place < len(text):
            end = text.find("\n", place)
            end = end if end >= 0 else len(text)
            row = text[place : min(end, place + LONGEST_ROW + 1)]
            words = row.split()
            if words and (words[0][0] in "_;" or BLOCK_OR_LOOP.match(words[0])):
                break
            quoted_row = _quoted_row(words, column, len(names)) if len(row) <= LONGEST_ROW else None
            if quoted_row:
                pieces += [text[at:place], quoted_row]
                at = end
            place = end + 1
    if not pieces:
        return text, ()
    told = "the file breaks the syntax of CIF and was read nevertheless: symmetry operations with blanks lack quotes"
    return "".join([*pieces, text[at:]]), (told,)


def _quoted_row(words: list[str], column: int, width: int) -> str | None:
    """A row of a list of operations, the one in a column in quotes; None if that needs none, or is no operation."""
    if column < len(words) and words[column][0] in "'\"":  # as nearly all are; no operation holds a quote
        return None
    comment = next((k for k, word in enumerate(words) if word[0] == "#"), len(words))
    behind = comment - (width - 1 - column)
    operation = " ".join(words[column:behind])
    bare = NUMBERED.sub("", operation, count=1) if width == 1 else operation
    if behind - column < 2 or not BARE.fullmatch(bare):
        return None
    return " ".join([*words[:column], f"'{operation}'", *words[behind:]])


def _holds_sites(block: Block) -> bool:
    return any(block.columns.get(name) for name in ("_atom_site_label", "_atom_site_fract_x", "_atom_site_cartn_x"))


def _structure(block: Block, name: str) -> Structure:
    mended = _mend_cell(block)
    unit_cell = _cell(block)
    said = stated(block, unit_cell)
    _check_coordinates(block)
    sites, small, occupancies, notes = _listed_sites(block, unit_cell, mended)
    evidence = stated_evidence(block, len(sites.Z), None if occupancies is None else occupancies.stated)
    formula, cell = evidence.formula, _whole_cell(sites, said, evidence)
    if len(cell.atoms) > len(sites.Z) and around_special_position(block) and not is_resolving():
        raise InputError(
            "disordered",
            "sites are disordered about a special position (a negative _atom_site_disorder_group)",
            "order the structure first: keep one alternative in a cell without that symmetry",
        )
    notes, doubts = notes + cell.notes, cell.warnings + guessed_elements(block, small, formula is not None)
    atoms, whole, kept = cell.atoms, cell.atoms, None
    if occupancies is not None:
        kept = occupancies.resolved(atoms, sites)
        atoms, notes, doubts = kept.atoms, notes + kept.notes, doubts + kept.warnings
    once: tuple[str, ...] = ()
    while True:
        try:
            absent, lacks = _absent(block, evidence, atoms, whole)
            size = contradicted_size(block, unit_cell.volume, None if absent or lacks or kept else atoms.Z)
            make = partial(
                Structure,
                atoms.Z,
                atoms.fractional @ sites.orth.T,
                sites.orth.T,
                id=name,
                notes=(*notes, *once, *absent),
            )
            told = *doubts, *lacks, *size
            if kept is not None:
                return kept.structure(make, told, atoms, sites)
            return make(warnings=(*told, *squeezed(atoms, sites)))
        except InputError as error:
            if once or error.kind not in ("overlapping_atoms", "incomplete") or len(atoms) == len(sites.Z):
                raise
            count, atoms = len(atoms), without_repetitions(atoms, sites)
            if len(atoms) == count:
                raise
            once = (
                f"the file lists atoms that its symmetry makes too: {count - len(atoms)} repetitions were left out",
            )


def _listed_sites(
    block: Block, unit_cell: gemmi.UnitCell, rewritten: list[str]
) -> tuple[Sites, gemmi.SmallStructure, Occupancies | None, tuple[str, ...]]:
    """The sites of a block, the parser's view of them, their occupancies if some are partial and one alternative is kept, and
    notes on what was left out or read in an unusual form.

    Args:
        block: its loop of sites is changed in place.
        unit_cell: of the block.
        rewritten: numbers of the cell that were written anew.
    """
    notes = (*block.notes, *drop_what_is_no_atom(block, unit_cell))
    _label_sites(block)
    small = _small(block)
    fractional, occupancies = _positions(small, block)
    if not np.isfinite(fractional).all() or not np.isfinite(occupancies).all():
        more = _mend_sites(block)
        rewritten += more
        small = _small(block) if more else small
        fractional, occupancies = _positions(small, block)
    if rewritten:
        many = "1 number is" if len(rewritten) == 1 else f"{len(rewritten)} numbers are"
        notes += (f"{many} written in an unusual way, such as {rewritten[0][:20]!r}",)
    Z = check_sites(small, fractional, occupancies, block)
    notes += many_times(small, occupancies) + disputed_labels(block, small) + heavy_hydrogen(small, Z)
    sites = Sites(Z, fractional, small.cell)
    found = _partial.Occupancies.of(block, small, sites, occupancies) if is_resolving() else None
    if found is not None:
        sites = replace(sites, partial=found.stated < 1.0)
    return sites, small, found, notes


def _whole_cell(sites: Sites, said: Stated, evidence: Evidence) -> Cell:
    """Every atom of the unit cell: by the listed operations where all that the file states agrees.

    Raises:
        InputError: the symmetry is unknown, ambiguous, unreadable, contradicts what else the file states, or is not one
            that the cell can have.
    """
    listed = read_operations(said.texts, said.centerings) if said.texts else None
    if listed is not None and not listed.flaw and sites.fit(listed) and (not said.groups or agree(listed, said)):
        found = Cell(sites.expand(listed), (listed.repaired,) if listed.repaired else ())
    else:
        found = disputes.settled(sites, said, listed, evidence)
    notes, warnings = doubt(found.atoms, evidence)
    if said.modulated:
        warnings += ("the structure is modulated; what was read is its average structure",)
    return replace(found, notes=said.notes + found.notes + notes, warnings=found.warnings + warnings)


def _absent(block: Block, evidence: Evidence, atoms: Atoms, whole: Atoms) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Notes and warnings on what the file states but gives no positions of: solvent, hydrogen. A formula counts atoms by their
    occupancy, so that it is compared with the whole cell where those that stay are only some of its atoms.
    """
    formula, weights = evidence.formula, evidence.weights(whole)
    missing: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    if formula is None:
        lacks = hydrogen_told_elsewhere(block, atoms.Z)
    elif weights is not None and formula.ratio_holds(whole.Z, weights):
        if not formula.holds(whole.Z, weights):
            missing, lacks = what_is_missing(formula, whole.Z, block.last, weights)
    elif not formula.holds(atoms.Z):
        missing, lacks = what_is_missing(formula, atoms.Z, block.last)
    attached = _attached_hydrogens(block, atoms)
    if attached and not (formula and not missing and not lacks):
        text = f"{attached} hydrogen atoms are stated as attached to others but have no positions; they are missing"
        lacks = (text, *(lack for lack in lacks if "hydrogen" not in lack))
    return missing, lacks


def _small(block: Block) -> gemmi.SmallStructure:
    for name in NUMBERS:  # the parser takes plain digits only; the number is read elsewhere
        item = block.items.find_pair_item(name) if name.lower() in block.columns else None
        if item is not None and not item.pair[1].isdecimal():  # type: ignore[index]  # gemmi's stubs call a pair an object
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
        if text is None or math.isfinite(gemmi.cif.as_number(text)):
            continue
        plain = gemmi.cif.as_string(text)
        found = WITH_UNIT.fullmatch(plain)
        value = number(found[1] if found else text)
        if np.isfinite(value):
            block.items.set_pair(name, repr(value))
            mended.append(plain)
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
        if math.isfinite(values[-1]):
            continue
        if text is not None and not gemmi.cif.is_null(text):
            unit = lax.other_unit(gemmi.cif.as_string(text).split()[-1:])
            if unit:
                raise lax.unread_unit(name, unit)
            raise InputError("no_cell", f"{name} is no number: {text[:40]}", "write it like 5.640(2)")
        raise InputError("no_cell", f"the CIF has no number for {name}", "a crystal needs all three lengths and angles")
    lengths, angles = values[:3], values[3:]
    cosines = [math.cos(math.radians(angle)) for angle in angles]
    squared = 1.0 - sum(cosine**2 for cosine in cosines) + 2.0 * math.prod(cosines)
    if min(lengths) <= 0 or min(angles) <= 0 or max(angles) >= 180 or squared < 1e-6:
        raise InputError(
            "singular_cell",
            f"the unit cell is singular: lengths {lengths} Å, angles {angles}°",
            "give positive lengths and three angles that enclose a volume",
        )
    if math.prod(lengths) * squared**0.5 < SMALLEST_CELL_VOLUME or max(lengths) > LARGEST_EXTENT:
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


def _positions(small: gemmi.SmallStructure, block: Block) -> tuple[np.ndarray, np.ndarray]:
    """Fractional coordinates ``[n, 3]`` and occupancies ``[n]``, NaN where they are no numbers; the parser takes such
    occupancies for 1.
    """
    fractional = np.array([site.fract.tolist() for site in small.sites]).reshape(-1, 3)
    texts = block.column("_atom_site_occupancy")
    if texts is None or len(texts) != len(small.sites):
        return fractional, np.array([site.occ for site in small.sites])
    known = {text: 1.0 if gemmi.cif.is_null(text) else gemmi.cif.as_number(text) for text in set(texts)}
    return fractional, np.array([known[text] for text in texts])


def _attached_hydrogens(block: Block, atoms: Atoms) -> int:
    """Hydrogen atoms that the file counts beside its sites, in the whole cell."""
    attached = block.column("_atom_site_attached_hydrogens")
    if attached is None:
        return 0
    counts = np.nan_to_num(numbers(attached), nan=0.0, posinf=0.0, neginf=0.0)
    if len(counts) <= atoms.site.max():
        return 0
    return int(min(counts.clip(0, 9)[atoms.site].sum(), 10**9))
