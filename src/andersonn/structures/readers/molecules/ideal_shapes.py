"""Shapes of molecules in which one atom holds more than RDKit's force fields know: six neighbors, a noble gas, or lone pairs beside four
or five neighbors or two double bonds (valence shell electron pair repulsion; R. J. Gillespie, Chem. Soc. Rev. 21, 59, 1992).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from andersonn.structures import elements

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol

NOBLE, CHALCOGENS, HALOGENS = (36, 54), (16, 34, 52), (17, 35, 53)
PROTOCOL = "shapes by lone pairs"
"""Changed whenever other shapes would be made."""


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
IN_LINE, SQUARE, OCTAHEDRON = (
    Shape(n, _AXES[:k]) for n, k in (("in line", 2), ("in a square", 4), ("in an octahedron", 6))
)
SEESAW = Shape("in a seesaw", _directions((3.5, 0.0), (176.5, 0.0), (90.0, 50.8), (90.0, -50.8)), axial_first=True)
"""Two neighbors nearly opposite, two at 102° to each other, as SF4 has them."""
PYRAMID = Shape("in a square pyramid", _directions((0.0, 0.0), (82.0, 0.0), (82.0, 180.0), (82.0, 90.0), (82.0, 270.0)))
"""Four neighbors at 82° to the fifth, as IF5 has them."""
BENT = Shape("bent", _directions((90.0, 58.0), (90.0, -58.0)))
"""At 116°: between ozone, SO2 and SeO2."""


def shaped(mol: Mol) -> str:
    """Gives a molecule of one central atom its ideal shape, in place of all its conformers; with bonds as long as the covalent radii say.

    Args:
        mol: with explicit hydrogens and at least one conformer.

    Returns:
        How it was made, in words; empty if it is of another kind, and nothing was changed.
    """
    found = _center(mol)
    if found is None:
        return ""
    center, shape = found
    own, radius = center.GetIdx(), elements.column("covalent_radius_A")
    z = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    negative = np.nan_to_num(elements.column("electronegativity"))
    around = sorted(
        (other.GetIdx() for other in center.GetNeighbors()),
        key=lambda k: -negative[z[k]] if shape.axial_first else z[k],
    )
    for conformer in mol.GetConformers():
        conformer.SetAtomPosition(own, [0.0, 0.0, 0.0])
        for axis, atom in zip(shape.axes, around, strict=True):
            conformer.SetAtomPosition(atom, (axis * (radius[z[own]] + radius[z[atom]])).tolist())
    return f"rule: neighbors of {center.GetSymbol()} {shape.name}, lengths by covalent radii; less exact"


def _center(mol: Mol) -> tuple[Atom, Shape] | None:
    """The central atom, and the shape of its neighbors."""
    if mol.GetNumBonds() != mol.GetNumAtoms() - 1:
        return None
    for atom in mol.GetAtoms():
        if atom.GetDegree() == mol.GetNumAtoms() - 1:
            shape = _shape_around(atom)
            if shape is not None:
                return atom, shape
    return None


def _shape_around(atom: Atom) -> Shape | None:
    """The shape that force fields miss; None where they know it."""
    n, z, neutral = atom.GetDegree(), atom.GetAtomicNum(), atom.GetFormalCharge() == 0
    if n == 6:
        return OCTAHEDRON
    if z in NOBLE:
        return {2: IN_LINE, 4: SQUARE}.get(n)
    if n == 4 and z in CHALCOGENS and neutral and atom.GetTotalValence() == 4:
        return SEESAW
    if n == 5 and z in HALOGENS and neutral and atom.GetTotalValence() == 5:
        return PYRAMID
    return BENT if n == 2 and z in CHALCOGENS[1:] and neutral and atom.GetTotalValence() == 4 else None
