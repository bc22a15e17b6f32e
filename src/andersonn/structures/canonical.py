"""Atoms with equal surroundings, and an order of atoms that does not depend on the file.

Color refinement (Weisfeiler and Leman, 1968): each atom starts with the color of its element. In each round its new color is
computed from its own color, the colors of its neighbors and their distances, until the number of colors stays the same. Atoms
of one color then have equal surroundings to any depth, and every message-passing network gives them equal states. Ranks depend
on distances and elements alone, not on numbering, rotation or origin.
"""

from __future__ import annotations

import numpy as np

TIE = 1e-4
"""Å. Sorted distances count as equal to the next one if they differ by less."""
WIDEST_TIE = 5e-4
"""Å. Distances that differ by more never count as equal, even if a chain of close distances connects them."""


def tied_ranks(values: np.ndarray) -> np.ndarray:
    """Integer ranks of ``values`` (any shape) in which values tied within :data:`TIE` share a rank.

    Chains of close values are cut into pieces no wider than :data:`WIDEST_TIE`, so that the thousands of
    distances of a large structure never merge into one.
    """
    flat = values.ravel()
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    with np.errstate(invalid="ignore"):  # inf - inf, between absent neighbors
        starts = np.concatenate([[True], np.diff(ordered) > TIE])
    chain = np.cumsum(starts) - 1
    with np.errstate(invalid="ignore"):
        piece = np.floor((ordered - ordered[starts][chain]) / WIDEST_TIE)
    piece = np.where(np.isfinite(piece), piece, 0.0)
    new = np.concatenate([[False], (np.diff(chain) != 0) | (np.diff(piece) != 0)])
    ranks = np.empty(len(flat), dtype=np.int64)
    ranks[order] = np.cumsum(new)
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
