"""The memory of Anderson extrapolation: the last m differences of residuals and values, and their Gram matrix.

Differences go into ring buffers allocated once a solve. The Gram matrix of residual differences ΔF grows by one row a
step: ⟨ΔF_i, ΔF_new⟩ for all i is the only pass over the window besides the combination, and the projections ⟨ΔF_i, r⟩
follow from it, since ⟨ΔF_i, r_new⟩ = ⟨ΔF_i, r_old⟩ + ⟨ΔF_i, ΔF_new⟩.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.block import NUMPY_KNOWS, Block, tensor_of
from andersonn.solvers.layout import Layout

LINE = 16
"""Neighboring coordinates that a sketch takes together: a cache line of float32."""


class Window:
    """Ring buffers ``[m, R, D]`` of ΔF and ΔG, Gram matrix ``[B, m, m]`` and projections ``[B, m]`` in float64.

    The small matrices are arrays on the host and tensors on a device, as the norms of :class:`Layout` are.

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
        self.gram = torch.zeros(layout.samples, size, size, dtype=torch.float64, device=like.device)
        self.projection = torch.zeros(layout.samples, size, dtype=torch.float64, device=like.device)
        self.pushed = 0
        self._see()

    def _see(self) -> None:
        """On the host the small matrices are worked on in numpy, the same memory, and those of small states as well."""
        self.on_host = self.layout.on_host
        if self.on_host:
            self.gram_a, self.projection_a = self.gram.numpy(), self.projection.numpy()
        self.in_numpy = self.layout.small and self.sketch == 1 and self.dF.dtype in NUMPY_KNOWS
        if self.in_numpy:
            self.dF_a, self.dG_a = self.dF.numpy(), self.dG.numpy()
            self.scratch = np.empty((self.layout.rows, 1, self.layout.width), dtype=self.dG_a.dtype)

    @property
    def filled(self) -> int:
        """How many slots hold differences."""
        return min(self.pushed, self.size)

    def push(self, r_before: Block, r: Block, g_before: Block, g: Block) -> None:
        """Adds the newest differences in place of the oldest."""
        slot = self.pushed % self.size
        self.pushed += 1
        row, own = self._products(slot, r_before, r, g_before, g)
        self._update(slot, row, own)

    def _products(
        self, slot: int, r_before: Block, r: Block, g_before: Block, g: Block
    ) -> tuple[Tensor | np.ndarray, Tensor | np.ndarray]:
        """Writes the newest differences; ⟨ΔF_i, ΔF_new⟩ ``[B, filled]`` and ⟨r, ΔF_new⟩ ``[B]``."""
        k = self.filled
        if self.in_numpy:
            np.subtract(g.a, g_before.a, out=self.dG_a[slot])
            newest = np.subtract(r.a, r_before.a, out=self.dF_a[slot])
            sums = self.layout.sums
            row = (self.dF_a[:k].transpose(1, 0, 2) @ newest[:, :, None])[:, :, 0]
            return sums(row), sums(np.vecdot(r.a, newest))
        rows, own = [], []
        for part in self.layout.parts:  # what one operation has written the next ones read from the cache
            torch.sub(g.t[part], g_before.t[part], out=self.dG[slot, part])
            now = self.seen(r.t[part])
            newest = torch.sub(now, self.seen(r_before.t[part]), out=self.dF[slot, part])
            rows.append(_inner_products(self.dF[:k, part], newest))
            own.append(_inner_products(now.unsqueeze(0), newest)[:, 0])
        row, own = (self.layout.to_samples(torch.cat(each)) for each in (rows, own))
        return (row.numpy(), own.numpy()) if self.on_host else (row, own)

    def seen(self, state: Tensor) -> Tensor:
        """What the sketch shows of a state."""
        if self.sketch == 1:
            return state
        lines = state[:, : self.lines * self.sketch * LINE].view(len(state), self.lines, self.sketch, LINE)
        return lines[:, :, 0].reshape(len(state), -1)

    def _update(self, slot: int, row: Tensor | np.ndarray, own: Tensor | np.ndarray) -> None:
        """Takes the products into the small matrices; NaN and infinity become zeros, for columns to leave out."""
        k, gram, projection, cleaned = self.filled, self.gram, self.projection, torch.nan_to_num
        if self.on_host:
            gram, projection, cleaned = self.gram_a, self.projection_a, np.nan_to_num
        if not self.on_host or not math.isfinite(np.add.reduce(row, axis=None) + np.add.reduce(own)):
            row, own = (cleaned(each, nan=0.0, posinf=0.0, neginf=0.0) for each in (row, own))
        gram[:, slot, :k] = row
        gram[:, :k, slot] = row
        projection[:, :k] += row
        projection[:, slot] = own

    def coefficients(self, ridge: float, max_condition: float | None = None) -> Tensor | np.ndarray:
        """γ minimizing ‖r − Σ γ_i ΔF_i‖² for each sample, float64 ``[B, filled]``.

        The system is scaled to a unit diagonal, so that ``ridge`` is relative whatever the size of the residuals
        (an absolute one turns extrapolation into averaging once residuals are small). Columns without length are left
        out; a sample whose system is singular all the same gets γ = 0: a plain step.
        """
        if self.on_host and max_condition is None:
            return self._coefficients_on_host(ridge)
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
        gamma = torch.where((info == 0).unsqueeze(1), gamma, 0.0)
        return gamma.numpy() if self.on_host else gamma

    def _coefficients_on_host(self, ridge: float) -> np.ndarray:
        k = self.filled
        gram = self.gram_a[:, :k, :k]
        diagonal = gram.diagonal(axis1=1, axis2=2)
        scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, np.inf))
        scaled = gram * scale[:, :, None]
        scaled *= scale[:, None, :]
        scaled.reshape(len(gram), -1)[:, :: k + 1] = 1.0 + ridge
        right = (self.projection_a[:, :k] * scale)[:, :, None]
        try:
            gamma = np.linalg.solve(scaled, right)[:, :, 0] * scale
        except np.linalg.LinAlgError:  # one of them is singular: sort out which
            sound = np.isfinite(scaled).all(axis=(1, 2))
            scaled[~sound] = np.eye(k)
            sound &= np.linalg.eigvalsh(scaled)[:, 0] > 0
            scaled[~sound] = np.eye(k)
            gamma = np.linalg.solve(scaled, right)[:, :, 0] * (scale * sound[:, None])
        if not math.isfinite(np.add.reduce(gamma, axis=None)):
            gamma = np.where(np.isfinite(gamma).all(axis=1, keepdims=True), gamma, 0.0)
        return gamma

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

    def predicted(self, gamma: Tensor | np.ndarray, size: Tensor | np.ndarray) -> Tensor | np.ndarray:
        """‖r − Σ γ_i ΔF_i‖ of the least squares, from the small matrices alone: ``[B]``, given ‖r‖."""
        k, gram, projection = self.filled, self.gram, self.projection
        if isinstance(gamma, np.ndarray):
            gram, projection = self.gram_a, self.projection_a
        cross = (gamma * projection[:, :k]).sum(1)
        square = ((gram[:, :k, :k] @ gamma[:, :, None])[:, :, 0] * gamma).sum(1)
        return (size**2 - 2 * cross + square).clip(0.0) ** 0.5

    def drop(self, samples: Tensor | np.ndarray) -> None:
        """Forgets the past of some samples, a mask ``[B]``."""
        keep = (~tensor_of(samples)).to(self.gram.dtype)
        self.gram *= keep.view(-1, 1, 1)
        self.projection *= keep.view(-1, 1)

    def clear(self) -> None:
        """Forgets the past of all samples."""
        self.pushed = 0
        self.gram.zero_()
        self.projection.zero_()

    def extrapolate(self, gamma: Tensor | np.ndarray, g: Block, out: Block) -> None:
        """``out = g − Σ γ_i ΔG_i``, row by row."""
        if not self.in_numpy:
            self.combine(self.dG, tensor_of(gamma), g.t, out.t)
            return
        weights = self.layout.spread(gamma).astype(self.scratch.dtype)
        np.matmul(weights[:, None, :], self.dG_a[: self.filled].transpose(1, 0, 2), out=self.scratch)
        np.subtract(g.a, self.scratch[:, 0], out=out.a)

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
        self._see()


