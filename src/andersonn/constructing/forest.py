"""A random forest on descriptors as a candidate: simple, and shipped where no last layer on a network is better."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from andersonn.constructing.candidates import Candidate, Targets
from andersonn.constructing.material import Material
from andersonn.constructing.measures import label_errors, number_errors, score_of
from andersonn.models.forest_layer import ForestLayer
from andersonn.training.forest_fitting import fit_forest
from andersonn.training.kernel_fitting import Fitted
from andersonn.training.likeness import Features

NAME = "random forest"


def forest(material: Material, seed: int) -> Candidate:
    """The candidate."""
    began = time.process_time()
    targets, numbers = Targets.of(material), material.of_fitted.numbers
    parts = material.folds // 2  # five folds: a forest costs less so, and loses little
    fitted = fit_forest(numbers, targets.scaled, parts, targets.scaled_edges, seed)

    def error_of(rows: np.ndarray) -> float:
        """Without folds, of a forest that learns from some structures alone."""
        some = Targets.of(_of(material, rows))
        alone = fit_forest(numbers[rows], some.scaled, parts[rows], some.scaled_edges, seed, trees=0)
        return score_of(_errors(alone.mean, some, _of(material, rows)))

    def among(rows: np.ndarray) -> float:
        """Without folds, of some of all."""
        return score_of(_errors(fitted.mean[rows], targets, _of(material, rows)))

    return Candidate(
        name=NAME,
        what="random forest on descriptors of the whole",
        validation=_errors(fitted.mean, targets, material),
        measured_on=len(material.fitted),
        cpu_seconds=time.process_time() - began,
        baseline=True,
        fitted=fitted,
        answer=lambda features: _answers(fitted, features, targets, material),
        extra={"error_of": error_of, "among": among},
    )


def _of(material: Material, rows: np.ndarray) -> Material:
    return replace(material, fitted=material.fitted[rows], folds=material.folds[rows])


def _errors(mean: np.ndarray, targets: Targets, material: Material) -> dict[str, Any]:
    """Errors of means or shares ``[n, T]``, in the units of the targets."""
    task, values = material.task, material.values
    if task.answer == "label":
        return label_errors(task.class_of(values), mean, task.classes)
    return number_errors(values, targets.in_unit(mean, task.lowest))


def _answers(fitted: Fitted, features: Features, targets: Targets, material: Material) -> np.ndarray:
    """Numbers ``[n]``, or shares of classes ``[n, C]``."""
    assert isinstance(fitted.layer, ForestLayer)  # it is what was grown here
    mean, _ = fitted.layer.walked(features.part("numbers"))
    found = mean.double().numpy()
    return found if material.task.answer == "label" else targets.in_unit(found, material.task.lowest)
