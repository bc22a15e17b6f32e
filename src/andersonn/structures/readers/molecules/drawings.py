"""Whether a molecule's coordinates are a 3-D geometry in Å, or a flat drawing, or in another unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.distance_bonds import METALLOIDS
from andersonn.structures.electrons import in_one_plane

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol

TETRAHEDRAL = (5, 6, 7, 14, 15, 16, 22, 32, 33, 34, 40, 50, 51, 52, 72, 82)
"""Atomic numbers whose four neighbors never lie in one plane with them; those of palladium, platinum and xenon do."""
HALOGENS, HIGHEST = (17, 35, 53), 7
"""Atomic numbers, and the valence at which their four neighbors do not lie in one plane, as in perchloric acid."""
IN_PLANE = 0.08
"""Å from the best plane: drawings have some noise, or none."""
PYRAMIDS = ((15, 3), (33, 3), (16, 4), (34, 4))
"""Atomic number and valence of atoms whose three bonds lie in no plane, as in phosphanes and sulfoxides."""
WIDEST, NARROWEST = 118.0, 95.0
"""Degrees between two bonds of a tetrahedral atom, outside of small rings; drawings have 120, 90 and 180."""
SHORTER = {1.0: 1.0, 1.5: 0.92, 2.0: 0.87, 3.0: 0.79}
"""Length of a bond over the sum of the covalent radii, by its order."""
CONJUGATED = {1.0: (0.87, 1.0), 2.0: (0.87, 0.93)}
"""The same where bonds are conjugated: between two values, as in guanidinium and carboxylates."""
CUMULATED = 0.8
"""The same of double bonds at a linear carbon, at the least: 0.82 in carbon dioxide."""
DRAWN_ALIKE, DRAWN_OTHERWISE = 0.06, 0.12
"""Deviation from the usual lengths of carbon's bonds beyond which they are drawn: of one, where all are equally long; in the
mean, where they are not. In geometries the mean is 0.01 to 0.03.
"""
ALIKE = 0.03
"""Spread of lengths, over their mean, up to which bonds are equally long."""
FAR_OFF = 0.16
"""The same of bonds of nonmetals, all equally long, of which some are not to carbon; 0.14 in oxygen difluoride."""
LONGEST, SHORTEST = 1.4, 0.7
"""Median of the bonds' lengths over the usual ones, outside of which the unit is another."""
DRAWN_SHORTEST, DRAWN_LONGEST = 0.5, 2.0
"""Å: drawings have bonds between; usual are 0.82, 1 and 1.5."""
UNITS = {"bohr": 0.529177, "nm": 10.0, "pm": 0.01}
"""Unit → its length in Å."""


def why_no_geometry(mol: Mol) -> str:
    """Why a molecule's coordinates, marked as 3-D or not, can be no geometry: all atoms lie in one place, or in one plane
    against the rules of bonding. Empty if they can be one.

    Args:
        mol: sanitized, with a conformer.
    """
    xyz = mol.GetConformer().GetPositions()
    if len(xyz) > 1 and np.ptp(xyz, axis=0).max() < 1e-3:
        return "its file has all atoms in one place"
    return (
        "its coordinates are a flat drawing"
        if len(xyz) > 1 and in_one_plane(xyz, IN_PLANE) and _is_drawn(mol, xyz)
        else ""
    )


def _is_drawn(mol: Mol, xyz: np.ndarray) -> bool:
    if any(_is_flattened(atom, xyz) for atom in mol.GetAtoms()):
        return True
    rings = [ring for ring in mol.GetRingInfo().AtomRings() if len(ring) == 5]
    if any(sum(_is_tetrahedral(mol.GetAtomWithIdx(k)) for k in ring) >= 4 for ring in rings):
        return True  # no cyclopentane is flat
    return _has_drawn_lengths(mol, xyz) or _has_one_length(mol, xyz)


def forget_planes(mol: Mol) -> None:
    """Removes the square-planar stereochemistry that RDKit derives from a flat drawing, in place."""
    from rdkit import Chem

    tetrahedral = (Chem.CHI_UNSPECIFIED, Chem.CHI_TETRAHEDRAL_CW, Chem.CHI_TETRAHEDRAL_CCW)
    for atom in mol.GetAtoms():
        if atom.GetChiralTag() not in tetrahedral:
            atom.SetChiralTag(Chem.CHI_UNSPECIFIED)
    Chem.SetHybridization(mol)


def check_unit(mol: Mol) -> None:
    """Checks that bonds have usual lengths.

    Raises:
        InputError: they do not, as when lengths are in bohr or nm.
    """
    ratios = _ratios(mol, mol.GetConformer().GetPositions(), METALLOIDS)
    ratio = float(np.median(ratios)) if ratios.size else 1.0
    if SHORTEST <= ratio <= LONGEST:
        return
    unit = _unit_of(ratio)
    seems = f", as where they are in {unit}" if unit else ""
    factor = UNITS[unit] if unit else 1 / ratio if ratio > 0 else 1.0
    raise InputError(
        "wrong_unit",
        f"bonds are {ratio:.3g} times as long as such bonds are{seems}",
        f"give lengths in Å: multiply the coordinates by {factor:.6g}" if ratio > 0 else "correct the coordinates",
    )


