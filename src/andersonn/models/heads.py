"""The head for a dipole moment |μ|: latent charges and atomic dipoles add up to a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from andersonn.models.batch import ImageBatch
from andersonn.models.encoder import Features

DEBYE_PER_E_ANGSTROM = 4.803205
SOFTENING = 0.02
"""D: lengths are softened by this much, since a length has no gradient at zero."""
NARROWEST = 0.01
"""Smallest spread of the class boundary and the interval, in the network's unit."""
BEYOND = 1e4
"""Instead of infinity, for the outermost cuts."""


class Dipole(NamedTuple):
    """A dipole moment and its parts.

    Attributes:
        charges: latent charge of each row in e, ``[R]``; they sum to the total charge.
        local: dipole in D of each row by the charge it passes to its neighbors, ``[R, 3]``.
        net: charge of each row in e after it passed some to its neighbors, ``[R]``. These charges alone give ``total``, and do
            not depend on which share of it the network put into ``charges`` and which into ``local``.
        total: in D, from the center of nuclear charge, ``[B, 3]``.
    """

    charges: Tensor
    local: Tensor
    net: Tensor
    total: Tensor


class DipoleHead(nn.Module):
    """|μ| with μ = Σ_i q_i (r_i − c) + Σ_i Σ_k w_ik r_ik: latent charges, which sum to the total charge, and charge
    passed along each entry of the image.

    q and w are functions of what does not change when the molecule is turned, moved or renumbered, so μ turns with the
    molecule and |μ| stays. A symmetric molecule gets exactly zero. For a charged molecule a dipole depends on the
    origin; c is the center of nuclear charge.

    Class probabilities follow from |μ|: it is taken as the median of a logistic distribution whose width is learned for
    each molecule, and a class gets the mass between its cuts.

    Args:
        width: D, of states and features.
        n_scores: how many scores it gives, C of classes or E of masses.
        dropout: of the pooled features that give the widths, while training.
        of_distribution: give masses of one distribution with a width to each side, and no quantiles apart.
    """

    unit: Tensor
    cuts: Tensor

    def __init__(self, width: int, n_scores: int, dropout: float = 0.0, of_distribution: bool = False) -> None:
        super().__init__()
        self.of_distribution = of_distribution
        self.register_buffer("unit", torch.ones(()))
        self.register_buffer("cuts", torch.arange(1.0, n_scores))
        half = max(width // 2, 4)
        self.merge = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.to_charge = nn.Linear(width, 2)
        self.from_own = nn.Linear(width, half)
        self.from_neighbor = nn.Linear(width, half, bias=False)
        self.from_pixel = nn.Linear(width, half, bias=False)
        self.to_passed = nn.Linear(half, 1, bias=False)
        self.to_spread = nn.Sequential(
            nn.Linear(2 * width + 1, width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(width, 2 if of_distribution else 3),
        )
        with torch.no_grad():  # start with dipoles of a few D, not of tens
            for layer in (self.to_charge, self.to_passed):
                layer.weight.mul_(0.1)

    def set_units(self, unit: float, cuts: Sequence[float]) -> None:
        """Fixes what one unit of the estimate is, in D, and the cuts between scores, in D."""
        if len(cuts) != len(self.cuts):
            raise ValueError(f"{len(self.cuts) + 1} scores have {len(self.cuts)} cuts between them, not {len(cuts)}")
        self.unit.fill_(unit)
        self.cuts.copy_(torch.tensor(cuts) / unit)

    def dipole(self, rows: Tensor, features: Features, batch: ImageBatch) -> Dipole:
        """The dipole moment and its parts.

        Args:
            rows: states ``[R, D]``.
            features: input of the cell.
            batch: B molecules whose images hold positions.
        """
        charges, passed, local, total = self._parts(self._merged(rows, features), features, batch)
        net = charges + (batch.neighbors.collect(passed) - passed.sum(dim=1)).squeeze(1)
        return Dipole(charges, local, net, total)

    def forward(self, rows: Tensor, features: Features, batch: ImageBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Scores ``[B, C]`` or ``[B, E]`` (logarithms of probabilities), quantiles 5, 50, 95 % of |μ| in units, ``[B, 3]`` or
        none, and what gives their widths: means and maxima over the atoms, and |μ|, ``[B, 2 D + 1]``.
        """
        merged = self._merged(rows, features)
        total = self._parts(merged, features, batch)[-1]
        softened = (total.square().sum(dim=1, keepdim=True) + SOFTENING**2).sqrt()
        length = (softened - SOFTENING) / self.unit
        mean = batch.sum_rows(merged) / batch.offsets.diff().unsqueeze(1)
        pooled = torch.cat([mean, batch.largest_row(merged), length], dim=1)
        spread, *apart = (functional.softplus(self.to_spread(pooled)) + NARROWEST).split(1, dim=1)
        if self.of_distribution:
            return self._scores(length, spread, apart[0]), length[:, :0], pooled
        low, high = apart
        return self._scores(length, spread, spread), torch.cat([length - low, length, length + high], dim=1), pooled

    def _merged(self, rows: Tensor, features: Features) -> Tensor:
        return self.merge(torch.cat([rows, features.rows], dim=1))

    def _parts(self, merged: Tensor, features: Features, batch: ImageBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Charges ``[R]``, charge that each entry passes on ``[R, K, 1]``, local dipoles ``[R, 3]`` and the whole ``[B, 3]``."""
        vectors = batch.neighbor_vectors()
        assert batch.position is not None  # else there are no vectors
        charges = self._charges(merged, batch)
        pair = self.from_own(merged).unsqueeze(1) + batch.neighbors.gather(self.from_neighbor(merged))
        passed = self.to_passed(functional.silu(pair + self.from_pixel(features.pixels))) * batch.weight.unsqueeze(2)
        local = DEBYE_PER_E_ANGSTROM * (passed * vectors).sum(dim=1)
        nuclear = batch.Z.to(charges.dtype).unsqueeze(1)
        center = batch.sum_rows(nuclear * batch.position) / batch.sum_rows(nuclear)
        apart = batch.position - center.index_select(0, batch.sample)
        total = batch.sum_rows(DEBYE_PER_E_ANGSTROM * charges.unsqueeze(1) * apart + local)
        return charges, passed, local, total

    def _charges(self, merged: Tensor, batch: ImageBatch) -> Tensor:
        """Charges ``[R]``; what they lack of the total charge goes to the rows by a learned softness."""
        assert batch.charge is not None  # which comes with positions
        raw, softness = self.to_charge(merged).split(1, dim=1)
        softness = functional.softplus(softness)
        sums = batch.sum_rows(torch.cat([raw, softness], dim=1))
        lacking = (batch.charge - sums[:, 0]) / sums[:, 1]
        return (raw + softness * lacking.index_select(0, batch.sample).unsqueeze(1)).squeeze(1)

    def _scores(self, length: Tensor, below_it: Tensor, above_it: Tensor) -> Tensor:
        """Logarithm of the mass between neighboring cuts, ``[B, C]``, of a logistic distribution about ``length`` with a width
        to each side.
        """
        cuts = functional.pad(self.cuts, (1, 1))
        cuts[0], cuts[-1] = -BEYOND, BEYOND
        upward = (length - cuts) / torch.where(cuts < length, below_it, above_it).clamp_max(10.0)
        above, below = upward[:, :-1], upward[:, 1:]
        return functional.logsigmoid(above) + functional.logsigmoid(-below) + torch.log1p(-torch.exp(below - above))
