"""Matrices of random tanh maps (:func:`andersonn.measuring.problems.tanh_map`) whose eigenvalues are real."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from andersonn.measuring.problems import normal


@cache
def symmetric_matrix(size: int, seed: int) -> Tensor:
    """Spectral radius 1, Wigner's semicircle."""
    matrix = normal(seed, size, size)
    matrix = matrix + matrix.T
    return matrix / torch.linalg.eigvalsh(matrix).abs().max()


@cache
def outlier_matrix(size: int, seed: int, radius: float = 1.5) -> Tensor:
    """Eigenvalues within ±0.5 / radius but for one of −1, so that the map of this radius has them within ±0.5."""
    values, vectors = torch.linalg.eigh(0.5 / radius * symmetric_matrix(size, seed))
    values[0] = -1.0
    return (vectors * values) @ vectors.T
