"""Random matrices with a known spectrum, for tanh maps (:func:`andersonn.measuring.problems.tanh_map`) and affine maps."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from andersonn.measuring.problems import FixedPointProblem, Formula, gaussian_matrix, normal


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


@cache
def orthogonal_matrix(size: int, seed: int) -> Tensor:
    """A random orthogonal matrix, float64."""
    q, r = torch.linalg.qr(normal(seed, size, size))
    return q * r.diagonal().sign()


@cache
def two_sided_matrix(size: int, seed: int) -> Tensor:
    """Symmetric, eigenvalues cos(π k / (size − 1)): dense near −1 and +1."""
    values = torch.cos(torch.linspace(0, math.pi, size, dtype=torch.float64))
    q = orthogonal_matrix(size, seed)
    return (q * values) @ q.T


@cache
def rotation_matrix(size: int, seed: int) -> Tensor:
    """Normal, eigenvalues exp(± i θ) with θ uniform in (0, π)."""
    angles = math.pi * torch.rand(size // 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    turns = torch.stack([angles.cos(), -angles.sin(), angles.sin(), angles.cos()], dim=1).view(-1, 2, 2)
    q = orthogonal_matrix(size, seed + 1)
    return q @ torch.block_diag(*turns) @ q.T


@cache
def triangular_matrix(size: int, seed: int, strength: float = 3.0) -> Tensor:
    """Upper triangular: eigenvalues equally spaced over ±1 on the diagonal, normal numbers of standard deviation
    strength / √size above it. Powers grow before they shrink.
    """
    upper = normal(seed, size, size).triu(1) * strength / size**0.5
    return upper + torch.diag(torch.linspace(-1, 1, size, dtype=torch.float64))


def affine_map(
    dtype: torch.dtype,
    batch: int,
    seed: int,
    device: str = "cpu",
    radius: float = 0.9,
    matrix: Callable[[int, int], Tensor] = two_sided_matrix,
    size: int = 100,
) -> FixedPointProblem:
    """Z ← radius · A z + b, with a random A and b for each sample.

    Args:
        dtype: of the state.
        batch: samples.
        seed: of the first A; each further sample has the next one.
        device: of the state.
        radius: spectral radius (if that of A is 1). The solution exists and is unique, also above 1.
        matrix: ``matrix(size, seed)``, A.
        size: unknowns of a sample.
    """
    place = {"dtype": dtype, "device": device}
    A = torch.stack([radius * matrix(size, seed + k) for k in range(batch)]).to(**place)
    b = normal(seed + 1000, batch, size).to(**place)
    return FixedPointProblem(Formula(_affine, (), (A, b)), torch.zeros(batch, size, **place))


def _affine(xp: ModuleType, z: Any, A: Any, b: Any) -> Any:
    return (A @ z[..., None])[..., 0] + b


def small_tanh_map(
    dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", radius: float = 0.95, size: int = 8
) -> FixedPointProblem:
    """Z ← tanh(radius · A z + b), with a random A of spectral radius 1 and b for each sample; few unknowns."""
    posed = affine_map(dtype, batch, seed, device, radius, gaussian_matrix, size)
    A, b = posed.f.own
    return posed._replace(f=Formula(_affine_tanh, (), (A, 0.3 * b)))


def _affine_tanh(xp: ModuleType, z: Any, A: Any, b: Any) -> Any:
    return xp.tanh(_affine(xp, z, A, b))
