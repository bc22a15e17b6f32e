"""How atoms stand to each other, as numbers of the whole structure: what boosted trees read beside its composition.

All of it is read from the node-neighbor image: distances in units of covalent radii, coordination, how polar bonds are, which kinds of
elements are bonded. Numbers are means, spreads and extremes over atoms, so a supercell has those of its primitive cell. A neighbor counts the
less the smaller its weight in the image is, which fades to zero where the next one would be left out.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from andersonn.models.batch import ImageBatch
from andersonn.structures import elements

BOND, SHARPNESS = 1.25, 0.05
"""A neighbor counts as bonded up to so many sums of the covalent radii; over this width the count falls from 1 to 0."""
BOND_ORDER_LENGTH_A = 0.37
"""Å over which a bond valence falls to 1/e (I. D. Brown and D. Altermatt, Acta Cryst. B 41, 244, 1985)."""
LEAST_BONDS = 0.05
"""Coordination at least, where a mean over bonds is divided by it."""
ELECTRONEGATIVE = 2.2
"""Pauling's electronegativity from which on an element counts as a possible anion."""
FAR_A, FAR = 9.0, 3.0
"""What stands where there is no neighbor: Å, and in sums of the radii."""
HALF, TINY = 0.1, 1e-12
"""Part of the largest weight of an atom's neighbors that counts by half, and what no weight is divided by."""
FOURTH = 3
"""Place of the fourth neighbor."""
MISSING = -9.0
"""What trees read where no atom is of the kind."""
DIGITS, OFFSET = 1e3, 0.000317
"""Numbers are rounded to the inverse of the first, so that two ways to sum up one structure give the same. Lengths that people write are
often halfway between two such steps; the second moves them away from there."""
REACHES = (0.8, 0.9, 0.975, 1.025, 1.075, 1.15, 1.275, 1.475, 1.7)
"""Sums of the covalent radii at which contacts are counted; one between two of them counts partly for each."""
POOLED = 4
"""Mean, spread, least and greatest."""
OF_ATOM = 19
"""Numbers of an atom that are pooled."""
POST_TRANSITION = (13, 30, 31, 48, 49, 50, 80, 81, 82, 83, 84)
FAMILIES = 9
"""Hydrogen, s block, transition metals, lanthanoids and actinoids, metals behind them, then groups 13 and 14, 15, 16, 17 and 18."""


