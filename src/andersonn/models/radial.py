"""Functions of a distance alone, read from a table instead of computed for every pixel of an image.

An image has far more pixels than a table needs points: a function that is two matrix products at each pixel becomes the weighted
sum of two rows of a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

REACH = 6.0
"""Widths from its center at which a Gaussian has ended: it is 1.5e-8 there."""
POINTS_PER_WIDTH = 128
"""Of the table, per width of a Gaussian: then interpolation is off by 4e-6 of the largest value on the shipped weights."""


class RadialTable:
    """Values of functions that read the Gaussians of a distance, at equal steps along the axis of the Gaussians, with linear
    interpolation between them. Beyond the last Gaussian the functions are constant, and so is the table.

    It keeps the values it was last asked for, with a copy of the weights they were made of: they serve again as long as the
    weights have the same numbers, dtype and device, however they were written.

    Args:
        first, last: outermost centers of the Gaussians.
        width: their standard deviation.
    """

    def __init__(self, first: float, last: float, width: float) -> None:
        self.first = max(0.0, min(first, last) - REACH * width)
        self.last = max(first, last) + REACH * width
        self.points = math.ceil(POINTS_PER_WIDTH * (self.last - self.first) / width) + 1
        self._kept: _Kept | None = None

    def axis(self, like: Tensor) -> Tensor:
        """The points, ``[G]``, of the dtype and device of ``like``."""
        return torch.linspace(self.first, self.last, self.points, dtype=like.dtype, device=like.device)

    def values(self, weights: Sequence[Tensor], compute: Callable[[], Tensor]) -> Tensor:
        """The table without gradients, ``[G, C]``: ``compute()``, or what it gave the last time from the same weights."""
        kept = self._kept
        if kept is None or not all(
            old.dtype == new.dtype and old.device == new.device and torch.equal(old, new)
            for old, new in zip(kept.weights, weights, strict=True)
        ):
            kept = self._kept = _Kept([weight.detach().clone() for weight in weights], compute().detach())
        return kept.values

    def read(self, values: Tensor, place: Tensor) -> Tensor:
        """The functions at some places on the axis.

        Args:
            values: the table, ``[G, C]``; gradients reach it.
            place: any shape; no gradients reach it.

        Returns:
            ``[*place.shape, C]``, NaN where the place is.
        """
        step = (self.last - self.first) / (self.points - 1)
        along = ((place.flatten() - self.first) / step).clamp_(0, self.points - 1)
        index = along.nan_to_num(0.0).floor_().clamp_max_(self.points - 2)
        share = (along - index).to(values.dtype)
        return _Interpolation.apply(values, index.long(), share).view(*place.shape, -1)


class _Kept(NamedTuple):
    """Values of a table and the weights they were made of."""

    weights: list[Tensor]
    values: Tensor


class _Interpolation(torch.autograd.Function):
    """Rows ``index`` and ``index + 1`` of a table in the shares ``1 - share`` and ``share``: one bag of two embeddings each.
    The gradient sums by sorted index, in a fixed order.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, share: Tensor) -> Tensor:
        ctx.points = len(values)
        ctx.save_for_backward(index, share)
        shares = torch.stack([1.0 - share, share], dim=1)
        both = torch.stack([index, index + 1], dim=1)
        return functional.embedding_bag(both, values, per_sample_weights=shares, mode="sum")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        index, share = ctx.saved_tensors
        index, order = index.sort(stable=True)
        starts = torch.searchsorted(index, torch.arange(ctx.points, device=index.device))
        share = share[order]

        def sums(weights: Tensor) -> Tensor:
            return functional.embedding_bag(order, gradient, starts, per_sample_weights=weights, mode="sum")

        total = sums(1.0 - share)
        total[1:] += sums(share)[:-1]
        return total, None, None
