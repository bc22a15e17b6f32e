"""A fixed-point problem in numbers: the map, where to start, and which rows belong to which sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Posed(NamedTuple):
    """z = f(z) from ``z0``.

    Attributes:
        f: maps states to states of the same shape, without autograd's tape.
        z0: ``[B, …]``, or ``[R, …]`` with ``offsets``.
        offsets: int64 ``[B + 1]``: sample b owns rows ``offsets[b]`` to ``offsets[b + 1]``; or None.
    """

    f: Callable[[Tensor], Tensor]
    z0: Tensor
    offsets: Tensor | None = None

    @property
    def samples(self) -> int:
        """B."""
        return len(self.z0) if self.offsets is None else len(self.offsets) - 1

    def in_one(self) -> Posed:
        """The same for solvers that know no ragged batches: all rows are one sample ``[1, R · …]``."""
        if self.offsets is None:
            return self
        f, shape = self.f, self.z0.shape
        return Posed(lambda z: f(z.reshape(shape)).reshape(1, -1), self.z0.reshape(1, -1))


class Formula:
    """A map written once for torch and for jax: f(z) = formula(xp, z, *shared, *own).

    Args:
        formula: takes the namespace (``torch`` or ``jax.numpy``) first.
        shared: arrays that all samples share.
        own: arrays with one entry a sample in dimension 0.
    """

    def __init__(self, formula: Callable[..., Any], shared: tuple[Tensor, ...], own: tuple[Tensor, ...]) -> None:
        self.formula, self.shared, self.own = formula, shared, own

    def __call__(self, z: Tensor) -> Tensor:
        """One evaluation."""
        return self.formula(torch, z, *self.shared, *self.own)

    def subset(self, samples: Tensor, rows: Tensor) -> Formula:
        """The map of some samples alone."""
        return Formula(self.formula, self.shared, tuple(array[samples] for array in self.own))


class CellMap:
    """A cell with its input: f(z) = cell(z, x), x with one entry a sample in dimension 0."""

    def __init__(self, cell: Callable[[Tensor, Tensor], Tensor], x: Tensor) -> None:
        self.cell, self.x = cell, x

    def __call__(self, z: Tensor) -> Tensor:
        """One evaluation."""
        return self.cell(z, self.x)

    def subset(self, samples: Tensor, rows: Tensor) -> CellMap:
        """The map of some samples alone."""
        return CellMap(self.cell, self.x[samples])


def normal(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64 on the CPU: the same problem in every precision and on every device."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
