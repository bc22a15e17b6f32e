"""A crystal graph convolutional network after Xie and Grossman (PRL 120, 145301 (2018)), to time ours beside it.

Written from the paper's formulas, with an explicit edge list. A layer is its equation 5:
v_i ← v_i + Σ_j σ(z_ij W_f + b_f) ⊙ g(z_ij W_s + b_s) with z_ij = v_i ⊕ v_j ⊕ u_ij, g the softplus. As in the authors' own
network, both linear maps are one, batch norm follows it and the sum, and another softplus the addition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from andersonn.data.store import ImageStore
from andersonn.structures import elements

GAUSSIANS = 41
FARTHEST = 8.0
"""Å: the last Gaussian; 0.2 Å apart, as in the paper's own feature vectors."""


@dataclass(frozen=True, eq=False)
class EdgeBatch:
    """B crystals, N atoms, E directed edges.

    Attributes:
        Z: int64 ``[N]``.
        source, target: atoms of an edge, which goes from a neighbor (source) to the atom that hears it, int64 ``[E]``.
        distance: Å, float32 ``[E]``.
        multiplicity: atoms a row stands for, float32 ``[N]``; ones unless the images are folded.
        sample: crystal of each atom, int64 ``[N]``.
        size: B.
    """

    Z: Tensor
    source: Tensor
    target: Tensor
    distance: Tensor
    multiplicity: Tensor
    sample: Tensor
    size: int

    def __len__(self) -> int:
        return self.size

    @classmethod
    def from_store(cls, store: ImageStore, indices: np.ndarray) -> EdgeBatch:
        """The crystals at ``indices`` of a store, with the same neighbors as their images."""
        lengths = store.n_rows[indices]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        sample = np.repeat(np.arange(len(indices)), lengths)
        rows = np.arange(offsets[-1]) - offsets[sample] + store.offsets[indices][sample]
        target, column = np.nonzero(store.weight[rows] > 0)
        at = (rows[target], column)
        return cls(
            Z=torch.from_numpy(store.Z[rows].astype(np.int64)),
            source=torch.from_numpy(store.neighbor_index[at] + offsets[sample[target]]),
            target=torch.from_numpy(target),
            distance=torch.from_numpy(store.distance[at]),
            multiplicity=torch.from_numpy(store.multiplicity[rows].astype(np.float32)),
            sample=torch.from_numpy(sample),
            size=len(indices),
        )


class Answer(NamedTuple):
    """Class scores ``[B, C]`` and quantiles ``[B, 3]``, as our network gives them."""

    scores: Tensor
    quantiles: Tensor


class GatedConvolution(nn.Module):
    """One layer of width D over edges with F features."""

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.both = nn.Linear(2 * width + features, 2 * width)
        self.norm_edges = nn.BatchNorm1d(2 * width)
        self.norm_atoms = nn.BatchNorm1d(width)

    def forward(self, v: Tensor, u: Tensor, batch: EdgeBatch) -> Tensor:
        z = torch.cat([v[batch.target], v[batch.source], u], dim=1)
        gate, core = self.norm_edges(self.both(z)).chunk(2, dim=1)
        messages = torch.sigmoid(gate) * functional.softplus(core)
        heard = torch.zeros_like(v).index_add_(0, batch.target, messages)
        return functional.softplus(v + self.norm_atoms(heard))


class CrystalGraphNetwork(nn.Module):
    """Elements embedded, ``layers`` gated convolutions, mean over atoms, one hidden layer.

    Args:
        width: D.
        n_classes: C.
        layers: of convolution.
    """

    def __init__(self, width: int, n_classes: int, layers: int = 3) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.embedding = nn.Embedding(elements.MAX_Z + 1, width)
        self.register_buffer("centers", torch.linspace(0.0, FARTHEST, GAUSSIANS))
        self.layers = nn.ModuleList(GatedConvolution(width, GAUSSIANS) for _ in range(layers))
        self.head = nn.Sequential(
            nn.Softplus(), nn.Linear(width, width), nn.Softplus(), nn.Linear(width, n_classes + 3)
        )

    def forward(self, batch: EdgeBatch) -> Answer:
        spacing = FARTHEST / (GAUSSIANS - 1)
        u = torch.exp(-(((batch.distance.unsqueeze(1) - self.centers) / spacing) ** 2))
        v = self.embedding(batch.Z)
        for layer in self.layers:
            v = layer(v, u, batch)
        weighted = torch.cat([v, torch.ones_like(v[:, :1])], dim=1) * batch.multiplicity.unsqueeze(1)
        total = weighted.new_zeros(len(batch), weighted.shape[1]).index_add_(0, batch.sample, weighted)
        values = self.head(total[:, :-1] / total[:, -1:])
        scores, quantiles = values.split([self.n_classes, 3], dim=1)
        low, middle, high = quantiles.split(1, dim=1)
        spread = torch.cat([middle - functional.softplus(low), middle, middle + functional.softplus(high)], dim=1)
        return Answer(scores, spread)
