"""The convolutional cell: the image read as an image, by 3 × 3 convolutions over rows and columns.

Images of all sizes stand on top of each other in one tall image with a blank row after each, so nothing is padded and
no image sees another.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from andersonn.models.batch import ImageBatch
from andersonn.models.encoder import Features

FREQUENCIES = 8


class ConvolutionInput(NamedTuple):
    """Input of an evaluation: injection of the tall image ``[R + B, K, D]``, where it shows neighbors
    (bool ``[R + B, K, 1]``), and two bounded kernels ``[D, D, 3, 3]``.
    """

    injection: Tensor
    mask: Tensor
    first: Tensor
    second: Tensor


class ConvolutionCell(nn.Module):
    """z ← mask ⊙ tanh(x + C₂ relu(C₁ z)) on the tall image, with ‖C₁‖₂ ‖C₂‖₂ ≤ ``gain``.

    With gain < 1 the cell is a contraction in the Euclidean norm: masking, tanh and relu do not expand distances, and
    the norm of a zero-padded convolution is bounded by that of its transfer function (Sedghi, Gupta and Long, *The
    Singular Values of Convolutional Layers*, ICLR 2019), here bounded by :func:`convolution_norm`.

    Args:
        width: D, channels of the state.
        gain: bound on the product of the norms of the two convolutions.
    """

    def __init__(self, width: int, gain: float) -> None:
        super().__init__()
        self.gain = gain
        self.inject = nn.Linear(width, width)
        scale = 1.0 / (3.0 * width**0.5)
        self.first = nn.Parameter(scale * torch.randn(width, width, 3, 3))
        self.second = nn.Parameter(scale * torch.randn(width, width, 3, 3))

    def prepare(self, features: Features, batch: ImageBatch) -> ConvolutionInput:
        """The tall image of a batch and bounded kernels."""
        place = _places(batch)
        size = (len(batch.Z) + len(batch), *features.pixels.shape[1:])
        pixels = self.inject(features.pixels)
        injection = pixels.new_zeros(size).index_copy(0, place, pixels)
        seen = (batch.weight > 0).unsqueeze(-1)
        mask = seen.new_zeros(*size[:2], 1).index_copy(0, place, seen)
        each = math.sqrt(self.gain)
        return ConvolutionInput(injection, mask, _bounded(self.first, each), _bounded(self.second, each))

    def initial(self, x: ConvolutionInput) -> Tensor:
        """The cell at z = 0, ``[R + B, K, D]``, without an evaluation; zeros where that is not finite."""
        return torch.tanh(torch.where(x.mask, x.injection.detach(), 0.0)).nan_to_num_(0.0)

    def forward(self, z: Tensor, x: ConvolutionInput) -> Tensor:
        """One evaluation: ``[R + B, K, D]`` → the same."""
        # Selection instead of multiplication by the mask: what is not finite in one image stays out of the next.
        seen = x.mask.permute(2, 0, 1)
        image = torch.where(seen, z.permute(2, 0, 1), 0.0).unsqueeze(0)
        hidden = torch.relu(torch.where(seen, functional.conv2d(image, x.first, padding=1), 0.0))
        image = functional.conv2d(hidden, x.second, padding=1)
        return torch.tanh(torch.where(x.mask, x.injection + image.squeeze(0).permute(1, 2, 0), 0.0))

    def select(self, x: ConvolutionInput, samples: Tensor, rows: Tensor) -> ConvolutionInput:
        """The input of some images alone, given their rows in the tall image, the blank ones included."""
        return x._replace(injection=x.injection.index_select(0, rows), mask=x.mask.index_select(0, rows))

    def offsets(self, batch: ImageBatch) -> Tensor:
        """Rows of each image, its blank row included, in the tall image."""
        return batch.offsets + torch.arange(len(batch) + 1, device=batch.offsets.device)

    def rows(self, z: Tensor, batch: ImageBatch, features: Features) -> Tensor:
        """Mean state of each atom row over its neighbors, by weight: ``[R, D]``."""
        return (z[_places(batch)] * features.share.unsqueeze(-1)).sum(dim=1)


def _places(batch: ImageBatch) -> Tensor:
    """Row of the tall image that each image row becomes."""
    return torch.arange(len(batch.Z), device=batch.sample.device) + batch.sample


def _bounded(kernel: Tensor, bound: float) -> Tensor:
    return kernel * (bound / convolution_norm(kernel).clamp_min(bound))


def convolution_norm(kernel: Tensor) -> Tensor:
    """Upper bound, at most 18 % too high, on the largest singular value of a convolution by ``kernel [O, I, 3, 3]``.

    The transfer function is a trigonometric polynomial of degree 1 in each frequency. Its norm's maximum over a grid of
    n points a period is at least cos(π/n) of the true one, for each of both frequencies (Ehlich and Zeller, *Math. Z.*
    86, 41, 1964), so dividing by cos²(π/8) makes the maximum over our grid a bound.
    """
    taps = torch.arange(-1, 2, device=kernel.device, dtype=kernel.dtype)
    angles = 2.0 * math.pi * torch.arange(FREQUENCIES, device=kernel.device, dtype=kernel.dtype) / FREQUENCIES
    half = angles[: FREQUENCIES // 2 + 1]  # the other half are complex conjugates
    wave_y = torch.exp(1j * torch.outer(half, taps))
    wave_x = torch.exp(1j * torch.outer(angles, taps))
    transfer = torch.einsum("oiyx,fy,gx->fgoi", kernel.to(wave_y.dtype), wave_y, wave_x)
    return torch.linalg.matrix_norm(transfer, 2).amax() / math.cos(math.pi / FREQUENCIES) ** 2
