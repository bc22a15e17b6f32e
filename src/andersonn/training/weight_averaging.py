"""One network from several trainings that went on from the same weights: the mean of their weights.

Such networks lie in one valley of the loss, and their mean is often better than each (Wortsman et al., *Model soups*, ICML 2022). It costs no
more than one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import replace

import torch

from andersonn.config import TrainConfig, flat
from andersonn.data.records import Records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import EquilibriumNetwork
from andersonn.models.message_cell import MessageCell
from andersonn.models.trees_beside import without_trees
from andersonn.progress import Progress
from andersonn.training.fine_tuning import origin_of
from andersonn.training.recalibrate import recalibrate

MAY_DIFFER = frozenset({"gain", "initializer", "dropout", "embedding_dropout", "adjoint_rtol"})
"""Options of a network that say nothing about its weights' shapes; of the bound on the gain, the widest holds."""


def averaged(
    bundles: Sequence[ModelBundle],
    shares: Sequence[float],
    records: Records,
    overrides: Iterable[str] = (),
    progress: Progress | None = None,
) -> ModelBundle:
    """The first model with the mean of the weights of all, calibrated and tested anew. Boosted trees are left out.

    Args:
        bundles: at least two models, trained from the same weights.
        shares: of each, positive; they need not add up to 1.
        records: those that the first was trained on, in the same order.
        overrides: as of :func:`~andersonn.training.recalibrate.recalibrate`.
        progress: listener.

    Raises:
        UsageError: they do not fit together, or as of :func:`~andersonn.training.recalibrate.recalibrate`.
    """
    networks = _alike(bundles)
    if len(shares) != len(bundles) or not all(0.0 < share < math.inf for share in shares):
        raise UsageError("bad_shares", f"{len(bundles)} models need as many positive shares", "give one for each model")
    gain = max(each.config.model.gain for each in bundles)
    config = TrainConfig.make(bundles[0].config.model_dump(mode="json"), [f"model.gain={gain}"])
    network = EquilibriumNetwork(config.model, len(bundles[0].task.classes))
    network.load_state_dict(mean_of([_as_bounded(each) for each in networks], shares))
    told = [origin_of(each) | {"share": share / sum(shares)} for each, share in zip(bundles, shares, strict=True)]
    first = replace(
        bundles[0],
        network=network.eval(),
        config=config,
        provenance=bundles[0].provenance | {"averaged": told},
    )
    return recalibrate(first, records, overrides, progress)


def mean_of(states: Sequence[dict[str, torch.Tensor]], shares: Sequence[float]) -> dict[str, torch.Tensor]:
    """The weighted mean of parameters and buffers; whole numbers are those of the first."""
    parts = [share / sum(shares) for share in shares]
    return {
        name: sum((part * state[name] for part, state in zip(parts, states, strict=True)), torch.zeros_like(value))
        if value.is_floating_point()
        else value
        for name, value in states[0].items()
    }


def _alike(bundles: Sequence[ModelBundle]) -> list[EquilibriumNetwork]:
    """The networks of models that can be averaged."""
    networks = [without_trees(each.network) for each in bundles if isinstance(each.network, EquilibriumNetwork)]
    if len(bundles) < 2 or len(networks) < len(bundles):
        raise UsageError("bad_members", "a mean is made of two or more single models", "give their folders")
    # The split as well: else one may have been trained on what another is tested on.
    first, *others = (
        flat(each.config.model_dump(mode="json", include={"model", "image", "split"})) for each in bundles
    )
    own = {f"model.{name}" for name in MAY_DIFFER}
    differing = sorted({name for each in others for name in each if name not in own and each[name] != first[name]})
    if differing or any(each.task.name != bundles[0].task.name for each in bundles):
        told = ", ".join(differing) or "their task"
        raise UsageError("bad_members", f"the models differ in {told}", "average models trained from the same weights")
    return networks


def _as_bounded(network: EquilibriumNetwork) -> dict[str, torch.Tensor]:
    """Parameters and buffers, with the matrices of message cells as the bound on their gain leaves them."""
    network = deepcopy(network)
    for cell in network.modules():
        if isinstance(cell, MessageCell):
            cell.shrink_(cell.gain)
    return {name: value.detach() for name, value in network.state_dict().items()}
