"""New models from trained ones without training: with another calibration, or as an ensemble."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from andersonn.config import AFTER_TRAINING, TrainConfig, differing
from andersonn.data.records import Records
from andersonn.data.splits import split_digest
from andersonn.errors import UsageError
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.fitted import Calibration
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import Ensemble, EquilibriumNetwork, members_of, network_of
from andersonn.models.trees_beside import NetworkWithTrees
from andersonn.progress import Progress, Silent
from andersonn.training.calibrate_and_test import calibrate_and_test
from andersonn.training.dataset import prepare
from andersonn.training.first_state import fit_first_state
from andersonn.training.folder import SPLIT_KEY


def recalibrate(
    bundle: ModelBundle, records: Records, overrides: Iterable[str] = (), progress: Progress | None = None
) -> ModelBundle:
    """The model with some options changed, calibrated and tested, and its domain fitted, as at the end of its training.

    Args:
        bundle: the model.
        records: those it was trained on, in the same order.
        overrides: ``key=value`` words; only options of :data:`~andersonn.config.AFTER_TRAINING`.
        progress: listener.

    Raises:
        UsageError: another option is changed, or the records are others or divided otherwise.
    """
    progress = progress or Silent()
    config = TrainConfig.make(bundle.config.model_dump(mode="json"), overrides)
    entering = differing(bundle.config, config)
    if entering:
        raise UsageError(
            "bad_option",
            f"{', '.join(entering)} would need a new training",
            f"change only {', '.join(sorted(AFTER_TRAINING))}, or train anew",
        )
    if bundle.provenance["data"].get(SPLIT_KEY) != split_digest(records, config.split):
        raise UsageError(
            "other_data",
            f"{records.source!r} is not what the model was trained on",
            "give the same files in the same order",
        )
    progress.start("graph images", len(records))
    dataset = prepare(records, bundle.task, config, lambda done, _: progress.update(done))
    progress.finish()
    network = _with_options(bundle, config)
    fit_first_state(network, dataset.store, dataset.sides["train"], config.seed)
    raw = _unfitted(bundle.calibration)
    report = calibrate_and_test(network, dataset, bundle.task, config, raw, progress, bundle.beside)
    notes = (
        {"metrics": report.metrics} | report.for_card() | {"parameters": sum(p.numel() for p in network.parameters())}
    )
    return replace(
        bundle,
        network=network,
        config=config,
        calibration=report.calibration,
        provenance=bundle.provenance | notes,
        domain=report.domain,
    )


def _unfitted(calibration: Calibration | DistributionCalibration) -> Calibration | DistributionCalibration:
    if isinstance(calibration, DistributionCalibration):
        own = ("edges", "usual", "thresholds", "zero_is_class")
        return DistributionCalibration(**{name: getattr(calibration, name) for name in own})
    return Calibration(calibration.scale)


def _with_options(bundle: ModelBundle, config: TrainConfig) -> EquilibriumNetwork | Ensemble:
    """The network with the same weights, and with a learned first state if that is an option now."""
    if config.model == bundle.config.model:
        return bundle.network
    old, members = bundle.network, len(members_of(bundle.network))
    classes, device = len(bundle.task.classes), next(old.parameters()).device
    if isinstance(old, NetworkWithTrees):
        weights = old.state_dict()
        network: EquilibriumNetwork | Ensemble = NetworkWithTrees.of_description(
            config.model, classes, old.described(), weights
        ).to(device)
    else:
        network = network_of(config.model, classes, members).to(device)
    missing, unexpected = network.load_state_dict(old.state_dict(), strict=False)
    if any("initializer" not in name for name in (*missing, *unexpected)):
        raise RuntimeError(f"{missing} and {unexpected} do not fit")
    return network.eval()


def join(
    bundles: Sequence[ModelBundle], records: Records, overrides: Iterable[str] = (), progress: Progress | None = None
) -> ModelBundle:
    """An :class:`~andersonn.models.Ensemble` of models that differ in their seed alone, calibrated and tested anew.

    Its provenance is that of the first, with what :func:`each_seed` tells of all.

    Args:
        bundles: at least two models, none an ensemble itself, trained on the same records.
        records: those they were trained on, in the same order.
        overrides: as for :func:`recalibrate`.
        progress: listener.

    Raises:
        UsageError: they do not fit together, or as for :func:`recalibrate`.
    """
    first = bundles[0]
    networks = [each.network for each in bundles if isinstance(each.network, EquilibriumNetwork)]
    if len(bundles) < 2 or len(networks) < len(bundles):
        raise UsageError("bad_members", "an ensemble is made of two or more single models", "give their folders")
    provenance = first.provenance | {
        "parameters": sum(each.provenance["parameters"] for each in bundles),
        "each_seed": each_seed(bundles),
    }
    joined = replace(first, network=Ensemble(networks).eval(), provenance=provenance)
    return recalibrate(joined, records, overrides, progress)


def each_seed(bundles: Sequence[ModelBundle]) -> list[dict[str, Any]]:
    """``seed`` and ``test`` metrics of each of some models that differ in their seed alone.

    Raises:
        UsageError: they differ in more, or two have one seed.
    """
    seeds = [each.config.seed for each in bundles]
    if len(set(seeds)) < len(seeds):
        raise UsageError("bad_members", f"seeds {seeds} are not all different", "train with seed=0, seed=1, …")
    for each in bundles[1:]:
        _require_alike(bundles[0], each)
    return [{"seed": each.config.seed, "test": each.provenance["metrics"]["test"]} for each in bundles]


def _require_alike(first: ModelBundle, other: ModelBundle) -> None:
    mine, theirs = (each.config.model_dump(mode="json") | {"seed": 0} for each in (first, other))
    differing = [name for name in mine if mine[name] != theirs[name]]
    if first.task != other.task:
        differing.append("task")
    if first.provenance["data"] != other.provenance["data"]:
        differing.append("training data")
    if differing:
        raise UsageError(
            "bad_members", f"the models differ in {', '.join(differing)}", "join models that differ in their seed alone"
        )
