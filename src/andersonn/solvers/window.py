"""The memory of Anderson extrapolation: the last m differences of residuals and values, and their Gram matrix.

Differences go into ring buffers allocated once a solve. The Gram matrix of residual differences ΔF grows by one row a
step: ⟨ΔF_i, ΔF_new⟩ for all i is the only pass over the window besides the combination, and the projections ⟨ΔF_i, r⟩
follow from it, since ⟨ΔF_i, r_new⟩ = ⟨ΔF_i, r_old⟩ + ⟨ΔF_i, ΔF_new⟩.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers import layout as layout_module
from andersonn.solvers.layout import Layout

LINE = 16
"""Neighboring coordinates that a sketch takes together: a cache line of float32."""


class Window:
    """Ring buffers ``[m, R, D]`` of ΔF and ΔG, Gram matrix ``[B, m, m]`` and projections ``[B, m]`` in float64.

    Args:
        size: m.
        layout, like: of the state.
        dtype: of the buffers; None: the state's.
        sketch: the Gram matrix is taken from every sketch-th line of 16 coordinates, and ΔF holds only those.
    """

    def __init__(
        self, size: int, layout: Layout, like: Tensor, dtype: torch.dtype | None = None, sketch: int = 1
    ) -> None:
        self.layout, self.size, self.sketch = layout, size, sketch
        self.lines = layout.width // (LINE * sketch)  # of a row, in the sketch
        if sketch > 1 and self.lines == 0:
            raise ValueError(
                f"a sketch of 1/{sketch} needs rows of {LINE * sketch} numbers, not {layout.width}; lower it"
            )
        buffer = {"dtype": dtype or like.dtype, "device": like.device}
        self.dF = torch.empty((size, layout.rows, LINE * self.lines if sketch > 1 else layout.width), **buffer)
        self.dG = torch.empty((size, layout.rows, layout.width), **buffer)
        small = {"dtype": torch.float64, "device": like.device}
        self.gram = torch.zeros(layout.samples, size, size, **small)
        self.projection = torch.zeros(layout.samples, size, **small)
        self.pushed = 0
        # On a CPU the small matrices are worked on in numpy, the same memory: an operation costs a fifth of torch's there.
        self.on_host = like.device.type in layout_module.HOST

    @property
    def filled(self) -> int:
        """How many slots hold differences."""
        return min(self.pushed, self.size)

    def push(self, r_before: Tensor, r: Tensor, g_before: Tensor, g: Tensor) -> None:
        """Adds the newest differences in place of the oldest."""
        slot = self.pushed % self.size
        self.pushed += 1
        torch.sub(g, g_before, out=self.dG[slot])
        r = self.seen(r)
        newest = torch.sub(r, self.seen(r_before), out=self.dF[slot])
        self._update(slot, newest, r)

    def seen(self, state: Tensor) -> Tensor:
        """What the sketch shows of a state."""
        if self.sketch == 1:
            return state
        lines = state[:, : self.lines * self.sketch * LINE].view(len(state), self.lines, self.sketch, LINE)
        return lines[:, :, 0].reshape(len(state), -1)

    def _update(self, slot: int, newest: Tensor, r: Tensor) -> None:
        k = self.filled
        row = row_products(self.layout, self.dF[:k], newest)
        own = row_products(self.layout, r.unsqueeze(0), newest)[:, 0]
        gram, projection = self.gram, self.projection
        if self.on_host:
            gram, projection, row, own = gram.numpy(), projection.numpy(), row.numpy(), own.numpy()
        gram[:, slot, :k] = row
        gram[:, :k, slot] = row
        projection[:, :k] += row
        projection[:, slot] = own

    def coefficients(self, ridge: float, max_condition: float | None = None) -> Tensor:
        """γ minimizing ‖r − Σ γ_i ΔF_i‖² for each sample, float64 ``[B, filled]``.

        The system is scaled to a unit diagonal, so that ``ridge`` is relative whatever the size of the residuals
        (an absolute one turns extrapolation into averaging once residuals are small). Columns without length are left
        out; a sample whose system is singular all the same gets γ = 0: a plain step.
        """
        if self.on_host and max_condition is None:
            return torch.from_numpy(self._coefficients_on_host(ridge))
        k = self.filled
        gram = self.gram[:, :k, :k]
        diagonal = gram.diagonal(dim1=1, dim2=2)
        scale = torch.where(diagonal > 0, diagonal.rsqrt(), 0.0)
        if max_condition is not None:
            scale = scale * self._independent(gram, scale, max_condition)
        scaled = gram * scale.unsqueeze(2) * scale.unsqueeze(1)
        scaled.diagonal(dim1=1, dim2=2).fill_(1.0 + ridge)
        factor, info = torch.linalg.cholesky_ex(scaled)
        right = (self.projection[:, :k] * scale).unsqueeze(2)
        gamma = torch.cholesky_solve(right, factor).squeeze(2) * scale
        return torch.where((info == 0).unsqueeze(1), gamma, 0.0)

    def _coefficients_on_host(self, ridge: float) -> np.ndarray:
        k = self.filled
        gram = self.gram.numpy()[:, :k, :k]
        diagonal = gram.diagonal(axis1=1, axis2=2)
        scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, np.inf))
        scaled = gram * scale[:, :, None] * scale[:, None, :]
        scaled.reshape(len(gram), -1)[:, :: k + 1] = 1.0 + ridge
        right = (self.projection.numpy()[:, :k] * scale)[:, :, None]
        try:
            gamma = np.linalg.solve(scaled, right)[:, :, 0] * scale
        except np.linalg.LinAlgError:  # one of them is singular: sort out which
            with np.errstate(all="ignore"):
                sound = np.linalg.eigvalsh(scaled)[:, 0] > 0
            scaled[~sound] = np.eye(k)
            gamma = np.linalg.solve(scaled, right)[:, :, 0] * (scale * sound[:, None])
        finite = np.isfinite(gamma)
        return (
            gamma if np.count_nonzero(finite) == gamma.size else np.where(finite.all(axis=1, keepdims=True), gamma, 0.0)
        )

    def _independent(self, gram: Tensor, scale: Tensor, max_condition: float) -> Tensor:
        """Which columns to keep, 1 or 0: from the newest to the oldest, those whose part orthogonal to the kept ones is
        longer than 1 / max_condition of their length (a Cholesky factorization that skips small pivots).
        """
        newest_first = [(self.pushed - 1 - i) % self.size for i in range(self.filled)]
        rest = gram * scale.unsqueeze(2) * scale.unsqueeze(1)
        keep = torch.zeros_like(scale)
        for i in newest_first:
            pivot = rest[:, i, i]
            sound = pivot > max_condition**-2
            keep[:, i] = sound.to(keep.dtype)
            column = rest[:, :, i] * torch.where(sound, pivot.clamp_min(1e-300).rsqrt(), 0.0).unsqueeze(1)
            rest = rest - column.unsqueeze(2) * column.unsqueeze(1)
        return keep

    def predicted(self, gamma: Tensor, size: Tensor) -> Tensor:
        """‖r − Σ γ_i ΔF_i‖ of the least squares, from the small matrices alone: ``[B]``, given ‖r‖."""
        k = self.filled
        cross = (gamma * self.projection[:, :k]).sum(1)
        square = ((self.gram[:, :k, :k] @ gamma.unsqueeze(2)).squeeze(2) * gamma).sum(1)
        return (size.square() - 2 * cross + square).clamp_min(0.0).sqrt()

    def drop(self, samples: Tensor) -> None:
        """Forgets the past of some samples, a mask ``[B]``."""
        keep = (~samples).to(self.gram.dtype)
        self.gram *= keep.view(-1, 1, 1)
        self.projection *= keep.view(-1, 1)

    def clear(self) -> None:
        """Forgets the past of all samples."""
        self.pushed = 0
        self.gram.zero_()
        self.projection.zero_()

    def combine(self, differences: Tensor, gamma: Tensor, start: Tensor, out: Tensor) -> Tensor:
        """``out = start − Σ γ_i differences_i``, row by row."""
        if differences.dtype == start.dtype:
            return combined(self.layout, start, -gamma, differences[: self.filled], out)
        weights = self.layout.to_rows(-gamma).to(start.dtype).unsqueeze(1)
        out.copy_(start)
        for i in range(self.filled):  # slot by slot: a copy of the whole window would cost the memory that was saved
            out.addcmul_(differences[i].to(start.dtype), weights[:, 0, i : i + 1])
        return out

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        self.layout = layout
        self.dF, self.dG = self.dF.index_select(1, rows), self.dG.index_select(1, rows)
        self.gram, self.projection = self.gram[samples], self.projection[samples]


class SecantWindow(Window):
    """The window of type I: γ solves ⟨ΔZ_i, r − Σ γ_j ΔF_j⟩ = 0, with ΔZ = ΔG − ΔF.

    ``gram[:, i, j]`` is ⟨ΔZ_i, ΔF_j⟩ and ``projection`` ⟨ΔZ_i, r⟩; the lengths of columns and rows are kept beside them.
    """

    def __init__(self, size: int, layout: Layout, like: Tensor, dtype: torch.dtype | None = None) -> None:
        super().__init__(size, layout, like, dtype)
        self.lengths = torch.zeros(layout.samples, 2, size, dtype=torch.float64, device=like.device)

    def _update(self, slot: int, newest: Tensor, r: Tensor) -> None:
        k = self.filled
        ff, gf = row_products(self.layout, self.dF[:k], newest), row_products(self.layout, self.dG[:k], newest)
        fg = row_products(self.layout, self.dF[:k], self.dG[slot])
        step = (self.dG[slot] - newest).unsqueeze(0)
        self.gram[:, slot, :k] = fg - ff
        self.gram[:, :k, slot] = gf - ff
        self.projection[:, :k] += gf - ff
        self.projection[:, slot] = row_products(self.layout, step, r)[:, 0]
        self.lengths[:, 0, slot] = row_products(self.layout, step, step[0])[:, 0].sqrt()
        self.lengths[:, 1, slot] = ff[:, slot].sqrt()

    def coefficients(self, ridge: float, max_condition: float | None = None) -> Tensor:
        """γ of each sample, float64 ``[B, filled]``; zero, a plain step, where the system is singular."""
        k = self.filled
        left, right = torch.where(self.lengths > 0, 1.0 / self.lengths, 0.0)[:, :, :k].unbind(1)
        scaled = self.gram[:, :k, :k] * left.unsqueeze(2) * right.unsqueeze(1)
        dead = (left * right == 0) | (self.gram[:, :k, :k].diagonal(dim1=1, dim2=2) == 0)
        scaled.diagonal(dim1=1, dim2=2).add_(dead.to(scaled.dtype))
        # Nonsymmetric: the ridge goes into the normal equations.
        normal = scaled.transpose(1, 2) @ scaled
        normal.diagonal(dim1=1, dim2=2).add_(ridge * ridge)
        factor, info = torch.linalg.cholesky_ex(normal)
        wanted = scaled.transpose(1, 2) @ (self.projection[:, :k] * left).unsqueeze(2)
        gamma = torch.cholesky_solve(wanted, factor).squeeze(2) * right
        return torch.where((info == 0).unsqueeze(1), gamma, 0.0)

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        super().compact(samples, rows, layout)
        self.lengths = self.lengths[samples]


def row_products(layout: Layout, many: Tensor, one: Tensor) -> Tensor:
    """⟨many_i, one⟩ of ``many [k, R, D]`` and ``one [R, D]`` by sample, float64 ``[B, k]``. A sample with NaN or infinity
    gets zeros, which stand for columns to leave out.
    """
    return layout.to_samples(_inner_products(many, one)).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)


def combined(layout: Layout, start: Tensor, weights: Tensor, many: Tensor, out: Tensor | None = None) -> Tensor:
    """``start + Σ weights_i many_i`` row by row: of ``start [R, D]``, ``weights [B, k]`` and ``many [k, R, D]``; in ``out``,
    which may be ``start`` itself, if given.
    """
    by_row = layout.to_rows(weights).to(start.dtype).unsqueeze(1)
    place = None if out is None else out.unsqueeze(1)
    return torch.baddbmm(start.unsqueeze(1), by_row, many.transpose(0, 1), out=place).squeeze(1)


def _inner_products(many: Tensor, one: Tensor) -> Tensor:
    """Row by row ⟨many_i, one⟩ of ``many [k, R, D]`` and ``one [R, D]``: ``[R, k]``, in single precision at least."""
    if one.dtype.itemsize < 4 or many.dtype != one.dtype:  # half precision would overflow and round products away
        wide = torch.promote_types(torch.promote_types(one.dtype, many.dtype), torch.float32)
        return torch.cat([_inner_products(each.to(wide).unsqueeze(0), one.to(wide)) for each in many], dim=1)
    if len(many) == 1:
        return torch.linalg.vecdot(many[0], one).unsqueeze(1)
    return torch.bmm(one.unsqueeze(1), many.permute(1, 2, 0)).squeeze(1)  # fetches every operand once
