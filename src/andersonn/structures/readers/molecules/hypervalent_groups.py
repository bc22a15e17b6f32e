"""Shapes of groups around a hypervalent atom or a metal in a larger molecule (SF5, ICl2, ZnBr), by the pairs of electrons around it. RDKit's
force fields do not know them, or take them for tetrahedra; distance geometry lets their atoms fall together.

The molecule is embedded with one ordinary atom in place of each group. Then the central atom takes its distance, and its other neighbors
their places around it, turned to where they are farthest from all else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from andersonn.structures.readers.molecules import ideal_shapes

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol

STAND_IN = {(1.0,): 17, (2.0,): 8, (1.0, 1.0): 16, (1.0,) * 4: 14}
"""Orders of the bonds to a group's arms, and the element that stands in its place: chlorine, oxygen, sulfur or silicon."""
FLAT, STEEP, PYRAMIDAL = 5, 15, 7
"""The same of three arms by single bonds. Boron: they lie in a plane. Phosphorus: a pair of electrons pushes them down. Nitrogen: another
neighbor does.
"""
NEON, WITH_FEW_PAIRS = 10, (31, 49, 53, 82)
"""Up to neon no atom is hypervalent; gallium, indium, iodine and lead are missed with three or four pairs too (In(CH3)3, IO2, Pb(CH3)4)."""
IN_LINE = -0.99
"""Cosine of an angle below which two arms leave the turn about them open."""
TURNS = sorted(range(-180, 180, 5), key=lambda turn: (abs(turn), turn))
"""Degrees about a single arm that are tried, in this order."""


class Group(NamedTuple):
    """A central atom and its neighbors.

    Attributes:
        center: index of the atom.
        arms: of those neighbors that lead to the rest of the molecule, one to four.
        ends: of those that have no other neighbor.
        axes: unit vectors toward the arms and then the ends, ``[n, 3]``.
        lengths: of the bonds in the same order, Å, ``[n]``.
        stand_in: atomic number of what stands in its place.
        told: in words.
    """

    center: int
    arms: list[int]
    ends: list[int]
    axes: np.ndarray
    lengths: np.ndarray
    stand_in: int
    told: str


def shaped(mol: Mol, count: int, embed: Callable[[Mol, int], str]) -> str:
    """Gives a molecule up to ``count`` conformers in which hypervalent groups have their ideal shapes.

    Args:
        mol: with explicit hydrogens; its conformers are replaced.
        count: at least one.
        embed: generates conformers of a molecule without such groups, in place, and says how; empty if there is none.

    Returns:
        How they were made, in words; empty if there is no such group or no conformer, and nothing was changed.
    """
    from rdkit import Chem

    groups = list(groups_of(mol))
    if not groups:
        return ""
    stand_in, kept = _with_stand_ins(mol, groups)
    how = embed(stand_in, count)
    if not how:
        return ""
    place = {atom: k for k, atom in enumerate(kept)}
    mol.RemoveAllConformers()
    for made in stand_in.GetConformers():
        for group in groups:
            _stretch(made, group, place)
        xyz = np.full((mol.GetNumAtoms(), 3), np.nan)
        xyz[kept] = made.GetPositions()
        for group in groups:
            _place_ends(mol, xyz, group)
        conformer = Chem.Conformer(len(xyz))
        conformer.SetPositions(xyz)
        conformer.SetId(made.GetId())
        mol.AddConformer(conformer)
    told = ", ".join(sorted({group.told for group in groups}))
    return f"{how}; rule: {told}, lengths by covalent radii; less exact"


def groups_of(mol: Mol) -> Iterator[Group]:
    """Hypervalent groups of a molecule that force fields miss, and those of metals, with one arm or two; and atoms of metals in the
    middle of a tetrahedron or a triangle, with up to four arms by single bonds. None is in a ring.

    Args:
        mol: sanitized, with explicit hydrogens.
    """
    for center in mol.GetAtoms():
        metal = center.GetAtomicNum() in ideal_shapes.METALS
        if center.GetDegree() < 3 - metal or (center.GetAtomicNum() <= NEON and not metal) or center.IsInRing():
            continue
        shape = ideal_shapes.by_pairs(center) if ideal_shapes.has_pairs(center) else None
        odd = metal or center.GetAtomicNum() in WITH_FEW_PAIRS
        if shape is None or not (shape.name in ideal_shapes.HYPERVALENT or odd):
            continue
        arms = [other for other in center.GetNeighbors() if other.GetDegree() > 1]
        stand_in = _stand_in(center, arms, shape)
        if stand_in is None or not ideal_shapes.missed(center, mol):
            continue
        around = ideal_shapes.in_places(center, shape)
        led = {arm.GetIdx() for arm in arms}
        slots = sorted(range(len(around)), key=lambda k: around[k] not in led)
        atoms = [around[k] for k in slots]
        yield Group(
            center.GetIdx(),
            atoms[: len(arms)],
            atoms[len(arms) :],
            shape.axes[slots],
            ideal_shapes.lengths(center, atoms),
            stand_in,
            f"neighbors of {center.GetSymbol()} {shape.name}",
        )


