"""The normal equations of Anderson extrapolation, ΔFᵀΔF γ = ΔFᵀ r of each sample: a few numbers, arrays on the host and tensors
on a device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


class _Equations:
    """What is the same of arrays and of tensors."""

    gram: Any
    projection: Any

    def remaining(self, gamma: Any, size: Any) -> Any:
        """‖r − Σ γ_i ΔF_i‖, ``[B]``, given ‖r‖."""
        k = gamma.shape[1]
        cross = (gamma * self.projection[:, :k]).sum(1)
        square = ((self.gram[:, :k, :k] @ gamma[:, :, None])[:, :, 0] * gamma).sum(1)
        return (size**2 - 2 * cross + square).clip(0.0) ** 0.5


class NormalEquations(_Equations):
    """ΔFᵀΔF γ = ΔFᵀ r of each sample, on any device.

    Attributes:
        gram: ⟨ΔF_i, ΔF_j⟩, float64 ``[B, m, m]``.
        projection: ⟨ΔF_i, r⟩, float64 ``[B, m]``.
    """

    def __init__(self, gram: Tensor, projection: Tensor) -> None:
        self.gram, self.projection = gram, projection

    def update(self, slot: int, row: Tensor, own: Tensor) -> None:
        """Takes in ⟨ΔF_i, ΔF_new⟩ ``[B, k]`` and ⟨r, ΔF_new⟩ ``[B]`` of the newest difference, which lies in ``slot``. NaN
        and infinity become zeros, columns that are left out.
        """
        row, own = (torch.nan_to_num(each, nan=0.0, posinf=0.0, neginf=0.0) for each in (row, own))
        k = row.shape[1]
        self.gram[:, slot, :k] = row
        self.gram[:, :k, slot] = row
        self.projection[:, :k] += row
        self.projection[:, slot] = own

    def solve(self, ridge: float, newest_first: Sequence[int], max_condition: float | None = None) -> Tensor:
        """γ, float64 ``[B, k]``, of the k slots in ``newest_first``; see :meth:`Window.coefficients`."""
        k = len(newest_first)
        gram = self.gram[:, :k, :k]
        diagonal = gram.diagonal(dim1=1, dim2=2)
        scale = torch.where(diagonal > 0, diagonal.rsqrt(), 0.0)
        if max_condition is not None:
            scale = scale * _independent_columns(gram, scale, newest_first, max_condition)
        scaled = gram * scale.unsqueeze(2) * scale.unsqueeze(1)
        scaled.diagonal(dim1=1, dim2=2).fill_(1.0 + ridge)
        factor, info = torch.linalg.cholesky_ex(scaled)
        right = (self.projection[:, :k] * scale).unsqueeze(2)
        gamma = torch.cholesky_solve(right, factor).squeeze(2) * scale
        return torch.where((info == 0).unsqueeze(1), gamma, 0.0)

    def forget(self, samples: Tensor) -> None:
        """Clears the equations of the samples in a mask ``[B]``, without reading whether there are any."""
        keep = (~samples).to(self.gram.dtype)
        self.gram *= keep.view(-1, 1, 1)
        self.projection *= keep.view(-1, 1)

    def grow(self, more: int) -> None:
        """Makes room for as many columns more."""
        self.gram = torch.nn.functional.pad(self.gram, (0, more, 0, more))
        self.projection = torch.nn.functional.pad(self.projection, (0, more))

    def clear(self) -> None:
        """Clears the equations of all samples."""
        self.gram.zero_()
        self.projection.zero_()

    def compact(self, samples: Tensor) -> None:
        """Goes on with these samples alone."""
        self.gram, self.projection = self.gram[samples], self.projection[samples]


class HostNormalEquations(_Equations):
    """As :class:`NormalEquations`, in numpy: on few samples its calls cost less."""

    def __init__(self, samples: int, size: int) -> None:
        self.gram, self.projection = np.zeros((samples, size, size)), np.zeros((samples, size))

    def update(self, slot: int, row: np.ndarray, own: np.ndarray) -> None:
        """As :meth:`NormalEquations.update`."""
        row, own = np.asarray(row), np.asarray(own)
        if not math.isfinite(np.add.reduce(row, axis=None) + np.add.reduce(own)):
            row, own = (np.nan_to_num(each, nan=0.0, posinf=0.0, neginf=0.0) for each in (row, own))
        k = row.shape[1]
        self.gram[:, slot, :k] = row
        self.gram[:, :k, slot] = row
        self.projection[:, :k] += row
        self.projection[:, slot] = own

    def solve(self, ridge: float, newest_first: Sequence[int], max_condition: float | None = None) -> np.ndarray:
        """As :meth:`NormalEquations.solve`."""
        if max_condition is not None:  # a rare option, written once
            general = NormalEquations(torch.from_numpy(self.gram), torch.from_numpy(self.projection))
            return general.solve(ridge, newest_first, max_condition).numpy()
        k = len(newest_first)
        gram = self.gram[:, :k, :k]
        diagonal = gram.diagonal(axis1=1, axis2=2)
        scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, np.inf))
        scaled = gram * scale[:, :, None]
        scaled *= scale[:, None, :]
        scaled.reshape(len(gram), -1)[:, :: k + 1] = 1.0 + ridge
        right = (self.projection[:, :k] * scale)[:, :, None]
        try:
            gamma = np.linalg.solve(scaled, right)[:, :, 0] * scale
        except np.linalg.LinAlgError:  # one of them is singular: find out which
            sound = np.isfinite(scaled).all(axis=(1, 2))
            scaled[~sound] = np.eye(k)
            sound &= np.linalg.eigvalsh(scaled)[:, 0] > 0
            scaled[~sound] = np.eye(k)
            gamma = np.linalg.solve(scaled, right)[:, :, 0] * (scale * sound[:, None])
        if not math.isfinite(np.add.reduce(gamma, axis=None)):
            gamma = np.where(np.isfinite(gamma).all(axis=1, keepdims=True), gamma, 0.0)
        return gamma

    def forget(self, samples: np.ndarray) -> None:
        """As :meth:`NormalEquations.forget`."""
        if np.count_nonzero(samples):
            self.gram[samples], self.projection[samples] = 0.0, 0.0

    def grow(self, more: int) -> None:
        """As :meth:`NormalEquations.grow`."""
        self.gram = np.pad(self.gram, ((0, 0), (0, more), (0, more)))
        self.projection = np.pad(self.projection, ((0, 0), (0, more)))

    def clear(self) -> None:
        """As :meth:`NormalEquations.clear`."""
        self.gram.fill(0.0)
        self.projection.fill(0.0)

    def compact(self, samples: Tensor) -> None:
        """As :meth:`NormalEquations.compact`."""
        self.gram, self.projection = self.gram[samples.numpy()], self.projection[samples.numpy()]


def _independent_columns(gram: Tensor, scale: Tensor, newest_first: Sequence[int], max_condition: float) -> Tensor:
    """Which columns to keep, 1 or 0: from the newest to the oldest, those whose part orthogonal to the kept ones is longer
    than 1 / max_condition of their length (a Cholesky factorization that skips small pivots).
    """
    rest = gram * scale.unsqueeze(2) * scale.unsqueeze(1)
    keep = torch.zeros_like(scale)
    for i in newest_first:
        pivot = rest[:, i, i]
        sound = pivot > max_condition**-2
        keep[:, i] = sound.to(keep.dtype)
        column = rest[:, :, i] * torch.where(sound, pivot.clamp_min(1e-300).rsqrt(), 0.0).unsqueeze(1)
        rest = rest - column.unsqueeze(2) * column.unsqueeze(1)
    return keep
