"""The memory of Anderson extrapolation: the last m differences of residuals and values, and their Gram matrix.

Differences go into ring buffers allocated once a solve. The Gram matrix of residual differences ΔF grows by one row a
step: ⟨ΔF_i, ΔF_new⟩ for all i is the only pass over the window, and the projections ⟨ΔF_i, r⟩ follow from it, since
⟨ΔF_i, r_new⟩ = ⟨ΔF_i, r_old⟩ + ⟨ΔF_i, ΔF_new⟩.
"""

from __future__ import annotations

import torch
from torch import Tensor

from andersonn.solvers.layout import Layout

LARGE_STATE = 2**18
"""Numbers in a state from which, on a CPU, one batched product combines a window faster than one addition a slot."""


class Window:
    """Ring buffers ``[m, R, D]`` of ΔF and ΔG, Gram matrix ``[B, m, m]`` and projections ``[B, m]`` in float64."""

    def __init__(self, size: int, layout: Layout, like: Tensor) -> None:
        self.layout = layout
        self.dF = torch.empty((size, layout.rows, layout.width), dtype=like.dtype, device=like.device)
        self.dG = torch.empty_like(self.dF)
        small = {"dtype": torch.float64, "device": like.device}
        self.gram = torch.zeros(layout.samples, size, size, **small)
        self.projection = torch.zeros(layout.samples, size, **small)
        self.size, self.pushed = size, 0

    @property
    def filled(self) -> int:
        """How many slots hold differences."""
        return min(self.pushed, self.size)

    def push(self, r_before: Tensor, r: Tensor, g_before: Tensor, g: Tensor) -> None:
        """Adds the newest differences in place of the oldest."""
        slot = self.pushed % self.size
        self.pushed += 1
        k = self.filled
        newest = torch.sub(r, r_before, out=self.dF[slot])
        torch.sub(g, g_before, out=self.dG[slot])
        by_row = torch.cat([_inner_products(self.dF[:k], newest), _inner_products(r.unsqueeze(0), newest)], dim=1)
        # A sample with NaN or infinity gets zeros, which `coefficients` leaves out: it takes plain steps.
        products = torch.nan_to_num(self.layout.to_samples(by_row), nan=0.0, posinf=0.0, neginf=0.0)
        row = products[:, :k]
        self.gram[:, slot, :k] = row
        self.gram[:, :k, slot] = row
        self.projection[:, :k] += row
        self.projection[:, slot] = products[:, k]

    def coefficients(self, ridge: float) -> Tensor:
        """γ minimizing ‖r − Σ γ_i ΔF_i‖² for each sample, float64 ``[B, filled]``.

        The system is scaled to a unit diagonal, so that ``ridge`` is relative whatever the size of the residuals
        (an absolute one turns extrapolation into averaging once residuals are small). Columns without length are left
        out; a sample whose system is singular all the same gets γ = 0: a plain step.
        """
        k = self.filled
        gram = self.gram[:, :k, :k]
        diagonal = gram.diagonal(dim1=1, dim2=2)
        scale = torch.where(diagonal > 0, diagonal.rsqrt(), 0.0)
        scaled = gram * scale.unsqueeze(2) * scale.unsqueeze(1)
        scaled.diagonal(dim1=1, dim2=2).fill_(1.0 + ridge)
        factor, info = torch.linalg.cholesky_ex(scaled)
        right = (self.projection[:, :k] * scale).unsqueeze(2)
        gamma = torch.cholesky_solve(right, factor).squeeze(2) * scale
        return torch.where((info == 0).unsqueeze(1), gamma, 0.0)

    def combine(self, differences: Tensor, gamma: Tensor, start: Tensor, out: Tensor) -> None:
        """``out = start − Σ γ_i differences_i``, row by row."""
        weights = self.layout.to_rows(-gamma).to(start.dtype)
        if start.is_cuda or start.numel() >= LARGE_STATE:
            stacked = differences[: self.filled].transpose(0, 1)
            torch.baddbmm(start.unsqueeze(1), weights.unsqueeze(1), stacked, out=out.unsqueeze(1))
            return
        torch.addcmul(start, differences[0], weights[:, 0:1], out=out)
        for i in range(1, self.filled):
            out.addcmul_(differences[i], weights[:, i : i + 1])


def _inner_products(many: Tensor, one: Tensor) -> Tensor:
    """Row by row ⟨many_i, one⟩ of ``many [k, R, D]`` and ``one [R, D]``: ``[R, k]``, in single precision at least."""
    if one.dtype.itemsize < 4:  # half precision would overflow and round products away
        return torch.stack([_inner_products(each.float().unsqueeze(0), one.float())[:, 0] for each in many], dim=1)
    if len(many) == 1:
        return torch.linalg.vecdot(many[0], one).unsqueeze(1)
    return torch.bmm(one.unsqueeze(1), many.permute(1, 2, 0)).squeeze(1)  # fetches every operand once
