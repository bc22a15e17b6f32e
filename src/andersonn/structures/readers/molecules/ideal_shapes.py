"""Shapes of molecules in which one atom is bonded to all others, where RDKit's force fields do not know them: by the pairs of electrons
around that atom (valence shell electron pair repulsion; R. J. Gillespie, Chem. Soc. Rev. 21, 59, 1992).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from andersonn.structures import elements

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol

CARBON_GROUP, CHALCOGENS, HALOGENS, NOBLE = 14, 16, 17, 18
"""Groups of the periodic table."""
METALS = {
    4: (2, 1.02), 12: (2, 1.39), 21: (3, 1.48), 22: (4, 1.36), 23: (5, 1.34), 24: (6, 1.22), 25: (7, 1.19), 26: (8, 1.16), 30: (2, 1.18),
    39: (3, 1.63), 40: (4, 1.54), 41: (5, 1.47), 42: (6, 1.38), 43: (7, 1.28), 44: (8, 1.25), 48: (2, 1.36), 57: (3, 1.80),
    72: (4, 1.52), 73: (5, 1.46), 74: (6, 1.37), 75: (7, 1.31), 76: (8, 1.29), 80: (2, 1.33), 92: (6, 1.70),
}  # fmt: skip
"""Metals: electrons that they give to bonds where their shells are then empty or full, and radius of a single bond in Å (P. Pyykkö and
M. Atsumi, Chem. Eur. J. 15, 186, 2009).
"""
URANIUM = 92
POLAR = 0.09
"""Å by which a bond of a metal is shorter for each unit of difference in electronegativity (V. Schomaker and D. P. Stevenson, 1941)."""
EXPANDABLE = frozenset([17, 35, 36, 53, 54])
"""Cl, Br, Kr, I and Xe."""
PROTOCOL = "shapes by pairs of electrons, also of groups and of metals with up to four arms"
"""Changed whenever other shapes would be made."""
SHORTER, SHORTER_OF_SULFUR = 0.25, 0.29
"""Å by which a double bond is shorter than the covalent radii say: in SO2, SeO2, TeO2, XeO3 and ClO2 it is 0.2 to 0.3; in SO3 and SOF4 0.29."""
SULFUR = 16


class Shape(NamedTuple):
    """Where the neighbors of a central atom lie.

    Attributes:
        name: in words.
        axes: directions, the first ones for the most electronegative neighbors if ``axial_first``, ``[n, 3]``.
        axial_first: whether electronegative neighbors go first (Bent's rule); else like neighbors lie opposite each other.
    """

    name: str
    axes: np.ndarray
    axial_first: bool = False


def _directions(*angles: tuple[float, float]) -> np.ndarray:
    """Unit vectors from polar angles and azimuths in degrees, ``[n, 3]``."""
    polar, azimuth = np.radians(np.array(angles)).T
    return np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1)


_AXES = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float)
_THIRDS = ((90.0, 0.0), (90.0, 120.0), (90.0, 240.0))
BENT = Shape("bent", _directions((90.0, 58.0), (90.0, -58.0)))
"""At 116°: between ozone, ClO2, SO2 and SeO2."""
SHAPES = {
    (2, 0): Shape("in line", _AXES[:2]),
    (3, 0): Shape("in a triangle", _directions(*_THIRDS)),
    (2, 1): Shape("bent", _directions((90.0, 51.0), (90.0, -51.0))),  # 102°, as between CF2, SiF2 and GeCl2
    (4, 0): Shape("in a tetrahedron", np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 3**0.5),
    (3, 1): Shape("in a pyramid", _directions((66.0, 0.0), (66.0, 120.0), (66.0, 240.0))),  # 104°, as in XeO3
    (2, 2): Shape("bent", _directions((90.0, 51.0), (90.0, -51.0))),
    (5, 0): Shape("in a bipyramid", _directions((0.0, 0.0), (180.0, 0.0), *_THIRDS), axial_first=True),
    (4, 1): Shape("in a seesaw", _directions((3.5, 0.0), (176.5, 0.0), (90.0, 50.8), (90.0, -50.8)), axial_first=True),
    (3, 2): Shape("in a T", _directions((87.5, 0.0), (87.5, 180.0), (0.0, 0.0)), axial_first=True),
    (2, 3): Shape("in line", _AXES[:2]),
    (6, 0): Shape("in an octahedron", _AXES),
    (5, 1): Shape(
        "in a square pyramid", _directions((0.0, 0.0), (82.0, 0.0), (82.0, 180.0), (82.0, 90.0), (82.0, 270.0))
    ),
    (4, 2): Shape("in a square", _AXES[:4]),
    (7, 0): Shape(
        "in a pentagonal bipyramid", _directions((0.0, 0.0), (180.0, 0.0), *((90.0, 72.0 * k) for k in range(5)))
    ),
}
"""By neighbors and lone pairs. The seesaw has the angles of SF4, the T those of ClF3, the square pyramid those of IF5."""
HYPERVALENT = frozenset(shape.name for (n, lone), shape in SHAPES.items() if n > 2 and n + lone >= 5)
"""Names of the shapes of more than four pairs of electrons."""


def shaped(mol: Mol, count: int = 1, known_too: bool = False) -> str:
    """Gives a molecule of one central atom its ideal shape, where force fields do not know it; with bonds as long as the covalent radii
    say.

    Args:
        mol: with explicit hydrogens; gets ``count`` equal conformers in place of its own.
        count: at least one.
        known_too: also where force fields know it, as where distance geometry has found no conformer for them.

    Returns:
        How it was made, in words; empty if it is of another kind, and nothing was changed.
    """
    from rdkit import Chem

    center = _center(mol)
    shape = None if center is None else _shape_around(center, mol, known_too)
    if center is None or shape is None:
        return ""
    positions = np.zeros((mol.GetNumAtoms(), 3))
    around = in_places(center, shape)
    positions[around] = shape.axes * lengths(center, around)[:, None]
    mol.RemoveAllConformers()
    for _ in range(count):
        conformer = Chem.Conformer(len(positions))
        conformer.SetPositions(positions)
        mol.AddConformer(conformer, assignId=True)
    return f"rule: neighbors of {center.GetSymbol()} {shape.name}, lengths by covalent radii; less exact"


def in_places(center: Atom, shape: Shape) -> list[int]:
    """Indices of the neighbors of a central atom in the order of the axes of its shape."""
    negative = np.nan_to_num(elements.column("electronegativity"))
    z = {other.GetIdx(): other.GetAtomicNum() for other in center.GetNeighbors()}
    like = list(z.values()) if shape is SHAPES[6, 0] else []  # of these, most lie opposite each other
    return sorted(z, key=lambda k: -negative[z[k]] if shape.axial_first else (-like.count(z[k]), z[k]))


def lengths(center: Atom, around: list[int]) -> np.ndarray:
    """Lengths of the bonds of a central atom to its neighbors by covalent radii, Å, ``[n]``."""
    radius, mol = radii(), center.GetOwningMol()
    others = [mol.GetAtomWithIdx(k) for k in around]
    z, ends = center.GetAtomicNum(), np.array([other.GetAtomicNum() for other in others], dtype=int)
    sums = radius[z] + radius[ends]
    if z in METALS:
        negative = elements.column("electronegativity")
        sums = sums - POLAR * np.abs(negative[z] - negative[ends])
    shorter = SHORTER_OF_SULFUR if z == SULFUR else SHORTER
    return np.array(sums - [shorter * (order(center, other) >= 2) for other in others])


def radii() -> np.ndarray:
    """Covalent radii by atomic number, Å; of :data:`METALS` that of a single bond, which is up to 0.3 Å shorter."""
    found = elements.column("covalent_radius_A").copy()
    found[list(METALS)] = [radius for _, radius in METALS.values()]
    return found


def is_hypervalent(mol: Mol) -> bool:
    """Whether an atom of :data:`EXPANDABLE` is bonded to all others, with its electrons in pairs (but for dioxides such as ClO2) whose
    shape is known here; RDKit allows few bonds of these elements.
    """
    center = _center(mol)
    if center is None or center.GetAtomicNum() not in EXPANDABLE:
        return False
    bound = sum(order(center, other) for other in center.GetNeighbors()) + center.GetFormalCharge()
    paired = (elements.column("group")[center.GetAtomicNum()] - bound) % 2 == 0 or center.GetDegree() == 2
    return bool(paired) and _shape_around(center, mol, False) is not None


def _center(mol: Mol) -> Atom | None:
    """The atom of known pairs of electrons that is bonded to all other atoms (two or more, without a ring); None if there is none."""
    if mol.GetNumAtoms() < 3 or mol.GetNumBonds() != mol.GetNumAtoms() - 1:
        return None
    for atom in mol.GetAtoms():
        if atom.GetDegree() == mol.GetNumAtoms() - 1:
            return atom if has_pairs(atom) else None
    return None


def has_pairs(atom: Atom) -> bool:
    """Whether the pairs of electrons around an atom follow from its bonds: it is of the groups 13 to 18, a metal whose shells are empty or
    full, or has six neighbors, which lie in an octahedron whatever it is.
    """
    p_block = elements.column("group")[atom.GetAtomicNum()] >= CARBON_GROUP - 1
    return bool(p_block) or _left(atom) == 0 or atom.GetDegree() == 6


def order(center: Atom, other: Atom) -> float:
    """Order of a bond; one between X+ and O- counts as X=O, and so does one to an oxygen with an unpaired electron."""
    bond = center.GetOwningMol().GetBondBetweenAtoms(center.GetIdx(), other.GetIdx())
    single = bond.GetBondTypeAsDouble() == 1.0
    opposite = center.GetFormalCharge() > 0 > other.GetFormalCharge()
    radical = other.GetNumRadicalElectrons() == 1 and other.GetAtomicNum() == 8
    return 2.0 if single and (opposite or radical) else bond.GetBondTypeAsDouble()


def _shape_around(center: Atom, mol: Mol, known_too: bool) -> Shape | None:
    """The shape that force fields miss; None where they know it, unless ``known_too``, or where the pairs of electrons make none."""
    shape = by_pairs(center)
    return shape if shape is not None and (known_too or missed(center, mol)) else None


def by_pairs(center: Atom) -> Shape | None:
    """The shape of an atom and its neighbors by the pairs of electrons around it; None where they make none."""
    n, left = center.GetDegree(), _left(center)
    if n == 6:
        return SHAPES[6, 0]
    if left and n == 2 and min(order(center, other) for other in center.GetNeighbors()) >= 2:
        return BENT if left > 0 else None
    return SHAPES.get((n, int((left + 1) // 2))) if left >= 0 else None


def missed(center: Atom, mol: Mol) -> bool:
    """Whether force fields give the neighbors of an atom another shape, or do not know all atoms of the molecule."""
    if center.GetDegree() == 6 or center.GetAtomicNum() in METALS:
        return True
    group = int(elements.column("group")[center.GetAtomicNum()])
    return _is_missed(center.GetDegree(), group, center.GetAtomicNum(), _left(center)) or not _is_known(mol)


def _left(center: Atom) -> float:
    """Electrons of an atom that are in no bond; of a metal, 0 where its shells are empty or full, and -1 elsewhere."""
    around = [(other, order(center, other)) for other in center.GetNeighbors()]
    charge = center.GetFormalCharge() + sum(other.GetFormalCharge() for other, bonds in around if bonds == 2.0)
    if center.GetAtomicNum() in METALS:
        used = charge + sum(bonds for _, bonds in around)
        if center.GetAtomicNum() == URANIUM and any(bonds > 1 for _, bonds in around):
            return -1.0  # O=U=O is straight in all its compounds
        return 0.0 if used == METALS[center.GetAtomicNum()][0] else -1.0
    group = np.nan_to_num(elements.column("group")[center.GetAtomicNum()])
    return float(group) - 10 - charge - sum(bonds for _, bonds in around)


def _is_missed(n: int, group: int, z: int, left: float) -> bool:
    """Whether a force field that has parameters gives another shape all the same.

    Args:
        n: neighbors.
        group: of the central atom.
        z: its atomic number.
        left: its electrons that are in no bond.
    """
    if group >= HALOGENS:
        return True
    if n + (left + 1) // 2 >= 5:
        return left > 0
    if group == CARBON_GROUP:
        return n == 2 and left >= 2
    # Selenium dioxide is drawn straight, and sulfur trioxide a pyramid.
    return group == CHALCOGENS and ((z > 16 and n == 2 and left == 2) or (n == 3 and left == 0))


def _is_known(mol: Mol) -> bool:
    """Whether a force field of RDKit has parameters for the molecule."""
    from rdkit.Chem import rdForceFieldHelpers as fields

    return bool(fields.MMFFHasAllMoleculeParams(mol) or fields.UFFHasAllMoleculeParams(mol))
