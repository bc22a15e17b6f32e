"""The small systems of Anderson extrapolation on CUDA in one Triton kernel: assembled, solved, rounded.

It stands for three or four operations of :class:`~andersonn.solvers.device_window.DeviceWindow`, which imports this module on CUDA if
the environment variable ``ANDERSONN_TRITON`` is 1.
"""

from __future__ import annotations

from typing import Any

import torch
import triton  # type: ignore[import-not-found,unused-ignore]
import triton.language as tl  # type: ignore[import-not-found,unused-ignore]
from torch import Tensor


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _solve(products, scale, constant, right, out, between, n: tl.constexpr, padded: tl.constexpr):  # noqa: ANN001, ANN202
    """One sample a program: Gauss–Jordan without exchanges of rows, which positive definite systems do not need."""
    sample = tl.program_id(0).to(tl.int64)
    i, j = tl.arange(0, padded), tl.arange(0, padded)
    inside = (i[:, None] < n) & (j[None, :] < n)
    place = i[:, None] * n + j[None, :]
    factor = tl.load(scale + place, mask=inside, other=0.0)
    added = tl.load(constant + sample * between + place, mask=inside, other=0.0)
    product = tl.load(products + sample * n * n + place, mask=inside, other=0.0).to(factor.dtype)
    same = i[:, None] == j[None, :]
    system = tl.where(inside, added + product * factor, tl.where(same, 1.0, 0.0).to(factor.dtype))
    x = tl.load(right + i, mask=i < n, other=0.0)
    for k in range(n):
        row = tl.sum(tl.where(i[:, None] == k, system, 0.0), axis=0)
        column = tl.sum(tl.where(j[None, :] == k, system, 0.0), axis=1)
        pivot = tl.sum(tl.where(j == k, row, 0.0), axis=0)
        latest = tl.sum(tl.where(i == k, x, 0.0), axis=0)
        share = tl.where(i == k, 0.0, column / pivot)
        system = system - share[:, None] * row[None, :]
        x = x - share * latest
    diagonal = tl.sum(tl.where(same, system, 0.0), axis=1)
    weight = (x / diagonal).to(out.dtype.element_ty)
    weight = tl.where(tl.abs(weight) < float("inf"), weight, 0.0)  # false for NaN as well
    tl.store(out + sample * n + i, weight, mask=i < n)


def weights(products: Tensor, scale: Tensor, constant: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """Solutions x of ``(constant + products · scale) x = right``, sample by sample; zeros for what is not finite.

    Args:
        products: ``[B, n, n]``, n at most 32, so that a system fits into the registers of one program.
        scale: ``[n, n]``, in the dtype to solve in.
        constant: ``[n, n]`` or ``[B, n, n]``, in the same dtype.
        right: ``[n]``, in the same dtype.
        dtype: of the solutions.

    Returns:
        ``[B, n]``.
    """
    samples, n, _ = products.shape
    out = products.new_empty(samples, n, dtype=dtype)
    kernel: Any = _solve[(samples,)]
    parts = (products.contiguous(), scale.contiguous(), constant.contiguous(), right.contiguous())
    between = n * n if constant.dim() == 3 else 0
    with torch.cuda.device_of(products):  # Triton launches on the current one
        kernel(*parts, out, between, n=n, padded=triton.next_power_of_2(n), num_warps=1 if n <= 8 else 4)
    return out
