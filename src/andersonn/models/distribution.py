"""A quantity's predictive distribution as masses between fixed edges: its loss, and the masses of classes.

E edges e_0 < … < e_(E-1) carry E masses: the first is that of e_0 itself (for a band gap, of exactly zero), mass j that of
the interval from e_(j-1) to e_j, evenly spread over it. So a class between two thresholds is a sum of masses, and estimate and
interval are quantiles of the same distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor


def edges_for(values: np.ndarray, thresholds: Sequence[float], lowest: float, count: int) -> np.ndarray:
    """Edges that follow the data: half of them by how many values lie between, half evenly by size (asinh), the thresholds among
    them.

    Args:
        values: of the training structures, ``[n]``.
        thresholds: rising; each becomes an edge.
        lowest: the smallest possible value, which is the first edge; -inf if there is none.
        count: E, at least the number of thresholds and two more.

    Returns:
        float64 ``[E]``, strictly rising.
    """
    span = float(np.ptp(values)) or 1.0
    bounded = bool(np.isfinite(lowest))
    inner = [cut for cut in thresholds if not (bounded and cut <= lowest)]
    bottom = float(lowest) if bounded else float(min(values.min(), *thresholds)) - 0.1 * span
    top = float(max(values.max(), *thresholds, bottom)) + 0.1 * span
    center = bottom if bounded else float(np.median(values))
    unit = float(np.median(np.abs(values - center))) or 0.1 * span
    fine = np.linspace(bottom, top, 20_001)
    by_size = np.arcsinh((fine - center) / unit)
    by_size = (by_size - by_size[0]) / (by_size[-1] - by_size[0])
    above = np.sort(values[values > bottom]) if bounded else np.sort(values)
    by_count = np.interp(fine, above, np.linspace(0.0, 1.0, len(above))) if len(above) > 1 else by_size
    edges = np.interp(np.linspace(0.0, 1.0, count), 0.5 * (by_size + by_count), fine)
    free = list(range(1, count - 1))
    for cut in inner:
        nearest = min(free, key=lambda j: abs(edges[j] - cut))
        edges[nearest] = cut
        free.remove(nearest)
    edges = np.sort(edges)
    if (np.diff(edges) <= 0).any():
        raise ValueError(f"{count} edges do not fit between {bottom} and {top} with thresholds {tuple(thresholds)}")
    return edges


def positions_of(edges: np.ndarray, thresholds: Sequence[float]) -> tuple[int, ...]:
    """Of each threshold, how many masses lie below it. Each must be an edge; one at the first edge has that edge's own mass below
    it, as a class of exactly zero has.
    """
    found = [int(np.abs(edges - cut).argmin()) for cut in thresholds]
    if any(abs(edges[j] - cut) > 1e-9 * max(1.0, abs(cut)) for j, cut in zip(found, thresholds, strict=True)):
        raise ValueError(f"thresholds {tuple(thresholds)} are not all edges")
    return tuple(j + 1 for j in found)


def class_scores(scores: Tensor, positions: Sequence[int]) -> Tensor:
    """Scores of masses ``[B, E]`` → of classes ``[B, C]``, logarithms up to a constant: sums of the masses before, between and
    after the ``positions``.
    """
    bounds = [0, *positions, scores.shape[1]]
    parts = [scores[:, low:high].logsumexp(dim=1) for low, high in pairwise(bounds)]
    return torch.stack(parts, dim=1)


def crps(scores: Tensor, edges: Tensor, values: Tensor) -> Tensor:
    """Continuous ranked probability score ∫ (F(t) − [y ≤ t])² dt of each distribution, exact for these piecewise linear F: the
    distance of the distribution from the value, in the unit of the edges (Matheson and Winkler, 1976).

    Args:
        scores: logarithms of masses up to a constant, ``[B, E]``.
        edges: ``[E]``.
        values: y, ``[B]``; one outside the edges counts as the nearest.

    Returns:
        ``[B]``.
    """
    cdf = scores.softmax(dim=1).cumsum(dim=1)
    low, high = edges[:-1], edges[1:]
    split = torch.minimum(torch.maximum(values.unsqueeze(1), low), high)
    at_low, at_high = cdf[:, :-1], cdf[:, 1:]
    at_split = at_low + (at_high - at_low) * (split - low) / (high - low)
    return (_of_squares(at_low, at_split, split - low) + _of_squares(1 - at_split, 1 - at_high, high - split)).sum(
        dim=1
    )


def _of_squares(first: Tensor, last: Tensor, width: Tensor) -> Tensor:
    """∫ of the square of what runs linearly from ``first`` to ``last`` over ``width``."""
    return width / 3.0 * (first.square() + first * last + last.square())
