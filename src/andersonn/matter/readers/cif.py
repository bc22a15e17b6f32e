"""CIF files, with their symmetry, by gemmi."""

from __future__ import annotations

import re
from collections import Counter

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.matter import elements
from andersonn.matter.structure import Structure

SAME_SITE = 0.4
"""Å within which symmetry images of one site are one atom on a special position (gemmi's tolerance)."""
FULL_OCCUPANCY = 0.999


def parse(text: str, name: str) -> list[Structure]:
    """The structures of all data blocks that hold atoms; several blocks add their own names to ``name``."""
    try:
        document = gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            "bad_cif", f"not a complete CIF: {_reason(error)}", "the file may be cut short; write or download it again"
        ) from None
    blocks = [
        block for block in document if block.find_loop("_atom_site_label") or block.find_loop("_atom_site_fract_x")
    ]
    if not blocks:
        raise InputError(
            "no_atoms",
            "the CIF has no atom sites",
            "it may be cut short; it needs a loop with _atom_site_fract_x, _y, _z",
        )
    names = [name] if len(blocks) == 1 else [f"{name}:{block.name}" for block in blocks]
    return [_structure(block, id) for block, id in zip(blocks, names, strict=True)]


def _structure(block: gemmi.cif.Block, name: str) -> Structure:
    _check_cell(block)
    small = gemmi.make_small_structure_from_block(block)
    _check_sites(small, block)
    sites, fractional = _whole_cell(small, block)
    Z = np.array([site.element.atomic_number for site in sites])
    _check_formula(block, Z)
    cell = np.array(small.cell.orth.mat.tolist()).T
    return Structure(Z, fractional @ cell, cell, id=name)


def _reason(error: Exception) -> str:
    return re.sub(r"^string:", "line ", str(error))


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


def _check_sites(small: gemmi.SmallStructure, block: gemmi.cif.Block) -> None:
    if not len(small.sites):
        raise InputError(
            "no_atoms", "the CIF has no fractional coordinates", "it needs _atom_site_fract_x, _y, _z for each site"
        )
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


def _whole_cell(
    small: gemmi.SmallStructure, block: gemmi.cif.Block
) -> tuple[list[gemmi.SmallStructure.Site], np.ndarray]:
    """Every atom of the unit cell: sites and fractional coordinates ``[n, 3]``."""
    operations = _operations(small, block)
    metric = np.array(small.cell.orth.mat.tolist())
    sites, positions = [], []
    for site in small.sites:
        images = operations[:, :, :3] @ np.array(site.fract.tolist()) + operations[:, :, 3]
        images = _distinct(images % 1.0, metric)
        sites += [site] * len(images)
        positions.append(images)
    return sites, np.concatenate(positions)


def _distinct(images: np.ndarray, orth: np.ndarray) -> np.ndarray:
    """Symmetry images ``[m, 3]`` without repetition: images within :data:`SAME_SITE` of each other become one."""
    grid = np.rint(images * 1e5).astype(np.int64) % 100_000
    _, first = np.unique(grid @ np.array([1, 100_000, 10_000_000_000]), return_index=True)
    images = images[np.sort(first)]  # exact repetitions go first: comparing all pairs is quadratic
    if len(images) == 1:
        return images
    apart = images[:, None] - images[None]
    apart -= np.round(apart)
    distance = np.linalg.norm(apart @ orth.T, axis=2)
    first = (distance < SAME_SITE).argmax(axis=1)
    return images[np.unique(first)]


def _operations(small: gemmi.SmallStructure, block: gemmi.cif.Block) -> np.ndarray:
    """Symmetry operations ``[m, 3, 4]`` on fractional coordinates: the file's own list first, else by its symbols."""
    if small.symops:
        try:
            ops = [gemmi.Op(text) for text in small.symops]
        except (ValueError, RuntimeError) as error:
            raise InputError("bad_symmetry", f"unreadable symmetry operation: {error}", "write it like x,y,z") from None
    else:
        ops = list(_space_group(small, block).operations())
    return np.array([op.float_seitz() for op in ops])[:, :3, :]


def _space_group(small: gemmi.SmallStructure, block: gemmi.cif.Block) -> gemmi.SpaceGroup:
    for order in ("h", "2", "n"):
        small.determine_and_set_spacegroup(order)
        if small.spacegroup is not None:
            break
    else:
        if small.spacegroup_hm or small.spacegroup_number or small.spacegroup_hall:
            raise InputError(
                "bad_symmetry",
                f"unknown space group {small.spacegroup_hm or small.spacegroup_number or small.spacegroup_hall!r}",
                "list the symmetry operations in _space_group_symop_operation_xyz",
            )
        return gemmi.find_spacegroup_by_number(1)
    if order != "h" and small.spacegroup.ext in ("1", "2") and ":" not in small.spacegroup_hm:
        raise InputError(
            "ambiguous_symmetry",
            f"space group {small.spacegroup.hm} has two origin choices and the file names neither",
            "list the symmetry operations in _space_group_symop_operation_xyz, or append :1 or :2 to the symbol",
        )
    return small.spacegroup


def _check_formula(block: gemmi.cif.Block, Z: np.ndarray) -> None:
    """Sites must make up the formula the file states, hydrogen aside: a file cut between two sites reads well."""
    stated = block.find_value("_chemical_formula_sum")
    if stated is None or gemmi.cif.is_null(stated):
        return
    parts = re.findall(r"([A-Z][a-z]?)\s*(\d*\.?\d*)", gemmi.cif.as_string(stated))
    known = elements.atomic_number()
    expected = {known[s]: float(c or 1) for s, c in parts if s in known and known[s] != 1}
    found = Counter(int(z) for z in Z if z != 1)
    if not expected or len(expected) + sum(s in ("H", "D") for s, _ in parts) != len(parts):
        return
    total, n = sum(expected.values()), sum(found.values())
    if expected.keys() == found.keys() and all(abs(found[z] / n - c / total) < 0.005 for z, c in expected.items()):
        return
    raise InputError(
        "incomplete",
        f"the sites make {elements.formula(Z)} but the file's formula is {gemmi.cif.as_string(stated)}",
        "the file may be cut short; complete its sites, or correct _chemical_formula_sum",
    )
