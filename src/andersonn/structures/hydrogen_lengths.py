"""Bonds to hydrogen as a measure of a molecule's lengths: they hardly depend on what else is bonded."""

from __future__ import annotations

import numpy as np

from andersonn.structures.structure import Structure

USUAL = {5: 1.19, 6: 1.09, 7: 1.015, 8: 0.965, 9: 0.92, 14: 1.48, 15: 1.415, 16: 1.345, 17: 1.28, 35: 1.42}
"""Å from an element to hydrogen, by experiment in the gas phase (CRC Handbook of Chemistry and Physics, section 9)."""
WITHIN = 1.35
"""Times the usual length, up to which the nearest atom counts as bonded."""
UNUSUAL = 0.05
"""Relative difference that is told: of 3,000 molecules of QM9 none differs by more than 0.03."""


def doubt_of_lengths(structure: Structure) -> str:
    """A warning that the bonds to hydrogen of a molecule whose geometry was given are all too short or too long; empty if not, or
    if it has none.
    """
    if structure.periodic or structure.generated_geometry:
        return ""
    ratio = _usual_ratio(structure.Z.astype(np.int64), structure.xyz)
    if ratio is None or abs(ratio - 1.0) <= UNUSUAL:
        return ""
    which = "shorter" if ratio < 1.0 else "longer"
    why = ", as X-rays find them" if 0.8 < ratio < 1.0 else ""
    return f"bonds to hydrogen are {100 * abs(ratio - 1.0):.0f} % {which} than usual{why}: relax the geometry, or check the unit of lengths"


def _usual_ratio(Z: np.ndarray, xyz: np.ndarray) -> float | None:
    """Median of the lengths of bonds to hydrogen in units of the usual ones; None without such bonds."""
    hydrogen, heavy = np.flatnonzero(Z == 1), np.flatnonzero(np.isin(Z, list(USUAL)))
    if not len(hydrogen) or not len(heavy):
        return None
    usual = np.array([USUAL[z] for z in Z[heavy].tolist()])
    ratios = []
    for k in hydrogen.tolist():
        found = np.linalg.norm(xyz[heavy] - xyz[k], axis=1) / usual
        ratios.append(found.min())
    near = np.array(ratios)[np.array(ratios) < WITHIN]
    return float(np.median(near)) if len(near) else None
