"""Contacts of atoms where alternatives of disorder may be there together: too near for a bond, bonds, and strained distances."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from andersonn.structures import elements
from andersonn.structures.neighbors import pairs_within

SHORTEST, SHORTEST_OF_METALS, SHORTEST_OF_OXYGENS = 0.72, 0.6, 0.9
"""Shortest bond over the sum of the covalent radii: 0.77 in nitrogen and nitriles, 0.92 in O2, and in oxides such as uranyl 0.67."""
SHORTEST_OF_HYDROGENS = 1.1
"""Å between two hydrogen atoms; those of one carbon have 1.6 to 1.8."""
LONGEST = 1.2
"""Longest bond over the sum of the covalent radii, between atoms of one alternative."""
BETWEEN = 0.5
"""Å beyond the sum of the covalent radii up to which two light atoms without a bond are too near to each other."""
RARE = 0.6
"""Å beyond the sum of the covalent radii up to which two light atoms are rarely near to each other, as in rings of four."""
USUAL, ODD = (0.82, 1.08), (0.76, 1.12)
"""Bonds of light atoms over the sum of the covalent radii that are usual (those of nitriles are shorter), and that are bonds at all."""
STRAIN, MUCH = 0.5, 2.0
"""What a rare distance costs, and one that is none of a bond, where an atom of carbon is worth 3."""
CROWDED = {1: 1, 6: 4}
"""Partners of an atom from which on some must be alternatives, whatever is listed first."""
MOST = {1: 1, 5: 4, 6: 4, 7: 4, 8: 2, 9: 1}
"""Nonmetals that an atom of an element is bonded to at most; protonated oxygen, with three, is rarer than disorder."""
NONMETALS = (1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 33, 34, 35, 36, 52, 53, 54)
ALONE = (9, 17)
"""Elements whose atoms are never bonded to each other in a crystal."""
APART, METALS_APART = 2.0, 0.75
"""Of two atoms that are there in a part of the cells only: Å between oxygens, which are water rather than peroxide, and the share of
the sum of the covalent radii between metals, below which one stands for the other.
"""


@dataclass(frozen=True, eq=False)
class Contacts:
    """Pairs of atoms of a structure.

    Attributes:
        Z: atomic numbers ``[n]``.
        metal: whether an atom is one of a metal, bool ``[n]``.
        rivals: pairs that cannot both be there, each once, int ``[r, 2]``.
        strained: pairs at rare distances, each once, int ``[s, 2]``.
        strain: what each of these costs, ``[s]``.
        bonded: atoms that each atom may be bonded to, one for each image.
        partners: the same between nonmetals; boron is none of boron or carbon, as cages have many.
        network: first and second atoms of bonds, in both directions ``[m]``, and vectors between them ``[m, 3]``, Å.
    """

    Z: np.ndarray
    metal: np.ndarray
    rivals: np.ndarray
    strained: np.ndarray
    strain: np.ndarray
    bonded: list[list[int]]
    partners: list[list[int]]
    network: tuple[np.ndarray, np.ndarray, np.ndarray]

    @classmethod
    def of(cls, Z: np.ndarray, xyz: np.ndarray, cell: np.ndarray | None, partial: np.ndarray | None = None) -> Contacts:
        """The contacts of atoms at positions ``[n, 3]`` in Å; those of an atom with its own images are left out. Atoms that are
        ``partial``, bool ``[n]``, are there in a part of the cells only, and their alternatives may be farther away.
        """
        Z = Z.astype(np.int64)
        radius = elements.column("covalent_radius_A")[Z]
        i, j, distance, vector = pairs_within(xyz, cell, LONGEST * 2.0 * float(radius.max()) + RARE)
        i, j, distance, vector = (part[i != j] for part in (i, j, distance, vector))
        total, metal = radius[i] + radius[j], ~elements.are_among(Z, NONMETALS)
        share, light, limit = distance / total, _light(Z, i, j), _shortest(Z, i, j)
        limit = np.where(np.isin(Z[i], ALONE) & np.isin(Z[j], ALONE), total + BETWEEN, limit)
        between = (share > LONGEST) & (distance <= total + BETWEEN) & light
        near = (distance >= limit) & (share <= LONGEST)
        odd = near & light & ((share < USUAL[0]) | (share > USUAL[1]))
        rare = light & (share > LONGEST) & (distance > total + BETWEEN) & (distance <= total + RARE)
        far = near & light & ((share < ODD[0]) | (share > ODD[1]))
        rare |= (share > LONGEST) & (distance <= total + BETWEEN) & _hydrogen_by_acceptor(Z, i, j)
        rivals = (distance < limit) | between
        if partial is not None:
            apart = partial[i] & partial[j] & (distance < _apart(Z, i, j, total, metal))
            near, rivals = near & ~apart, rivals | apart
        strained, first = _once(i, j, odd | rare | far)
        return cls(
            Z,
            metal,
            _once(i, j, rivals)[0],
            strained,
            np.where(far, MUCH, STRAIN)[first],
            _lists(len(Z), i, j, near),
            _lists(len(Z), i, j, near & ~metal[i] & ~metal[j] & ~_of_cages(Z, i, j)),
            (i[near], j[near], vector[near]),
        )

    @property
    def disputed(self) -> np.ndarray:
        """Atoms with rivals, and the partners of atoms that have too many, bool ``[n]``."""
        found = np.zeros(len(self.Z), dtype=bool)
        found[self.rivals] = True
        for atom, own in enumerate(self.partners):
            if len(own) > CROWDED.get(int(self.Z[atom]), len(own)):
                found[own] = True
        return found

    def whole(self, core: np.ndarray) -> np.ndarray:
        """Some atoms, with all nonmetals that are bonded to them, and to these, bool ``[n]``."""
        label = _labels([[k for k in own if not self.metal[[a, k]].any()] for a, own in enumerate(self.bonded)])
        return core | (np.isin(label, label[core]) & ~self.metal)

    def parts(self, free: np.ndarray, through: np.ndarray | None = None) -> list[np.ndarray]:
        """The atoms of ``free`` in parts that decide for themselves, each int ``[m]``, rising. Those bonded to the same atom of
        ``through`` decide together.
        """
        links = _links(free, self.bonded, np.concatenate([self.rivals, self.strained]))
        for a in np.flatnonzero(np.zeros_like(free) if through is None else through & ~free).tolist():
            own = [k for k in self.bonded[a] if free[k]]
            for one, other in pairwise(own):
                links[one].append(other)
        return _parts(links, free)

    def groups(self, some: np.ndarray) -> list[np.ndarray]:
        """Some atoms in groups that are bonded, metals aside, or exclude each other, each int ``[m]``, rising."""
        light = [[k for k in own if not self.metal[[a, k]].any()] for a, own in enumerate(self.bonded)]
        return _parts(_links(some, light, self.rivals), some)


def nearer_than_bonds(Z: np.ndarray, xyz: np.ndarray, cell: np.ndarray | None) -> np.ndarray:
    """Pairs of atoms, hydrogen aside, that are nearer to each other than any bond, each once, int ``[m, 2]``.

    Args:
        Z: atomic numbers ``[n]``.
        xyz: positions ``[n, 3]`` in Å.
        cell: lattice vectors as rows, Å, or None.
    """
    Z = Z.astype(np.int64)
    radius = elements.column("covalent_radius_A")
    reach = 2.0 * max(SHORTEST * float(radius[Z].max()), SHORTEST_OF_OXYGENS * float(radius[8]))
    i, j, distance, _ = pairs_within(xyz, cell, reach)
    return _once(i, j, (distance < _shortest(Z, i, j)) & (Z[i] > 1) & (Z[j] > 1))[0]


def _shortest(Z: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Å below which no two atoms of their elements are bonded ``[m]``."""
    radius, metal = elements.column("covalent_radius_A")[Z], ~elements.are_among(Z, NONMETALS)
    share = np.where(metal[i] | metal[j], SHORTEST_OF_METALS, SHORTEST)
    share[(Z[i] == 8) & (Z[j] == 8)] = SHORTEST_OF_OXYGENS
    limit = share * (radius[i] + radius[j])
    return np.where((Z[i] == 1) & (Z[j] == 1), SHORTEST_OF_HYDROGENS, limit)


