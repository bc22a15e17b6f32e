"""What a file states of how many atoms its cell has: formula, formula units, multiplicities, density; and whether the
atoms fit.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.alternatives import is_resolving
from andersonn.structures.contacts import nearer_than_bonds
from andersonn.structures.readers.crystals.cif.cell import Atoms, Sites
from andersonn.structures.readers.crystals.cif.document import Block, number, numbers
from andersonn.structures.structure import MOST_ATOMS

TOLERANCE = 0.005
"""Largest difference in the share of an element; formulas of partly occupied sites are rounded."""
TOKEN = re.compile(r"([A-Z][a-z]?)|(\d{1,6}\.?\d{0,6}|\.\d{1,6})|([()\[\]{}])")
PLAIN = re.compile(r"(?:[A-Z][a-z]?(?:\d{1,6}(?:\.\d{1,6})?)? *)+")
"""A formula without brackets, charges, factors in front and numbers that stand apart."""
SEPARATOR = re.compile(r"[,;\u00b7]| \+ ")
CHARGE = re.compile(r" \d{0,2}[+-](?![^ ,;)])")
LONGEST_PLAIN = 200
DEUTERIUM = 1.006
"""What deuterium, which is read as hydrogen, weighs more."""
DALTON = 1.66054
"""In g/cm³ Å³."""
SAME_SIZE = 0.02
"""Largest relative difference of stated volumes and densities, which are rounded."""
CORRECT = "list the symmetry operations of the cell's own setting in _space_group_symop_operation_xyz"


@dataclass(frozen=True)
class Formula:
    """A stated formula.

    Attributes:
        text: as the file has it.
        counts: atomic number → atoms in a formula unit, hydrogen aside.
        hydrogen: atoms of hydrogen and deuterium in a formula unit.
        units: formula units in a cell (Z); None if not stated.
    """

    text: str
    counts: dict[int, float]
    hydrogen: float
    units: float | None

    def ratio_holds(self, Z: np.ndarray, weights: np.ndarray | None = None) -> bool:
        """Whether atoms, those of partial occupancy by their weights, have the shares of the formula, hydrogen aside."""
        found = heavy_atoms(Z, weights)
        total, n = sum(self.counts.values()), sum(found.values())
        return self.counts.keys() == found.keys() and all(
            abs(found[z] / n - count / total) < TOLERANCE for z, count in self.counts.items()
        )

    def holds(self, Z: np.ndarray, weights: np.ndarray | None = None) -> bool:
        """Whether atoms have the shares of the formula, hydrogen included."""
        stated, there = self.hydrogen_shares(Z, weights)
        return self.ratio_holds(Z, weights) and abs(there - stated) < TOLERANCE

    def hydrogen_shares(self, Z: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
        """Hydrogen atoms for each other atom: by the formula, and among the atoms."""
        weights = np.ones(len(Z)) if weights is None else weights
        there = float(weights[Z == 1].sum() / max(1.0, weights[Z != 1].sum()))
        return self.hydrogen / sum(self.counts.values()), there

    def totals(self) -> list[dict[int, float]]:
        """Atoms in the cell by the number of formula units. Some programs state the formula of the whole cell beside that
        number.
        """
        if not self.units:
            return []
        whole = [{z: count * self.units for z, count in self.counts.items()}]
        if self.units > 1 and all(abs(c / self.units - round(c / self.units)) < 1e-6 for c in self.counts.values()):
            whole.append(dict(self.counts))
        return whole

    def total_holds(self, Z: np.ndarray, weights: np.ndarray | None = None) -> bool | None:
        """Whether the cell has as many atoms of each element as the file states, hydrogen aside; None if it does not say."""
        totals, found = self.totals(), heavy_atoms(Z, weights)
        if not totals:
            return None
        return any(
            total.keys() == found.keys() and all(abs(found[z] - c) <= max(0.01 * c, 0.02) for z, c in total.items())
            for total in totals
        )


def stated_formula(block: Block) -> Formula | None:
    """The formula of a block, or None if it states none that can be read."""
    return formula_in(block, block.value("_chemical_formula_sum"))


def formula_in(block: Block, text: str | None) -> Formula | None:
    """The formula that a text of a block states, or None if it cannot be read."""
    if text is None or text in "?.":
        return None
    found, known = _counted(text), elements.atomic_number()
    hydrogen = sum(found.pop(symbol, 0.0) for symbol in ("H", "D", "T"))
    if not found or not all(found.values()) or any(symbol not in known for symbol in found):
        return None
    counts = {known[symbol]: count for symbol, count in found.items()}
    units = block.value("_cell_formula_units_Z")
    there = gemmi.cif.as_number(units) if units else float("nan")
    return Formula(text, counts, hydrogen, there if 0 < there < 10_000 else None)


def _counted(text: str) -> dict[str, float]:
    """Symbol → count, with brackets and numbers before or behind them, as in ``Mg (O H)2`` and ``C H O Zn, 0.5(C7 H8)``."""
    if len(text) <= LONGEST_PLAIN and PLAIN.fullmatch(text):
        plain: dict[str, float] = {}
        for symbol, count, _ in TOKEN.findall(text):
            if symbol:
                before = symbol
                plain[symbol] = plain.get(symbol, 0.0) + 1.0
            else:
                plain[before] += float(count) - 1.0
        return plain
    total: Any = Counter()  # of floats, which the type of a Counter does not foresee
    for part in SEPARATOR.split(text):
        levels: list[Any] = [Counter()]
        last: Any = None
        factors = [1.0]
        for symbol, factor, bracket in TOKEN.findall(CHARGE.sub(" ", part)):
            if factor and last:
                for name, count in last.items():
                    levels[-1][name] += count * (float(factor) - 1.0)
            elif factor and not levels[-1]:
                factors[-1] *= float(factor)
            last = None
            if symbol:
                last = Counter({symbol: 1.0})
                levels[-1].update(last)
            elif bracket and bracket in "([{":
                levels.append(Counter())
                factors.append(1.0)
            elif bracket and len(levels) > 1:
                inner, times = levels.pop(), factors.pop()
                last = Counter({name: count * times for name, count in inner.items()})
                levels[-1].update(last)
        while len(levels) > 1:
            inner = levels.pop()
            levels[-1].update(inner)
        total.update({name: count * factors[0] for name, count in levels[0].items()})
    return dict(total)


def heavy_atoms(Z: np.ndarray, weights: np.ndarray | None = None) -> Any:
    """Atomic number → how many atoms there are, hydrogen aside: a counter, of floats if the atoms have weights ``[n]``."""
    return Counter({z: count for z, count in enumerate(np.bincount(Z, weights).tolist()) if count and z != 1})


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a file states about the number of atoms in its cell.

    Attributes:
        formula: the stated formula, or None.
        multiplicities: of the sites ``[n]``, 0 where not stated; None if none is stated.
        occupancies: of the sites ``[n]`` if some are partial and one alternative of these is kept, else None.
    """

    formula: Formula | None = None
    multiplicities: np.ndarray | None = None
    occupancies: np.ndarray | None = None

    def weights(self, atoms: Atoms) -> np.ndarray | None:
        """What each atom counts in a formula ``[n]``; None where all are whole."""
        return None if self.occupancies is None else self.occupancies[atoms.site]

    def total(self, atoms: Atoms) -> bool | None:
        """Whether formula and formula units make the atoms, None if they are not stated."""
        return self.formula.total_holds(atoms.Z, self.weights(atoms)) if self.formula else None

    def ratio(self, atoms: Atoms) -> bool | None:
        """Whether the atoms have the shares of the formula, None if none is stated."""
        return self.formula.ratio_holds(atoms.Z, self.weights(atoms)) if self.formula else None

    def multiplicity(self, atoms: Atoms) -> bool | None:
        """Whether every site has as many images as the file says."""
        if self.multiplicities is None:
            return None
        counts, stated = np.bincount(atoms.site, minlength=len(self.multiplicities)), self.multiplicities
        return bool((counts == stated)[stated > 0].all())