class SecantWindow(Window):
    """The window of type I: γ solves ⟨ΔZ_i, r − Σ γ_j ΔF_j⟩ = 0, with ΔZ = ΔG − ΔF.

    ``gram[:, i, j]`` is ⟨ΔZ_i, ΔF_j⟩ and ``projection`` ⟨ΔZ_i, r⟩; the lengths of columns and rows are kept beside them.
    """

    def __init__(self, size: int, layout: Layout, like: Tensor, dtype: torch.dtype | None = None) -> None:
        super().__init__(size, layout, like, dtype)
        self.lengths = torch.zeros(layout.samples, 2, size, dtype=torch.float64, device=like.device)

    def push(self, r_before: Block, r: Block, g_before: Block, g: Block) -> None:
        """Adds the newest differences in place of the oldest."""
        slot = self.pushed % self.size
        self.pushed += 1
        newest_g = torch.sub(g.t, g_before.t, out=self.dG[slot])
        newest = torch.sub(r.t, r_before.t, out=self.dF[slot])
        k, products = self.filled, partial(row_products, self.layout)
        ff, gf, fg = products(self.dF[:k], newest), products(self.dG[:k], newest), products(self.dF[:k], newest_g)
        step = (newest_g - newest).unsqueeze(0)
        self.gram[:, slot, :k] = fg - ff
        self.gram[:, :k, slot] = gf - ff
        self.projection[:, :k] += gf - ff
        self.projection[:, slot] = products(step, r.t)[:, 0]
        self.lengths[:, 0, slot] = products(step, step[0])[:, 0].sqrt()
        self.lengths[:, 1, slot] = ff[:, slot].sqrt()

    def coefficients(self, ridge: float, max_condition: float | None = None) -> Tensor | np.ndarray:
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
        gamma = torch.where((info == 0).unsqueeze(1), gamma, 0.0)
        return gamma.numpy() if self.on_host else gamma

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
