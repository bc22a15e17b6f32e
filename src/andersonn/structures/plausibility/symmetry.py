"""Whether a crystal would have one more symmetry if it had one more atom.

A motion of the lattice onto itself (a rotation, mirror or inversion with a shift) maps a sound crystal onto itself or fails for
many atoms. Of a crystal that lacks one atom, motions that move this atom map all others but one, and this one to an empty place:
all of them to the same.
"""

from __future__ import annotations

import numpy as np

NAMES = ("motions_kept", "motions_lost", "same_place", "place_empty", "place_share")
"""Logarithms of one more than the motions that map the crystal onto itself, of those that fail for one atom alone, and of those of the
latter that agree where the missing atom was; distance of this place from all atoms, Å; the share of the latter among all.
"""
SAME = 0.25
"""Å up to which an atom is where another is mapped."""
EMPTY = 1.0
"""Å around a place without any atom."""
MOST_ATOMS = 200
"""Larger crystals are not examined."""
COUNTED, COUNTED_DISTANCES = 60, 200_000
"""Motions, and motions times atoms squared, that count at most: of more, the numbers are those of so many drawn at random."""
MOST_MOTIONS, MOST_DISTANCES = 400, 600_000
"""The same, of motions that are looked at: of more, some at even steps."""
TRIED = 4
"""Atoms by which most motions are left out before all are mapped; one of them may fail."""
ROTATIONS = 0.03
"""By how much, relative to its squared length, a lattice vector may change under a motion of the lattice."""
STEPS, ASIDE = 200, 0.137
"""Motions are one if their shifts are the same in steps of 1/200 of a lattice vector. Steps end beside the usual fractions."""
KEYS = np.concatenate([3.0 ** np.arange(9), 3.0**9 * float(STEPS) ** np.arange(3)])
"""Factors that make one number of a motion."""
AT_REST = 1e-3
"""Fraction of a lattice vector up to which a shift is none."""


