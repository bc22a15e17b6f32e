"""Named numbers of an atom or of a structure → what a network can read with the sharpness that thresholds need."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from andersonn.matter.voids import BY_ATOM, BY_STRUCTURE, DENSITY

WIDEST = 14.0
"""Å: center of the last Gaussian of a length."""
GAUSSIANS = 29
UNITS = {"atoms_per_nm3": 50.0, "mass_g_cm3": 1.0, "packing": 0.1, "void_fraction": 0.3, "free_volume_A3": 10.0}
"""What counts as one of each quantity that is no length."""
SEEN = {"none": ((), ()), "density": ((), DENSITY), "by_atom": (BY_ATOM, DENSITY), "all": (BY_ATOM, BY_STRUCTURE)}
"""Option ``voids`` of a network → the channels it reads by atom and by structure."""


class Expansion(nn.Module):
    """The first channels of ``[M, C]`` as features: scaled, and lengths in Gaussians 0.5 Å apart too.

    Args:
        names: of the channels read; a length's name ends in ``_A``.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.count = len(names)
        self.lengths = [c for c, name in enumerate(names) if name.endswith("_A")]
        self.register_buffer("unit", torch.tensor([UNITS.get(name, 5.0) for name in names]), persistent=False)
        self.register_buffer("centers", torch.linspace(0.0, WIDEST, GAUSSIANS), persistent=False)
        self.features = self.count + GAUSSIANS * len(self.lengths)

    def scaled(self, channels: Tensor) -> Tensor:
        """The channels in units of about their spread, ``[M, C]``."""
        return channels[:, : self.count] / self.unit

    def forward(self, channels: Tensor) -> Tensor:
        """``[M, features]``."""
        lengths = channels[:, self.lengths].unsqueeze(-1)
        step = WIDEST / (GAUSSIANS - 1)
        bumps = torch.exp(-0.5 * ((lengths - self.centers) / step) ** 2)
        return torch.cat([self.scaled(channels), bumps.flatten(1)], dim=1)
