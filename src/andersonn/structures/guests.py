"""What stands in the pores of a framework without belonging to it, and what a framework seems to lack."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from andersonn.structures import elements
from andersonn.structures.alternatives import MOST
from andersonn.structures.distance_bonds import METALLOIDS, Bonds
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.structure import Structure, without

H, C, N, O = 1, 6, 7, 8  # noqa: E741
MEET, REACH = 4, (1.6, 2.5)
"""Donors around a metal, and how far from it they are, Å."""
NAMED = 4
"""Kinds of groups that a warning names."""
NEVER_ALONE = frozenset((5, 6, 7, 8, 14, 15, 16))
"""Elements whose atoms are never alone in a crystal: hydrogens, or the metals that they were bonded to, are missing."""

ALKALI = (3, 11, 19, 37, 55, 87, 4, 12, 20, 38, 56, 88)
"""Alkali metals and alkaline earths, which stand in pores with few close neighbors."""


@dataclass(frozen=True, eq=False)
class Groups:
    """The connected parts of a crystal.

    Attributes:
        structure: of n atoms.
        part: which part each atom is in, int ``[n]``.
        endless: of each part, whether it goes on from cell to cell, bool ``[P]``.
        bonds: that connect them.
    """

    structure: Structure
    part: np.ndarray
    endless: np.ndarray
    bonds: Bonds

    @classmethod
    def of(cls, structure: Structure) -> Groups:
        """The parts of a periodic structure, by its bonds."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import breadth_first_order, connected_components

        bonds, n = Bonds.of(structure), len(structure)
        i, j, vector = bonds.i, bonds.j, bonds.vector
        network = coo_matrix((np.ones(len(i)), (i, j)), shape=(n, n)).tocsr()
        count, part = connected_components(network, directed=False)
        # A part unfolded along a tree of its bonds goes on where another bond leads to a copy of an atom.
        place, seen = np.zeros((n, 3)), np.zeros(n, dtype=bool)
        step = {(int(a), int(b)): v for a, b, v in zip(i[::-1], j[::-1], vector[::-1], strict=True)}
        for start in range(n):
            if seen[start]:
                continue
            order, parent = breadth_first_order(network, start, directed=False)
            seen[order] = True
            place[start] = structure.xyz[start]
            for atom in order[1:]:
                above = int(parent[atom])
                place[atom] = place[above] + step[above, int(atom)]
        leads_on = np.linalg.norm(place[i] + vector - place[j], axis=1) > 0.01
        endless = np.zeros(count, dtype=bool)
        endless[part[i[leads_on]]] = True
        return cls(structure, part, endless, bonds)

    @property
    def guests(self) -> np.ndarray:
        """Atoms of finite groups beside an endless framework, int ``[m]``; none where nothing is endless."""
        loose = ~self.endless[self.part]
        return np.flatnonzero(loose) if self.endless.any() else np.zeros(0, dtype=np.int64)

    def told(self, atoms: np.ndarray) -> str:
        """The groups that some atoms form, most frequent first, such as ``"3 × H2O, C3H7NO"``."""
        parts = np.unique(self.part[atoms])
        kinds = Counter(elements.hill_formula(self.structure.Z[self.part == part]) for part in parts)
        words = [formula if count == 1 else f"{count} × {formula}" for formula, count in kinds.most_common(NAMED)]
        more = len(kinds) - NAMED
        return ", ".join(words) + (f" and {more} other kinds" if more > 0 else "")


def doubts_of_framework(structure: Structure) -> tuple[str, ...]:
    """Warnings of guests in the pores, and of what a framework seems to lack: metals, protons, the framework itself."""
    groups = Groups.of(structure)
    told = []
    if len(groups.guests):
        share = f"{len(groups.guests)} of {len(structure)} atoms"
        told.append(
            f"guests in the pores count as walls: {groups.told(groups.guests)} ({share}); --strip-guests removes them"
        )
    if not groups.endless.any():
        whole = groups.told(np.arange(len(structure)))
        told.append(f"no atoms form a connected framework, but {whole}: metals or bonds may be missing")
    return (*told, *_dangling(groups), *_vacant(groups), *_crowded(groups))


