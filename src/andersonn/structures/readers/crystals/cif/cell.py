"""The atoms of a unit cell that symmetry operations make of its sites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.readers.crystals.cif.operations import Operations
from andersonn.structures.structure import refuse_more_atoms

SAME_SITE = 0.4
"""Å within which symmetry images of one site are one atom on a special position (gemmi's tolerance)."""
NEARLY_NOTHING, CLEARLY_APART = 0.05, 0.6
"""Å: images of one site nearer than this are the same whatever the rounding, those further apart are not."""
LARGEST_CHANGE = 0.05
"""Å²: how much operations may change the metric tensor so that no distance goes from under one to over the other bound."""
MOST_AT_ONCE = 20_000
"""Images that are compared at once, those of several sites: they take a few MB."""
SAME_ATOM = 0.1
"""Å within which images of two sites of one element are one atom that the file lists twice."""
MOST_COMPARISONS = 100_000_000
"""Of the images of all sites, pair by pair: a few seconds. 192 operations on 2,700 sites need as many."""
FEW = 100
"""Up to so many atoms all pairs are compared, which is faster than a search."""
MOST_CLOSE_PAIRS = 5_000_000
METRIC_TOLERANCE = 0.01
"""How much an operation may change the metric tensor, relatively: room for rounded and slightly distorted cells."""


@dataclass(frozen=True)
class Atoms:
    """Atoms of a unit cell.

    Attributes:
        Z: atomic numbers ``[n]``.
        fractional: positions within the cell ``[n, 3]``.
        site: the site that each is an image of ``[n]``.
    """

    Z: np.ndarray
    fractional: np.ndarray
    site: np.ndarray

    def __len__(self) -> int:
        return len(self.Z)


@dataclass(frozen=True)
class Sites:
    """The sites that a file lists.

    Attributes:
        Z: atomic numbers ``[n]``.
        fractional: ``[n, 3]``.
        cell: lengths and angles.
        partial: those that are partially occupied, bool ``[n]``, or None: their images near each other are alternatives,
            and not one atom on a special position.
    """

    Z: np.ndarray
    fractional: np.ndarray
    cell: gemmi.UnitCell
    partial: np.ndarray | None = None

    @cached_property
    def orth(self) -> np.ndarray:
        """The matrix that makes Cartesian columns of fractional ones."""
        return np.array(self.cell.orth.mat.tolist())

    def fit(self, operations: Operations) -> bool:
        """Whether operations leave the cell's lengths and angles as they are: RᵀGR = G for the metric tensor G."""
        if operations.trivial:
            return True
        turns = operations.matrices[:, :, :3]
        metric = self.orth.T @ self.orth
        turned = np.transpose(turns, (0, 2, 1)) @ metric @ turns
        return bool(np.linalg.norm(turned - metric, axis=(1, 2)).max() < METRIC_TOLERANCE * np.linalg.norm(metric))

    def expand(self, operations: Operations) -> Atoms:
        """Every atom of the unit cell.

        Raises:
            InputError: there are too many.
        """
        matrices = operations.matrices
        if len(matrices) == 1:  # an atom a site
            fractional = (self.fractional @ matrices[0, :, :3].T + matrices[0, :, 3]) % 1.0
            return Atoms(self.Z, fractional, np.arange(len(self.Z)))
        if len(matrices) ** 2 * len(self.Z) > MOST_COMPARISONS:
            raise InputError(
                "too_large",
                f"{len(matrices)} symmetry operations on {len(self.Z):,} sites are too many",
                "give a smaller cell, or list all its atoms",
            )
        step = max(1, MOST_AT_ONCE // len(matrices))
        positions: list[np.ndarray] = []
        counts: list[int] = []
        for start in range(0, len(self.fractional), step):
            here = self.fractional[start : start + step]
            images = ((matrices[:, :, :3] @ here.T).transpose(2, 0, 1) + matrices[:, :, 3]) % 1.0
            partial = None if self.partial is None else self.partial[start : start + step]
            for found in self._distinct(images, matrices, partial):
                positions.append(found)
                counts.append(len(found))
            refuse_more_atoms(sum(counts))
        site = np.repeat(np.arange(len(counts)), counts)
        return Atoms(self.Z[site], np.concatenate(positions), site)

    def _distinct(self, images: np.ndarray, matrices: np.ndarray, partial: np.ndarray | None) -> Iterator[np.ndarray]:
        """The images of each site ``[s, m, 3]``, perhaps partially occupied, without repetition.

        Operations that are a group and keep lengths take the surroundings of one image to those of any other: if ``k`` of
        the ``m`` images lie where the first does, and the others well away from it, each image stands ``k`` times. Where
        leaving out exact repetitions leaves ``m / k``, no pairs of images need comparing.
        """
        exact = _exactly_distinct(images)
        apart = images - images[:, :1]
        apart -= np.round(apart)
        distance = np.linalg.norm(apart @ self.orth.T, axis=2)
        same = distance < NEARLY_NOTHING
        clear = (same | (distance > CLEARLY_APART)).all(axis=1) & (
            exact.sum(axis=1) * same.sum(axis=1) == len(matrices)
        )
        clear &= self._rigid(matrices)
        for k in range(len(images)):
            within = NEARLY_NOTHING if partial is not None and partial[k] else SAME_SITE
            yield images[k][exact[k]] if clear[k] else _distinct(images[k][exact[k]], self.orth, within)

    def _rigid(self, matrices: np.ndarray) -> bool:
        """Whether operations keep lengths so well, in a cell so large, that :meth:`_distinct` may go by the first image."""
        metric, turns = self.orth.T @ self.orth, matrices[:, :, :3]
        change = np.abs(np.transpose(turns, (0, 2, 1)) @ metric @ turns - metric).max()
        thinnest = 1.0 / np.linalg.norm(np.linalg.inv(self.orth), axis=1).max()
        return bool(change < LARGEST_CHANGE and thinnest > 2.0 * CLEARLY_APART)


@dataclass(frozen=True)
class Cell:
    """The atoms of a unit cell, and notes and warnings on how they were found."""

    atoms: Atoms
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def without_repetitions(atoms: Atoms, sites: Sites) -> Atoms:
    """The atoms without duplicates: some files list symmetry images of a site as sites, too."""
    first, second = _close_pairs(atoms, sites)
    same = (atoms.Z[first] == atoms.Z[second]) & (atoms.site[first] != atoms.site[second])
    kept = np.ones(len(atoms), bool)
    kept[np.maximum(first, second)[same]] = False
    return Atoms(atoms.Z[kept], atoms.fractional[kept], atoms.site[kept])


def _close_pairs(atoms: Atoms, sites: Sites) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of atoms not further apart than :data:`SAME_ATOM`, the first before the second, each to the image of the other that is
    nearest along each axis; none where there are far too many.
    """
    if len(atoms) <= FEW:
        apart = atoms.fractional[:, None] - atoms.fractional
        apart -= np.round(apart)
        near = np.triu((np.square(apart @ sites.orth.T).sum(axis=2)) <= SAME_ATOM**2, 1)
        first, second = np.nonzero(near)
        return first, second
    try:
        i, j, _, _ = pairs_within((atoms.fractional % 1.0) @ sites.orth.T, sites.orth.T, SAME_ATOM)
    except InputError:  # of a crowd
        i = j = np.zeros(0, int)
    if len(i) > MOST_CLOSE_PAIRS:
        return np.zeros(0, int), np.zeros(0, int)
    first, second = np.divmod(np.unique(i[i < j] * len(atoms) + j[i < j]), len(atoms))
    apart = atoms.fractional[first] - atoms.fractional[second]
    near = np.linalg.norm((apart - np.round(apart)) @ sites.orth.T, axis=1) <= SAME_ATOM
    return first[near], second[near]


def _exactly_distinct(images: np.ndarray) -> np.ndarray:
    """Which of the images of each site ``[s, m, 3]`` are the first in their place, bool ``[s, m]``."""
    grid = np.rint(images * 1e5).astype(np.int64) % 100_000
    keys = grid @ np.array([1, 100_000, 10_000_000_000])
    order = np.argsort(keys, axis=1, kind="stable")
    ordered = np.take_along_axis(keys, order, axis=1)
    first = np.ones(keys.shape, bool)
    np.put_along_axis(first, order[:, 1:], ordered[:, 1:] != ordered[:, :-1], axis=1)
    return first


def _distinct(images: np.ndarray, orth: np.ndarray, within: float) -> np.ndarray:
    """Symmetry images ``[m, 3]`` without repetition: images within some Å of each other become one. Exact repetitions are left out
    already, since comparing all pairs is quadratic.
    """
    if len(images) == 1:
        return images
    apart = images[:, None] - images[None]
    apart -= np.round(apart)
    distance = np.linalg.norm(apart @ orth.T, axis=2)
    first = (distance < within).argmax(axis=1)
    return images[np.unique(first)]