def _stand_in(center: Atom, arms: list[Atom], shape: ideal_shapes.Shape) -> int | None:
    """The element that stands in the place of a group; None if there is none."""
    from rdkit.Chem import ChiralType

    if len(arms) > 2 and shape.name in ideal_shapes.HYPERVALENT:
        return None
    if center.GetChiralTag() != ChiralType.CHI_UNSPECIFIED and len(arms) < center.GetDegree():
        return None  # its sense is told by all four neighbors
    orders = tuple(ideal_shapes.order(center, arm) for arm in arms)
    if orders != (1.0,) * 3:
        return STAND_IN.get(orders)
    if center.GetDegree() > 3:
        return PYRAMIDAL
    return FLAT if np.linalg.matrix_rank(shape.axes, tol=0.1) < 3 else STEEP


def _with_stand_ins(mol: Mol, groups: list[Group]) -> tuple[Mol, list[int]]:
    """The molecule with an ordinary atom in place of each group, and the indices in ``mol`` of its atoms."""
    from rdkit import Chem

    made, gone = Chem.RWMol(mol), {end for group in groups for end in group.ends}
    for group in groups:
        atom = made.GetAtomWithIdx(group.center)
        atom.SetAtomicNum(group.stand_in)
        atom.SetFormalCharge(0)
        atom.SetNumRadicalElectrons(0)
        if group.ends:
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
        atom.SetNoImplicit(True)
    for end in sorted(gone, reverse=True):
        made.RemoveAtom(end)
    made.RemoveAllConformers()
    Chem.SanitizeMol(made)
    Chem.AssignStereochemistry(made, cleanIt=True, force=True)
    return made.GetMol(), [k for k in range(mol.GetNumAtoms()) if k not in gone]


def _stretch(conformer: object, group: Group, place: dict[int, int]) -> None:
    """Gives the arms of a group their lengths and angle, in place."""
    from rdkit.Chem import rdMolTransforms

    center, arms = place[group.center], [place[k] for k in group.arms]
    for arm, length in zip(arms, group.lengths, strict=False):
        rdMolTransforms.SetBondLength(conformer, center, arm, float(length))
    if len(arms) == 2:
        angle = float(np.degrees(np.arccos(np.clip(group.axes[0] @ group.axes[1], -1.0, 1.0))))
        rdMolTransforms.SetAngleDeg(conformer, arms[0], center, arms[1], angle)


def _place_ends(mol: Mol, xyz: np.ndarray, group: Group) -> None:
    """Puts the other neighbors of a central atom to their places, in place; not yet placed atoms are NaN."""
    arms = xyz[group.arms] - xyz[group.center]
    arms /= np.linalg.norm(arms, axis=1, keepdims=True)
    if len(arms) > 2:
        away = -arms.sum(axis=0)
        xyz[group.ends] = xyz[group.center] + group.lengths[len(arms) :, None] * away / np.linalg.norm(away)
        return
    out = group.axes[len(arms) :] * group.lengths[len(arms) :, None]
    turns = TURNS if len(arms) == 1 or group.axes[0] @ group.axes[1] < IN_LINE else [0]
    if len(turns) > 1:
        own, there = _frame(group.axes[0], group.axes[-1]), _frame(arms[0], _beyond(mol, xyz, group))
    else:
        own, there = _frame(*group.axes[:2]), _frame(*arms)
    fixed = ~np.isnan(xyz).any(axis=1)
    fixed[[group.center, *group.arms]] = False
    best, found = -1.0, out
    for turn in turns:
        sine, cosine = np.sin(np.radians(turn)), np.cos(np.radians(turn))
        turned = np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
        ends = xyz[group.center] + out @ own @ turned.T @ there.T
        apart = np.linalg.norm(ends[:, None] - xyz[None, fixed], axis=2).min(initial=np.inf)
        if apart > best + 1e-3:
            best, found = apart, ends
    xyz[group.ends] = found


def _beyond(mol: Mol, xyz: np.ndarray, group: Group) -> np.ndarray:
    """Where the first arm leads: to that neighbor which comes first however the atoms are ordered; a vector ``[3]``."""
    arm = group.arms[0]
    others = [k.GetIdx() for k in mol.GetAtomWithIdx(arm).GetNeighbors() if k.GetIdx() != group.center]
    placed = [k for k in others if not np.isnan(xyz[k]).any()]
    return xyz[min(placed, key=_ranks(mol).__getitem__) if placed else group.center] - xyz[arm]


def _ranks(mol: Mol) -> list[int]:
    from rdkit import Chem

    return list(Chem.CanonicalRankAtoms(mol, breakTies=False))


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Axes of which the first points along one vector and the second lies in the plane of both, in columns, ``[3, 3]``. Where they are in
    line, the second is any that is normal to them.
    """
    first = first / np.linalg.norm(first)
    across = second - (second @ first) * first
    if np.linalg.norm(across) < 1e-3 * np.linalg.norm(second):
        across = np.eye(3)[np.abs(first).argmin()]
        across = across - (across @ first) * first
    across = across / np.linalg.norm(across)
    return np.stack([first, across, np.cross(first, across)], axis=1)
