"""z ← s tanh(A z / s + b): random maps whose spectral radius is known."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from andersonn.comparison.posed import Formula, Posed, normal

SIZE = 1000
DRIVE = 0.05
"""Standard deviation of b. Small, so that the radius at the solution stays near that at 0."""


def tanh_map(
    dtype: torch.dtype,
    batch: int,
    seed: int,
    device: str = "cpu",
    radius: float = 0.9,
    kind: str = "gaussian",
    drive: float = DRIVE,
    scale: float = 1.0,
    size: int = SIZE,
) -> Posed:
    """One random matrix for all samples, one b for each.

    Args:
        dtype: of the state.
        batch: samples.
        seed: of A; b has the next one.
        device: of the state.
        radius: spectral radius of A, which is that of the Jacobian at z = 0. Above 1 forward iteration does not
            converge there; tanh saturates, so a fixed point exists all the same (Brouwer).
        kind: ``"gaussian"``: eigenvalues fill a disk; ``"symmetric"``: they are real, Wigner's semicircle; ``"outlier"``:
            symmetric within ±0.5 but for one eigenvalue of −radius.
        drive: standard deviation of b.
        scale: s.
        size: unknowns of a sample.
    """
    place = {"dtype": dtype, "device": device}
    A = _matrix(kind, size, seed, radius).to(**place)
    b = (drive * normal(seed + 1, batch, size)).to(**place)
    s = torch.tensor(scale, **place)
    return Posed(Formula(_tanh, (A.T.contiguous(), s), (b,)), torch.zeros(batch, size, **place))


def _tanh(xp: ModuleType, z: Any, transposed: Any, s: Any, b: Any) -> Any:
    return s * xp.tanh((z / s) @ transposed + b)


def _matrix(kind: str, size: int, seed: int, radius: float) -> Tensor:
    if kind == "gaussian":
        return radius * _of_radius_one(size, seed, symmetric=False)
    if kind == "symmetric":
        return radius * _of_radius_one(size, seed, symmetric=True)
    if kind == "outlier":
        values, vectors = torch.linalg.eigh(0.5 * _of_radius_one(size, seed, symmetric=True))
        values[0] = -radius
        return (vectors * values) @ vectors.T
    raise ValueError(f"kind must be 'gaussian', 'symmetric' or 'outlier', not {kind!r}")


@cache
def _of_radius_one(size: int, seed: int, symmetric: bool) -> Tensor:
    matrix = normal(seed, size, size)
    if symmetric:
        matrix = matrix + matrix.T
        return matrix / torch.linalg.eigvalsh(matrix).abs().max()
    return matrix / torch.linalg.eigvals(matrix).abs().max()
