"""What laws of nature say whatever a network answers: no dipole moment by symmetry, no metal where all shells are full.

The network's distribution is changed to agree, so that class, probabilities, estimate and interval still come from one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from andersonn.data.tasks import Task
from andersonn.inference.distribution import DistributionCalibration, Distributions
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.point_group import forbids_dipole
from andersonn.structures.pores.radii import probe_radii
from andersonn.structures.structure import Structure, expects_bonds

NO_DIPOLE = "its symmetry forbids a dipole moment"
FULL_SHELLS = "noble gases alone, not pressed together: their full shells make an insulator, whatever the network says"
PRESSED, METALLIC = 0.85, 0.75
"""Atoms nearer than the first part of the sum of their van der Waals radii are pressed together, and their gap shrinks. Xenon becomes a metal at
0.70 (M. I. Eremets et al., Phys. Rev. Lett. 85, 2797, 2000), the others later; PBE closes gaps early.
"""
STILL_A_GAP = (
    "noble gases alone, pressed together, but not to a metal: their full shells leave a gap, whatever the network says"
)

OF_SHELLS = (FULL_SHELLS, STILL_A_GAP)


def laws_on(task: Task, positions: bool, edges: tuple[float, ...], structures: Sequence[Structure]) -> list[str]:
    """The note of the law that holds for each structure; empty where none does.

    Args:
        task: what is answered.
        positions: whether the model's images hold where atoms are.
        edges: of the model's distributions; some mass must be able to lie where the law says.
        structures: molecules or crystals.
    """
    if task.unit == "D" and positions and edges[0] == 0.0:
        return [NO_DIPOLE if forbids_dipole(structure) else "" for structure in structures]
    if task.full_shells_above is not None and edges[-2] >= task.full_shells_above:
        return [_of_shells(structure) for structure in structures]
    return [""] * len(structures)


def obeying(
    task: Task,
    laws: Sequence[str],
    calibration: DistributionCalibration,
    found: Distributions,
    answers: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple[Distributions, np.ndarray, np.ndarray, np.ndarray]:
    """Distributions and what is read of them, as the laws leave them. Structures without a law keep theirs.

    Args:
        task: what is answered.
        laws: n notes of :func:`laws_on`.
        calibration: of the model.
        found: distributions of the n structures.
        answers: probabilities of the classes ``[n, C]``, estimates ``[n]`` and 90 % intervals ``[n, 2]``.

    Returns:
        The distributions and the three answers.
    """
    if not any(laws):
        return found, *answers
    told = np.array(laws, dtype=object)
    found = found.with_zero(told == NO_DIPOLE)
    if task.full_shells_above is not None:
        usual = np.array(calibration.usual)
        found = found.above(task.full_shells_above, told == FULL_SHELLS, usual)
        found = found.above(found.edges[1], told == STILL_A_GAP, usual)
    bound, (low, middle, high) = told != "", (found.quantile(level) for level in (0.05, 0.5, 0.95))
    probabilities, values, intervals = answers
    return (
        found,
        np.where(bound[:, None], calibration.classes_of(found), probabilities),
        np.where(bound, middle, values),
        np.where(bound[:, None], np.stack([low, high], axis=1), intervals),
    )


def _of_shells(structure: Structure) -> str:
    """What full shells say of a crystal of noble gases alone; empty for others, and where its atoms are pressed to a metal."""
    if structure.cell is None or expects_bonds(structure.Z):
        return ""
    radius = probe_radii()[structure.Z]
    i, j, distance, _ = pairs_within(structure.xyz, structure.cell, 2.0 * PRESSED * float(radius.max()))
    nearest = float((distance / (radius[i] + radius[j])).min(initial=1.0))
    return FULL_SHELLS if nearest >= PRESSED else STILL_A_GAP if nearest >= METALLIC else ""
