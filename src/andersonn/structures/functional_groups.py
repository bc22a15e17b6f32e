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
ORDER = (5, 14, 33, 15, 7, 1, 52, 34, 16, 53, 35, 17, 8, 9)
"""Nonmetals as IUPAC writes formulas of their compounds, electronegative ones last (*Nomenclature of Inorganic Chemistry*, 2005, table
VI, but oxygen after the other halogens as is usual); metals come before them.
"""


@dataclass(frozen=True)
class Group:
    """Atoms that a chemist takes together.

    Attributes:
        name: formula as chemists write it: ``"CN"``, ``"NO2"``, ``"OH"``, ``"CONH2"``, ``"CO2H"``; see :func:`name_of`.
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
        on_carbon = int(((Z[atoms] == 1) & (Z[owner[atoms]] == 6)).sum())
        found.append(
            Group(name_of(Z[atoms], on_carbon, len(atoms) == len(Z)), tuple(atoms.tolist()), bool(marked[owner[start]]))
        )
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


def name_of(Z: np.ndarray, on_carbon: int = 0, whole: bool = False) -> str:
    """The name of a group: carbon and its hydrogens first, those of other atoms last (CONH2), the others by :data:`ORDER`.

    Args:
        Z: atomic numbers ``[n]``.
        on_carbon: how many of its hydrogens are bonded to carbon.
        whole: whether it is a whole molecule; without carbon, hydrogen then stands where it is usual: H2O, HNO3, HCl, NH3.
    """
    counts = {z: int((z == Z).sum()) for z in np.unique(Z).tolist()}
    hydrogens, others = counts.pop(1, 0), sorted(set(counts) - {6}, key=lambda z: _rank(z, counts))
    if not others:
        return elements.hill_formula(Z)
    if 6 in counts:
        return _written([(6, counts[6]), (1, on_carbon), *((z, counts[z]) for z in others), (1, hydrogens - on_carbon)])
    parts = [(z, counts[z]) for z in others]
    first = (0 if 8 in counts else sum(_rank(z, counts) < _rank(1, counts) for z in others)) if whole else len(parts)
    return _written([*parts[:first], (1, hydrogens), *parts[first:]])


def _rank(z: int, among: dict[int, int]) -> tuple[int, int]:
    """Where an element stands; beside carbon, sulfur or phosphorus oxygen and then nitrogen come before halogens, as in SOCl2."""
    if z in (7, 8) and 8 in among and not {6, 15, 16}.isdisjoint(among):
        return ORDER.index(16), 9 - z
    if z in (15, 16) and 6 in among:
        return -1, z
    return (ORDER.index(z), 0) if z in ORDER else (-1, z)


def _written(parts: list[tuple[int, int]]) -> str:
    """A formula of pairs of an element and its count; those that are zero are left out."""
    return "".join(f"{elements.symbols()[z]}{count if count > 1 else ''}" for z, count in parts if count)