def _dangling(groups: Groups) -> tuple[str, ...]:
    """Warnings of carboxylates that bind nothing, and of atoms that cannot stand alone."""
    bonds = groups.bonds
    Z, i, j, degree = bonds.Z, bonds.i, bonds.j, bonds.count
    bare = np.bincount(i[(Z[j] == O) & (degree[j] == 1)], minlength=len(Z))
    open_ends = np.flatnonzero((Z == C) & (degree == 3) & (bare == 2))
    told = []
    if len(open_ends):
        many = "carboxylates bind" if len(open_ends) > 1 else "carboxylate binds"
        told.append(f"{len(open_ends)} {many} neither metal nor hydrogen: metals, protons or ions may be missing")
    alone = Z[(degree == 0) & np.isin(Z, list(NEVER_ALONE))]
    if len(alone):
        kinds = ", ".join(elements.symbols()[z] for z in sorted(set(alone.tolist())))
        told.append(f"{kinds} alone, bonded to nothing: hydrogens or metals may be missing")
    loose = Z[(degree == 1) & ~np.isin(Z, list(METALLOIDS)) & ~np.isin(Z, ALKALI)]
    if len(loose):
        kinds = ", ".join(elements.symbols()[z] for z in sorted(set(loose.tolist())))
        told.append(f"{kinds} bonded to one atom alone: linkers may be missing")
    return tuple(told)


def _crowded(groups: Groups) -> tuple[str, ...]:
    """A warning of atoms with more partners than they can have, as where alternatives of disorder are all there."""
    bonds = groups.bonds
    nonmetal = np.isin(bonds.Z, list(METALLOIDS))
    partners = np.bincount(bonds.i[nonmetal[bonds.j]], minlength=len(bonds.Z))
    most = np.vectorize(lambda z: MOST.get(int(z), len(bonds.i)))(bonds.Z)
    crowded = np.flatnonzero((partners > most) & np.isin(bonds.Z, (H, C)))
    if not len(crowded):
        return ()
    many = "1 atom has" if len(crowded) == 1 else f"{len(crowded)} atoms have"
    return (f"{many} more bonds than carbon or hydrogen can: alternatives of disorder may be there together",)


def _vacant(groups: Groups) -> tuple[str, ...]:
    """A warning of places where metals seem to be missing: donors with a free place meet around nothing."""
    bonds, structure = groups.bonds, groups.structure
    Z, degree = bonds.Z, bonds.count
    to_metal = np.bincount(bonds.i[~np.isin(Z[bonds.j], list(METALLOIDS))], minlength=len(Z))
    oxygens, nitrogens = (Z == O) & (degree == 1), (Z == N) & (degree == 2)
    donors = (oxygens | nitrogens) & (to_metal == 0)
    i, j, _, vector = pairs_within(structure.xyz, structure.cell, 2 * REACH[1])
    near = donors[i] & donors[j]
    i, vector = i[near], vector[near]
    centers = []
    for atom in np.flatnonzero(np.bincount(i, minlength=len(Z)) >= MEET - 1):
        own = vector[i == atom]
        place = structure.xyz[atom] + own.sum(axis=0) / (len(own) + 1)
        apart = np.linalg.norm(np.vstack([np.zeros((1, 3)), own]) + structure.xyz[atom] - place, axis=1)
        if ((apart > REACH[0]) & (apart < REACH[1])).sum() >= MEET:
            centers.append(place)
    empty = [place for place in centers if _is_empty(place, structure)]
    if not empty:
        return ()
    many = f"{len(empty)} oxygen and nitrogen atoms"
    return (f"{many} meet others around an empty place, as around a metal: metals may be missing",)


def _is_empty(place: np.ndarray, structure: Structure) -> bool:
    """Whether no atom is nearer to a place than a donor is to its metal."""
    assert structure.cell is not None
    apart = (structure.xyz - place) @ np.linalg.inv(structure.cell)
    distance = np.linalg.norm((apart - np.round(apart)) @ structure.cell, axis=1)
    return bool(distance.min() > REACH[0])


def without_guests(structure: Structure) -> Structure:
    """The framework alone, with a note of what was removed; the structure itself if nothing was."""
    groups = Groups.of(structure)
    if not len(groups.guests):
        return structure
    note = f"guests were removed from the pores: {groups.told(groups.guests)}"
    return replace(without(structure, groups.guests), notes=(*structure.notes, note))
