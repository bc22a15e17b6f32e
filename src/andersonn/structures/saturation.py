"""Whether atoms without hydrogens have all their bonds, by distances and angles."""

from __future__ import annotations

import numpy as np

from andersonn.structures import elements
from andersonn.structures.distance_bonds import METALLOIDS, Bonds

H, B, C, N, OXYGEN, SI, P, S = 1, 5, 6, 7, 8, 14, 15, 16
NEEDS = {B: 3, C: 4, N: 3, OXYGEN: 2, SI: 4, P: 3, S: 2, 32: 4, 33: 3, 34: 2}
"""Atomic number → number of bonds that satisfy the atom, whatever their lengths."""
TRIPLE = 0.83
"""An atom's only bond is triple up to this fraction of the sum of the covalent radii: 0.79 in a nitrile; 0.87 if double."""
DOUBLE = {OXYGEN: 0.925, S: 0.95, 34: 0.95, N: 0.9}
"""The same of double bonds: 0.86 in a ketone, 1.0 in an alcohol; 0.92 in a thione."""
PLANAR, STRAIGHT, BARE = 344.0, 155.0, 119.0
"""Degrees: sum of the angles at an atom with three bonds in a plane (348 in fullerenes, 328 in a tetrahedron); least angle of
a straight one; largest angle at a ring's nitrogen without hydrogen, 117 in pyridine."""
PYRIDINE = 0.925
"""Longest bond of such a nitrogen, over the sum of the radii: 0.91 in pyridine, 0.93 in pyrrole."""

OXO = 0.92
"""An oxygen's only bond to a metal is that of an oxide up to this fraction of the sum of the radii: 0.68 in uranyl, 0.77 in
Mo=O; 0.99 and more in aqua complexes."""


def bare_oxygens(bonds: Bonds) -> list[int]:
    """Indices of oxygens of a crystal that have no neighbor, or only a single metal at the distance of a water molecule."""
    radius = elements.column("covalent_radius_A")
    found = []
    for k in np.flatnonzero((bonds.Z == OXYGEN) & (bonds.count <= 1)).tolist():
        here = bonds.around(k)
        others = bonds.Z[bonds.j[here]].tolist()
        near = [d / (radius[OXYGEN] + radius[z]) for d, z in zip(bonds.distance[here].tolist(), others, strict=True)]
        if not near or (others[0] not in METALLOIDS and near[0] > OXO):
            found.append(k)
    return found


def unsaturated(bonds: Bonds) -> np.ndarray:
    """Indices of the atoms that need further bonds, such as those to hydrogens that a file lacks. Metals,
    halogens and noble gases are not examined.
    """
    radius = elements.column("covalent_radius_A")
    found = []
    for k, (Z, count) in enumerate(zip(bonds.Z.tolist(), bonds.count.tolist(), strict=True)):
        if Z not in NEEDS:
            continue
        here = bonds.around(k)
        ratios = bonds.distance[here] / (radius[Z] + radius[bonds.Z[bonds.j[here]]])
        if not _has_all(Z, count, ratios, bonds.vector[here]):
            found.append(k)
    return np.array(found, dtype=np.int64)


def _has_all(Z: int, count: int, ratios: np.ndarray, vectors: np.ndarray) -> bool:
    if count >= NEEDS[Z]:
        return True
    if count == 0:
        return False
    if Z == C:
        if count == 3:
            return sum(angles(vectors)) > PLANAR
        return ratios[0] < TRIPLE if count == 1 else angles(vectors)[0] > STRAIGHT
    if Z == N and count == 2:
        angle = angles(vectors)[0]
        return bool(ratios.min() < DOUBLE[N] or angle > STRAIGHT or (ratios.max() < PYRIDINE and angle < BARE))
    if Z == N:
        return bool(ratios[0] < TRIPLE)
    return Z in DOUBLE and bool(ratios[0] < DOUBLE[Z])


def angles(vectors: np.ndarray) -> list[float]:
    """Degrees between each two of some vectors ``[k, 3]``."""
    unit = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    i, j = np.triu_indices(len(unit), 1)
    return np.degrees(np.arccos(np.clip((unit[i] * unit[j]).sum(axis=1), -1.0, 1.0))).tolist()
