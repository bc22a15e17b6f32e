"""Structure → atom-bond network: which atoms are near each other, which of those are bonded, and which have equal surroundings,
in an order that does not depend on the file.

Color refinement (Weisfeiler and Leman, 1968): each atom starts with the color of its element. In each round its new color is
computed from its own color, the colors of its neighbors and their distances, until the number of colors stays the same. Atoms
of one color then have equal surroundings to any depth, and every message-passing network gives them equal states. Ranks depend
on distances and elements alone, not on numbering, rotation or origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from andersonn.structures import elements
from andersonn.structures.neighbors import pairs_to_count
from andersonn.structures.structure import Structure

BOND_TOLERANCE = 0.45
"""Å added to the sum of covalent radii (Cordero 2008) within which two atoms count as bonded."""

TIE = 1e-4
"""Å. Sorted distances count as equal to the next one if they differ by less."""
WIDEST_TIE = 5e-4
"""Å. Distances that differ by more never count as equal, even if a chain of close distances connects them."""


@dataclass(frozen=True, eq=False)
class AtomBondGraph:
    """Atoms and the directed pairs between them, periodic images counted, sorted by (i, distance).

    Attributes:
        structure: the atoms.
        i, j: int64 ``[m]``, atoms of each pair.
        distance: float64 ``[m]`` in Å.
        vector: float64 ``[m, 3]`` in Å, from atom i to the image of atom j.
        bonded: bool ``[m]``: by the bonds of the file if it lists them, else whether distance ≤ sum of covalent radii +
            0.45 Å.
    """

    structure: Structure
    i: np.ndarray
    j: np.ndarray
    distance: np.ndarray
    vector: np.ndarray
    bonded: np.ndarray

    @classmethod
    def from_structure(cls, structure: Structure, count: int = 13, reach: float = 8.0) -> AtomBondGraph:
        """The graph in which each atom has its ``count`` nearest neighbors, if that many lie within ``reach`` Å."""
        i, j, distance, vector = pairs_to_count(structure.xyz, structure.cell, count, reach)
        order = np.lexsort((distance, i))
        i, j, distance, vector = i[order], j[order], distance[order], vector[order]
        if structure.bonds is not None:
            n, (a, b) = len(structure), structure.bonds.T
            bonded = np.isin(i * n + j, np.concatenate([a * n + b, b * n + a]))
        else:
            radius = elements.column("covalent_radius_A")[structure.Z]
            bonded = distance <= radius[i] + radius[j] + BOND_TOLERANCE
        return cls(structure, i, j, distance, vector, bonded)

    @property
    def n_bonds(self) -> int:
        """Number of bonds in the cell (each undirected bond once)."""
        return int(self.bonded.sum()) // 2

    def coordination(self) -> np.ndarray:
        """Number of bonds of each atom, int64 ``[n]``."""
        return np.bincount(self.i[self.bonded], minlength=len(self.structure))


def nearest(graph: AtomBondGraph, K: int, reach: float, fade: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The K nearest pairs of each atom: pair index ``[n, K]`` (-1 absent), distance ``[n, K]`` (inf), cut-off ``[n]``.

    Args:
        graph: holds K + 1 neighbors of each atom, or all within the reach.
        K: neighbor slots of an atom.
        reach: Å beyond which nothing is a neighbor.
        fade: fraction of the cut-off over which weights fall to zero.
    """
    n = len(graph.structure)
    counts = np.bincount(graph.i, minlength=n)
    start = np.concatenate([[0], np.cumsum(counts)])
    k = np.arange(K + 1)
    pair = np.where(k < counts[:, None], start[:-1, None] + k, -1)
    if not len(graph.distance):
        return pair[:, :K], np.full((n, K), np.inf), np.full(n, reach)
    distance = np.where(pair >= 0, graph.distance[pair], np.inf)
    cutoff = np.minimum(distance[:, K], reach)
    one_shell = np.isfinite(distance[:, K]) & (distance[:, K] <= distance[:, 0] + TIE)
    for i in np.flatnonzero(one_shell):
        _show_part_of_shell(graph, slice(start[i], start[i + 1]), pair[i], distance[i])
        cutoff[i] = distance[i, 0] / (1.0 - fade)
    return pair[:, :K], distance[:, :K], cutoff


