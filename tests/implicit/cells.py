"""A cell whose contraction is known, tight solvers, and the unrolled twin of a layer."""

from __future__ import annotations

import torch
from torch import nn

from andersonn import Anderson, FixedPointIteration


class Tanh(nn.Module):
    def __init__(self, width=6, radius=0.7, dtype=torch.float64, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(width, width, generator=generator, dtype=dtype)
        self.weight = nn.Parameter(weight * (radius / torch.linalg.eigvals(weight).abs().max().item()))

    def forward(self, z, x):
        return torch.tanh(z @ self.weight.T + x)


def inputs(width=6, batch=4, dtype=torch.float64):
    return torch.randn(batch, width, generator=torch.Generator().manual_seed(1), dtype=dtype).requires_grad_()


def unrolled(cell, x, z0=None, steps=250):
    """z after so many recorded evaluations."""
    z = torch.zeros_like(x) if z0 is None else z0
    for _ in range(steps):
        z = cell(z, x)
    return z


TIGHT = [Anderson(rtol=1e-13, max_steps=300), FixedPointIteration(rtol=1e-13, max_steps=2000)]
