"""Named numbers of an atom or of a structure → what a network can read with the sharpness that thresholds need."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from andersonn.models.config import ModelConfig
from andersonn.structures import oxidation
from andersonn.structures.pores import BY_ATOM, BY_STRUCTURE, DENSITY

WIDEST = 14.0
"""Å: center of the last Gaussian of a length."""
GAUSSIANS = 29
STATES = (-4, 8)
"""Least and greatest oxidation state that has a Gaussian of its own."""
UNITS = {
    "atoms_per_nm3": 50.0,
    "mass_g_cm3": 1.0,
    "packing": 0.1,
    "void_fraction": 0.3,
    "free_volume_A3": 10.0,
    "oxidation_state": 3.0,
    "state_rarity": 1.0,
    "charge_left": 0.3,
    "neutral_rarity": 3.0,
    "excess_rarity": 3.0,
    "usual_charge": 0.5,
    "odd_electrons": 1.0,
}
"""What counts as one of each quantity that is no length."""
SEEN = {"none": ((), ()), "density": ((), DENSITY), "by_atom": (BY_ATOM, DENSITY), "all": (BY_ATOM, BY_STRUCTURE)}
"""Option ``voids`` of a network → the channels of voids it reads by atom and by structure."""


def row_channels(config: ModelConfig) -> tuple[str, ...]:
    """Names of what a network reads of each row besides the graph: the first of the images' ``row_channels``."""
    return (*(oxidation.BY_ATOM if config.oxidation else ()), *SEEN[config.voids][0])


def whole_channels(config: ModelConfig) -> tuple[str, ...]:
    """Names of what a network reads of the whole structure: the first of the images' ``whole_channels``."""
    return (*(oxidation.BY_STRUCTURE if config.oxidation else ()), *SEEN[config.voids][1])


class Expansion(nn.Module):
    """The first channels of ``[M, C]`` as features: scaled, and lengths in Gaussians 0.5 Å apart and oxidation states in
    Gaussians one apart too.

    Args:
        names: of the channels read; a length's name ends in ``_A``, that of a state in ``_state``.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.count = len(names)
        self.lengths = [c for c, name in enumerate(names) if name.endswith("_A")]
        self.states = [c for c, name in enumerate(names) if name.endswith("_state")]
        self.register_buffer("unit", torch.tensor([UNITS.get(name, 5.0) for name in names]), persistent=False)
        self.register_buffer("centers", torch.linspace(0.0, WIDEST, GAUSSIANS), persistent=False)
        self.register_buffer("each_state", torch.arange(STATES[0], STATES[1] + 1.0), persistent=False)
        self.features = self.count + GAUSSIANS * len(self.lengths) + len(self.each_state) * len(self.states)

    def scaled(self, channels: Tensor) -> Tensor:
        """The channels in units of about their spread, ``[M, C]``."""
        return channels[:, : self.count] / self.unit

    def forward(self, channels: Tensor) -> Tensor:
        """``[M, features]``."""
        lengths = _bumps(channels[:, self.lengths], self.centers, WIDEST / (GAUSSIANS - 1))
        states = _bumps(channels[:, self.states], self.each_state, 0.5)
        return torch.cat([self.scaled(channels), lengths, states], dim=1)


def _bumps(values: Tensor, centers: Tensor, width: float) -> Tensor:
    """Gaussians of each value, ``[M, C]`` → ``[M, C · centers]``."""
    return torch.exp(-0.5 * ((values.unsqueeze(-1) - centers) / width) ** 2).flatten(1)