def _unit_of(ratio: float) -> str | None:
    return next((name for name, size in UNITS.items() if 0.85 < ratio * size < 1.15), None)


def _is_tetrahedral(atom: Atom) -> bool:
    """Whether an atom has four neighbors, implicit hydrogens counted, that cannot lie in one plane."""
    from rdkit.Chem import HybridizationType

    if atom.GetTotalDegree() != 4:
        return False
    if atom.GetAtomicNum() in HALOGENS:
        return atom.GetTotalValence() + atom.GetFormalCharge() == HIGHEST
    four = atom.GetHybridization() in (HybridizationType.SP3, HybridizationType.SP2D, HybridizationType.SP3D)
    return four and atom.GetAtomicNum() in TETRAHEDRAL


def _is_flattened(atom: Atom, xyz: np.ndarray) -> bool:
    """Whether an atom, all of whose neighbors lie in one plane with it, cannot have them there."""
    from rdkit.Chem import HybridizationType

    near = [other.GetIdx() for other in atom.GetNeighbors()]
    if atom.GetTotalDegree() == len(near) == 3:
        if (atom.GetAtomicNum(), atom.GetTotalValence()) in PYRAMIDS:
            return True
        kinds = {other.GetHybridization() for other in (atom, *atom.GetNeighbors())}  # amines, but for conjugated ones
        return atom.GetAtomicNum() == 7 and not kinds - {HybridizationType.SP3, HybridizationType.S}
    if not _is_tetrahedral(atom):
        return False
    if len(near) != 2:
        return len(near) > 2
    if atom.IsInRingSize(3) or atom.IsInRingSize(4) or atom.IsInRingSize(5):
        return False
    a, b = xyz[near] - xyz[atom.GetIdx()]
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    if size < 1e-6:
        return False
    angle = np.degrees(np.arccos(np.clip(a @ b / size, -1.0, 1.0)))
    return bool(angle > WIDEST or angle < NARROWEST)


def _has_drawn_lengths(mol: Mol, xyz: np.ndarray) -> bool:
    ratios = _ratios(mol, xyz, frozenset((6, 7, 8, 9, 17, 35)), carbon=True)
    if not ratios.size:
        return False
    off = np.abs(ratios - 1.0)
    heavy = [
        (b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds() if _heavy(b.GetBeginAtom(), b.GetEndAtom())
    ]
    i, j = np.array(heavy).T
    lengths = np.linalg.norm(xyz[i] - xyz[j], axis=1)
    if float(np.ptp(lengths)) < ALIKE * lengths.mean():
        return bool(off.max() > DRAWN_ALIKE)
    return bool(off.mean() > DRAWN_OTHERWISE)


def _has_one_length(mol: Mol, xyz: np.ndarray) -> bool:
    """Whether all bonds, also to hydrogen, have one unusual length that no other unit explains."""
    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
    i, j = np.array(bonds, dtype=np.int64).reshape(-1, 2).T
    lengths, ratios = np.linalg.norm(xyz[i] - xyz[j], axis=1), _ratios(mol, xyz, METALLOIDS)
    if len(lengths) < 2 or not ratios.size or np.ptp(lengths) > ALIKE * lengths.mean():
        return False
    return (
        bool(np.abs(ratios - 1.0).max() > FAR_OFF)
        and DRAWN_SHORTEST < lengths.mean() < DRAWN_LONGEST
        and not _unit_of(float(np.median(ratios)))
    )


def _ratios(mol: Mol, xyz: np.ndarray, known: frozenset[int], carbon: bool = False) -> np.ndarray:
    """Length of each bond between atoms of known elements, over the usual one; if so wanted only
    of carbon to heavy atoms, without single bonds, of which conjugation shortens some.
    """
    from rdkit.Chem import HybridizationType

    radius, found = elements.column("covalent_radius_A"), []
    for bond in mol.GetBonds():
        one, two = bond.GetBeginAtom(), bond.GetEndAtom()
        pair, order = {one.GetAtomicNum(), two.GetAtomicNum()}, bond.GetBondTypeAsDouble()
        if not pair <= known or order not in SHORTER:
            continue
        if carbon and (6 not in pair or not _heavy(one, two) or (order == 1.0 and bond.GetIsConjugated())):
            continue
        length = float(np.linalg.norm(xyz[one.GetIdx()] - xyz[two.GetIdx()]))
        ratio = length / (radius[one.GetAtomicNum()] + radius[two.GetAtomicNum()])
        low, high = CONJUGATED.get(order, (SHORTER[order],) * 2) if bond.GetIsConjugated() else (SHORTER[order],) * 2
        if order == 2.0 and HybridizationType.SP in (one.GetHybridization(), two.GetHybridization()):
            low = CUMULATED
        found.append(ratio / min(max(ratio, low), high))
    return np.array(found)


def _heavy(one: Atom, two: Atom) -> bool:
    return one.GetAtomicNum() > 1 and two.GetAtomicNum() > 1