class Contacts(NamedTuple):
    """Neighbors of the atoms of a batch, in R rows of K columns.

    Attributes:
        weight: by :func:`counted_neighbors`, ``[R, K]``.
        atom: row of each, int64 ``[R, K]``.
        distance: Å, ``[R, K]``, the nearer to :data:`FAR_A` the smaller the weight.
        length: in sums of the covalent radii, the nearer to :data:`FAR` the smaller the weight.
        reach: the same whatever the weight, ``[R, K]``.
        bond: 1 for a bonded neighbor, 0 for one that is not, ``[R, K]``.
        valence: bond valence, ``[R, K]``.
    """

    weight: Tensor
    atom: Tensor
    distance: Tensor
    length: Tensor
    reach: Tensor
    bond: Tensor
    valence: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the bonds of each row, ``[R]``, of values ``[R, K]``."""
        return (self.bond * values).sum(dim=1) / self.bond.sum(dim=1).clamp_min(LEAST_BONDS)

    def nearest(self, chosen: Tensor) -> Tensor:
        """Least :attr:`length` among the chosen neighbors, bool ``[R, K]``, of each row, ``[R]``."""
        return self.length.masked_fill(~chosen, FAR).amin(dim=1)


def counted_neighbors(weight: Tensor) -> Tensor:
    """How far each neighbor counts, 0 to 1, float64 ``[R, K]``, from its weight in the image ``[R, K]``.

    Neighbors that are let in by a small break of symmetry hardly count. But where all of an atom have small weights, as in a close packing with
    more than K nearest neighbors that is a little distorted, they count all the same.
    """
    part = weight.double() / weight.amax(dim=1, keepdim=True).double().clamp_min(TINY)
    return part * (1.0 + HALF) / (part + HALF)


def families() -> np.ndarray:
    """Family of each element, 0 to 8, int64 ``[104]``: see :data:`FAMILIES`."""
    group = np.nan_to_num(elements.column("group"), nan=0.0).astype(np.int64)
    of_group = {1: 1, 2: 1, 13: 5, 14: 5, 15: 6, 16: 7, 17: 8, 18: 8}
    found = np.array([of_group.get(g, 2) for g in group.tolist()])
    found[[*range(57, 72), *range(89, 104)]] = 3
    found[list(POST_TRANSITION)] = 4
    found[1], found[2] = 0, 8
    return found


class SurroundingNumbers(nn.Module):
    """The numbers; no parameters.

    Attributes:
        features: F, how many there are.
    """

    radius: Tensor
    electronegativity: Tensor
    family: Tensor

    def __init__(self) -> None:
        super().__init__()
        radius = np.nan_to_num(elements.column("covalent_radius_A"), nan=1.5)
        electronegativity = np.nan_to_num(elements.column("electronegativity"), nan=1.8)
        for name, column in (("radius", radius), ("electronegativity", electronegativity), ("family", families())):
            self.register_buffer(name, torch.tensor(column), persistent=False)
        selections, pairs = 6, 5
        bonds, contacts = FAMILIES * (FAMILIES + 1) // 2, 3 * len(REACHES)
        self.features = POOLED * (OF_ATOM * selections + pairs) + bonds + contacts

    def forward(self, batch: ImageBatch) -> Tensor:
        """``[B, F]``, float32."""
        contacts, x, weight = self.contacts(batch), self.electronegativity[batch.Z], batch.multiplicity.double()
        anion, transition = x >= ELECTRONEGATIVE, self.family[batch.Z] == 2
        n, sample = len(batch), batch.sample
        greatest = x.new_full((n,), -torch.inf).scatter_reduce(0, sample, x, "amax")[sample]
        least = x.new_full((n,), torch.inf).scatter_reduce(0, sample, x, "amin")[sample]
        values = self.of_atoms(contacts, x, batch.Z)
        selections = (torch.ones_like(anion), anion, ~anion, transition, x == greatest, x == least)
        parts = [pooled(values, weight * chosen, batch) for chosen in selections]
        for mine, other in (
            (anion, anion),
            (~anion, ~anion),
            (anion, ~anion),
            (transition, transition),
            (transition, anion),
        ):
            near = contacts.nearest(mine.unsqueeze(1) & other[contacts.atom])
            parts.append(pooled(near.unsqueeze(1), weight * mine, batch))
        parts += [self._bonds(contacts, batch, weight), _reaches(contacts, anion, batch, weight)]
        whole = torch.cat(parts, dim=1)
        return ((whole + OFFSET) * DIGITS).round().div(DIGITS).to(torch.float32)

    def contacts(self, batch: ImageBatch) -> Contacts:
        """What the image says of each atom's neighbors."""
        weight, atom, distance = counted_neighbors(batch.weight), batch.neighbors.index, batch.distance.double()
        radii = self.radius[batch.Z].unsqueeze(1) + self.radius[batch.Z[atom]]
        reach = distance / radii
        bond = torch.sigmoid((BOND - reach) / SHARPNESS) * weight
        valence = torch.exp((radii - distance) / BOND_ORDER_LENGTH_A) * weight
        faded, length = FAR_A + weight * (distance - FAR_A), FAR + weight * (reach - FAR)
        return Contacts(weight, atom, faded, length, reach, bond, valence)

    def of_atoms(self, contacts: Contacts, x: Tensor, Z: Tensor) -> Tensor:
        """Numbers of each row, ``[R, 19]``, from contacts, electronegativities ``[R]`` and atomic numbers ``[R]``."""
        atom, length, bond, mean = contacts.atom, contacts.length, contacts.bond, contacts.mean
        polarity, same = x[atom] - x.unsqueeze(1), Z[atom] == Z.unsqueeze(1)
        coordination, nearest, of_neighbors = bond.sum(dim=1), length.amin(dim=1), mean(x[atom])
        by_length, bond_length = length.sort(dim=1).values, mean(contacts.reach)
        step = by_length.diff(dim=1, prepend=by_length[:, :1]).amax(dim=1)
        columns = [
            *(contacts.distance.amin(dim=1), nearest, by_length[:, min(FOURTH, length.shape[1] - 1)]),
            *(contacts.distance.mean(dim=1), contacts.weight.sum(dim=1), coordination, bond_length),
            mean((contacts.reach - bond_length.unsqueeze(1)).square()).sqrt(),
            *(mean(polarity.abs()), mean(polarity), (bond * polarity).sum(dim=1)),
            *(mean(same.double()), contacts.nearest(same)),
            *(contacts.valence.sum(dim=1), (contacts.valence * polarity).sum(dim=1), step),
            *(mean(coordination[atom]), mean(of_neighbors[atom]), mean(nearest[atom])),
        ]
        return torch.stack(columns, dim=1)

    def _bonds(self, contacts: Contacts, batch: ImageBatch, weight: Tensor) -> Tensor:
        """Bonds an atom between each two families, ``[B, 45]``."""
        mine = self.family[batch.Z].unsqueeze(1).expand_as(contacts.atom)
        other = self.family[batch.Z[contacts.atom]]
        code = torch.minimum(mine, other) * FAMILIES + torch.maximum(mine, other)
        pairs = [a * FAMILIES + b for a, b in combinations_with_replacement(range(FAMILIES), 2)]
        return _counted(code, FAMILIES**2, contacts.bond, batch, weight)[:, pairs]


