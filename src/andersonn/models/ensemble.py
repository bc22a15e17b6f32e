"""An ensemble of networks that were trained from different seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from andersonn.models.batch import ImageBatch
from andersonn.models.config import ModelConfig
from andersonn.models.network import EquilibriumNetwork, Output
from andersonn.solvers import FixedPoint


class Ensemble(nn.Module):
    """The mean of its members' probabilities, as scores, and of their quantiles: a deep ensemble (Lakshminarayanan,
    Pritzel and Blundell, NeurIPS 2017). It costs as many solves as it has members.

    Args:
        members: at least two networks of equal options.
    """

    def __init__(self, members: Sequence[EquilibriumNetwork]) -> None:
        super().__init__()
        if len(members) < 2 or any(member.config != members[0].config for member in members):
            raise ValueError("an ensemble needs two or more networks of equal options")
        self.members = nn.ModuleList(members)

    @property
    def config(self) -> ModelConfig:
        """The options of every member."""
        return lead(self).config

    @property
    def solver_name(self) -> str:
        """How answers name what made the states."""
        return lead(self).solver_name

    def forward(self, batch: ImageBatch) -> Output:
        """Scores and quantiles of a batch. The record of the solve is the worst of the members' for each structure; its
        state and trace are those of the first, as are the states that the applicability domain uses.
        """
        outputs = [member(batch) for member in self.members]
        log_p = torch.stack([output.scores.log_softmax(dim=1) for output in outputs])
        scores = log_p.logsumexp(dim=0) - math.log(len(outputs))
        quantiles = torch.stack([output.quantiles for output in outputs]).mean(dim=0)
        return Output(scores, quantiles, outputs[0].states, worst_of([output.solution for output in outputs]))


def worst_of(solutions: Sequence[FixedPoint]) -> FixedPoint:
    """The record of several solves of the same structures: of each the worst, and all evaluations."""

    def most(name: str) -> Tensor:
        return torch.stack([getattr(solution, name) for solution in solutions]).amax(dim=0)

    evaluations = sum(solution.evaluations for solution in solutions)
    return replace(
        solutions[0], evaluations=evaluations, status=most("status"), residual=most("residual"), steps=most("steps")
    )


def members_of(network: EquilibriumNetwork | Ensemble) -> list[EquilibriumNetwork]:
    """The members of an ensemble, or the network itself."""
    return cast("list[EquilibriumNetwork]", list(network.members)) if isinstance(network, Ensemble) else [network]


def lead(network: EquilibriumNetwork | Ensemble) -> EquilibriumNetwork:
    """The first of :func:`members_of`, for uses that need one equilibrium."""
    return members_of(network)[0]


def network_of(config: ModelConfig, n_classes: int, members: int) -> EquilibriumNetwork | Ensemble:
    """A new network, or an ensemble of so many."""
    networks = [EquilibriumNetwork(config, n_classes) for _ in range(members)]
    return Ensemble(networks) if members > 1 else networks[0]
