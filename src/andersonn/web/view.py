"""A structure, its atom-bond network and its graph image as JSON, for the page to draw."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from andersonn.structures import elements
from andersonn.structures.graph import AtomBondGraph
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.picture import inside, with_faces
from andersonn.structures.structure import Structure

SAME_PLACE = 1e-2
"""Å within which the end of a bond is the ball drawn there."""
STUB = 0.8
"""Half bonds that lead out of the drawing are drawn this much of their length."""


def structure_view(structure: Structure, graph: AtomBondGraph) -> dict[str, Any]:
    """Balls and half bonds in Å.

    Returns:
        ``balls``: ``[x, y, z, atom]``, atoms on a face of the cell repeated on the opposite one; ``halves``: ``[ball, x, y,
        z, short]``, from a ball to the middle of a bond, or to the share ``stub`` of it where the bond leaves the drawing (``short`` is
        1); ``cell`` or None;
        ``atoms``: symbols; ``elements``: symbol → ``color`` and ``radius`` (covalent, Å).
    """
    xyz, shown = with_faces(structure)
    symbols = elements.symbols()
    radius = elements.column("covalent_radius_A")
    return {
        "id": structure.id,
        "formula": structure.formula,
        "periodic": structure.periodic,
        "cell": None if structure.cell is None else np.round(structure.cell, 4).tolist(),
        "atoms": [symbols[z] for z in structure.Z],
        "balls": [[*np.round(place, 3).tolist(), int(atom)] for place, atom in zip(xyz, shown, strict=True)],
        "halves": _halves(graph, xyz, shown),
        "stub": STUB,
        "elements": {
            symbols[z]: {"color": elements.colors()[z], "radius": float(radius[z])}
            for z in sorted(set(structure.Z.tolist()))
        },
    }


def graph_view(graph: AtomBondGraph) -> dict[str, Any]:
    """The network: ``edges`` are ``[i, j, how many bonds, shortest in Å, whether one leaves the cell]``, each pair of atoms
    once; ``bonds`` counts them all; ``coordination`` those of each atom.
    """
    xyz = inside(graph.structure)
    counts: dict[tuple[int, int], list[float]] = defaultdict(lambda: [0, np.inf, False])
    bonded = graph.bonded
    rows = zip(graph.i[bonded], graph.j[bonded], graph.distance[bonded], graph.vector[bonded], strict=True)
    for i, j, distance, vector in rows:
        edge = counts[min(i, j), max(i, j)]
        leaves = bool(np.linalg.norm(xyz[i] + vector - xyz[j]) > SAME_PLACE)
        edge[:] = edge[0] + 0.5, min(edge[1], distance), edge[2] or leaves  # each bond is seen from both ends
    return {
        "bonds": graph.n_bonds,
        "coordination": graph.coordination().tolist(),
        "edges": [
            [int(i), int(j), round(n), round(float(shortest), 3), bool(leaves)]
            for (i, j), (n, shortest, leaves) in sorted(counts.items())
        ],
    }


def image_view(image: NodeNeighborImage) -> dict[str, Any]:
    """The graph image by rows: the rows' ``symbols`` and ``multiplicity``, ``atom_row`` (row of each atom), and for each of
    K columns ``neighbor`` (row, or -1 where there is none), ``distance`` (Å), ``weight`` (0 … 1) and ``bonded``.
    """
    return {
        "symbols": [elements.symbols()[z] for z in image.Z],
        "multiplicity": image.multiplicity.tolist(),
        "atom_row": image.atom_row.tolist(),
        "columns": image.recipe.columns,
        "channels": len(image.channels()),
        "neighbor": np.where(image.mask, image.neighbor_index, -1).tolist(),
        "distance": _rounded(image.distance, 3),
        "weight": _rounded(image.weight, 2),
        "bonded": image.bonded.astype(int).tolist(),
    }


def _rounded(values: np.ndarray, digits: int) -> list[list[float]]:
    return np.round(values.astype(float), digits).tolist()


def _halves(graph: AtomBondGraph, xyz: np.ndarray, shown: np.ndarray) -> list[list[float]]:
    from scipy.spatial import cKDTree

    tree, n = cKDTree(xyz), len(graph.structure)
    order = np.argsort(graph.i[graph.bonded], kind="stable")
    vectors = graph.vector[graph.bonded][order]
    start = np.searchsorted(graph.i[graph.bonded][order], np.arange(n + 1))
    found = []
    for ball, (place, atom) in enumerate(zip(xyz, shown, strict=True)):
        own = vectors[start[atom] : start[atom + 1]]
        if not len(own):
            continue
        within = tree.query(place + own, distance_upper_bound=SAME_PLACE)[0] < SAME_PLACE
        for vector, met in zip(own, within, strict=True):
            if met or ball < n:  # a repeated atom shows only bonds that lead to another ball
                end = place + 0.5 * vector * (1.0 if met else STUB)
                found.append([ball, *np.round(end, 3).tolist(), int(not met)])
    return found
