"""Warnings from a molecule's electrons and bonds: a net charge, unpaired electrons, missing hydrogens, wrong lengths; and from
the bonds of carbon in a crystal.
"""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from andersonn.structures import elements
from andersonn.structures.distance_bonds import METALLOIDS, Bonds
from andersonn.structures.ions import charge_of_groups, crowded_metals, crowded_told, is_bare_nitrogen
from andersonn.structures.saturation import OXYGEN, PLANAR, angles, bare_oxygens
from andersonn.structures.structure import Structure

H, C = 1, 6
TRIPLETS = frozenset(("B2", "C", "CH2", "HN", "O", "O2", "OS", "S", "S2", "Si"))
"""Hill formulas of neutral atoms and small molecules of even electrons whose ground state has two unpaired ones."""
SHORT = 0.86
"""A carbon's only bond may be triple if its length is below this fraction of the sum of the covalent radii: 0.79 in CO,
0.85 in CS, 1.0 in a single bond.
"""
DOUBLE = 0.93
"""A carbon with two neighbors has a double bond, whose length is below this fraction: 0.87 in allene, 0.92 in benzene."""
BENT = np.cos(np.radians(140.0))
"""Cosine of an angle. A carbon with two neighbors at a smaller angle is no alkyne, allene or nitrile."""
FLAT = 0.02
"""Å. Atoms this close to the best plane lie in it; files round to 0.0001 Å."""
UNPAIRED = "unpaired electrons"
"""Warnings about unpaired electrons that readers write, who know the bonds, begin like this."""
INERT_PAIR = (31, 32, 49, 50, 81, 82)
"""Ga, Ge, In, Sn, Tl and Pb keep a pair of electrons in many compounds, such as SnCl2 and PbO. RDKit counts it as two unpaired electrons."""
PLENTY = 20_000
"""Atoms. The bonds of larger molecules are not examined."""
_found: WeakKeyDictionary[Structure, tuple[list[str], list[str]]] = WeakKeyDictionary()
"""What :func:`_by_bonds` found of structures that are still in use."""


def electron_count(structure: Structure) -> int:
    """Electrons of a molecule: atomic numbers less its charge."""
    return int(structure.Z.astype(np.int64).sum()) - structure.charge


def judged(structure: Structure) -> Structure:
    """A molecule with the warnings of :func:`doubts_of` added to its own."""
    new = tuple(text for text in doubts_of(structure) if text not in structure.warnings)
    return replace(structure, warnings=structure.warnings + new) if new else structure


def without_inert_pairs(Z: np.ndarray, unpaired: np.ndarray) -> np.ndarray:
    """Unpaired electrons of each atom, int ``[n]``, from those that RDKit counts; see :data:`INERT_PAIR`."""
    return np.where(np.isin(Z, INERT_PAIR) & (unpaired >= 2), unpaired - 2, unpaired)


def unpaired_told(Z: np.ndarray, unpaired: np.ndarray) -> tuple[str, ...]:
    """A warning about unpaired electrons on several atoms; a single one is found by the odd number of electrons.

    Args:
        Z: atomic numbers ``[n]``.
        unpaired: electrons of each atom without a partner, int ``[n]``.
    """
    unpaired = without_inert_pairs(Z, unpaired)
    open_ = np.flatnonzero(unpaired)
    if unpaired.sum() < 2:
        return ()  # one makes an odd count
    shown = ", ".join(f"{elements.named(Z, k)} ({unpaired[k]})" for k in open_[:3])
    more = f" and {len(open_) - 3} more atoms" if len(open_) > 3 else ""
    return (f"{UNPAIRED} at {shown}{more}: a carbene or radical",)


def is_ordinary(structure: Structure) -> bool:
    """Whether a molecule shows no sign of a charge or of unpaired electrons."""
    told = any(text.startswith(UNPAIRED) for text in structure.warnings)
    return not (told or _by_count(structure) or _by_bonds(structure)[0])


OF_DIPOLE = ": the dipole depends on the origin, here the nuclear charge's center"
"""What a warning about a charge says for dipole moments."""


def doubts_of(structure: Structure) -> tuple[str, ...]:
    """Warnings from a molecule's count of electrons and, if the file lists no bonds, from its distances; of a crystal, whether
    carbons have too few bonds.
    """
    if structure.periodic:
        return _lacking_hydrogen(structure)
    electrons, geometry = _by_bonds(structure)
    return (*_by_count(structure), *electrons, *geometry)


def _by_count(structure: Structure) -> list[str]:
    found = []
    count, charge, multiplicity = electron_count(structure), structure.charge, structure.multiplicity
    if charge:
        found.append(f"the charge is {charge:+d}{OF_DIPOLE}")
    if count < 0:
        found.append(f"the charge {charge:+d} leaves fewer than no electrons")
    elif count % 2:
        rest = "or the charge is wrong" if structure.charge_given else "or an ion whose charge is not given"
        found.append(f"{count} electron{'s' if count > 1 else ''}, an odd number: a radical, {rest}")
    elif not charge and multiplicity is None and structure.formula in TRIPLETS:
        found.append(f"the ground state of {structure.formula} has two unpaired electrons")
    if multiplicity is not None and multiplicity > 1 + count % 2:
        wrong = f", which {count} electrons cannot have" if (multiplicity - 1 - count) % 2 else ""
        found.append(f"the multiplicity is {multiplicity}, {multiplicity - 1} unpaired electrons{wrong}")
    return found


