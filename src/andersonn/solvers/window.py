"""The window of Anderson extrapolation: the last m differences of residuals and values, and their normal equations.

Differences go into ring buffers allocated once a solve. The Gram matrix of residual differences ΔF grows by one row a
step: ⟨ΔF_i, ΔF_new⟩ for all i is the only pass over the window besides the combination, and the projections ⟨ΔF_i, r⟩
follow from it, since ⟨ΔF_i, r_new⟩ = ⟨ΔF_i, r_old⟩ + ⟨ΔF_i, ΔF_new⟩.

Small states in the host's memory are worked on in numpy (:class:`NumpyWindow`), all others in torch (:class:`TorchWindow`).
Their normal equations are in :mod:`~andersonn.solvers.normal_equations`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.layout import Block, Layout, NumpyLayout, PerSample, tensor_of
from andersonn.solvers.normal_equations import HostNormalEquations, NormalEquations

SKETCH_LINE = 16
"""Neighboring coordinates that a sketch takes together: a cache line of float32."""


class Window:
    """The last m differences ΔF of residuals and ΔG of values.

    Attributes:
        size: m.
        pushed: differences taken in since the window was empty.
        equations: the normal equations of ΔF.
    """

    layout: Layout
    size: int
    equations: NormalEquations | HostNormalEquations
    dF: Any
    dG: Any
    pushed = 0

    @property
    def filled(self) -> int:
        """How many slots hold differences."""
        return min(self.pushed, self.size)

    def push(self, r_before: Block, r: Block, g_before: Block, g: Block) -> None:
        """Adds the newest differences in place of the oldest."""
        slot = self.pushed % self.size
        self.pushed += 1
        self.equations.update(slot, *self._store(slot, r_before, r, g_before, g))

    def coefficients(self, ridge: float, max_condition: float | None = None) -> PerSample:
        """γ = argmin ‖r − Σ γ_i ΔF_i‖ of each sample, float64 ``[B, filled]``.

        The system is scaled to a unit diagonal, so that ``ridge`` is relative whatever the size of the residuals
        (an absolute one turns extrapolation into averaging once residuals are small). Columns without length are left
        out; a sample whose system is singular all the same gets γ = 0: a Picard step.
        """
        newest_first = [(self.pushed - 1 - i) % self.size for i in range(self.filled)]
        return self.equations.solve(ridge, newest_first, max_condition)

    def remaining(self, gamma: PerSample, size: PerSample) -> PerSample:
        """‖r − Σ γ_i ΔF_i‖, from the normal equations alone: ``[B]``, given ‖r‖."""
        return self.equations.remaining(gamma, size)

    def forget(self, samples: PerSample) -> None:
        """Forgets the past of some samples, a mask ``[B]``."""
        self.equations.forget(samples)

    def grow(self, size: int) -> None:
        """Makes room for more differences, before the oldest is overwritten."""
        assert self.pushed == self.size
        more = size - self.size
        self.dF, self.dG = (_longer(each, more) for each in (self.dF, self.dG))
        self.equations.grow(more)
        self.size = size

    def clear(self) -> None:
        """Forgets the past of all samples."""
        self.pushed = 0
        self.equations.clear()

    def _store(self, slot: int, r_before: Block, r: Block, g_before: Block, g: Block) -> tuple[PerSample, PerSample]:
        """Writes the newest differences; ⟨ΔF_i, ΔF_new⟩ ``[B, filled]`` and ⟨r, ΔF_new⟩ ``[B]``."""
        raise NotImplementedError

    def extrapolate(self, gamma: PerSample, g: Block, out: Block) -> None:
        """``out = g − Σ γ_i ΔG_i``, row by row."""
        raise NotImplementedError

    def reduced_residual(self, gamma: PerSample, r: Block) -> Tensor:
        """R − Σ γ_i ΔF_i, row by row: ``[R, D]``."""
        raise NotImplementedError

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        raise NotImplementedError


class NumpyWindow(Window):
    """The window of a small state in the host's memory.

    Args:
        size: m.
        layout, like: of the state.
        dtype: of the buffers, float32 or float64; None: the state's.
    """

    layout: NumpyLayout

    def __init__(self, size: int, layout: NumpyLayout, like: Tensor, dtype: torch.dtype | None = None) -> None:
        self.size = size
        self.equations = HostNormalEquations(layout.samples, size)
        buffer: dict[str, Any] = {"dtype": dtype or like.dtype, "device": like.device}
        shape = (size, layout.rows, layout.width)
        self.dF, self.dG = (torch.empty(shape, **buffer).numpy() for _ in range(2))  # torch aligns its memory
        self._fit(layout)

    def _fit(self, layout: NumpyLayout) -> None:
        self.layout, self.scratch = layout, np.empty((layout.rows, 1, layout.width), dtype=self.dG.dtype)

    def _store(self, slot: int, r_before: Block, r: Block, g_before: Block, g: Block) -> tuple[np.ndarray, np.ndarray]:
        k, to_samples = self.filled, self.layout.array_to_samples
        np.subtract(g.a, g_before.a, out=self.dG[slot])
        newest = np.subtract(r.a, r_before.a, out=self.dF[slot])
        row = (self.dF[:k].transpose(1, 0, 2) @ newest[:, :, None])[:, :, 0]
        return to_samples(row), to_samples(np.vecdot(r.a, newest))

    def extrapolate(self, gamma: np.ndarray, g: Block, out: Block) -> None:
        """``out = g − Σ γ_i ΔG_i``, row by row."""
        subtract_combination(self.layout, gamma, self.dG[: self.filled], g, out, self.scratch)

    def reduced_residual(self, gamma: np.ndarray, r: Block) -> Tensor:
        """R − Σ γ_i ΔF_i, row by row: ``[R, D]``."""
        return combined(self.layout, r.t, -torch.from_numpy(gamma), torch.from_numpy(self.dF[: self.filled]))

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        assert isinstance(layout, NumpyLayout)
        self.dF, self.dG = (torch.from_numpy(each).index_select(1, rows).numpy() for each in (self.dF, self.dG))
        self.equations.compact(samples)
        self._fit(layout)


class TorchWindow(Window):
    """The window of any state; the normal equations are solved in numpy on the host.

    Args:
        size: m.
        layout, like: of the state.
        dtype: of the buffers; None: the state's.
        sketch: the Gram matrix is taken from every sketch-th line of 16 coordinates, and ΔF holds only those.

    Raises:
        ValueError: the rows are too short for such a sketch.
    """

    def __init__(
        self, size: int, layout: Layout, like: Tensor, dtype: torch.dtype | None = None, sketch: int = 1
    ) -> None:
        self.layout, self.size, self.sketch = layout, size, sketch
        self.lines = layout.width // (SKETCH_LINE * sketch)  # of a row, in the sketch
        if sketch > 1 and self.lines == 0:
            raise ValueError(
                f"a sketch of 1/{sketch} needs rows of {SKETCH_LINE * sketch} numbers, not {layout.width}; lower it"
            )
        buffer: dict[str, Any] = {"dtype": dtype or like.dtype, "device": like.device}
        self.dF = torch.empty((size, layout.rows, SKETCH_LINE * self.lines if sketch > 1 else layout.width), **buffer)
        self.dG = torch.empty((size, layout.rows, layout.width), **buffer)
        self.equations = self._empty_equations(like.device)

    def _empty_equations(self, device: torch.device) -> NormalEquations | HostNormalEquations:
        if self.layout.on_host:
            return HostNormalEquations(self.layout.samples, self.size)
        kind: dict[str, Any] = {"dtype": self.layout.exact, "device": device}
        gram = torch.zeros(self.layout.samples, self.size, self.size, **kind)
        return NormalEquations(gram, torch.zeros(self.layout.samples, self.size, **kind))

    def _store(self, slot: int, r_before: Block, r: Block, g_before: Block, g: Block) -> tuple[Tensor, Tensor]:
        k, rows, own = self.filled, [], []
        for part in self.layout.parts:  # small enough that the next operation reads what this one wrote from the cache
            torch.sub(g.t[part], g_before.t[part], out=self.dG[slot, part])
            now = self._sketched(r.t[part])
            newest = torch.sub(now, self._sketched(r_before.t[part]), out=self.dF[slot, part])
            rows.append(_inner_products(self.dF[:k, part], newest))
            own.append(_inner_products(now.unsqueeze(0), newest)[:, 0])
        return self.layout.to_samples(torch.cat(rows)), self.layout.to_samples(torch.cat(own))

    def _sketched(self, state: Tensor) -> Tensor:
        """The coordinates of a state that the sketch takes."""
        if self.sketch == 1:
            return state
        lines = state[:, : self.lines * self.sketch * SKETCH_LINE]
        return lines.view(len(state), self.lines, self.sketch, SKETCH_LINE)[:, :, 0].reshape(len(state), -1)

    def extrapolate(self, gamma: PerSample, g: Block, out: Block) -> None:
        """``out = g − Σ γ_i ΔG_i``, row by row."""
        combined(self.layout, g.t, -tensor_of(gamma), self.dG[: self.filled], out.t)

    def reduced_residual(self, gamma: Tensor | np.ndarray, r: Block) -> Tensor:
        """R − Σ γ_i ΔF_i, row by row: ``[R, D]``."""
        return combined(self.layout, r.t, -tensor_of(gamma), self.dF[: self.filled])

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        self.layout = layout
        self.dF, self.dG = self.dF.index_select(1, rows), self.dG.index_select(1, rows)
        self.equations.compact(samples)


def subtract_combination(
    layout: NumpyLayout, gamma: np.ndarray, many: np.ndarray, g: Block, out: Block, scratch: np.ndarray
) -> None:
    """``out = g − Σ γ_i many_i`` row by row, of ``gamma [B, k]`` and ``many [k, R, D]``; ``scratch`` is ``[R, 1, D]``."""
    weights = layout.array_to_rows(gamma).astype(scratch.dtype)
    np.matmul(weights[:, None, :], many.transpose(1, 0, 2), out=scratch)
    np.subtract(g.a, scratch[:, 0], out=out.a)


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
    if many.dtype != start.dtype:
        out = start.clone() if out is None else out.copy_(start)
        for i, each in enumerate(many):  # one by one: a copy of them all would cost the memory that was saved
            out.addcmul_(each.to(start.dtype), by_row[:, 0, i : i + 1])
        return out
    place = None if out is None else out.unsqueeze(1)
    return torch.baddbmm(start.unsqueeze(1), by_row, many.transpose(0, 1), out=place).squeeze(1)


def _longer(buffer: Any, more: int) -> Any:
    """A copy of ``[m, R, D]`` with room for as many states more."""
    tensor = tensor_of(buffer)
    with torch.inference_mode(False):
        grown = tensor.new_empty((len(tensor) + more, *tensor.shape[1:]))
        grown[: len(tensor)] = tensor
    return grown.numpy() if isinstance(buffer, np.ndarray) else grown


def _inner_products(many: Tensor, one: Tensor) -> Tensor:
    """Row by row ⟨many_i, one⟩ of ``many [k, R, D]`` and ``one [R, D]``: ``[R, k]``, in single precision at least."""
    if one.dtype.itemsize < 4 or many.dtype != one.dtype:  # half precision would overflow and round products away
        wide = torch.promote_types(torch.promote_types(one.dtype, many.dtype), torch.float32)
        return torch.cat([_inner_products(each.to(wide).unsqueeze(0), one.to(wide)) for each in many], dim=1)
    if len(many) == 1:
        return torch.linalg.vecdot(many[0], one).unsqueeze(1)
    return torch.bmm(one.unsqueeze(1), many.permute(1, 2, 0)).squeeze(1)  # reads every operand once
