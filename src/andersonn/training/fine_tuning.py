"""Starting a training from a trained network instead of from random weights."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

from andersonn.config import TrainConfig
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import Ensemble, EquilibriumNetwork
from andersonn.models.message_cell import MessageCell
from andersonn.training.widening import can_widen, widened

OF_THE_HEAD = ("answer", "bins", "dropout", "embedding_dropout", "initializer", "adjoint_rtol", "solver")
"""Options of a network that may differ: layers of another shape begin at random."""


def require_startable(start: ModelBundle, config: TrainConfig) -> EquilibriumNetwork:
    """The network of a trained model, from which :func:`start_from` can start one of these options.

    Raises:
        UsageError: the trained model is an ensemble, or reads structures otherwise.
    """
    if isinstance(start.network, Ensemble):
        raise UsageError("bad_start", "an ensemble cannot be trained further", "start from one of its members")
    old, new = (each.model.model_dump(mode="json") for each in (start.config, config))
    wider = can_widen(start.config.model, config.model)
    deeper = start.config.model.rounds == 0  # new rounds say nothing at first
    looser = start.config.model.cell == "message"
    free = (*OF_THE_HEAD, *["width"] * wider, *["rounds"] * deeper, *["gain"] * looser)
    other = [f"model.{name}={old[name]}" for name in new if name not in free and old[name] != new[name]]
    images = [asdict(each.image) for each in (start.config, config)]
    other += [f"image.{name}={value}" for name, value in images[0].items() if value != images[1][name]]
    if other:
        raise UsageError(
            "bad_start",
            f"the model to start from has other options: {', '.join(other)}",
            "train with its options, which its model.json lists under config; model.width may be twice as large, if it is even "
            "(with rounds, a multiple of four), and model.gain another, if the cell is message; model.rounds may be added",
        )
    return start.network


def start_from(network: EquilibriumNetwork, start: ModelBundle, config: TrainConfig) -> None:
    """Copies into a new network all weights of a trained one that have the same name and shape. A new network twice as wide
    (:mod:`~andersonn.training.widening`), with rounds of messages that the old one lacks, or with another gain, begins as the same function.

    Args:
        network: new.
        start: the trained model.
        config: of the new network.

    Raises:
        UsageError: as :func:`require_startable`.
    """
    trained = require_startable(start, config)
    if can_widen(start.config.model, config.model):
        network.load_state_dict(widened(trained, network))
        return
    mine = network.state_dict()
    fitting = {
        name: value for name, value in trained.state_dict().items() if name in mine and mine[name].shape == value.shape
    }
    network.load_state_dict(mine | fitting)
    _keep_strength(network, start.config.model.gain)


def _keep_strength(network: EquilibriumNetwork, gain: float) -> None:
    """Scales the matrices of message cells to what they come to under the gain that they were trained with, so that another gain
    bounds them only from here on.
    """
    for cell in network.equilibrium.modules():
        if isinstance(cell, MessageCell) and cell.gain > gain:
            cell.shrink_(gain)


def origin_of(start: ModelBundle) -> dict[str, Any]:
    """What a model card says of the model that a training started from: task, records, and a digest of its weights."""
    digest = hashlib.sha256()
    for name, value in sorted(start.weights().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    data = start.provenance.get("data", {})
    return {"task": start.task.name, "data": data.get("file"), "sha256_of_weights": digest.hexdigest()}
