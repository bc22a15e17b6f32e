"""What the sites lack of a stated formula: hydrogen, solvent, counter-ions."""

from __future__ import annotations

import re

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.readers.crystals.cif.document import Block
from andersonn.structures.readers.crystals.cif.evidence import TOLERANCE, Formula, formula_in, heavy_atoms

OF_SOLVENTS = frozenset(elements.atomic_number()[symbol] for symbol in ("H", "C", "N", "O", "F", "S", "Cl", "Br", "I"))
"""Elements of solvents. Counter-ions such as PF6 and BF4 are none: without them a framework is charged."""
MOST_SOLVENT = 2.0
"""Atoms, hydrogen aside, that may be missing for each that is there."""
LEAST_FOR_CARBON, LEAST_FOR_OXYGEN = 0.75, 1.5
"""Hydrogen and halogen atoms for each carbon of organic solvents (benzene 1, DMF 2.3, chloroform 4), and for the oxygen of
water (2); the rings and carboxylates of a framework have fewer."""
OTHER_FORMULAS = (
    "_chemical_formula_moiety",
    "_chemical_formula_structural",
    "_chemical_formula_analytical",
    "_chemical_formula_iupac",
)
NAMED_WITH_HYDROGEN = re.compile(
    r"(?:[HD][23]O|[HD]O[HD]|O[HD]2?|OW|Wat|Aq|W)(?![a-z])|O\(H|O\d{1,4}(?:W|H2?)(?![a-z])", re.IGNORECASE
)
"""Beginnings of labels of oxygen atoms of water and hydroxide."""
HYDROGEN_WEIGHT = 1.008
MOST_HYDROGEN = 3
"""Hydrogen atoms for each other atom, where only the weight tells of them."""


def hydrogen_told_elsewhere(block: Block, Z: np.ndarray) -> tuple[str, ...]:
    """A warning where the sites lack hydrogen that another formula than the sum, the weight of a formula unit, or the label of
    an oxygen atom such as ``H2O1`` tells.
    """
    if (Z == 1).any():
        return ()
    for name in OTHER_FORMULAS:
        formula = formula_in(block, block.value(name))
        if formula and formula.hydrogen and formula.ratio_holds(Z):
            return (f"{name} is {formula.text[:60]}, but the sites have no hydrogen atoms",)
    weight = gemmi.cif.as_number(block.value("_chemical_formula_weight") or "?")
    found = heavy_atoms(Z)
    if not weight > 0 or not found:
        return _told_by_labels(block)
    units = gemmi.cif.as_number(block.value("_cell_formula_units_Z") or "?")
    units = units if units > 0 else float(np.gcd.reduce(list(found.values())))
    lack = (weight - sum(gemmi.Element(z).weight * count for z, count in found.items()) / units) / HYDROGEN_WEIGHT
    if 0.95 < lack <= MOST_HYDROGEN * sum(found.values()) / units and abs(lack - round(lack)) < 0.05:
        return (
            f"_chemical_formula_weight is {weight:g}: {round(lack)} hydrogen atoms of a formula unit have no positions",
        )
    return ()


def _told_by_labels(block: Block) -> tuple[str, ...]:
    labels = block.column("_atom_site_label") or []
    for label, kind in zip(labels, block.column("_atom_site_type_symbol") or labels, strict=False):
        name = gemmi.cif.as_string(label)
        if gemmi.cif.as_string(kind)[:1] == "O" and NAMED_WITH_HYDROGEN.match(name):
            return (
                f"site {name[:20]} seems to be the oxygen of water or hydroxide, but the sites have no hydrogen atoms",
            )
    return ()


