"""The connected parts of a crystal, and which of them go on from cell to cell."""

from __future__ import annotations

import numpy as np


def connected_parts(xyz: np.ndarray, i: np.ndarray, j: np.ndarray, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which part each atom is in, int ``[n]``, and whether each part is endless, bool ``[P]``.

    Args:
        xyz: positions ``[n, 3]``, Å.
        i: first atoms of bonds, each in both directions, int ``[m]``.
        j: second atoms ``[m]``.
        vector: from the first to the image of the second, Å, ``[m, 3]``.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    n = len(xyz)
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
        place[start] = xyz[start]
        for atom in order[1:]:
            above = int(parent[atom])
            place[atom] = place[above] + step[above, int(atom)]
    leads_on = np.linalg.norm(place[i] + vector - place[j], axis=1) > 0.01
    endless = np.zeros(count, dtype=bool)
    endless[part[i[leads_on]]] = True
    return part, endless
