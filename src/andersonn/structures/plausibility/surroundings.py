"""Numbers of a crystal that tell sound ones from corrupted ones, given what was learned of elements and of pairs of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from andersonn.structures import elements
from andersonn.structures.distance_bonds import METALLOIDS
from andersonn.structures.neighbors import Pairs, pairs_within
from andersonn.structures.oxidation import BY_STRUCTURE, Oxidation
from andersonn.structures.plausibility import symmetry
from andersonn.structures.structure import Structure
from andersonn.structures.vacancies import Lacking

REACH = 5.0
"""Å up to which neighbors are looked at."""
SOFTNESS = 0.37
"""Å: a bond that is longer by this has a share of 1/e, as bond valences have it."""
CONTACT = 1.25
"""Atoms are in contact up to this multiple of the sum of their covalent radii."""
ANIONS = (7, 8, 9, 16, 17, 34, 35, 53)
USUAL_COPIES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96)
"""How many like atoms symmetry makes in a cell, mostly."""
POINTED = 0.12
"""Share of an atom's bonds that are left when opposite ones cancel, from which on a neighbor may be missing."""
MEETING = 0.8
"""Å within which places where neighbors may be missing are one."""
MOST_PLACES = 400
"""Of more places it is not looked which are one."""
SUMS = ("sum_mean", "sum_least", "sum_most", "sum_size", "sum_spread", "sum_tenth", "sum_middle", "sum_ninetieth")
VOLUME = ("volume_left", "volume_per_atom", "volume_unusual")
CONTACTS = (
    "shortest",
    "unseen_most",
    "unseen_mean",
    "nearest_like",
    "contrast",
    "contrast_at_random",
    "contrast_left",
    "anion_pairs",
)
STRAIN = ("strain", "strain_unusual", "strain_misfit", "bond_tenth", "bond_middle", "bond_ninetieth")
TOGETHER = ("together_least", "together_mean", "rarest")
ORDER = ("spread_like", "drop_like", "distinct", "odd_copies", "common_copies")
FORMULA = ("atoms", "elements", "units", "units_with_one_more", "more_units")
DIRECTIONS = (
    "cation_most",
    "cation_mean",
    "other_most",
    "other_mean",
    "least",
    "place_room",
    "place_met",
    "place_pull",
    "place_both",
)
MISSING = ("lacking", "lacking_share", "lacking_distance")
KINDS = (
    "electronegativity",
    "electronegativity_spread",
    "electronegativity_range",
    "anions",
    "hydrogen",
    "period",
    "group",
    "metals",
    "oxygen",
)
NAMES = (
    *SUMS, *VOLUME, *CONTACTS, *STRAIN, *TOGETHER, *ORDER, *FORMULA, *BY_STRUCTURE, *DIRECTIONS, *MISSING, *KINDS, *symmetry.NAMES
)  # fmt: skip
"""The numbers, in their order."""
HOLDING = (5, 6, 7, 8, 9)
"""Elements whose distance to hydrogen X-rays find too short; it tells nothing of strain."""
UNKNOWN = 2.0
"""Electronegativity of elements for which none is known."""


def _blank(*shape: int) -> np.ndarray:
    return np.zeros(shape)


SIZE = elements.MAX_Z + 1