def what_is_missing(
    formula: Formula, Z: np.ndarray, last: bool, weights: np.ndarray | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Notes and warnings where a cell lacks something of a stated formula: hydrogen, which X-ray structures often lack, or
    solvent that was removed or masked.

    Args:
        formula: as stated; the atoms do not make it.
        Z: atomic numbers of the cell.
        last: whether the file ends with its sites, as one that is cut between two of them does.
        weights: of the atoms, where some are partially occupied and the formula has the shares of all, else None.

    Raises:
        InputError: something else is missing, or more is there than stated.
    """
    found, made = heavy_atoms(Z), elements.formula(Z)
    if formula.ratio_holds(Z, weights):
        stated, there = formula.hydrogen_shares(Z, weights)
        text = f"the file's formula is {formula.text}, but its sites make {made}"
        if there > stated:
            return (text,), ()
        return (), (f"{text}: hydrogen atoms have no positions",)
    lack = _missing(formula, Z)
    if lack is not None and _is_solvent(lack[0], sum(found.values()) / lack[1], last):
        note = (
            f"solvent that the file's formula counts, {formula.text}, is not among its sites, which make {made}: it was "
            f"removed or masked{', or the file is cut short' if last else ''}"
        )
        if _is_ion(lack[0]):
            note = f"{note.split(', is not')[0].replace('solvent', 'a counter-ion')}, is not among its sites, which make {made}"
            return (), (f"{note}: without it the charge of the rest is not known",)
        bare = formula.hydrogen and (Z == 6).any() and not (Z == 1).any()
        return (note,), (("the file's formula has hydrogen, but its sites have none",) if bare else ())
    hint = "correct _chemical_formula_sum, or complete the sites"
    if last and found.total():
        hint = "the file may be cut short; complete its sites, or correct _chemical_formula_sum"
    raise InputError("incomplete", f"the sites make {made} but the file's formula is {formula.text}", hint)


def _missing(formula: Formula, Z: np.ndarray) -> tuple[dict[int, float], float] | None:
    """What the sites lack of a formula unit, if they have everything that is no solvent, and how many units there are;
    None if they do not, or if that is not known.
    """
    found = heavy_atoms(Z)
    frame = {z: c for z, c in formula.counts.items() if z not in OF_SOLVENTS}
    if frame:
        units = sum(found[z] for z in frame) / sum(frame.values())
        if not all(found[z] and abs(found[z] - c * units) <= max(0.01 * found[z], 0.02) for z, c in frame.items()):
            return None
    elif formula.units:
        units = formula.units
    else:
        return None
    if any(z not in formula.counts for z in found):
        return None
    missing = {z: c - found[z] / units for z, c in formula.counts.items()}
    if min(missing.values()) < -TOLERANCE * sum(formula.counts.values()):
        return None
    return {**missing, 1: formula.hydrogen - int((Z == 1).sum()) / units}, units


def _is_solvent(missing: dict[int, float], there: float, last: bool) -> bool:
    """Whether what a formula unit lacks may be solvent.

    Args:
        missing: atomic number → atoms.
        there: atoms that it has, hydrogen aside.
        last: whether the file may be cut short. Then as much hydrogen or halogen must be missing as solvents have.
    """
    carbon, nitrogen, oxygen = (max(0.0, missing.get(z, 0.0)) for z in (6, 7, 8))
    heavy = sum(count for z, count in missing.items() if z != 1)
    if carbon + nitrogen + oxygen < 0.05 or heavy > MOST_SOLVENT * there:
        return False
    around = sum(max(0.0, missing.get(z, 0.0)) for z in (1, 9, 17, 35, 53))
    if around < 0.05 and nitrogen + oxygen < 0.05:
        return False  # carbon alone
    return not last or around >= (LEAST_FOR_CARBON * carbon if carbon > 0.05 else LEAST_FOR_OXYGEN * oxygen) > 0


def _is_ion(missing: dict[int, float]) -> bool:
    """Whether what is missing may be nitrate or perchlorate: oxygen with nitrogen or a halogen, no hydrogen and no carbon."""
    amount = {z: max(0.0, count) for z, count in missing.items()}
    center = sum(amount.get(z, 0.0) for z in (7, 17, 35, 53))
    return max(amount.get(1, 0.0), amount.get(6, 0.0)) < 0.05 < center and amount.get(8, 0.0) > 2.0 * center
