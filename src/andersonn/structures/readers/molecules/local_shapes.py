"""Bond lengths and angles that a force field gets wrong, and the twist of hydrazines: relaxed once more to the right ones.

MMFF94 and UFF lack parameters of many inorganic and hypervalent bonds and put rules in their place, which are wrong by 0.05 to 0.5 Å
(SO2, PCl3, CO2's relatives, boron halides, diatomics). ``local_shapes.csv`` has their usual values, learned from molecules of the
training whose geometry was computed (``tools/fit_local_shapes.py``), one row a kind that the force field is known to miss. Kinds name what
else the atoms are bonded to, as far as molecules of just that kind are known, and else are wider. A molecule without such a kind keeps
its geometry as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from andersonn.structures.readers.molecules import ring_lengths
from andersonn.structures.readers.molecules.kinds import name, rows_of, sign

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Bond, Mol

TABLE = "local_shapes.csv"
SMALL_RING = 4
"""Bonds in rings up to this size are kinds of their own."""
STIFF_LENGTH, STIFF_ANGLE = 1e4, 5.0
"""Force constants toward the usual lengths and angles, kcal/mol per Å² and per square degree: far stiffer than those of bonds."""
TWIST, LEAST_TWIST, MOST_TWIST = 90.0, 60.0, 120.0
"""Degrees between the lone pairs of two bonded amine nitrogens, and the range that is left as it is. They avoid each other: hydrazine
is gauche, 91° (Kohata, Fukuyama and Kuchitsu, J. Phys. Chem. 86, 602, 1982); MMFF94 prefers 180°, where dipoles cancel.
"""
HYDRAZINE = (
    "[#7X3;+0;!$(N-*=*);!$(N-*:*);!$(N-*#*);!$([#7]=,:*)]-!@[#7X3;+0;!$(N-*=*);!$(N-*:*);!$(N-*#*);!$([#7]=,:*)]"
)
"""Two amine nitrogens in no common ring; of amides and aromatic neighbors the lone pair is no longer free."""
STEPS = 2000

Restraint = tuple[tuple[int, ...], float]
"""Two atoms and their distance in Å, or three or four and their angle in degrees."""


@cache
def usual() -> dict[tuple[str, str], float]:
    """Force field and kind → the usual length in Å or angle in degrees."""
    return {(row["force_field"], row["kind"]): float(row["usual"]) for row in rows_of(TABLE)}


def kinds_of(mol: Mol) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Kinds of each bond, and of each angle outside rings: that which names the surroundings too, and the wider one; and the two
    or three atoms. They do not depend on the order of atoms.

    Args:
        mol: sanitized, with explicit hydrogens.
    """
    for bond in mol.GetBonds():
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        ring = next((f" in a ring of {k}" for k in range(3, SMALL_RING + 1) if bond.IsInRingSize(k)), "")
        near, wide = (sorted(f"{name(end)}{told(end, bond)}" for end in ends) for told in (_around, lambda *_: ""))
        yield (
            f"{sign(bond).join(near)}{ring}",
            f"{sign(bond).join(wide)}{ring}",
            tuple(end.GetIdx() for end in ends),
        )
    for atom in mol.GetAtoms():
        for one, other in combinations(atom.GetBonds(), 2):
            if one.IsInRing() and other.IsInRing():
                continue
            arms = sorted((_arm(atom, each), each.GetOtherAtomIdx(atom.GetIdx())) for each in (one, other))
            (first, i), (second, j) = arms
            beside = _around(atom, one, other)
            yield f"{first} {name(atom)}{beside} {second}", f"{first} {name(atom)} {second}", (i, atom.GetIdx(), j)


def _arm(atom: Atom, bond: Bond) -> str:
    """The other atom of a bond, and its order: ``O=``."""
    return f"{bond.GetOtherAtom(atom).GetSymbol()}{sign(bond)}"


def _around(atom: Atom, *without: Bond) -> str:
    """What else an atom is bonded to: ``(Cl- Cl-)``."""
    left_out = {bond.GetIdx() for bond in without}
    return f"({' '.join(sorted(_arm(atom, bond) for bond in atom.GetBonds() if bond.GetIdx() not in left_out))})"