@dataclass(frozen=True, eq=False)
class Tables:
    """What was learned of sound crystals, by atomic number. Files of earlier versions lack the last ones.

    An element's bonds and volume depend on its surroundings: an ion takes other room than an atom of an alloy. So both are straight lines
    over how much more electronegative an atom's neighbors are than it is.

    Attributes:
        shortest: mean of the logarithm of the shortest distance over the sum of the covalent radii, ``[104, 104]``.
        shortest_spread: its standard deviation, ``[104, 104]``.
        seen: crystals in which the two are in contact, ``[104, 104]``.
        bonding: mean of the logarithm of an atom's sum of bonds, among equally electronegative atoms, ``[104]``.
        bonding_spread: its standard deviation, ``[104]``.
        volume: of an atom, Å³, among equally electronegative atoms, ``[104]``.
        bonding_slope: change of the logarithm of the sum of bonds by unit of electronegativity, ``[104]``.
        volume_slope: change of the volume, Å³ by unit of electronegativity, ``[104]``.
        volume_spread: standard deviation of the logarithm of the volume of crystals of the element over the usual one, ``[104]``.
        together: logarithm of how much more often than by chance two elements are in one crystal; of an element with itself,
            the rarer the larger, ``[104, 104]``.
    """

    shortest: np.ndarray
    shortest_spread: np.ndarray
    seen: np.ndarray
    bonding: np.ndarray
    bonding_spread: np.ndarray
    volume: np.ndarray
    bonding_slope: np.ndarray = field(default_factory=lambda: _blank(SIZE))
    volume_slope: np.ndarray = field(default_factory=lambda: _blank(SIZE))
    volume_spread: np.ndarray = field(default_factory=lambda: _blank(SIZE) + 0.1)
    together: np.ndarray = field(default_factory=lambda: _blank(SIZE, SIZE))

    @property
    def lengths(self) -> np.ndarray:
        """Distance at which a neighbor counts as one bond, Å, ``[104, 104]``."""
        radius = np.nan_to_num(elements.column("covalent_radius_A"))
        return (radius[:, None] + radius) * np.exp(self.shortest)


