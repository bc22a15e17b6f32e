"""The message-passing cell: the image read row by row, each row gathering from the rows its pixels point to."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from andersonn.models.batch import ImageBatch
from andersonn.models.encoder import Features
from andersonn.models.gather import Neighbors


class MessageInput(NamedTuple):
    """What the cell needs at every evaluation: injection ``[R, D]``, filters ``[R, K, D]``, neighbors ``[R, K]``, and
    the two bounded matrices ``[D, D]``.
    """

    injection: Tensor
    filters: Tensor
    neighbors: Neighbors
    own: Tensor
    gathered: Tensor


class MessageCell(nn.Module):
    """z_i ← relu(x_i + V z_i + W Σ_k F_ik ⊙ z_j(i,k)).

    The filters F are made of the image alone, once a solve, and each channel's sum of |F_ik| over k is 1, so that
    gathering never amplifies the largest state; ‖[V W]‖₂ is held at or under ``gain``. That keeps the spectral radius
    well below 1 in training (it is measured and reported every epoch), though it is no proof.

    Args:
        width: D.
        gain: bound on ‖[V W]‖₂.
    """

    def __init__(self, width: int, gain: float) -> None:
        super().__init__()
        self.gain = gain
        self.inject = nn.Linear(width, width)
        self.to_filter = nn.Linear(width, width)
        self.own = nn.Parameter(0.3 * torch.randn(width, width) / width**0.5)
        self.gathered = nn.Parameter(torch.randn(width, width) / width**0.5)

    def prepare(self, features: Features, batch: ImageBatch) -> MessageInput:
        """Injection, normalized filters and bounded matrices of a batch."""
        filters = self.to_filter(features.pixels) * features.share.unsqueeze(-1)
        filters = filters / filters.abs().sum(dim=1, keepdim=True).clamp_min(1e-4)
        norm = torch.linalg.matrix_norm(torch.cat([self.own, self.gathered], dim=1), 2)
        shrink = self.gain / norm.clamp_min(self.gain)
        return MessageInput(
            self.inject(features.rows), filters, batch.neighbors, shrink * self.own, shrink * self.gathered
        )

    def initial(self, x: MessageInput) -> Tensor:
        """Zeros ``[R, D]``."""
        return torch.zeros_like(x.injection, requires_grad=False)

    def forward(self, z: Tensor, x: MessageInput) -> Tensor:
        """One evaluation: ``[R, D]`` → ``[R, D]``."""
        gathered = (x.filters * x.neighbors.gather(z)).sum(dim=1)
        return torch.relu(x.injection + z @ x.own.T + gathered @ x.gathered.T)

    def offsets(self, batch: ImageBatch) -> Tensor:
        """Rows of each image in the state."""
        return batch.offsets

    def rows(self, z: Tensor, batch: ImageBatch, features: Features) -> Tensor:
        """The state of each atom row, ``[R, D]``."""
        return z
