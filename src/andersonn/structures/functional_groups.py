"""Functional groups of a molecule by its atoms and bonds, without bond orders, so that a file of bare positions has them too.

As P. Ertl finds them (*J. Cheminform.* 9, 36, 2017): heteroatoms, and carbons with a multiple bond to one, are marked; marked atoms
that are bonded to each other are one group. What is left, the carbon skeleton, is cut by them into groups as well. Hydrogens
belong to their heavy atom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from andersonn.structures import elements

CARBON_BONDS = 4
"""Neighbors of a carbon without multiple bonds."""
USUAL_BONDS = {7: 3, 8: 2, 15: 3, 16: 2, 34: 2}
"""Atomic number → neighbors without multiple bonds, of the elements that form multiple bonds to carbon."""


@dataclass(frozen=True)
class Group:
    """Atoms that a chemist takes together.

    Attributes:
        name: formula, in Hill's order where there is carbon, else with hydrogen last: ``"CN"``, ``"NO2"``, ``"OH"``.
        atoms: which, counted from 0, rising.
        functional: whether it is a functional group, and no part of the carbon skeleton.
    """

    name: str
    atoms: tuple[int, ...]
    functional: bool


def groups_of(Z: np.ndarray, bonded: np.ndarray, marked: np.ndarray | None = None) -> list[Group]:
    """The groups of a molecule, each atom in one, by their first atoms.

    Args:
        Z: atomic numbers ``[n]``.
        bonded: which atoms are bonded, symmetric, bool ``[n, n]``.
        marked: which atoms are of functional groups, hydrogens aside, where bond orders are known, bool ``[n]``; None: by the numbers
            of their neighbors.
    """
    from scipy.sparse.csgraph import connected_components

    leaf, marked = _leaves(Z, bonded), _marked(Z, bonded) if marked is None else marked
    owner = np.where(leaf, (bonded & (Z > 1)).argmax(axis=1), np.arange(len(Z)))
    alike = bonded & ~leaf & ~leaf[:, None] & (marked == marked[:, None])
    _, label = connected_components(alike, directed=False)
    label = label[owner]
    _, first = np.unique(label, return_index=True)
    found = []
    for start in np.sort(first):
        atoms = np.flatnonzero(label == label[start])
        found.append(Group(name_of(Z[atoms]), tuple(atoms.tolist()), bool(marked[owner[start]])))
    return found


def _leaves(Z: np.ndarray, bonded: np.ndarray) -> np.ndarray:
    """Hydrogens with one heavy neighbor; one between two heavy atoms, or without any, counts as a heteroatom."""
    return (Z == 1) & ((bonded & (Z > 1)).sum(axis=1) == 1)


def _marked(Z: np.ndarray, bonded: np.ndarray) -> np.ndarray:
    """Atoms of functional groups, hydrogens aside: all but carbon, and carbon with a multiple bond to a heteroatom.

    A bond is multiple if both atoms have fewer neighbors than usual. A heteroatom between two such carbons, as in pyridine, is
    aromatic, and marks neither.
    """
    count = bonded.sum(axis=1)
    carbon = (Z == 6) & (count < CARBON_BONDS)
    usual = np.array([USUAL_BONDS.get(z, 0) for z in Z.tolist()])
    other = (count < usual) & ((bonded & carbon).sum(axis=1) == 1)
    return (Z != 6) | (carbon & (bonded & other).any(axis=1))


def name_of(Z: np.ndarray) -> str:
    """The name of a group of these atoms, see :class:`Group`."""
    hydrogens = int((Z == 1).sum())
    if 6 in Z or hydrogens in (0, len(Z)):
        return elements.hill_formula(Z)
    return elements.hill_formula(Z[Z != 1]) + ("H" if hydrogens == 1 else f"H{hydrogens}")
