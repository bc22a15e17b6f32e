"""From a chosen last layer to a calibrated, tested model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from andersonn.constructing.candidates import Candidate, Targets
from andersonn.constructing.material import Material, with_sides
from andersonn.constructing.understanding import Understanding
from andersonn.data.splits import split_by, split_digest
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.fitted import Calibration, Domain
from andersonn.inference.forward import Outputs, forward
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.tails import Kinds
from andersonn.models import EquilibriumNetwork, KernelNetwork
from andersonn.structures import descriptors
from andersonn.training.calibrate_and_test import answer_metrics
from andersonn.training.calibration_fitting import fit_calibration, fit_distributions, fit_doubt
from andersonn.training.domain_fitting import corrupted_states, describe_domain, fit_domain
from andersonn.training.fine_tuning import origin_of
from andersonn.training.folder import LABELS_KEY, SPLIT_KEY
from andersonn.training.provenance import of_structures, versions
from andersonn.training.tails_fitting import widest_tail

CORRUPTED = 1000
"""Structures that are corrupted at most, to learn where an answer is in doubt."""


@dataclass(frozen=True, eq=False)
class Finished:
    """A model, and its answers to the test side.

    Attributes:
        bundle: calibrated.
        tested: raw outputs of the test side.
        distances: of the test side from the training structures.
        metrics: of the test side.
    """

    bundle: ModelBundle
    tested: Outputs
    distances: np.ndarray
    metrics: dict[str, Any]


def finished(chosen: Candidate, material: Material, understood: Understanding, seed: int) -> Finished:
    """The model of a last layer: calibrated by its answers to structures without their folds, tested once."""
    task, dataset = material.task, material.dataset
    network, targets = _network(chosen, material), Targets.of(material)
    outputs = _without_folds(chosen, material)
    domain = fit_domain(network, dataset, _of_validation(outputs, material), seed)
    calibration = _calibration(outputs, material, targets, network, domain, seed)
    tested = forward(network, dataset.store, material.tested)
    values, kinds = dataset.values[material.tested], Kinds.of_store(dataset.store, material.tested)
    made = np.zeros(len(material.tested), dtype=bool)
    metrics = answer_metrics(tested, calibration, values, task, made, domain, kinds)
    provenance = _provenance(material, understood, metrics, network)
    distances = domain.distance(tested.states, kinds.rows)
    p = calibration.probabilities(tested.scores, made, distances)
    right = p.argmax(axis=1) == task.class_of(values)
    provenance |= {"domain": describe_domain(domain, tested, right, kinds.rows), "anytime": None}
    bundle = ModelBundle(network, task, material.config, calibration, provenance, domain)
    return Finished(bundle, tested, distances, metrics)


def _network(chosen: Candidate, material: Material) -> KernelNetwork:
    """The shipped network with the last layer."""
    assert chosen.fitted is not None  # what is chosen here is a last layer
    own = material.start.network
    assert isinstance(own, EquilibriumNetwork)  # shipped networks are no ensembles
    kind = material.config.image.descriptors
    count = len(descriptors.names_of(kind))
    fragments = descriptors.FRAGMENTS if kind == "molecule" else 0
    classes = len(material.start.task.classes)
    layer = chosen.fitted.layer
    network = KernelNetwork(own.config, classes, layer, count, fragments, material.adapted)
    own_values = {
        name: value for name, value in network.state_dict().items() if name.startswith(("layer.", "adapted."))
    }
    network.load_state_dict(own.state_dict() | own_values)
    return network.eval()


def _without_folds(chosen: Candidate, material: Material) -> Outputs:
    """Outputs for training and validation structures, each by the others but for those of its fold."""
    assert chosen.fitted is not None  # as above
    fitted = chosen.fitted
    mean, variance = (torch.from_numpy(np.ascontiguousarray(array)) for array in (fitted.mean, fitted.variance))
    scores = fitted.layer.scores(mean, variance).double().numpy()
    quantiles = np.zeros((len(scores), 0 if fitted.layer.of_number else 3))
    return material.outputs._replace(scores=scores, quantiles=quantiles)


def _of_validation(outputs: Outputs, material: Material) -> Outputs:
    held = len(material.dataset.sides["train"])
    return outputs.part(np.arange(held, len(material.fitted)))


def _calibration(
    outputs: Outputs, material: Material, targets: Targets, network: KernelNetwork, domain: Domain, seed: int
) -> Calibration | DistributionCalibration:
    task, values = material.task, material.values
    kinds = Kinds.of_store(material.dataset.store, material.fitted)
    if (
        material.adapted is not None
    ):  # it has learned the training labels by heart, more or less: only the others tell how sure it is
        rest = np.arange(len(material.dataset.sides["train"]), len(values))
        outputs, values, kinds = outputs.part(rest), values[rest], kinds.part(rest)
    made = np.zeros(len(values), dtype=bool)
    if task.answer == "label":
        return fit_calibration(outputs.scores, outputs.quantiles, values, task, 1.0)
    raw = DistributionCalibration.raw(targets.edges, material.values, task)
    found = fit_distributions(raw, outputs.scores, values, task, made)
    some = np.random.default_rng(seed).permutation(material.fitted)[:CORRUPTED]
    corrupted = domain.distance(*corrupted_states(network, material.dataset, some, seed + 1))
    distances = domain.distance(outputs.states, kinds.rows)
    return fit_doubt(found, outputs.scores, values, made, kinds, distances, corrupted, widest_tail(task))


def _provenance(
    material: Material, understood: Understanding, metrics: dict[str, Any], network: KernelNetwork
) -> dict[str, Any]:
    """What ``model.json`` tells of the table, the start and the test."""
    dataset, records = material.dataset, with_sides(understood)
    labels = dataset.labels[material.fitted]
    return {
        "data": {
            "file": Path(understood.source).name,
            "sha256_of_structures": records.digest,
            "records": len(records),
            "unusable": len(dataset.unusable) + len(understood.unusable),
            **{side: len(indices) for side, indices in dataset.sides.items()},
            "split_by": split_by(records),
            SPLIT_KEY: split_digest(records, material.config.split),
            LABELS_KEY: records.label_digest(material.task.quantity),
        },
        "majority_class": material.task.classes[int(np.bincount(labels).argmax())],
        **of_structures(dataset, material.fitted),
        "parameters": sum(value.numel() for value in network.layer.buffers()),
        "versions": versions(),
        "trained": datetime.now(UTC).date().isoformat(),
        "started_from": origin_of(material.start),
        "metrics": {"test": metrics},
    }
