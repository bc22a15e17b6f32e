"""Pore-limiting diameters: the largest sphere that can percolate through the crystal in 1, 2 and 3 directions."""

from __future__ import annotations

import numpy as np


def widest_ways(neighbor: np.ndarray, shift: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Largest width that percolates in 1, 2 and 3 independent directions, float64 ``[3]``, decreasing.

    A maximum spanning tree gives each node a place in the unfolded crystal. An edge outside the tree closes a ring with
    it; if the ring ends on another copy of its start, it leads through the crystal. No edge of such a ring within the
    tree is narrower than the edge that closes it, so that edge's width is the ring's.

    Args:
        neighbor: node at the other end of the e-th edge of a node, int ``[T, E]``; each edge is listed from both ends.
        shift: lattice vectors by which that end is moved from the node's own copy, int ``[T, E, 3]``.
        width: of the edges, ``[T, E]``; may be negative.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    nodes = len(neighbor)
    a, b = np.repeat(np.arange(nodes), neighbor.shape[1]), neighbor.ravel()
    shift, width = shift.reshape(-1, 3), width.ravel()
    parent_shift, parent = np.zeros((nodes, 3), dtype=np.int64), np.zeros(nodes, dtype=np.int64)
    if nodes > 1:
        cost = width.max() - width + 1.0  # zero would mean no edge
        order = np.lexsort((cost, b, a))
        order = order[a[order] != b[order]]
        first = np.concatenate([[True], (np.diff(a[order]) != 0) | (np.diff(b[order]) != 0)])
        kept = order[first]
        tree = minimum_spanning_tree(csr_matrix((cost[kept], (a[kept], b[kept])), shape=(nodes, nodes)))
        _, parent = breadth_first_order(tree, 0, directed=False)
        parent = np.where(parent < 0, np.arange(nodes), parent)
        # The shift of the kept edge between a node and its parent; each pair is kept in both directions.
        pair = a[kept] * nodes + b[kept]
        place = np.searchsorted(pair, parent * nodes + np.arange(nodes))
        place = np.minimum(place, len(kept) - 1)
        parent_shift = np.where((parent != np.arange(nodes))[:, None], shift[kept[place]], 0)
    home = _unfolded(parent, parent_shift)
    winding = home[a] + shift - home[b]
    return _by_rank(winding, width)


def _unfolded(parent: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Lattice vector of each node in the unfolded tree: the sum of steps up to the root, by pointer doubling."""
    total, above = step.copy(), parent.copy()
    while (above != above[above]).any():
        total = total + total[above]
        above = above[above]
    return total


def _by_rank(winding: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Width at which the open windings first span 1, 2 and 3 dimensions; the narrowest of all if they never do."""
    found = np.full(3, width.min())
    through = np.flatnonzero(winding.any(axis=1))
    through = through[np.argsort(-width[through], kind="stable")]
    winding, width = winding[through], width[through]
    if not len(winding):
        return found
    found[0] = width[0]
    normal = np.cross(winding[0], winding)
    second = np.flatnonzero(normal.any(axis=1))
    if len(second):
        found[1] = width[second[0]]
        third = np.flatnonzero(winding @ normal[second[0]])
        found[2] = width[third[0]] if len(third) else found[2]
    return found
