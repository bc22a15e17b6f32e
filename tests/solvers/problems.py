"""Fixed-point problems with known answers."""

from __future__ import annotations

import torch
from torch import Tensor


def contraction(n: int, radius: float, seed: int = 0, symmetric: bool = False, dtype=torch.float64) -> Tensor:
    """A random matrix ``[n, n]`` of that spectral radius."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(n, n, generator=generator, dtype=torch.float64)
    if symmetric:
        matrix = matrix + matrix.T
    return (matrix * (radius / torch.linalg.eigvals(matrix).abs().max())).to(dtype)


def affine(n: int, batch: int, radius: float, seed: int = 0, symmetric: bool = False, dtype=torch.float64):
    """z ← A z + b with its closed form (I − A)⁻¹ b: returns (f, z0, solution)."""
    A = contraction(n, radius, seed, symmetric, dtype)
    b = torch.randn(batch, n, generator=torch.Generator().manual_seed(seed + 1), dtype=dtype)
    solution = torch.linalg.solve(torch.eye(n, dtype=dtype) - A, b.T).T
    return (lambda z: z @ A.T + b), torch.zeros(batch, n, dtype=dtype), solution


def tanh_map(n: int, batch: int, radius: float, seed: int = 0, dtype=torch.float64, scale: float = 1.0):
    """z ← s tanh(A z / s + b): a nonlinear map, rescaled by s."""
    A = contraction(n, radius, seed, dtype=dtype)
    b = 0.1 * torch.randn(batch, n, generator=torch.Generator().manual_seed(seed + 1), dtype=dtype)
    return (lambda z: scale * torch.tanh((z / scale) @ A.T + b)), torch.zeros(batch, n, dtype=dtype)
