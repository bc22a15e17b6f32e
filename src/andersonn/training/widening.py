"""A network twice as wide that gives the same answers: where a trained network is too small, training goes on from here."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from andersonn.models import EquilibriumNetwork
from andersonn.models.config import ModelConfig
from andersonn.models.message_cell import MessageCell

APART = 0.5
"""How far the two copies of a weight are moved apart, in spreads of the weights about it: then the fan-in's variance is kept."""
INSIDE = 0.25
"""Norm of what tells copies apart in a matrix of the cell, relative to that of the old matrix: small enough not to move the bound
on its slope.
"""


class Copies(NamedTuple):
    """Where the channels of a wide layer come from: ``source``, int ``[n]``, and ``sign`` ``[n]``: 1 and -1 for two copies of
    one channel, 0 for a channel that has no copy.
    """

    source: Tensor
    sign: Tensor


def can_widen(old: ModelConfig, new: ModelConfig) -> bool:
    """Whether a network of these options can be widened to that of those, which differ in width alone."""
    plain = old.cell == "message" and old.filling == "none"
    fitting = plain and old.width % (2 if old.rounds == 0 else 4) == 0 and old.width >= 8
    return fitting and new.width == 2 * old.width


@torch.no_grad()
def widened(old: EquilibriumNetwork, new: EquilibriumNetwork) -> dict[str, Tensor]:
    """Weights for a network of twice the width that make it the same function as the old one.

    Each channel becomes two equal ones, and what reads it takes half of its weight from each, plus and minus a random number
    (Net2Net: Chen, Goodfellow and Shlens, ICLR 2016), so that training tells the copies apart. Random numbers are drawn from
    torch's generator.

    Args:
        old: trained.
        new: with the same options but for ``width``, see :func:`can_widen`; not changed.

    Returns:
        A state for ``new``. Tensors that fit into neither way are left as they are in ``new``.
    """
    state = new.state_dict()
    rounds = old.encoder.rounds
    block = old.config.width // 2 if rounds is None else rounds.vectors
    for name, value in old.state_dict().items():
        if name not in state or value.dim() != state[name].dim():
            continue
        owner, _, own_name = name.rpartition(".")
        module = new.get_submodule(owner)
        if value.shape == state[name].shape:
            state[name] = value.clone()
        elif isinstance(module, MessageCell):
            state[name] = _doubled_matrix(value, block, symmetric=own_name == "own")
        else:
            state[name] = _doubled(value, tuple(state[name].shape), block, reads=not isinstance(module, nn.Embedding))
    return state


def _copies(before: int, after: int, block: int) -> Copies:
    """Each block of so many channels is written twice; channels beyond whole blocks stay single, at the end. What lies side by side in
    a layer (numbers and vectors, for example) holds whole blocks each, so its parts stay side by side.
    """
    blocks = (after - before) // block
    rest = torch.arange(blocks * block, before)
    source = torch.arange(blocks * block).view(blocks, 1, block).expand(blocks, 2, block).flatten()
    sign = torch.tensor([1.0, -1.0]).view(1, 2, 1).expand(blocks, 2, block).flatten()
    return Copies(torch.cat([source, rest]), torch.cat([sign, torch.zeros(len(rest))]))


def _doubled(value: Tensor, shape: tuple[int, ...], block: int, reads: bool) -> Tensor:
    """A vector, or a matrix ``[out, in]``; of a matrix that ``reads`` channels, the copies in a row add up to the old weight."""
    for dim in range(value.dim()):
        copies = _copies(value.shape[dim], shape[dim], block)
        source, sign = copies.source.to(value.device), copies.sign.to(value)
        spread = value.std() if dim == 1 and reads else 0.0
        value = value.index_select(dim, source)
        if dim == 1 and reads:
            narrow = torch.randn(len(value), int(source.max()) + 1).to(value)
            value = torch.where(sign == 0.0, value, 0.5 * value)
            value = value + APART * spread * sign * narrow.index_select(1, source)
    return value


def _doubled_matrix(value: Tensor, block: int, symmetric: bool) -> Tensor:
    """A matrix between states: on the mean of two copies it is the old one, on their difference a smaller random one."""
    apart = torch.randn(value.shape).to(value)
    apart = 0.5 * (apart + apart.T) if symmetric else apart
    norm = torch.linalg.matrix_norm
    apart = apart * (INSIDE * norm(value, 2) / norm(apart, 2))
    copies = _copies(len(value), 2 * len(value), block)
    source, sign = copies.source.to(value.device), copies.sign.to(value)
    return 0.5 * value[source][:, source] + sign.unsqueeze(1) * sign * apart[source][:, source]
