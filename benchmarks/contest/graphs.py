"""Diffusion on random graphs: personalized PageRank, and an implicit graph network."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from andersonn.measuring.problems import FixedPointProblem, Formula, normal
from contest.random_maps import orthogonal_matrix

COMMUNITIES = 6


def _edges(seed: int, batch: int, nodes: int, inside: float, across: float) -> Tensor:
    """0 and 1, float64 ``[batch, nodes, nodes]``: node j leads to i. Nodes form communities; two nodes are joined with
    probability ``inside`` within one, ``across`` between two. A ring in addition leaves no node without an edge.
    """
    generator = torch.Generator().manual_seed(seed)
    community = torch.arange(nodes) * COMMUNITIES // nodes
    chance = torch.where(community[:, None] == community, inside, across).double()
    drawn = torch.rand(batch, nodes, nodes, generator=generator, dtype=torch.float64) < chance
    return (drawn | torch.eye(nodes, dtype=torch.bool).roll(1, 0)).double()


def pagerank(
    dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", nodes: int = 240, follow: float = 0.99
) -> FixedPointProblem:
    """Personalized PageRank, z ← follow · P z + (1 − follow) v, on a directed graph of six communities, one graph for
    each sample; v is one node in ten. P is column-stochastic, so that the radius is ``follow``; it starts from 1 / nodes.
    """
    place = {"dtype": dtype, "device": device}
    edges = _edges(seed, batch, nodes, 0.2, 0.002)
    P = follow * edges / edges.sum(dim=1, keepdim=True)
    v = (
        torch.rand(batch, nodes, generator=torch.Generator().manual_seed(seed + 1)).argsort(dim=1) < nodes // 10
    ).double()
    own = (P.to(**place), ((1 - follow) * v / v.sum(dim=1, keepdim=True)).to(**place))
    return FixedPointProblem(Formula(_pagerank, (), own), torch.full((batch, nodes), 1 / nodes, **place))


def _pagerank(xp: ModuleType, z: Any, P: Any, v: Any) -> Any:
    return (P @ z[..., None])[..., 0] + v


def graph_network(
    dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", nodes: int = 100, width: int = 8, gain: float = 0.97
) -> FixedPointProblem:
    """An implicit graph network (F. Gu et al., NeurIPS 2020): Z ← relu(gain · Â Z W + X), state ``[batch, nodes · width]``.

    Â is the symmetrically normalized adjacency matrix of a random graph with self-loops, one for each sample; W is shared,
    symmetric, its eigenvalues from 0.5 to 1. The map contracts by ``gain``.
    """
    place = {"dtype": dtype, "device": device}
    edges = _edges(seed, batch, nodes, 0.3, 0.01)
    edges = ((edges + edges.mT + torch.eye(nodes)) > 0).double()
    root = edges.sum(dim=1).rsqrt()
    q = orthogonal_matrix(width, seed + 1)
    weights = (q * torch.linspace(0.5 * gain, gain, width, dtype=torch.float64)) @ q.T
    x = normal(seed + 2, batch, nodes, width)
    own = ((root[:, :, None] * edges * root[:, None, :]).to(**place), x.to(**place))
    return FixedPointProblem(
        Formula(_graph_network, (weights.to(**place),), own), torch.zeros(batch, nodes * width, **place)
    )


def _graph_network(xp: ModuleType, z: Any, weights: Any, adjacency: Any, x: Any) -> Any:
    value = adjacency @ z.reshape(x.shape) @ weights + x
    return xp.where(value > 0, value, 0.0).reshape(z.shape)