def repaired(mol: Mol, force_field: str) -> bool:
    """Relaxes all conformers once more, where the force field is known to be wrong about some of their bonds, in place.

    Args:
        mol: sanitized, with explicit hydrogens and relaxed conformers.
        force_field: ``"MMFF94"`` or ``"UFF"``, by which they were relaxed.

    Returns:
        Whether anything was changed.
    """
    known = usual()
    fixed: dict[tuple[int, ...], float] = ring_lengths.lengths(mol, force_field)
    for near, wide, atoms in kinds_of(mol):
        kind = next(((force_field, kind) for kind in (near, wide) if (force_field, kind) in known), None)
        fixed |= {} if kind is None else {atoms: known[kind]}
    changed = False
    for conformer in mol.GetConformers():
        twists = list(_twisted(mol, conformer))
        if fixed or twists:
            _relax(mol, conformer.GetId(), force_field, [*fixed.items(), *twists])
            changed = True
    return changed


def _twisted(mol: Mol, conformer: Any) -> Iterator[Restraint]:
    """Turns N-N bonds of hydrazines until their lone pairs are at a right angle, in place; gives the dihedrals that keep them."""
    from rdkit.Chem import rdMolTransforms

    for i, j in mol.GetSubstructMatches(_pattern(HYDRAZINE)):
        before, after = (
            [a.GetIdx() for a in mol.GetAtomWithIdx(k).GetNeighbors() if a.GetIdx() != other]
            for k, other in ((i, j), (j, i))
        )
        found = lone_pairs(conformer.GetPositions(), i, j, before, after)
        if LEAST_TWIST <= abs(found) <= MOST_TWIST:
            continue
        atoms = before[0], i, j, after[0]
        turn = (TWIST if found >= 0 else -TWIST) - found
        angle = rdMolTransforms.GetDihedralDeg(conformer, *atoms) + turn
        rdMolTransforms.SetDihedralDeg(conformer, *atoms, angle)
        yield atoms, (angle + 180.0) % 360.0 - 180.0


@cache
def _pattern(smarts: str) -> Mol:
    from rdkit import Chem

    return Chem.MolFromSmarts(smarts)


def lone_pairs(xyz: np.ndarray, i: int, j: int, before: list[int], after: list[int]) -> float:
    """Dihedral angle of the lone pairs of two bonded atoms, in degrees; each points away from the atom's neighbors."""

    def away(center: int, around: list[int]) -> np.ndarray:
        arms = xyz[around] - xyz[center]
        return -(arms / np.linalg.norm(arms, axis=1, keepdims=True)).sum(axis=0)

    axis = (xyz[j] - xyz[i]) / np.linalg.norm(xyz[j] - xyz[i])
    one, other = away(i, before), away(j, after)
    one, other = one - (one @ axis) * axis, other - (other @ axis) * axis
    return float(np.degrees(np.arctan2(axis @ np.cross(one, other), one @ other)))


def _relax(mol: Mol, number: int, force_field: str, restraints: list[Restraint]) -> None:
    from rdkit.Chem import rdForceFieldHelpers as fields

    if force_field == "MMFF94":
        field = fields.MMFFGetMoleculeForceField(mol, fields.MMFFGetMoleculeProperties(mol), confId=number)
        add = field.MMFFAddDistanceConstraint, field.MMFFAddAngleConstraint, field.MMFFAddTorsionConstraint
    else:
        field = fields.UFFGetMoleculeForceField(mol, confId=number)
        add = field.UFFAddDistanceConstraint, field.UFFAddAngleConstraint, field.UFFAddTorsionConstraint
    field.Initialize()
    for atoms, value in restraints:
        stiff = STIFF_LENGTH if len(atoms) == 2 else STIFF_ANGLE
        add[len(atoms) - 2](*atoms, False, value, value, stiff)
    field.Minimize(maxIts=STEPS)