def numbers(Z: np.ndarray, xyz: np.ndarray, cell: np.ndarray) -> list[float]:
    """:data:`NAMES` of a crystal.

    Args:
        Z: atomic numbers ``[n]``.
        xyz: positions ``[n, 3]``, Å.
        cell: lattice vectors as rows, Å.
    """
    if len(Z) > MOST_ATOMS or len(Z) < 2:
        return [0.0] * len(NAMES)
    small = reduced(cell)
    places = xyz @ np.linalg.inv(small)
    kept, where, room = _examined(Z, places, small, *motions(Z, places, small))
    lost, together, empty = len(where), 0, 0.0
    if lost:
        agreeing = (_squares(where[:, None], where, small) < (2.0 * SAME) ** 2).sum(axis=1)
        together, empty = int(agreeing.max()), float(room[agreeing.argmax()])
    total = max(kept + lost, 1)
    share = min(max(min(COUNTED, COUNTED_DISTANCES // len(Z) ** 2), 4) / total, 1.0)
    return [*(float(np.log1p(share * count)) for count in (kept, lost, together)), empty, together / total]


def reduced(cell: np.ndarray) -> np.ndarray:
    """Shortest lattice vectors of the same lattice."""
    from ase.geometry import minkowski_reduce

    return np.asarray(minkowski_reduce(cell)[0])


def _rotations(cell: np.ndarray) -> np.ndarray:
    """Motions of a reduced lattice onto itself: integer matrices by which rows of fractional coordinates are multiplied,
    ``[r, 3, 3]``.
    """
    metric = cell @ cell.T
    steps = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    size = np.einsum("ki,ij,kj->k", steps, metric, steps)
    rows = [steps[np.abs(size - metric[k, k]) < ROTATIONS * metric[k, k]] for k in range(3)]
    scale = np.sqrt(np.diag(metric))
    dots = {
        (k, m): np.abs(rows[k] @ metric @ rows[m].T - metric[k, m]) < ROTATIONS * scale[k] * scale[m]
        for k, m in ((0, 1), (0, 2), (1, 2))
    }
    a, b, c = np.nonzero(dots[0, 1][:, :, None] & dots[0, 2][:, None, :] & dots[1, 2][None])
    found = np.stack([rows[0][a], rows[1][b], rows[2][c]], axis=1)
    return found[np.abs(np.abs(np.linalg.det(found)) - 1.0) < 0.5]


def motions(Z: np.ndarray, places: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations ``[m, 3, 3]`` and shifts ``[m, 3]`` by which one of two atoms of the two rarest elements is mapped to one of its
    element; not the motion that leaves all where it is.
    """
    turns = _rotations(cell)
    kinds, counts = np.unique(Z, return_counts=True)
    found_turns, found_shifts = [], []
    for kind in kinds[np.argsort(counts, kind="stable")][:2]:
        like = np.flatnonzero(kind == Z)
        for first in like[:2]:
            shift = places[like][None] - (places[first] @ turns)[:, None]
            found_shifts.append((shift - np.floor(shift)).reshape(-1, 3))
            found_turns.append(np.repeat(turns, len(like), axis=0))
    turns, shifts = np.concatenate(found_turns), np.concatenate(found_shifts)
    step = np.floor(shifts * STEPS + ASIDE) % STEPS
    _, first = np.unique(np.column_stack([turns.reshape(-1, 9) + 1, step]) @ KEYS, return_index=True)
    turns, shifts = turns[first], shifts[first]
    at_rest = (np.abs(shifts - np.round(shifts)) < AT_REST).all(axis=1)
    moves = (turns != np.eye(3, dtype=int)).any(axis=(1, 2)) | ~at_rest
    return turns[moves], shifts[moves]


def _examined(
    Z: np.ndarray, places: np.ndarray, cell: np.ndarray, turns: np.ndarray, shifts: np.ndarray
) -> tuple[int, np.ndarray, np.ndarray]:
    """How many motions keep the crystal; and of those that fail for one atom, which comes to an empty place, this place in fractional
    coordinates ``[m, 3]`` and how far it is from all atoms, Å ``[m]``.
    """
    tried = np.linspace(0, len(Z) - 1, min(TRIED, len(Z))).round().astype(int)
    likely = np.flatnonzero(_missed(Z, places, cell, turns, shifts, tried).sum(axis=1) <= 1)
    most = max(min(MOST_MOTIONS, MOST_DISTANCES // len(Z) ** 2), 4)
    if len(likely) > most:
        likely = likely[np.linspace(0, len(likely) - 1, most).astype(int)]
    if not len(likely):
        return 0, np.zeros((0, 3)), np.zeros(0)
    off = _missed(Z, places, cell, turns[likely], shifts[likely], np.arange(len(Z)))
    count = off.sum(axis=1)
    one = np.flatnonzero(count == 1)
    atom = off[one].argmax(axis=1)
    image = np.einsum("mi,mij->mj", places[atom], turns[likely[one]]) + shifts[likely[one]]
    room = np.sqrt(_squares(image[:, None], places, cell).min(axis=1)) if len(one) else np.zeros(0)
    empty = room > EMPTY
    return int((count == 0).sum()), image[empty], room[empty]


def _missed(
    Z: np.ndarray, places: np.ndarray, cell: np.ndarray, turns: np.ndarray, shifts: np.ndarray, atoms: np.ndarray
) -> np.ndarray:
    """Which atoms are mapped to where no like atom is, bool ``[m, a]``."""
    image = np.einsum("ai,mij->maj", places[atoms], turns) + shifts[:, None]
    missed = np.empty(image.shape[:2], dtype=bool)
    for kind in np.unique(Z[atoms]).tolist():
        own = np.flatnonzero(kind == Z[atoms])
        missed[:, own] = _squares(image[:, own, None], places[kind == Z], cell).min(axis=2) > SAME**2
    return missed


def _squares(image: np.ndarray, places: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Squared distances between places, Å²; the last axis holds fractional coordinates."""
    apart = image - places
    apart -= np.rint(apart)
    apart = apart @ cell
    return np.einsum("...i,...i->...", apart, apart)
