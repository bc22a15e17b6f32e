"""The message-passing cell: each row (atom) receives messages from its neighbors, and sends to them."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from andersonn.models.batch import ImageBatch, Neighbors
from andersonn.models.encoder import Features, calls_are_unwatched

FILTER_SLOPE = 3.0
"""How fast a filter saturates: steep enough that untrained ones use most of their range."""
LARGE = 2**17
"""Numbers in the filters from which on compiled code sums messages, where there is any. It would be faster below as well, but a
single structure is not worth its compilation; and a rule by size alone gives the same rounding in every run.
"""


class MessageInput(NamedTuple):
    """Input of an evaluation: injection ``[R, D]``, filters ``[R, K, D]``, neighbors ``[R, K]``, and the
    two bounded matrices ``[D, D]``.
    """

    injection: Tensor
    filters: Tensor
    neighbors: Neighbors
    own: Tensor
    mix: Tensor


class MessageCell(nn.Module):
    """z_i ← relu(x_i + S z_i + Wᵀ Σ_j A_ij ⊙ W z_j), with S and, in each channel, A symmetric.

    A pixel (i, k) carries messages from its neighbor j to atom i and from i to j, through the same filter, so A is symmetric; the filters
    lie between −1 and 1 and are scaled by the square roots of both atoms' sums of weights, so no channel of A has an
    eigenvalue beyond ±1 (as the normalized adjacency of Kipf and Welling, ICLR 2017). ‖S‖₂ + ‖W‖₂² is held at or under
    ``gain``. It follows that

    - the cell is a contraction by ``gain`` in the Euclidean norm over atoms, so with gain < 1 the fixed point exists,
      is unique, and Picard iteration finds it, whatever the weights (a row that stands for m atoms carries √m z, so
      that this norm is the state's own and folding changes nothing that a solver sees);
    - its Jacobian, a projection by relu times a symmetric matrix, has real eigenvalues only, the case in which
      extrapolation over a window gains most (for linear maps it is then as good as conjugate gradients, while against
      eigenvalues that fill a disk no Krylov method can gain).

    Args:
        width: D.
        gain: bound on the Lipschitz constant.
        lean: the features of a pixel are its filter as they are; else a layer makes it of them.
    """

    def __init__(self, width: int, gain: float, lean: bool = False) -> None:
        super().__init__()
        self.gain = gain
        self.inject = nn.Linear(width, width)
        self.to_filter = nn.Identity() if lean else nn.Linear(width, width)
        self.own = nn.Parameter(0.3 * torch.randn(width, width) / width**0.5)
        self.mix = nn.Parameter(torch.randn(width, width) / width**0.5)

    def prepare(self, features: Features, batch: ImageBatch) -> MessageInput:
        """Injection, normalized filters and bounded matrices of a batch."""
        neighbors, weight = batch.neighbors, batch.weight
        multiplicity = batch.multiplicity.unsqueeze(1)
        # Total weight of an atom's messages: of its own neighbor list, and of the lists in which it occurs.
        listed_by = neighbors.collect((weight * multiplicity).unsqueeze(2)) / multiplicity
        scale = (weight.sum(dim=1, keepdim=True) + listed_by).clamp_min(1e-6).rsqrt()
        root = multiplicity.sqrt()
        share = (weight * scale * root).unsqueeze(2) * neighbors.gather(scale / root)
        raw = self.to_filter(features.pixels)
        ours = raw is not features.pixels and calls_are_unwatched(self.to_filter)
        filters = (raw.mul_(FILTER_SLOPE) if ours else raw * FILTER_SLOPE).tanh_()
        share = share.to(filters.dtype)  # under autocast half the memory to move, at every evaluation
        filters = filters * share if torch.is_grad_enabled() else filters.mul_(share)
        own = 0.5 * (self.own + self.own.T)
        shrink = self.gain / self.norm().clamp_min(self.gain)
        return MessageInput(
            root * self.inject(features.rows), filters, neighbors, shrink * own, shrink.sqrt() * self.mix
        )

    def norm(self) -> Tensor:
        """‖S‖₂ + ‖W‖₂² of the parameters, before they are held at or under ``gain``."""
        own = 0.5 * (self.own + self.own.T)
        return torch.linalg.matrix_norm(own, 2) + torch.linalg.matrix_norm(self.mix, 2).square()

    @torch.no_grad()
    def shrink_(self, gain: float) -> None:
        """Scales the matrices, in place, to what they come to under this bound."""
        shrink = gain / self.norm().clamp_min(gain)
        self.own.mul_(shrink)
        self.mix.mul_(shrink.sqrt())

    def initial(self, x: MessageInput) -> Tensor:
        """The cell at z = 0, ``[R, D]``, without an evaluation; zeros where that is not finite."""
        return torch.relu(x.injection.detach()).nan_to_num_(0.0, 0.0)

    def forward(self, z: Tensor, x: MessageInput) -> Tensor:
        """One evaluation of √m z: ``[R, D]`` → ``[R, D]``."""
        sent, exchange = z @ x.mix.T, x.neighbors.exchange
        if x.filters.numel() >= LARGE:
            from andersonn.models import message_kernel  # at the first large state, since it compiles code

            if message_kernel.usable(x.filters, sent):
                exchange = partial(message_kernel.exchange, x.neighbors)
        return torch.relu(x.injection + z @ x.own + exchange(x.filters, sent) @ x.mix)

    def select(self, x: MessageInput, samples: Tensor, rows: Tensor) -> MessageInput:
        """The input of some images alone, given their rows in the state."""
        return x._replace(
            injection=x.injection.index_select(0, rows),
            filters=x.filters.index_select(0, rows),
            neighbors=x.neighbors.select(rows),
        )

    def offsets(self, batch: ImageBatch) -> Tensor:
        """Rows of each image in the state."""
        return batch.offsets

    def rows(self, z: Tensor, batch: ImageBatch, features: Features) -> Tensor:
        """The state of an atom of each row, ``[R, D]``."""
        return z / batch.multiplicity.sqrt().unsqueeze(1)
