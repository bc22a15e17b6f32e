"""The convolutional cell of the implicit-layers tutorial (Kolter, Duvenaud and Johnson, *Deep Implicit Layers*, NeurIPS
2020, chapter 4), written anew from the published formula.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class TutorialCell(nn.Module):
    """f(z, x) = norm(relu(z + norm(x + conv(norm(relu(conv(z))))))), group norms, 3 × 3 convolutions."""

    def __init__(self, channels: int = 48, inner: int = 64, groups: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, inner, 3, padding=1, bias=False)
        self.second = nn.Conv2d(inner, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(
            [nn.GroupNorm(groups, inner), nn.GroupNorm(groups, channels), nn.GroupNorm(groups, channels)]
        )
        for conv in (self.first, self.second):
            conv.weight.data.normal_(0, 0.01)

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """``[B, channels, H, W]`` → the same."""
        inner = self.norms[0](functional.relu(self.first(z)))
        return self.norms[2](functional.relu(z + self.norms[1](x + self.second(inner))))


def tutorial_problem(batch: int = 64, size: int = 32, seed: int = 0) -> tuple[TutorialCell, Tensor]:
    """The cell as initialized and an input ``[batch, 48, size, size]``; seeds torch."""
    torch.manual_seed(seed)
    return TutorialCell(), torch.randn(batch, 48, size, size)