def _lacking_hydrogen(crystal: Structure) -> tuple[str, ...]:
    """Warnings where carbons of a crystal have too few bonds, or oxygens seem to be those of water, as where a file lacks
    hydrogens; none if its reader told.
    """
    told = any("hydrogen" in text for text in crystal.warnings)
    if told or len(crystal) > PLENTY or not elements.are_among(crystal.Z, (C, OXYGEN)).any():
        return ()
    bonds, found = Bonds.of(crystal), []
    if open_ := sorted([*_open_carbons(bonds).tolist(), *_pyramids(bonds).tolist()]):
        found.append(f"{_named(np.array(open_), bonds.Z)} with too few bonds: hydrogens or other atoms are missing")
    if bare := bare_oxygens(bonds):
        found.append(f"{_named(np.array(bare), bonds.Z)} like the oxygen of water or hydroxide, but without hydrogen")
    return tuple(found)


def _open_carbons(bonds: Bonds) -> np.ndarray:
    """Indices of the carbons with one or two neighbors that have too few bonds."""
    few = np.flatnonzero((bonds.Z == C) & ((bonds.count == 1) | (bonds.count == 2)))
    return np.array([k for k in few.tolist() if _is_open(bonds, k)], dtype=np.int64)


def _pyramids(bonds: Bonds) -> np.ndarray:
    """Indices of the carbons with three neighbors, no metals, that lack the fourth: they lie out of the neighbors' plane."""
    three = np.flatnonzero((bonds.Z == C) & (bonds.count == 3)).tolist()
    around = [(k, bonds.around(k)) for k in three]
    bare = [(k, here) for k, here in around if elements.are_among(bonds.Z[bonds.j[here]], METALLOIDS).all()]
    return np.array([k for k, here in bare if sum(angles(bonds.vector[here])) < PLANAR], dtype=np.int64)


def _by_bonds(structure: Structure) -> tuple[list[str], list[str]]:
    """Warnings about electrons and about the geometry, from bonds by distance; none if the structure lists its own bonds. Found once
    for each structure, which the reader, the answer and the applicability domain ask for.
    """
    if structure not in _found:
        _found[structure] = _by_bonds_of(structure)
    return _found[structure]


def _by_bonds_of(structure: Structure) -> tuple[list[str], list[str]]:
    electrons: list[str] = []
    geometry: list[str] = []
    if structure.bonds is not None or not 1 < len(structure) <= PLENTY:
        return electrons, geometry
    bonds = Bonds.of(structure)
    Z, count = bonds.Z, bonds.count
    open_ = _open_carbons(bonds)
    if open_.size:
        electrons.append(f"{_named(open_, Z)} with too few bonds: a carbene or radical, or hydrogens are missing")
    bare = np.flatnonzero(is_bare_nitrogen(bonds))
    if bare.size and not structure.charge:
        electrons.append(f"{_named(bare, Z)} with too few bonds: an ion or nitrene, or hydrogens are missing")
    electrons += [] if structure.charge else [crowded_told(metal, bonds) for metal in crowded_metals(bonds)[:1]]
    groups = charge_of_groups(bonds)
    if groups and groups != structure.charge and (groups - structure.charge) % 2 == 0:
        electrons.append(_told_groups(groups, structure))
    lone = np.flatnonzero((count == 0) & elements.are_among(Z, (H, C)))
    if lone.size:
        geometry.append(f"{_named(lone, Z)} without a neighbor at bonding distance: check that lengths are in Å")
    flat = np.flatnonzero((Z == C) & (count == 4))
    if flat.size and in_one_plane(structure.xyz):
        geometry.append(f"{_named(flat, Z)} with four bonds in one plane: the molecule is drawn flat")
    return electrons, geometry


def _told_groups(charge: int, structure: Structure) -> str:
    """The warning that groups, such as carboxylate, make another charge than the molecule has."""
    alike = f"its groups look like an ion of charge {charge:+d}"
    if structure.charge_given or structure.charge:
        return f"{alike}, but the charge is {structure.charge:+d}"
    return f"{alike}, but no charge is given: it was taken as neutral"


def in_one_plane(xyz: np.ndarray, within: float = FLAT) -> bool:
    """Whether positions ``[n, 3]`` lie within some Å of one plane."""
    if len(xyz) <= 3:
        return True
    centered = xyz - xyz.mean(axis=0)
    normal = np.linalg.svd(centered, full_matrices=False)[2][-1]
    return bool(np.abs(centered @ normal).max() < within)


def _is_open(bonds: Bonds, atom: int) -> bool:
    """Whether a carbon with one or two neighbors has too few bonds, as lengths and angles tell."""
    here = bonds.around(atom)
    if not elements.are_among(bonds.Z[bonds.j[here]], METALLOIDS).all():
        return False  # carbonyls, carbides and organometallics follow other rules
    radius = elements.column("covalent_radius_A")
    others = bonds.Z[bonds.j[here]]
    ratio = np.where(others == H, np.inf, bonds.distance[here] / (radius[C] + radius[others])).min()
    if len(others) == 1:
        return bool(ratio > SHORT)
    a, b = bonds.vector[here] / bonds.distance[here][:, None]
    return bool(a @ b > BENT or ratio > DOUBLE)


def _named(atoms: np.ndarray, Z: np.ndarray) -> str:
    """The first atoms by symbol and number, and how many more there are."""
    shown = [elements.named(Z, k) for k in atoms[:3].tolist()]
    more = f" and {len(atoms) - 3} more atoms" if len(atoms) > 3 else ""
    return f"{', '.join(shown)}{more}"