@dataclass(frozen=True, eq=False)
class Surroundings:
    """A crystal of n atoms with its m directed pairs within :data:`REACH`.

    Attributes:
        structure: the crystal.
        pairs: as :func:`~andersonn.structures.neighbors.pairs_within` gives them.
        tables: what was learned.
        weight: of each pair, how much of a bond it is, ``[m]``.
        total: sum of an atom's bonds, ``[n]``.
        pull: how much more electronegative an atom's neighbors are than it is, ``[n]``.
        ratio: logarithm of each distance over the sum of the covalent radii, ``[m]``.
    """

    structure: Structure
    pairs: Pairs
    tables: Tables
    weight: np.ndarray
    total: np.ndarray
    pull: np.ndarray
    ratio: np.ndarray

    @classmethod
    def of(cls, structure: Structure, tables: Tables) -> Surroundings:
        """The surroundings of a crystal's atoms."""
        assert structure.cell is not None  # of crystals alone
        pairs = pairs_within(structure.xyz, structure.cell, REACH)
        i, j, distance, _ = pairs
        one, other = structure.Z[i], structure.Z[j]
        weight = np.exp((tables.lengths[one, other] - distance) / SOFTNESS)
        radius = elements.column("covalent_radius_A")
        total = np.bincount(i, weight, minlength=len(structure)) + 1e-3
        polarity = np.nan_to_num(elements.column("electronegativity"), nan=UNKNOWN)
        pull = np.bincount(i, weight * (polarity[other] - polarity[one]), minlength=len(structure)) / total
        return cls(structure, pairs, tables, weight, total, pull, np.log(distance / (radius[one] + radius[other])))

    @property
    def numbers(self) -> np.ndarray:
        """:data:`NAMES` of the crystal, float64."""
        structure = self.structure
        assert structure.cell is not None  # of crystals alone
        found = Lacking.of(structure.Z, structure.xyz, structure.cell, self.pairs)
        n = len(structure)
        lacking = [len(found.atoms), len(found.atoms) / n, found.distance.min(initial=9.0)]
        oxidation = Oxidation.of(structure.Z).by_structure.tolist()
        parts = (
            self._sums(), self._volume(), self._contacts(), self._strain(), self._together(), self._order(), self._formula(), oxidation,
            self._directions(), lacking, self._kinds(),
            symmetry.numbers(structure.Z, structure.xyz, structure.cell),
        )  # fmt: skip
        return np.array([number for part in parts for number in part], dtype=float)

    @property
    def unusual(self) -> np.ndarray:
        """How far the sum of each atom's bonds is from that of its element, in standard deviations, ``[n]``."""
        Z, tables = self.structure.Z, self.tables
        usual = tables.bonding[Z] + tables.bonding_slope[Z] * self.pull
        return (np.log(self.total) - usual) / tables.bonding_spread[Z]

    @property
    def shortness(self) -> np.ndarray:
        """How far each distance is from the shortest ones of its pair of elements, in standard deviations, ``[m]``."""
        one, other = self.structure.Z[self.pairs[0]], self.structure.Z[self.pairs[1]]
        return (self.ratio - self.tables.shortest[one, other]) / self.tables.shortest_spread[one, other]

    @property
    def volume_left(self) -> float:
        """Logarithm of the volume over that which the elements usually take."""
        volume, Z = self.structure.volume or 0.0, self.structure.Z
        usual = self.tables.volume[Z] + self.tables.volume_slope[Z] * self.pull
        return float(np.log(volume / len(Z) / max(usual.mean(), 3.0)))

    def _sums(self) -> list[float]:
        z = self.unusual
        return [z.mean(), z.min(), z.max(), np.abs(z).mean(), z.std(), *np.quantile(z, (0.1, 0.5, 0.9)).tolist()]

    def _volume(self) -> list[float]:
        left, spread = self.volume_left, float(self.tables.volume_spread[self.structure.Z].mean())
        return [left, (self.structure.volume or 0.0) / len(self.structure), left / spread]

    def _contacts(self) -> list[float]:
        Z, polarity = self.structure.Z, np.nan_to_num(elements.column("electronegativity"))
        one, other = Z[self.pairs[0]], Z[self.pairs[1]]
        contact = self.ratio < np.log(CONTACT)
        unseen = 1.0 / (1.0 + self.tables.seen[one, other][contact])
        apart = float((self.weight * np.abs(polarity[one] - polarity[other])).sum() / max(self.weight.sum(), 1e-9))
        counts = np.bincount(Z, minlength=len(polarity)) / len(Z)
        at_random = float(counts @ np.abs(polarity[:, None] - polarity) @ counts)
        both = np.isin(one, ANIONS) & np.isin(other, ANIONS) & contact
        return [
            self.shortness.min(initial=5.0), unseen.max(initial=0.0), unseen.mean() if len(unseen) else 1.5,
            self.ratio[one == other].min(initial=1.0), apart, at_random, apart - at_random, both.sum() / len(Z),
        ]  # fmt: skip

    def _strain(self) -> list[float]:
        """By how much lengths differ from the usual ones together, by the shortest of each pair of elements in contact, and how much
        they disagree about that; and of the strongest bond of each atom.
        """
        Z, shortness = self.structure.Z.astype(np.int64), self.shortness
        one, other = Z[self.pairs[0]], Z[self.pairs[1]]
        certain_length = ~((one == 1) & np.isin(other, HOLDING) | (other == 1) & np.isin(one, HOLDING))
        contact = np.flatnonzero((self.ratio < np.log(CONTACT)) & (one <= other) & certain_length)
        if not len(contact):
            return [0.0] * len(STRAIN)
        order = contact[np.argsort(self.ratio[contact], kind="stable")]
        _, first = np.unique(one[order] * SIZE + other[order], return_index=True)
        chosen = order[first]
        spread = self.tables.shortest_spread[one[chosen], other[chosen]]
        certain, off = 1.0 / np.square(spread), shortness[chosen] * spread
        strain = float((certain * off).sum() / certain.sum())
        misfit = float(np.sqrt((certain * np.square(off - strain)).mean()))
        bonded = np.flatnonzero(certain_length)
        bonded = bonded[np.lexsort((self.weight[bonded], self.pairs[0][bonded]))]
        bonds = shortness[bonded[np.flatnonzero(np.diff(self.pairs[0][bonded], append=-1))]]
        return [strain, strain * float(np.sqrt(certain.sum())), misfit, *np.quantile(bonds, (0.1, 0.5, 0.9)).tolist()]

    def _together(self) -> list[float]:
        """How often the elements are in crystals together, at the least and on average, and how rare the rarest of them is."""
        kinds = np.unique(self.structure.Z)
        together = self.tables.together[kinds[:, None], kinds]
        pairs = together[np.triu_indices(len(kinds), 1)]
        return [pairs.min(initial=0.0), pairs.mean() if len(pairs) else 0.0, together.diagonal().max()]

    def _order(self) -> list[float]:
        """How much atoms of an element differ, and how often like atoms occur."""
        Z, logs = self.structure.Z, np.log(self.total)
        alike = [logs[z == Z] for z in np.unique(Z)]
        spread = max(float(own.std()) for own in alike)
        drop = max([float(np.median(own) - own.min()) for own in alike if len(own) > 2], default=0.0)
        _, copies = np.unique(np.round(np.stack([Z * 100.0, logs * 200], axis=1)), axis=0, return_counts=True)
        odd = copies[~np.isin(copies, USUAL_COPIES)].sum() / len(Z)
        return [spread, drop, len(copies) / len(Z), odd, float(np.gcd.reduce(copies))]

    def _formula(self) -> list[float]:
        """Formula units in the cell, and how many there would be with one atom more."""
        _, counts = np.unique(self.structure.Z, return_counts=True)
        units, with_more = int(np.gcd.reduce(counts)), 1
        for k in range(len(counts)):
            more = counts.copy()
            more[k] += 1
            with_more = max(with_more, int(np.gcd.reduce(more)))
        return [np.log(len(self.structure)), len(counts), units, with_more, with_more / units]

    def _directions(self) -> list[float]:
        """Whether bonds cancel around atoms, and the places to which they would need a bond to do so."""
        i, j, distance, vector = self.pairs
        n, polarity = len(self.structure), np.nan_to_num(elements.column("electronegativity"))[self.structure.Z]
        scaled = self.weight / np.maximum(distance, 0.1)
        left = np.stack([np.bincount(i, scaled * vector[:, k], minlength=n) for k in range(3)], axis=1)
        share = np.linalg.norm(left, axis=1) / self.total
        cation = polarity < np.bincount(i, self.weight * polarity[j], minlength=n) / self.total
        of = [
            part
            for own in (share[cation], share[~cation])
            for part in (own.max(initial=0.0), own.mean() if len(own) else 0.0)
        ]
        return [*of, share.min(), *self._places(left, share)]

    def _places(self, left: np.ndarray, share: np.ndarray) -> list[float]:
        """Of the places to which bonds are missing: room around, how many atoms point there, how strongly, and all of these."""
        i, _, distance, vector = self.pairs
        atoms = np.flatnonzero(share > POINTED)
        if not len(atoms):
            return [0.0] * 4
        cell = self.structure.cell
        assert cell is not None  # of crystals alone
        length = np.bincount(i, self.weight * distance, minlength=len(share)) / self.total
        step = -left[atoms] / np.linalg.norm(left[atoms], axis=1)[:, None] * length[atoms][:, None]
        number = np.full(len(share), -1)
        number[atoms] = np.arange(len(atoms))
        own = number[i] >= 0
        nearest = np.full(len(atoms), 9.0)
        np.minimum.at(nearest, number[i[own]], np.linalg.norm(vector[own] - step[number[i[own]]], axis=1))
        met = np.ones(len(atoms))
        if len(atoms) <= MOST_PLACES:
            place = self.structure.xyz[atoms] + step
            apart = (place[:, None] - place) @ np.linalg.inv(cell)
            met = (np.linalg.norm((apart - np.round(apart)) @ cell, axis=2) < MEETING).sum(axis=1)
        room = nearest / length[atoms]
        empty = room > 0.8
        return [room.max(), (met * empty).max(), (share[atoms] * empty).max(), (empty * met * share[atoms]).max()]

    def _kinds(self) -> list[float]:
        Z = self.structure.Z
        polarity = np.nan_to_num(elements.column("electronegativity"))[Z]
        means = [np.isin(Z, ANIONS), Z == 1, elements.column("period")[Z], elements.column("group")[Z], ~np.isin(Z, tuple(METALLOIDS)), Z == 8]  # fmt: skip
        return [polarity.mean(), polarity.std(), float(np.ptp(polarity)), *(float(part.mean()) for part in means)]
