"""Joining a network of bonds alone to one that reads geometries, by the share that is best on the validation side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from andersonn.data.records import Records
from andersonn.errors import UsageError
from andersonn.inference.bonds_beside import BondsBeside, pool
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import EquilibriumNetwork
from andersonn.models.distribution import class_scores
from andersonn.training.dataset import prepare
from andersonn.training.forward import bonds_masses, forward_records
from andersonn.training.metrics import log_loss

SHARES = tuple(round(0.05 * k, 2) for k in range(20))
"""Of the bonds alone, among which the validation side chooses."""


def with_bonds(bundle: ModelBundle, bonds: ModelBundle, records: Records) -> tuple[ModelBundle, dict[float, float]]:
    """A model with a network of bonds alone beside its own, not calibrated again; and the log loss of the class on the validation
    side by share, of molecules whose geometry is generated, before calibration.

    Args:
        bundle: a model of geometries that answers by one distribution.
        bonds: a model of bonds alone that does so, too.
        records: those of ``bundle``; that no record of its validation side was trained on in ``bonds`` is up to who calls.

    Raises:
        UsageError: the models are others, or no record on the validation side has a generated geometry.
    """
    own, theirs = bundle.calibration, bonds.calibration
    both = isinstance(own, DistributionCalibration) and isinstance(theirs, DistributionCalibration)
    reads = bonds.config.image.bonds and not bundle.config.image.bonds and isinstance(bonds.network, EquilibriumNetwork)
    if not (both and reads and bundle.task.name == bonds.task.name):
        told = "a network of bonds alone goes beside one that reads geometries, both of one task and with model.answer=distribution"
        raise UsageError("other_models", told, "name the model of geometries first")
    assert isinstance(own, DistributionCalibration)
    assert isinstance(theirs, DistributionCalibration)
    assert isinstance(bonds.network, EquilibriumNetwork)
    dataset = prepare(records, bundle.task, bundle.config)
    chosen = dataset.sides["validation"]
    chosen = chosen[dataset.made[chosen]]
    if not len(chosen):
        raise UsageError("no_records", "no validation record is without a geometry", "give SMILES among the records")
    beside = BondsBeside(bonds.network, bonds.config, np.asarray(theirs.edges), 0.0)
    outputs = forward_records(bundle.network, dataset, chosen, bundle.config.conformers)
    rows, masses = bonds_masses(beside, dataset, chosen, np.asarray(own.edges))
    positions, labels = own.class_positions(), dataset.labels[chosen]

    def loss(share: float) -> float:
        pooled = torch.from_numpy(pool(outputs.scores, rows, masses, share))
        return log_loss(labels, class_scores(pooled, positions).softmax(dim=1).numpy())

    losses = {share: loss(share) for share in SHARES}
    share = min(losses, key=losses.__getitem__)
    return replace(bundle, beside=replace(beside, share=share)), losses
