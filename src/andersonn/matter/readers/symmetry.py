"""Symmetry of CIF files: from the listed sites to every atom of the unit cell, by gemmi's tables."""

from __future__ import annotations

from collections.abc import Iterable

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.matter.structure import refuse_more_atoms

SAME_SITE = 0.4
"""Å within which symmetry images of one site are one atom on a special position (gemmi's tolerance)."""
MOST_OPERATIONS = 1000
"""The richest space groups have 192 in their usual cell; supercells may list a few times as many."""
MOST_COMPARISONS = 100_000_000
"""Of the images of all sites, pair by pair: a few seconds. 192 operations on 2,700 sites need as many."""
METRIC_TOLERANCE = 0.01
"""How much an operation may change the metric tensor, relatively: room for rounded and slightly distorted cells."""


def whole_cell(small: gemmi.SmallStructure) -> tuple[list[gemmi.SmallStructure.Site], np.ndarray]:
    """Every atom of the unit cell: sites and fractional coordinates ``[n, 3]``.

    Raises:
        InputError: the symmetry is unknown, ambiguous, unreadable, or not one that the cell can have.
    """
    operations = _operations(small)
    if len(operations) == 1:  # an atom a site
        fractional = np.array([site.fract.tolist() for site in small.sites])
        return list(small.sites), (fractional @ operations[0, :, :3].T + operations[0, :, 3]) % 1.0
    metric = np.array(small.cell.orth.mat.tolist())
    if len(operations) ** 2 * len(small.sites) > MOST_COMPARISONS:
        raise InputError(
            "too_large",
            f"{len(operations)} symmetry operations on {len(small.sites):,} sites are too many",
            "give a smaller cell, or list all its atoms",
        )
    sites, positions = [], []
    for site in small.sites:
        images = operations[:, :, :3] @ np.array(site.fract.tolist()) + operations[:, :, 3]
        images = _distinct(images % 1.0, metric)
        sites += [site] * len(images)
        refuse_more_atoms(len(sites))
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


def _operations(small: gemmi.SmallStructure) -> np.ndarray:
    """Symmetry operations ``[m, 3, 4]`` on fractional coordinates: the file's own list first, else by its symbols."""
    if len(small.symops) > MOST_OPERATIONS:
        raise InputError(
            "bad_symmetry",
            f"{len(small.symops):,} symmetry operations; at most {MOST_OPERATIONS} are read",
            "give a smaller cell, or list all its atoms",
        )
    if small.symops:
        try:
            operations = _matrices(gemmi.Op(text) for text in small.symops)
        except (ValueError, RuntimeError) as error:
            raise InputError("bad_symmetry", f"unreadable symmetry operation: {error}", "write it like x,y,z") from None
        if _fits(operations, small.cell):
            return operations
        raise _misfit(small, "the listed symmetry operations do")
    group = _space_group(small)
    operations = _matrices(group.operations())
    if _fits(operations, small.cell):
        return operations
    # Files that give the number alone, or a symbol without its setting, may mean another axis than the standard's.
    others = [_matrices(other.operations()) for other in gemmi.spacegroup_table() if other.number == group.number]
    fitting = [other for other in others if _fits(other, small.cell)]
    if len(fitting) == 1:
        return fitting[0]
    raise _misfit(small, f"space group {group.xhm()} does")


def _matrices(operations: Iterable[gemmi.Op]) -> np.ndarray:
    return np.array([operation.float_seitz() for operation in operations])[:, :3, :]


def _fits(operations: np.ndarray, cell: gemmi.UnitCell) -> bool:
    """Whether the operations leave the cell's lengths and angles as they are: RᵀGR = G for the metric tensor G."""
    orth = np.array(cell.orth.mat.tolist())
    metric = orth.T @ orth
    turned = np.transpose(operations[:, :, :3], (0, 2, 1)) @ metric @ operations[:, :, :3]
    return bool(np.linalg.norm(turned - metric, axis=(1, 2)).max() < METRIC_TOLERANCE * np.linalg.norm(metric))


def _misfit(small: gemmi.SmallStructure, what: str) -> InputError:
    parameters = ", ".join(f"{value:g}" for value in small.cell.parameters)
    return InputError(
        "bad_symmetry",
        f"{what} not fit the cell {parameters}",
        "correct the cell, or list the operations of its own setting in _space_group_symop_operation_xyz",
    )


def _space_group(small: gemmi.SmallStructure) -> gemmi.SpaceGroup:
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
