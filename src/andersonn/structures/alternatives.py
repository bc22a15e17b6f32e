"""Alternatives of disordered parts: atoms that are nearer to each other than any bond. One alternative is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from andersonn.structures import elements
from andersonn.structures.neighbors import pairs_within

SHORTEST, SHORTEST_OF_METALS = 0.7, 0.6
"""Shortest bond over the sum of the covalent radii: 0.77 in nitrogen and nitriles; V=O has 0.72."""
SHORTEST_OF_HYDROGENS = 1.1
"""Å between two hydrogen atoms; those of one carbon have 1.6 to 1.8."""
LONGEST = 1.2
"""Longest bond over the sum of the covalent radii, between atoms of one alternative."""
BETWEEN = 0.45
"""Å beyond the sum of the covalent radii up to which two light atoms without a bond are too near to each other."""
CROWDED = {1: 1, 6: 4}
"""Partners of an atom from which on some must be alternatives, whatever is listed first."""
MOST = {1: 1, 5: 6, 6: 4, 7: 4, 8: 2, 9: 1}
"""Nonmetals that an atom of an element is bonded to at most; protonated oxygen, with three, is rarer than disorder."""
NONMETALS = (1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 33, 34, 35, 36, 52, 53, 54)
_resolving: ContextVar[bool] = ContextVar("resolving_alternatives", default=False)


@contextmanager
def resolving() -> Iterator[None]:
    """Inside this block, structures whose atoms overlap keep one alternative instead of being refused.

    It is the setting of a thread for the reason that :func:`andersonn.structures.readers.molecules.reading.reading` gives.
    """
    token = _resolving.set(True)
    try:
        yield
    finally:
        _resolving.reset(token)


def is_resolving() -> bool:
    """Whether one of several alternatives is kept now."""
    return _resolving.get()


def kept(Z: np.ndarray, xyz: np.ndarray, cell: np.ndarray | None) -> np.ndarray:
    """Which atoms one alternative has, bool ``[n]``: the first listed, with what is bonded to it; hydrogen atoms that are then
    bonded to nothing go too. Atoms that are near their own images are kept. Alternatives are atoms that are nearer than any bond,
    those too far for a bond and too near for two atoms without one, and the partners of atoms that have too many.

    Args:
        Z: atomic numbers ``[n]``.
        xyz: positions ``[n, 3]`` in Å.
        cell: lattice vectors as rows, Å, or None.
    """
    radius = elements.column("covalent_radius_A")[Z]
    i, j, distance, _ = pairs_within(xyz, cell, LONGEST * 2.0 * float(radius.max()) + BETWEEN)
    i, j, distance = (part[i != j] for part in (i, j, distance))
    total, metal = radius[i] + radius[j], ~elements.are_among(Z, NONMETALS)
    share = np.where(metal[i] | metal[j], SHORTEST_OF_METALS, SHORTEST)
    limit = np.where((Z[i] == 1) & (Z[j] == 1), SHORTEST_OF_HYDROGENS, share * total)
    near = (distance >= limit) & (distance <= LONGEST * total)
    between = (distance > LONGEST * total) & (distance <= total + BETWEEN) & _light(Z, i, j)
    rivals, bonded = _lists(len(Z), i, j, (distance < limit) | between), _lists(len(Z), i, j, near)
    partners = _lists(len(Z), i, j, near & ~metal[i] & ~metal[j])
    state = np.zeros(len(Z), dtype=np.int8)  # 1 stays, -1 goes
    crowds = [own for k, own in enumerate(partners) if len(own) > CROWDED.get(int(Z[k]), len(own))]
    disputed = {k for own in crowds for k in own}
    state[[k for k in range(len(Z)) if not rivals[k] and k not in disputed]] = 1
    for seed in range(len(Z)):
        front = [seed] if state[seed] == 0 else []
        while front:
            atom = front.pop(0)
            if state[atom] != 0:
                continue
            state[atom] = 1 if _fits(atom, Z, partners, state) else -1
            if state[atom] == 1:
                state[rivals[atom]] = -1
                front += [k for k in bonded[atom] if state[k] == 0]
    stays = state == 1
    for atom in np.flatnonzero(stays & (Z == 1)).tolist():
        stays[atom] = any(stays[k] for k in bonded[atom])
    return stays


def _light(Z: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Pairs of carbon, nitrogen, oxygen, fluorine, and hydrogen with carbon: farther than bonds, their next distances are those
    over two bonds, bool ``[m]``.
    """
    one, other = np.minimum(Z[i], Z[j]), np.maximum(Z[i], Z[j])
    return ((one >= 6) & (other <= 9)) | ((one == 1) & (other == 6))


def _fits(atom: int, Z: np.ndarray, partners: list[list[int]], state: np.ndarray) -> bool:
    """Whether an atom can join those that stay: closing no ring of three, and giving none more partners than it can have.

    Args:
        atom: to join.
        Z: atomic numbers ``[n]``.
        partners: nonmetals bonded to each nonmetal.
        state: 1 for atoms that stay ``[n]``.
    """
    own = [k for k in partners[atom] if state[k] == 1]
    if len(own) > MOST.get(int(Z[atom]), len(own)):
        return False
    for one in own:
        theirs = [k for k in partners[one] if state[k] == 1]
        if len(theirs) >= MOST.get(int(Z[one]), len(theirs) + 1) or not set(own).isdisjoint(theirs):
            return False
    return True


def _lists(n: int, i: np.ndarray, j: np.ndarray, chosen: np.ndarray) -> list[list[int]]:
    """Partners of each atom among some pairs."""
    found: list[list[int]] = [[] for _ in range(n)]
    for a, b in zip(i[chosen].tolist(), j[chosen].tolist(), strict=True):
        found[a].append(b)
    return found


def told(Z: np.ndarray, stays: np.ndarray) -> str:
    """A note of what was left out."""
    gone = np.flatnonzero(~stays)
    names = ", ".join(elements.named(Z, k) for k in gone[:6]) + (" …" if len(gone) > 6 else "")
    return f"of overlapping alternatives the first was kept: {len(gone)} of {len(Z)} atoms were left out ({names})"
