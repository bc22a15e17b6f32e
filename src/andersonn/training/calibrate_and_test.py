"""What is learned of a network after its training: calibration, test metrics, applicability domain, early exit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from andersonn.config import TrainConfig
from andersonn.data.store import Progress as Count
from andersonn.data.tasks import Task
from andersonn.inference.bonds_beside import BondsBeside
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.early_exit import EarlyExit
from andersonn.inference.fitted import Calibration, Domain
from andersonn.inference.forward import Outputs, forward
from andersonn.inference.tails import Kinds
from andersonn.models import Ensemble, EquilibriumNetwork
from andersonn.progress import Progress
from andersonn.training.baselines import baselines
from andersonn.training.calibration_fitting import fit_calibration, fit_distributions, fit_doubt, takes_negative_values
from andersonn.training.dataset import Dataset
from andersonn.training.domain_fitting import corrupted_states, describe_domain, fit_domain
from andersonn.training.early_exit_fitting import fit_early_exit
from andersonn.training.forward import forward_records
from andersonn.training.metrics import classification_metrics, error_metrics, estimate_metrics
from andersonn.training.tails_fitting import widest_tail

MOST_CORRUPTED = 2000
"""Validation structures that are corrupted at most, to learn where an answer is in doubt."""


class FitReport(NamedTuple):
    """What :func:`calibrate_and_test` finds.

    Attributes:
        calibration: fitted on the validation split.
        metrics: of the validation and the test split.
        domain: the applicability domain.
        domain_metadata: see :func:`~andersonn.training.domain_fitting.describe_domain`.
        anytime: the early-exit rule, if one saves work.
    """

    calibration: Calibration | DistributionCalibration
    metrics: dict[str, Any]
    domain: Domain
    domain_metadata: dict[str, Any]
    anytime: EarlyExit | None

    def for_card(self) -> dict[str, Any]:
        """What goes into ``model.json`` besides the calibration and the metrics."""
        return {"domain": self.domain_metadata, "anytime": None if self.anytime is None else self.anytime.as_dict()}


def calibrate_and_test(
    network: EquilibriumNetwork | Ensemble,
    dataset: Dataset,
    task: Task,
    config: TrainConfig,
    raw: Calibration | DistributionCalibration,
    progress: Progress,
    beside: BondsBeside | None = None,
) -> FitReport:
    """Fits calibration, domain and early exit on the validation split, and tests on the test split.

    Args:
        network: trained, in evaluation mode.
        dataset: all records.
        task: gives the classes.
        config: says over how many conformers predictions are averaged.
        raw: how the network's outputs are read before anything is fitted.
        progress: listener.
        beside: a network of bonds alone that helps where a geometry was generated.
    """
    progress.start("calibration, test, domain and baselines", 4)
    validation, test = dataset.sides["validation"], dataset.sides["test"]
    edges = raw.edges if isinstance(raw, DistributionCalibration) else ()
    outputs = forward_records(network, dataset, validation, config.conformers, _part(progress, 0), beside, edges)
    values, generated = dataset.values[validation], dataset.made[validation]
    calibration = fitted_to(raw, outputs, values, task, generated, dataset.values[dataset.usable])
    progress.update(1)
    tested = forward_records(network, dataset, test, config.conformers, _part(progress, 1), beside, edges)
    progress.update(2)
    domain = fit_domain(network, dataset, outputs, config.seed)
    if isinstance(calibration, DistributionCalibration):
        corrupted = corrupted_states(network, dataset, validation[:MOST_CORRUPTED], config.seed + 1)
        kinds = Kinds.of_store(dataset.store, validation)
        distances = domain.distance(outputs.states, kinds.rows), domain.distance(*corrupted)
        widest = widest_tail(task)
        calibration = fit_doubt(calibration, outputs.scores, values, generated, kinds, *distances, widest)
    metrics = {"validation": metrics_by_file(outputs, calibration, dataset, validation, task, domain=domain)}
    one_each = outputs if config.conformers == 1 and beside is None else forward(network, dataset.store, validation)
    positions = raw.class_positions() if isinstance(raw, DistributionCalibration) else ()
    anytime = fit_early_exit(network, dataset.store, validation, one_each, positions)
    progress.update(3)
    simple = baselines(dataset, task)
    metrics["test"] = metrics_by_file(tested, calibration, dataset, test, task, simple, domain)
    metrics["test"]["baselines"] = simple(test)
    progress.finish()
    rows = dataset.store.n_rows[test]
    p = calibration.probabilities(tested.scores, dataset.made[test], domain.distance(tested.states, rows))
    right = p.argmax(axis=1) == dataset.labels[test]
    return FitReport(calibration, metrics, domain, describe_domain(domain, tested, right, rows), anytime)


def fitted_to(
    raw: Calibration | DistributionCalibration,
    outputs: Outputs,
    values: np.ndarray,
    task: Task,
    generated: np.ndarray,
    all_values: np.ndarray,
) -> Calibration | DistributionCalibration:
    """The calibration fitted to outputs whose true values are known, ``[n]``; of whose geometry was generated, apart.

    Args:
        raw: how the outputs are read before.
        outputs: of n validation structures.
        values: their true quantity, ``[n]``.
        task: gives the classes.
        generated: whose geometry was generated, bool ``[n]``.
        all_values: labels of all structures, which tell whether the quantity can be negative.
    """
    if isinstance(raw, DistributionCalibration):
        return fit_distributions(raw, outputs.scores, values, task, generated)
    found = fit_calibration(outputs.scores, outputs.quantiles, values, task, raw.scale, generated)
    return replace(found, signed=takes_negative_values(task, all_values))


def _part(progress: Progress, done: int) -> Count:
    """Progress within the part after ``done`` parts, while conformers are made."""
    return lambda made, of: progress.update(done + made / of, f"conformers of {made} of {of} molecules")


def answer_metrics(
    outputs: Outputs,
    calibration: Calibration | DistributionCalibration,
    values: np.ndarray,
    task: Task,
    made: np.ndarray | None = None,
    domain: Domain | None = None,
    kinds: Kinds | None = None,
) -> dict[str, Any]:
    """Metrics of calibrated outputs against the true values, of what the task answers with: of classes those of
    :func:`~andersonn.training.metrics.classification_metrics`, of estimates those of
    :func:`~andersonn.training.metrics.estimate_metrics`, and of a number alone also
    :func:`~andersonn.training.metrics.error_metrics`. ``made`` as in
    :meth:`~andersonn.inference.fitted.Calibration.probabilities`, ``domain`` of the model,
    ``kinds`` of the structures.
    """
    rows = None if kinds is None else kinds.rows
    distance = None if domain is None else domain.distance(outputs.states, rows)
    found: dict[str, Any] = {"n": len(values)}
    if task.has_class:
        probabilities = calibration.probabilities(outputs.scores, made, distance, kinds)
        found |= classification_metrics(task.class_of(values), probabilities, task.classes)
    if task.has_estimate:
        estimates, intervals = calibration.estimates(outputs.scores, outputs.quantiles, made, distance, kinds)
        found |= {} if task.has_class else error_metrics(values, estimates)
        found |= estimate_metrics(values, intervals, estimates)
    return found


def metrics_by_file(
    outputs: Outputs,
    calibration: Calibration | DistributionCalibration,
    dataset: Dataset,
    chosen: np.ndarray,
    task: Task,
    beside: Callable[[np.ndarray], dict[str, Any]] | None = None,
    domain: Domain | None = None,
) -> dict[str, Any]:
    """:func:`answer_metrics` of the records at ``chosen``; if they come from several files, also of each file's, under
    ``by_file``.

    Args:
        outputs: of the records at ``chosen``.
        calibration: of the outputs.
        dataset: all records.
        chosen: indices of the records that are tested.
        task: gives the classes.
        beside: what :func:`baselines` returns, to be set beside each file's metrics.
        domain: of the model, if it has one.
    """
    values, made, files = dataset.values[chosen], dataset.made[chosen], dataset.records.files
    kinds = Kinds.of_store(dataset.store, chosen)
    metrics = answer_metrics(outputs, calibration, values, task, made, domain, kinds)
    if files is None:
        return metrics
    metrics["by_file"] = {}
    for name in dict.fromkeys(files[chosen].tolist()):
        part = np.flatnonzero(files[chosen] == name)
        found = answer_metrics(
            outputs.part(part), calibration, values[part], task, made[part], domain, kinds.part(part)
        )
        metrics["by_file"][name] = found | ({"baselines": beside(chosen[part])} if beside else {})
    return metrics
