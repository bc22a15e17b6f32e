"""The window of Anderson extrapolation of type I."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.layout import Block, Layout, NumpyLayout, tensor_of
from andersonn.solvers.normal_equations import NormalEquations
from andersonn.solvers.window import TorchWindow, row_products, subtract_combination


class SecantWindow(TorchWindow):
    """The window of type I: γ solves ⟨ΔZ_i, r − Σ γ_j ΔF_j⟩ = 0, with ΔZ = ΔG − ΔF.

    The equations hold ⟨ΔZ_i, ΔF_j⟩ as ``gram`` and ⟨ΔZ_i, r⟩ as ``projection``, in torch everywhere; the lengths of ΔZ_i and
    ΔF_i are kept beside them.
    """

    equations: NormalEquations

    def __init__(self, size: int, layout: Layout, like: Tensor, dtype: torch.dtype | None = None) -> None:
        super().__init__(size, layout, like, dtype)
        kind: dict[str, Any] = {"dtype": layout.exact, "device": like.device}
        self.lengths = torch.zeros(layout.samples, 2, size, **kind)
        gram = torch.zeros(layout.samples, size, size, **kind)
        self.equations = NormalEquations(gram, torch.zeros(layout.samples, size, **kind))

    def push(self, r_before: Block, r: Block, g_before: Block, g: Block) -> None:
        """Adds the newest differences in place of the oldest."""
        slot = self.pushed % self.size
        self.pushed += 1
        newest_g = torch.sub(g.t, g_before.t, out=self.dG[slot])
        newest = torch.sub(r.t, r_before.t, out=self.dF[slot])
        k, products = self.filled, partial(row_products, self.layout)
        ff, gf, fg = products(self.dF[:k], newest), products(self.dG[:k], newest), products(self.dF[:k], newest_g)
        step = (newest_g - newest).unsqueeze(0)
        gram, projection = self.equations.gram, self.equations.projection
        gram[:, slot, :k] = fg - ff
        gram[:, :k, slot] = gf - ff
        projection[:, :k] += gf - ff
        projection[:, slot] = products(step, r.t)[:, 0]
        self.lengths[:, 0, slot] = products(step, step[0])[:, 0].sqrt()
        self.lengths[:, 1, slot] = ff[:, slot].sqrt()

    def coefficients(self, ridge: float, max_condition: float | None = None) -> Tensor | np.ndarray:
        """γ of each sample, float64 ``[B, filled]``; zero, a Picard step, where the system is singular."""
        k = self.filled
        gram, projection = self.equations.gram[:, :k, :k], self.equations.projection[:, :k]
        left, right = torch.where(self.lengths > 0, 1.0 / self.lengths, 0.0)[:, :, :k].unbind(1)
        scaled = gram * left.unsqueeze(2) * right.unsqueeze(1)
        dead = (left * right == 0) | (gram.diagonal(dim1=1, dim2=2) == 0)
        scaled.diagonal(dim1=1, dim2=2).add_(dead.to(scaled.dtype))
        # Nonsymmetric: the ridge goes into the normal equations.
        normal = scaled.transpose(1, 2) @ scaled
        normal.diagonal(dim1=1, dim2=2).add_(ridge * ridge)
        factor, info = torch.linalg.cholesky_ex(normal)
        wanted = scaled.transpose(1, 2) @ (projection * left).unsqueeze(2)
        gamma = torch.cholesky_solve(wanted, factor).squeeze(2) * right
        gamma = torch.where((info == 0).unsqueeze(1), gamma, 0.0)
        return gamma.numpy() if self.layout.on_host else gamma

    def remaining(self, gamma: Tensor | np.ndarray, size: Tensor | np.ndarray) -> Tensor:
        """‖r − Σ γ_i ΔF_i‖, as if the equations were those of least squares: ``[B]``, given ‖r‖."""
        return self.equations.remaining(tensor_of(gamma), tensor_of(size))

    def forget(self, samples: Tensor | np.ndarray) -> None:
        """Forgets the past of some samples, a mask ``[B]``."""
        self.equations.forget(tensor_of(samples))

    def grow(self, size: int) -> None:
        """Makes room for more differences."""
        self.lengths = torch.nn.functional.pad(self.lengths, (0, size - self.size))
        super().grow(size)

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        super().compact(samples, rows, layout)
        self.lengths = self.lengths[samples]


class NumpySecantWindow(SecantWindow):
    """The window of type I for a small state in the host's memory, which extrapolates in numpy."""

    layout: NumpyLayout

    def extrapolate(self, gamma: np.ndarray, g: Block, out: Block) -> None:
        """``out = g − Σ γ_i ΔG_i``, row by row."""
        differences = self.dG[: self.filled].numpy()
        scratch = np.empty((self.layout.rows, 1, self.layout.width), dtype=differences.dtype)
        subtract_combination(self.layout, gamma, differences, g, out, scratch)
