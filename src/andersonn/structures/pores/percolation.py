"""Pore-limiting diameters: the largest sphere that can percolate through the crystal in 1, 2 and 3 directions."""

from __future__ import annotations

import numpy as np

from andersonn.structures.pores.diagram import PowerDiagram

DIGITS = 21
"""Bits for one component of a lattice vector. Three components are packed into one integer: sums of such integers are those of
the vectors."""
PACK = np.array([1 << 2 * DIGITS, 1 << DIGITS, 1])
SHARE = 0.6
"""Of the edges, the widest: ways are first looked for along them alone. In nine of ten frameworks they suffice."""


def widest_ways(ends: np.ndarray, shift: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Largest width that percolates in 1, 2 and 3 independent directions, float64 ``[3]``, decreasing; -inf if none does.

    A maximum spanning tree gives each node a place in the unfolded crystal. An edge outside the tree closes a ring with
    it; if the ring ends on another copy of its start, it leads through the crystal. No edge of such a ring within the
    tree is narrower than the edge that closes it, so that edge's width is the ring's. Nodes need not be connected: each
    connected part has a tree of its own.

    Args:
        ends: nodes that edges connect, int ``[E, 2]``.
        shift: lattice vectors by which the second end is moved from its node's own copy, int ``[E, 3]``.
        width: of the edges, ``[E]``; may be negative.
    """
    order = np.argsort(-width)
    found = np.full(3, -np.inf)
    for count in (int(SHARE * len(order)), len(order)):
        widest = order[:count]
        if len(widest):
            winding = _windings(ends.take(widest, axis=0), shift.take(widest, axis=0) @ PACK)
            through = np.flatnonzero(winding)
            found = _by_rank(_unpacked(winding[through]), width[widest[through]])
        if np.isfinite(found).all():
            break
    return found


def channels(diagram: PowerDiagram, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Connected parts of the room between the atoms: which part each vertex is in, ``[T]``, and in how many directions each
    part leads through the crystal, 0 … 3, ``[P]``.

    Args:
        diagram: of a crystal.
        least: of the clearance of vertices and windows that belong to the room, Å; others are parts by themselves.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    kept = np.flatnonzero(diagram.window > least)
    ends, shift, n = diagram.ends[kept], diagram.shift[kept], len(diagram.center)
    graph = coo_matrix((np.ones(len(kept)), (ends[:, 0], ends[:, 1])), shape=(n, n))
    count, part = connected_components(graph, directed=False)
    dimensions = np.zeros(count, dtype=np.int64)
    if len(kept):
        winding = _windings(ends, shift @ PACK)
        through = np.flatnonzero(winding)
        owner, vectors = part[ends[through, 0]], _unpacked(winding[through])
        for own in np.unique(owner):
            dimensions[own] = np.linalg.matrix_rank(np.unique(vectors[owner == own], axis=0))
    return part, dimensions


def _windings(ends: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Lattice vector between both ends of the ring that each edge closes with the tree, packed, ``[E]``; edges come widest
    first, shifts are packed.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    used = np.zeros(ends.max() + 1, dtype=bool)
    used[ends.ravel()] = True
    names = np.cumsum(used) - 1
    ends, root = names.take(ends), names[-1] + 1
    # One more node is joined to all others by edges narrower than any: with it the parts are connected.
    row = np.argsort(ends[:, 0])
    rank = np.append(row, np.arange(len(ends), len(ends) + root)) + 1.0  # edges by width; zero would mean no edge
    columns = np.append(ends[:, 1].take(row), np.arange(root)).astype(np.int32)
    starts = np.zeros(root + 2, dtype=np.int32)
    np.cumsum(np.bincount(ends[:, 0], minlength=root), out=starts[1:-1])
    starts[-1] = len(columns)
    graph = csr_matrix((rank, columns, starts), shape=(root + 1, root + 1))  # parallel edges stay apart
    tree = minimum_spanning_tree(graph, overwrite=True)
    parent = breadth_first_order(tree, root, directed=False)[1].astype(np.int64)
    parent[root] = root
    chosen = tree.data.astype(np.int64) - 1
    inner = chosen[chosen < len(ends)]
    one, other = ends.take(inner, axis=0).T
    down = parent[other] == one  # else the edge leads from a child up to its parent
    step = np.zeros(root + 1, dtype=np.int64)
    step[np.where(down, other, one)] = np.where(down, shift[inner], -shift[inner])
    home = _summed(parent, step)
    return home[ends[:, 0]] + shift - home[ends[:, 1]]


def _summed(parent: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Sum of the steps from the root of a tree to each node, by pointer doubling."""
    total, above = step, parent
    while (above != (next_above := above[above])).any():
        total = total + total[above]
        above = next_above
    return total


def _unpacked(packed: np.ndarray) -> np.ndarray:
    """Lattice vectors ``[m, 3]`` from their packed form; components are below half of what their bits hold."""
    half, mask = 1 << (DIGITS - 1), (1 << DIGITS) - 1
    packed = packed + half * PACK.sum()
    return np.stack([(packed >> 2 * DIGITS), (packed >> DIGITS) & mask, packed & mask], axis=1) - half


def _by_rank(winding: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Width at which rings first span 1, 2 and 3 dimensions; they come widest first, and none winds by zero."""
    found = np.full(3, -np.inf)
    if not len(winding):
        return found
    found[0] = width[0]
    x, y, z = winding.T
    u, v, w = winding[0]
    normal = np.stack([v * z - w * y, w * x - u * z, u * y - v * x])
    second = np.flatnonzero(normal[0] | normal[1] | normal[2])
    if len(second):
        found[1] = width[second[0]]
        third = np.flatnonzero(winding @ normal[:, second[0]])
        found[2] = width[third[0]] if len(third) else found[2]
    return found