def stated_evidence(block: Block, sites: int, occupancies: np.ndarray | None = None) -> Evidence:
    """What a block states, given how many sites it lists, and their occupancies if some are partial."""
    texts = block.column("_atom_site_symmetry_multiplicity")
    values = np.zeros(0)
    if texts is not None and len(texts) == sites:
        values = np.nan_to_num(numbers(texts), nan=0.0, posinf=0.0, neginf=0.0)
    return Evidence(stated_formula(block), values if values.any() else None, occupancies)


def doubt(atoms: Atoms, evidence: Evidence) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A note or a warning where formula and formula units make another number of atoms.

    Raises:
        InputError: multiplicities do so, too.
    """
    formula, holds = evidence.formula, evidence.total(atoms)
    if formula is None or holds is None:
        return (), _check_multiplicities(atoms, evidence)
    if holds:
        return (), ()
    stated = sum(formula.totals()[-1].values())
    weights = evidence.weights(atoms)
    there = float((atoms.Z != 1).sum() if weights is None else weights[atoms.Z != 1].sum())
    text = f"by formula and formula units the cell has {stated:g} atoms (hydrogen aside), by its symmetry {there:g}"
    if evidence.multiplicity(atoms) is False and formula.total_holds(_by_multiplicity(atoms, evidence)):
        raise InputError(
            "bad_symmetry", f"{text}; the multiplicities of its sites contradict the symmetry, too", CORRECT
        )
    if not evidence.ratio(atoms):
        return (), ()
    return ((), (text,)) if stated > there else ((text,), ())


def _check_multiplicities(atoms: Atoms, evidence: Evidence) -> tuple[str, ...]:
    """A warning where sites have other multiplicities than the file states and no formula units decide.

    Raises:
        InputError: all of them have fewer, so that operations must be missing.
    """
    stated = evidence.multiplicities
    if stated is None or evidence.multiplicity(atoms):
        return ()
    counts = np.bincount(atoms.site, minlength=len(stated))
    orders = (counts * stated)[stated > 0]
    if (stated == 1).any() and counts.max() > 1 and (orders == orders[0]).all():
        return ()  # SHELXL-97 writes the order of the site's symmetry here
    row = int(np.flatnonzero((counts != stated) & (stated > 0))[0])
    text = f"the symmetry makes {counts[row]} atoms of a site whose stated multiplicity is {stated[row]:g}"
    if (stated > counts)[stated > 0].all():
        raise InputError("bad_symmetry", f"{text}, and fewer than stated of all others, too", CORRECT)
    return (text,)


def _by_multiplicity(atoms: Atoms, evidence: Evidence) -> np.ndarray:
    """Atomic numbers of a cell in which every site stands as often as the file says."""
    stated = np.zeros(0, int) if evidence.multiplicities is None else evidence.multiplicities.clip(0, 1000).astype(int)
    Z = np.zeros(len(stated), int)
    Z[atoms.site] = atoms.Z
    return np.repeat(Z, stated)[:MOST_ATOMS]


def squeezed(atoms: Atoms, sites: Sites) -> tuple[str, ...]:
    """A warning where two atoms, hydrogen aside, are nearer than any bond of theirs, as disordered alternatives are; none where one
    alternative is kept, which a note then says.
    """
    if is_resolving():
        return ()
    xyz, cell = atoms.fractional @ sites.orth.T, sites.orth.T
    try:
        pairs = nearer_than_bonds(atoms.Z, xyz, cell)
    except InputError:  # of a crowd, which is refused elsewhere
        return ()
    if not len(pairs):
        return ()
    apart = atoms.fractional[pairs[:, 0]] - atoms.fractional[pairs[:, 1]]
    distances = np.linalg.norm((apart - np.round(apart)) @ cell, axis=1)
    worst = distances.argmin()
    names = " and ".join(elements.symbols()[int(atoms.Z[k])] for k in pairs[worst])
    return (
        f"{names} are only {distances[worst]:.2f} Å apart, nearer than any bond of theirs: they may be alternatives of disorder",
    )


def contradicted_size(block: Block, volume: float, Z: np.ndarray | None) -> tuple[str, ...]:
    """Warnings where volume and density that a file states are not those of its cell and atoms.

    Args:
        block: the file's.
        volume: of the cell, Å³.
        Z: atomic numbers of the cell; None if atoms are known to be missing, so that the density says nothing.
    """
    told, stated = [], number(block.value("_cell_volume") or "?")
    if stated > 0 and abs(stated / volume - 1.0) > SAME_SIZE:
        told.append(f"_cell_volume is {stated:g} Å³, but lengths and angles make {volume:.4g}: check them")
    density = number(block.value("_exptl_crystal_density_diffrn") or "?")
    if Z is None or not density > 0:
        return tuple(told)
    light = DALTON * sum(gemmi.Element(int(z)).weight for z in Z) / volume
    heavy = light + DALTON * DEUTERIUM * int((Z == 1).sum()) / volume
    if not any(light * (1 - SAME_SIZE) <= d <= heavy * (1 + SAME_SIZE) for d in (density, density / 1000.0)):
        told.append(f"the stated density is {density:g} g/cm³, but cell and atoms make {light:.4g}: check the atoms")
    return tuple(told)