def _apart(Z: np.ndarray, i: np.ndarray, j: np.ndarray, total: np.ndarray, metal: np.ndarray) -> np.ndarray:
    """Å below which one of two partially occupied atoms stands for the other ``[m]``; 0 for pairs that are often bonded."""
    return np.where((Z[i] == 8) & (Z[j] == 8), APART, np.where(metal[i] & metal[j], METALS_APART * total, 0.0))


def _links(some: np.ndarray, bonded: list[list[int]], pairs: np.ndarray) -> list[list[int]]:
    """Which of some atoms each of them is bonded to, or a pair with."""
    links = [list(own) for own in bonded]
    for a, b in pairs.tolist():
        links[a].append(b)
    return [[k for k in own if some[k] and some[a]] for a, own in enumerate(links)]


def _parts(links: list[list[int]], some: np.ndarray) -> list[np.ndarray]:
    """Some atoms by the connected part that each is in, each int ``[m]``, rising."""
    chosen, label = np.flatnonzero(some), _labels(links)
    order = chosen[np.argsort(label[chosen], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1) if len(order) else []


def _labels(links: list[list[int]]) -> np.ndarray:
    """Which connected part each atom is in, int ``[n]``, by the atoms that each is linked to."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    a = np.repeat(np.arange(len(links)), [len(own) for own in links])
    b = np.array([k for own in links for k in own], dtype=np.int64)
    return np.asarray(connected_components(coo_matrix((np.ones(len(a)), (a, b)), shape=(len(links),) * 2))[1])


def _light(Z: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Pairs of carbon, nitrogen, oxygen, fluorine, and hydrogen with carbon: farther than bonds, their next distances are those
    over two bonds, bool ``[m]``.
    """
    one, other = np.minimum(Z[i], Z[j]), np.maximum(Z[i], Z[j])
    return ((one >= 6) & (other <= 9)) | ((one == 1) & (other == 6))


def _hydrogen_by_acceptor(Z: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Pairs of hydrogen with nitrogen, oxygen or fluorine, bool ``[m]``."""
    one, other = np.minimum(Z[i], Z[j]), np.maximum(Z[i], Z[j])
    return (one == 1) & (other >= 7) & (other <= 9)


def _of_cages(Z: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Pairs of boron with boron or carbon, bool ``[m]``."""
    one, other = np.minimum(Z[i], Z[j]), np.maximum(Z[i], Z[j])
    return (one == 5) & (other <= 6)


def _once(i: np.ndarray, j: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Some pairs, each once, in order ``[m, 2]``, and where in the list each stands first ``[m]``."""
    at = np.flatnonzero(chosen & (i < j))
    pairs, first = np.unique(np.stack([i[at], j[at]], axis=1), axis=0, return_index=True)
    return pairs, at[first]


def _lists(n: int, i: np.ndarray, j: np.ndarray, chosen: np.ndarray) -> list[list[int]]:
    """Partners of each atom among some pairs."""
    found: list[list[int]] = [[] for _ in range(n)]
    for a, b in zip(i[chosen].tolist(), j[chosen].tolist(), strict=True):
        found[a].append(b)
    return found
