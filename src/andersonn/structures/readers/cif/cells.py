"""From the listed sites to every atom of the unit cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.readers.cif.operations import Operations
from andersonn.structures.structure import refuse_more_atoms

SAME_SITE = 0.4
"""Å within which symmetry images of one site are one atom on a special position (gemmi's tolerance)."""
SAME_ATOM = 0.1
"""Å within which images of two sites of one element are one atom that the file lists twice."""
SHORTEST, SHORTEST_OF_METALS, SHORTEST_OF_OXYGENS = 0.72, 0.6, 0.9
"""Shares of the sum of two covalent radii that bonds have at least: N2 0.77, oxides such as uranyl 0.67, O2 0.92."""
MOST_APART = 2.2
"""Å; no need to look further."""
MOST_COMPARISONS = 100_000_000
"""Of the images of all sites, pair by pair: a few seconds. 192 operations on 2,700 sites need as many."""
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
    """

    Z: np.ndarray
    fractional: np.ndarray
    cell: gemmi.UnitCell

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
        orth, owners, positions = self.orth, [], []
        for k, site in enumerate(self.fractional):
            images = _distinct((matrices[:, :, :3] @ site + matrices[:, :, 3]) % 1.0, orth)
            owners += [k] * len(images)
            refuse_more_atoms(len(owners))
            positions.append(images)
        site = np.array(owners)
        return Atoms(self.Z[site], np.concatenate(positions), site)


def without_repetitions(atoms: Atoms, sites: Sites) -> Atoms:
    """Atoms of which each stands once, where a file lists images of a site as sites too."""
    first, second = _close_pairs(atoms, sites)
    same = (atoms.Z[first] == atoms.Z[second]) & (atoms.site[first] != atoms.site[second])
    kept = np.ones(len(atoms), bool)
    kept[np.maximum(first, second)[same]] = False
    return Atoms(atoms.Z[kept], atoms.fractional[kept], atoms.site[kept])


def squeezed(atoms: Atoms, sites: Sites) -> tuple[str, ...]:
    """A warning where two atoms, hydrogen aside, are nearer than any bond of theirs, as disordered alternatives are."""
    heavy = np.flatnonzero(atoms.Z > 1)
    some = Atoms(atoms.Z[heavy], atoms.fractional[heavy], atoms.site[heavy])
    radii = elements.column("covalent_radius_A")
    first, second = _close_pairs(some, sites, min(2 * SHORTEST * radii[some.Z].max(initial=0.0), MOST_APART))
    if not len(first):
        return ()
    metals = np.array([gemmi.Element(int(Z)).is_metal for Z in range(elements.MAX_Z + 1)])[some.Z]
    share = np.where(metals[first] | metals[second], SHORTEST_OF_METALS, SHORTEST)
    share[(some.Z[first] == 8) & (some.Z[second] == 8)] = SHORTEST_OF_OXYGENS
    apart = some.fractional[first] - some.fractional[second]
    distances = np.linalg.norm((apart - np.round(apart)) @ sites.orth.T, axis=1)
    near = np.flatnonzero(distances < share * (radii[some.Z[first]] + radii[some.Z[second]]))
    if not near.size:
        return ()
    worst = near[distances[near].argmin()]
    names = " and ".join(elements.symbols()[int(some.Z[k])] for k in (first[worst], second[worst]))
    return (
        f"{names} are only {distances[worst]:.2f} Å apart, nearer than any bond of theirs: they may be alternatives of disorder",
    )


def _close_pairs(atoms: Atoms, sites: Sites, within: float = SAME_ATOM) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of atoms not further apart than a distance in Å; none where there are far too many."""
    from scipy.spatial import cKDTree

    heights = 1.0 / np.linalg.norm(np.linalg.inv(sites.orth), axis=1)
    tree = cKDTree(np.minimum(atoms.fractional % 1.0, 1.0 - 1e-12) * heights, boxsize=heights)
    if tree.count_neighbors(tree, within, p=np.inf) > MOST_CLOSE_PAIRS:
        return np.zeros(0, int), np.zeros(0, int)
    pairs = tree.query_pairs(within, p=np.inf, output_type="ndarray")
    apart = atoms.fractional[pairs[:, 0]] - atoms.fractional[pairs[:, 1]]
    near = np.linalg.norm((apart - np.round(apart)) @ sites.orth.T, axis=1) <= within
    return pairs[near, 0], pairs[near, 1]


def _distinct(images: np.ndarray, orth: np.ndarray) -> np.ndarray:
    """Symmetry images ``[m, 3]`` without repetition: images within :data:`SAME_SITE` of each other become one."""
    grid = np.rint(images * 1e5).astype(np.int64) % 100_000
    _, first = np.unique(grid @ np.array([1, 100_000, 10_000_000_000]), return_index=True)
    images = images[np.sort(first)]  # exact repetitions go first: comparing all pairs is quadratic
    if len(images) == 1:
        return images
    apart = images[:, None] - images[None]
    apart -= np.round(apart)
    distance = np.linalg.norm(apart @ orth.T, axis=2)
    first = (distance < SAME_SITE).argmax(axis=1)
    return images[np.unique(first)]
