"""Which neighbors an atom shows in its slots, and with what weight."""

from __future__ import annotations

import numpy as np

from andersonn.structures import elements
from andersonn.structures.graph import TIE, AtomBondGraph


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
    """Weights ``[n, K]`` of neighbors at these distances: 1 up to ``(1 - fade)`` of the cut-off, a smooth step down to 0 at it, exactly 0 for ties with it."""
    cutoff = cutoff[:, None]
    t = np.clip((cutoff - distance) / (fade * cutoff), 0.0, 1.0)
    return np.where(distance < cutoff - TIE, t * t * (3.0 - 2.0 * t), 0.0)
