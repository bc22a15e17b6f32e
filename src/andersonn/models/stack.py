"""The explicit twin of the equilibrium: a fixed number of layers, trained by plain backpropagation through all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from andersonn.models.batch import ImageBatch
from andersonn.models.convolution_cell import ConvolutionCell
from andersonn.models.encoder import Features
from andersonn.models.message_cell import MessageCell
from andersonn.solvers import FixedPoint, Status, Trace

Cell = MessageCell | ConvolutionCell
"""What a network iterates."""


class Stack(nn.Module):
    """z ← cell(z, x), once a layer, from zeros: so the first layer only reads the input.

    A tied stack has the parameters of :class:`~andersonn.implicit.Equilibrium` with the same cell, under the same names,
    and tends to its fixed point as layers are added. In an untied one each layer prepares its own input (what the first
    cell would multiply the state by idles).

    Args:
        cells: the one cell of a tied stack, or one a layer.
        layers: how many.

    Attributes:
        cell: of the first layer.
        later: the cells of the others; empty if tied.
    """

    name = "explicit"
    """Stands where answers name the solver."""

    def __init__(self, cells: Sequence[Cell], layers: int) -> None:
        super().__init__()
        if len(cells) not in (1, layers):
            raise ValueError(f"{layers} layers take 1 cell or {layers}, not {len(cells)}")
        self.layers = layers
        self.cell, self.later = cells[0], nn.ModuleList(cells[1:])

    def forward(self, features: Features, batch: ImageBatch) -> tuple[Tensor, FixedPoint]:
        """The last layer's state, and a record in which no convergence is checked: the residual is NaN, and the status
        ``UNJUDGED``, or ``NONFINITE`` where the state of a structure is not finite.
        """
        x = self.cell.prepare(features, batch)
        z = self.cell(torch.zeros_like(x.injection), x)
        for layer in range(self.layers - 1):
            cell = cast("Cell", self.later[layer]) if self.later else self.cell
            x = cell.prepare(features, batch) if self.later else x
            z = cell(z, x)
        return z, self._record(z.detach(), self.cell.offsets(batch))

    def _record(self, z: Tensor, offsets: Tensor) -> FixedPoint:
        n = len(offsets) - 1
        sample = torch.repeat_interleave(torch.arange(n, device=z.device), offsets.diff())
        status = torch.full((n,), int(Status.UNJUDGED), dtype=torch.int8, device=z.device)
        status[sample[~torch.isfinite(z).flatten(start_dim=1).all(dim=1)]] = int(Status.NONFINITE)
        residual = torch.full((n,), torch.nan, dtype=torch.float64, device=z.device)
        steps = torch.full((n,), self.layers, device=z.device)
        nothing = Trace(torch.zeros(0, n, dtype=torch.float64), torch.zeros(0, dtype=torch.float64))
        return FixedPoint(z, status, residual, steps, self.layers, nothing)

    def extra_repr(self) -> str:
        """Shown by print(network)."""
        return f"layers={self.layers}, tied={not self.later}"