def _reaches(contacts: Contacts, anion: Tensor, batch: ImageBatch, weight: Tensor) -> Tensor:
    """Contacts an atom between two metals, a metal and an anion, or two anions, by length, ``[B, 27]``."""
    kind = anion.long().unsqueeze(1) + anion[contacts.atom].long()
    places, count = contacts.reach.new_tensor(REACHES), len(REACHES)
    reach = contacts.reach.clamp(REACHES[0], REACHES[-1])
    upper = torch.bucketize(reach, places).clamp(1, count - 1)
    part = (reach - places[upper - 1]) / (places[upper] - places[upper - 1])
    near, far = contacts.weight * (1.0 - part), contacts.weight * part
    code, columns = kind * count + upper, 3 * count
    return _counted(code - 1, columns, near, batch, weight) + _counted(code, columns, far, batch, weight)


def _counted(code: Tensor, count: int, entries: Tensor, batch: ImageBatch, weight: Tensor) -> Tensor:
    """Entries ``[R, K]`` summed by structure and code, an atom: ``[B, count]``."""
    n = len(batch)
    total = weight.new_zeros(n).index_add_(0, batch.sample, weight).unsqueeze(1)
    place = (batch.sample.unsqueeze(1) * count + code).reshape(-1)
    summed = weight.new_zeros(n * count).index_add_(0, place, (entries * weight.unsqueeze(1)).reshape(-1))
    return summed.view(n, count) / total


def pooled(values: Tensor, weight: Tensor, batch: ImageBatch) -> Tensor:
    """Mean, spread, least and greatest over the atoms of each structure, ``[B, 4V]``.

    Args:
        values: of rows, float64 ``[R, V]``.
        weight: atoms that each row counts for, float64 ``[R]``; 0 leaves it out.
        batch: which rows are whose.
    """
    n, wide = len(batch), values.shape[1]
    total = weight.new_zeros(n).index_add_(0, batch.sample, weight).unsqueeze(1)

    def mean(of: Tensor) -> Tensor:
        return of.new_zeros(n, wide).index_add_(0, batch.sample, of * weight.unsqueeze(1)) / total.clamp_min(1.0)

    middle = mean(values)
    spread = mean((values - middle[batch.sample]).square()).sqrt()
    place, absent = batch.sample.unsqueeze(1).expand_as(values), (weight == 0).unsqueeze(1)
    least = values.new_full((n, wide), torch.inf).scatter_reduce(
        0, place, values.masked_fill(absent, torch.inf), "amin"
    )
    most = values.new_full((n, wide), -torch.inf).scatter_reduce(
        0, place, values.masked_fill(absent, -torch.inf), "amax"
    )
    return torch.where(total > 0, torch.cat([middle, spread, least, most], dim=1), MISSING)