def _show_part_of_shell(graph: AtomBondGraph, pairs: slice, pair: np.ndarray, distance: np.ndarray) -> None:
    """Fills the slots of an atom whose nearest shell has more than K members (a metal in a C60 cage) with the first K by
    element, in place. This cuts the shell, but an atom without any neighbor would be worse.
    """
    shell = np.arange(pairs.start, pairs.stop)[graph.distance[pairs] - distance[0] <= TIE]
    element = elements.column("electronegativity")[graph.structure.Z[graph.j[shell]]]
    pair[:] = shell[np.argsort(element, kind="stable")][: len(pair)]
    distance[:] = graph.distance[pair]


def faded(distance: np.ndarray, cutoff: np.ndarray, fade: float) -> np.ndarray:
    """Weights ``[n, K]`` of neighbors at these distances: 1 up to ``(1 - fade)`` of the cut-off, a smooth step down to 0 at it,
    exactly 0 for ties with it.
    """
    cutoff = cutoff[:, None]
    t = np.clip((cutoff - distance) / (fade * cutoff), 0.0, 1.0)
    return np.where(distance < cutoff - TIE, t * t * (3.0 - 2.0 * t), 0.0)


def tied_ranks(values: np.ndarray) -> np.ndarray:
    """Integer ranks of ``values`` (any shape) in which values tied within :data:`TIE` share a rank.

    Chains of close values are cut into pieces no wider than :data:`WIDEST_TIE`, so that the thousands of
    distances of a large structure never merge into one.
    """
    flat = values.ravel()
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = np.ones(len(flat), dtype=bool)
    with np.errstate(invalid="ignore"):  # inf - inf, between absent neighbors
        np.greater(ordered[1:] - ordered[:-1], TIE, out=starts[1:])
        chain = np.cumsum(starts) - 1
        width = ordered - ordered[starts][chain]
    ordered_ranks = chain
    if (width >= 0.999 * WIDEST_TIE).any():
        piece = np.floor(width / WIDEST_TIE)
        piece[~np.isfinite(piece)] = 0.0
        ordered_ranks = np.concatenate([[0], np.cumsum(starts[1:] | (piece[1:] != piece[:-1]))])
    ranks = np.empty(len(flat), dtype=np.int64)
    ranks[order] = ordered_ranks
    return ranks.reshape(values.shape)


def dense_ranks(*keys: np.ndarray) -> np.ndarray:
    """Ranks 0, 1, … of rows compared by ``keys`` (the first decides first); equal rows share a rank."""
    order = np.lexsort(keys[::-1])
    new = np.zeros(len(order), dtype=bool)
    for key in keys:
        ordered = key[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.cumsum(new)
    return ranks


def refine(initial: np.ndarray, neighbor: np.ndarray, shell: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Color refinement to the coarsest equitable partition.

    Args:
        initial: first colors, int ``[n]``, from properties of the atom itself.
        neighbor: atom index of the k-th neighbor, int ``[n, K]``.
        shell: tied rank of its distance, int ``[n, K]``.
        present: which entries count, bool ``[n, K]``.

    Returns:
        Final colors as ranks, int64 ``[n]``; they refine ``initial`` and keep its order.
    """
    color = dense_ranks(initial)
    count = color.max() + 1
    while count < len(color):
        message = np.where(present, _mix(_mix(shell) + color[neighbor].astype(np.uint64)), np.uint64(0))
        color = dense_ranks(color, message.sum(axis=1, dtype=np.uint64))
        before, count = count, color.max() + 1
        if count == before:
            break
    return color


def _mix(values: np.ndarray) -> np.ndarray:
    """A 64-bit finalizer (splitmix64's constants): unequal inputs give unrelated outputs, sums of them a multiset hash."""
    x = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
