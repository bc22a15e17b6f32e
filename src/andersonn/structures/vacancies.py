"""Atoms that lack a neighbor: their surroundings are those of another atom of their element, but for one kind of neighbor.

In a crystal with several copies of a site, an atom that was left out is found by its neighbors: each has the distances
of a like atom elsewhere in the cell, all but those to the missing one. Nothing is learned, and nothing is asked of
chemistry. Where a site has no copies in the cell there is nothing to compare.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from andersonn.structures import elements
from andersonn.structures.neighbors import Pairs, pairs_within

REACH = 4.5
"""Å up to which surroundings are compared."""
MARGIN = 0.3
"""Å: a neighbor that is missing must be nearer than the reach by so much, else it may be just beyond it."""
SAME = 0.02
"""Å: distances that differ by less are the same."""
MOST_MISSING = 3
"""Neighbors of one element that may be missing around an atom: periodic images of one, or copies of it by symmetry."""
MOST_COMPARED = 60
"""Atoms of an element that are compared; of more, as many are drawn at even steps."""


@dataclass(frozen=True, eq=False)
class Lacking:
    """What atoms lack that others of their element have.

    Attributes:
        atoms: which lack something, int ``[m]``.
        models: an atom with the same surroundings and the neighbors that are missing, int ``[m]``.
        missing: atomic number of these, int ``[m]``.
        distance: to the nearest of them, Å, ``[m]``.
        residual: the largest difference of the other distances, Å, ``[m]``.
    """

    atoms: np.ndarray
    models: np.ndarray
    missing: np.ndarray
    distance: np.ndarray
    residual: np.ndarray

    @classmethod
    def of(cls, Z: np.ndarray, xyz: np.ndarray, cell: np.ndarray | None, pairs: Pairs | None = None) -> Lacking:
        """What the atoms of a structure lack.

        Args:
            Z: atomic numbers ``[n]``.
            xyz: positions ``[n, 3]``, Å.
            cell: lattice vectors as rows, Å, or None.
            pairs: those of :func:`~andersonn.structures.neighbors.pairs_within` at least :data:`REACH`; default: searched.
        """
        around = _Surroundings.of(Z, pairs_within(xyz, cell, REACH) if pairs is None else pairs)
        best: dict[int, tuple[float, int, int, float]] = {}
        for atom, model, kind, count in around.candidates():
            residual, distance = around.compared(atom, model, kind, count)
            if residual <= SAME and residual < best.get(atom, (np.inf,))[0]:
                best[atom] = (residual, model, int(around.kinds[kind]), distance)
        atoms = sorted(best)
        columns = [np.array([best[atom][k] for atom in atoms]) for k in range(4)]
        return cls(np.array(atoms, int), columns[1].astype(int), columns[2].astype(int), columns[3], columns[0])

    def told(self, Z: np.ndarray) -> str:
        """Some atoms by name, such as ``"O3, O7 and 4 more"``, and what they lack."""
        names = [elements.named(Z, atom) for atom in self.atoms[:2].tolist()]
        more = f" and {len(self.atoms) - 2} more" if len(self.atoms) > 2 else ""
        missing = ", ".join(elements.symbols()[z] for z in sorted(set(self.missing.tolist())))
        return f"{', '.join(names)}{more} lack {missing} that like atoms have at {self.distance.min():.2f} Å"


@dataclass(frozen=True, eq=False)
class _Surroundings:
    """Distances from each atom to its neighbors, by element and then by length.

    Attributes:
        kinds: atomic numbers, rising, ``[k]``.
        kind: of each atom, ``[n]``.
        counts: neighbors by element, int ``[n, k]``.
        first: where the distances of an atom to an element begin, int ``[n, k]``.
        distance: all of them, Å.
    """

    kinds: np.ndarray
    kind: np.ndarray
    counts: np.ndarray
    first: np.ndarray
    distance: np.ndarray

    @classmethod
    def of(cls, Z: np.ndarray, pairs: Pairs) -> _Surroundings:
        kinds, kind = np.unique(Z, return_inverse=True)
        near = pairs[2] < REACH
        i, j, distance = (part[near] for part in pairs[:3])
        order = np.lexsort((distance, kind[j], i))
        counts = np.zeros((len(Z), len(kinds)), dtype=np.int64)
        np.add.at(counts, (i, kind[j]), 1)
        first = np.concatenate([[0], np.cumsum(counts.ravel())[:-1]]).reshape(counts.shape)
        return cls(kinds, kind, counts, first, distance[order])

    def candidates(self) -> Iterator[tuple[int, int, int, int]]:
        """An atom, another of its element with more neighbors of one element alone, which element, and how many more."""
        for own in range(len(self.kinds)):
            atoms = np.flatnonzero(self.kind == own)
            atoms = atoms[:: len(atoms) // MOST_COMPARED + 1]
            more = self.counts[atoms][None] - self.counts[atoms][:, None]
            total = more.sum(axis=2)
            fits = (more >= 0).all(axis=2) & ((more > 0).sum(axis=2) == 1) & (total <= MOST_MISSING)
            for a, b in np.argwhere(fits).tolist():
                yield int(atoms[a]), int(atoms[b]), int(more[a, b].argmax()), int(total[a, b])

    def compared(self, atom: int, model: int, kind: int, count: int) -> tuple[float, float]:
        """The largest difference of the distances that both have, Å, and the least of those that the atom lacks; infinite
        where the surroundings are not the same otherwise, or what is missing may lie just beyond the reach.
        """
        worst = 0.0
        for other in range(len(self.kinds)):
            mine, theirs = self._to(atom, other), self._to(model, other)
            if other != kind:
                worst = max(worst, float(np.abs(mine - theirs).max(initial=0.0)))
            if worst > SAME:
                return np.inf, np.inf
        missing, residual = _without(self._to(atom, kind), self._to(model, kind), count)
        if not missing or missing[-1] > REACH - MARGIN:
            return np.inf, np.inf
        return max(worst, residual), missing[0]

    def _to(self, atom: int, kind: int) -> np.ndarray:
        first = self.first[atom, kind]
        return self.distance[first : first + self.counts[atom, kind]]


def _without(mine: np.ndarray, theirs: np.ndarray, count: int) -> tuple[list[float], float]:
    """Which of their distances have no counterpart in mine, and the largest difference of the others; none if they do not fit.

    Args:
        mine: rising, Å, ``[m]``.
        theirs: rising, Å, ``[m + count]``.
        count: how many have none.
    """
    missing: list[float] = []
    residual, at = 0.0, 0
    for length in theirs.tolist():
        if at < len(mine) and abs(mine[at] - length) <= SAME:
            residual, at = max(residual, abs(float(mine[at]) - length)), at + 1
        elif len(missing) < count:
            missing.append(length)
        else:
            return [], np.inf
    return (missing, residual) if at == len(mine) else ([], np.inf)
