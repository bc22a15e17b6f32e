"""Cells of deep equilibrium models with random weights: a transformer block, two resolutions, relu, and inexact arithmetic."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from andersonn.implicit.bound_cell import cell_map
from andersonn.measuring.problems import FixedPointProblem, Formula, gaussian_matrix, normal

TOKENS, WIDTH, HEADS, HIDDEN = 12, 32, 4, 64
NORM_EPSILON = 1e-5
CHANNELS, SIDE, GROUPS = 8, 16, 2
GRAIN = 1e-5


def transformer(dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", gain: float = 1.3) -> FixedPointProblem:
    """A transformer block as in a deep equilibrium model (S. Bai et al., NeurIPS 2019): y = norm(z + x + gain · attention(z)),
    f(z) = norm(y + gain · mlp(y)), 12 tokens of width 32, 4 heads, 64 hidden units; state ``[batch, 12, 32]``.

    Layer norm keeps the state on a sphere, so that a solution exists (Brouwer, applied to the ball).
    """
    place = {"dtype": dtype, "device": device}
    qkv = normal(seed, WIDTH, 3 * WIDTH) / WIDTH**0.5
    out = gain * normal(seed + 1, WIDTH, WIDTH) / WIDTH**0.5
    up = normal(seed + 2, WIDTH, HIDDEN) / WIDTH**0.5
    down = gain * normal(seed + 3, HIDDEN, WIDTH) / HIDDEN**0.5
    x = normal(seed + 4, batch, TOKENS, WIDTH)
    shared = tuple(array.to(**place) for array in (qkv, out, up, down))
    return FixedPointProblem(
        Formula(_transformer, shared, (x.to(**place),)), torch.zeros(batch, TOKENS, WIDTH, **place)
    )


def _transformer(xp: ModuleType, z: Any, qkv: Any, out: Any, up: Any, down: Any, x: Any) -> Any:
    parts = (z @ qkv).reshape(len(z), TOKENS, 3, HEADS, WIDTH // HEADS)
    q, k, v = (parts[:, :, i] for i in range(3))
    score = xp.einsum("bihd,bjhd->bhij", q, k) / (WIDTH // HEADS) ** 0.5
    share = xp.exp(score - xp.amax(score, -1)[..., None])
    share = share / xp.sum(share, -1)[..., None]
    mixed = xp.einsum("bhij,bjhd->bihd", share, v).reshape(z.shape)
    y = _layer_norm(xp, z + x + mixed @ out)
    return _layer_norm(xp, y + xp.tanh(y @ up) @ down)


def _layer_norm(xp: ModuleType, x: Any) -> Any:
    centered = x - xp.mean(x, -1)[..., None]
    return centered / xp.sqrt(xp.mean(centered**2, -1) + NORM_EPSILON)[..., None]


def multiscale(dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", gain: float = 0.7) -> FixedPointProblem:
    """A cell of two resolutions (S. Bai et al., NeurIPS 2020), 8 channels on 16² and on 8² pixels, in one state ``[batch, 2560]``.

    Each resolution: group norm of tanh(x + gain · (3 × 3 convolution of relu of its own part + 1 × 1 convolution of the other part, averaged down or
    interpolated up)). A solution exists (Brouwer).
    """
    place = {"dtype": dtype, "device": device}
    scale = gain / (9 * CHANNELS) ** 0.5
    wide = (scale * normal(seed, 2, CHANNELS, CHANNELS, 3, 3)).to(**place)
    across = (gain / CHANNELS**0.5 * normal(seed + 1, 2, CHANNELS, CHANNELS, 1, 1)).to(**place)
    x = normal(seed + 2, batch, CHANNELS * SIDE**2 * 5 // 4).to(**place)
    return FixedPointProblem(
        cell_map(partial(_multiscale, wide, across), x, x, tree=None, compact=True, frozen=False), torch.zeros_like(x)
    )


def _multiscale(wide: Tensor, across: Tensor, z: Tensor, x: Tensor) -> Tensor:
    (fine, coarse), (x_fine, x_coarse) = _resolutions(z), _resolutions(x)
    down = F.conv2d(F.avg_pool2d(fine, 2), across[0])
    up = F.interpolate(F.conv2d(coarse, across[1]), scale_factor=2, mode="bilinear")
    fine = torch.tanh(x_fine + F.conv2d(fine.relu(), wide[0], padding=1) + up)
    coarse = torch.tanh(x_coarse + F.conv2d(coarse.relu(), wide[1], padding=1) + down)
    return torch.cat([F.group_norm(part, GROUPS).flatten(1) for part in (fine, coarse)], dim=1)


def _resolutions(state: Tensor) -> tuple[Tensor, Tensor]:
    fine, coarse = state.split([CHANNELS * SIDE**2, CHANNELS * SIDE**2 // 4], dim=1)
    return fine.view(-1, CHANNELS, SIDE, SIDE), coarse.view(-1, CHANNELS, SIDE // 2, SIDE // 2)


def relu_cell(
    dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", gain: float = 1.4, size: int = 200
) -> FixedPointProblem:
    """Z ← relu(gain · A z + b), A random with spectral radius 1, one A for all samples, b of standard deviation 1 for each.

    The kink turns about half of the rows off. What remains has a radius near gain / √2, and Picard iteration circles in some samples.
    """
    place = {"dtype": dtype, "device": device}
    A = (gain * gaussian_matrix(size, seed)).T.contiguous().to(**place)
    return FixedPointProblem(
        Formula(_relu_cell, (A,), (normal(seed + 1, batch, size).to(**place),)), torch.zeros(batch, size, **place)
    )


def monotone_cell(
    dtype: torch.dtype,
    batch: int,
    seed: int,
    device: str = "cpu",
    size: int = 100,
    margin: float = 0.1,
    strength: float = 1.0,
) -> FixedPointProblem:
    """Z ← relu(W z + b) with W = (1 − m) I − strength · (Aᵀ A + B − Bᵀ): a monotone operator network (E. Winston and
    Z. Kolter, NeurIPS 2020). The solution exists and is unique, though the norm of W is above 1 and Picard iteration does not
    converge.
    """
    place = {"dtype": dtype, "device": device}
    A, B = normal(seed, 2, size, size) / (2 * size) ** 0.5
    W = (1 - margin) * torch.eye(size, dtype=torch.float64) - strength * (A.T @ A + B - B.T)
    b = normal(seed + 1, batch, size).to(**place)
    return FixedPointProblem(
        Formula(_relu_cell, (W.T.contiguous().to(**place),), (b,)), torch.zeros(batch, size, **place)
    )


def _relu_cell(xp: ModuleType, z: Any, transposed: Any, b: Any) -> Any:
    value = z @ transposed + b
    return xp.where(value > 0, value, 0.0)


def rounded_map(
    dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", radius: float = 0.95, size: int = 64
) -> FixedPointProblem:
    """A tanh map whose value is rounded to a multiple of 1e-5: noise that is the same at every call."""
    place = {"dtype": dtype, "device": device}
    A = (radius * gaussian_matrix(size, seed)).to(**place)
    b = (0.2 * normal(seed + 1, batch, size)).to(**place)
    return FixedPointProblem(Formula(_rounded, (A,), (b,)), torch.zeros(batch, size, **place))


def _rounded(xp: ModuleType, z: Any, A: Any, b: Any) -> Any:
    product = xp.sum(A * z[:, None, :], -1)  # unlike a matrix product, the same in every batch
    return xp.round(xp.tanh(product + b) / GRAIN) * GRAIN


def bfloat16_map(
    dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", radius: float = 0.9, size: int = 64
) -> FixedPointProblem:
    """A tanh map whose matrix product is computed from and rounded to bfloat16 (8 bits), as under autocast."""
    place = {"dtype": dtype, "device": device}
    A = (radius * gaussian_matrix(size, seed)).to(device, torch.bfloat16)
    b = (0.2 * normal(seed + 1, batch, size)).to(**place)
    return FixedPointProblem(
        cell_map(partial(_bfloat16, A), b, b, tree=None, compact=True, frozen=False), torch.zeros_like(b)
    )


def _bfloat16(A: Tensor, z: Tensor, b: Tensor) -> Tensor:
    product = (A * z.bfloat16()[:, None, :]).sum(dim=-1)
    return torch.tanh(product.to(b.dtype) + b)
