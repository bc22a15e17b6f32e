"""What is tried on a table besides networks of its own: last layers on a shipped network, and simple baselines.

Each is measured by its answers to training and validation structures without their folds; the test side is not touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from andersonn.constructing.material import Material, walk
from andersonn.constructing.measures import label_errors, number_errors, score_of
from andersonn.models.distribution import edges_for
from andersonn.models.kernel_layer import SHARPNESS
from andersonn.training.kernel_fitting import MOST_TUNED, Fitted, fit_kernel
from andersonn.training.likeness import Features

BINS = 240
"""Masses of a predictive distribution."""
FOR_COMPARISON = 300
"""Structures on which the covariance of parts is fitted that are there to show what each part gives."""
WORDS = {
    "states": "what the shipped network sees",
    "numbers": "descriptors of the whole",
    "fragments": "counts of fragments",
    "contributions": "a contribution of each",
}


@dataclass(frozen=True, eq=False)
class Candidate:
    """Something that answers, and how well.

    Attributes:
        name: short.
        what: a sentence for people.
        validation: its errors on structures that it has not seen, by :mod:`andersonn.constructing.measures`.
        measured_on: how many these are.
        cpu_seconds: that it took.
        baseline: whether it is there for comparison.
        fitted: of a last layer and of a forest, what was fitted.
        answer: of a baseline, fitted to all training and validation structures: its answers to features, numbers ``[n]`` or
            probabilities ``[n, C]``.
        note: what else there is to say.
        extra: anything the candidate needs later.
    """

    name: str
    what: str
    validation: dict[str, Any]
    measured_on: int
    cpu_seconds: float
    baseline: bool = False
    fitted: Fitted | None = None
    answer: Callable[[Features], np.ndarray] | None = None
    note: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """Least for the best, see :func:`~andersonn.constructing.measures.score_of`."""
        return score_of(self.validation)


@dataclass(frozen=True)
class Targets:
    """Labels in the units of a last layer.

    Attributes:
        scaled: ``[n]`` with mean 0 and spread 1, or 1 and −1 for each class, ``[n, C]``.
        center, spread: of numbers, in the quantity's unit; 0 and 1 of labels.
        edges: of the masses in the quantity's unit, float64 ``[E]``; empty for labels.
    """

    scaled: np.ndarray
    center: float
    spread: float
    edges: np.ndarray

    @classmethod
    def of(cls, material: Material) -> Targets:
        """Those of the training and validation structures."""
        task, values = material.task, material.values
        if task.answer == "label":
            labels = task.class_of(values)
            return cls(2.0 * np.eye(len(task.classes))[labels] - 1.0, 0.0, 1.0, np.zeros(0))
        edges = edges_for(values, task.thresholds, task.lowest, BINS)
        center, spread = float(values.mean()), float(values.std())
        return cls((values - center) / spread, center, spread, edges)

    def in_unit(self, mean: np.ndarray, lowest: float) -> np.ndarray:
        """Answers of a last layer ``[n, 1]`` as numbers of the quantity ``[n]``, none below its lowest value."""
        return np.maximum(mean[:, 0] * self.spread + self.center, lowest)

    @property
    def scaled_edges(self) -> np.ndarray:
        """Edges in the unit of the targets."""
        return (self.edges - self.center) / self.spread


def last_layers(material: Material, seed: int) -> Iterator[Candidate]:
    """Last layers of each useful set of parts: all first."""
    descriptors = ("numbers", "fragments", "contributions") if material.features.fragments.shape[1] else ("numbers",)
    targets = Targets.of(material)
    for parts in (("states", *descriptors), ("states",), descriptors):
        yield _last_layer(material, targets, parts, seed)


def _last_layer(material: Material, targets: Targets, parts: tuple[str, ...], seed: int) -> Candidate:
    began = time.process_time()
    tuned_on = FOR_COMPARISON if parts == ("states",) else MOST_TUNED
    fitted = fit_kernel(material.likeness, targets.scaled, material.folds, parts, targets.scaled_edges, seed, tuned_on)
    source = material.start.task.name
    read = ", ".join(WORDS[part] for part in parts)
    seen = [f"{source} network"] if "states" in parts else []
    name = " and ".join([*seen, *(["descriptors"] if "numbers" in parts else [])])
    return Candidate(
        name=f"last layer on {name}",
        what=f"Bayesian last layer (Gaussian process) on {read}",
        validation=errors_of(fitted, targets, material),
        measured_on=len(material.fitted),
        cpu_seconds=time.process_time() - began,
        fitted=fitted,
        extra={"parts": parts},
    )


def errors_of(fitted: Fitted, targets: Targets, material: Material) -> dict[str, Any]:
    """Errors of a last layer on structures that it was not fitted to."""
    return errors_of_answers(fitted.mean, targets, material)


def errors_of_answers(
    mean: np.ndarray, targets: Targets, material: Material, rows: np.ndarray | None = None
) -> dict[str, Any]:
    """Errors of answers ``[n, T]``, in the units of the targets, to the fitted structures; or of some of them, by their positions."""
    some = np.arange(len(mean)) if rows is None else rows
    values, answers = material.values[some], mean[some]
    if material.task.answer == "label":
        return label_errors(material.task.class_of(values), softmax(SHARPNESS * answers), material.task.classes)
    return number_errors(values, targets.in_unit(answers, material.task.lowest))


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities ``[n, C]``."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def baselines(material: Material) -> Iterator[Candidate]:
    """The simplest ways: always the mean or the shares of the classes, and a linear model on descriptors."""
    labels = material.task.answer == "label"
    usual = "the shares of the classes" if labels else "the mean"
    linear = "logistic regression" if labels else "ridge regression"
    yield _baseline(material, "majority" if labels else "mean", f"always {usual}", lambda: _Usual(labels))
    yield _baseline(material, linear, f"{linear} on descriptors of the whole", lambda: _linear(labels))


def _baseline(material: Material, name: str, what: str, make: Callable[[], Any]) -> Candidate:
    began = time.process_time()
    task, features = material.task, material.of_fitted
    labels = task.answer == "label"
    x, values = _inputs(features), material.values
    y = task.class_of(values) if labels else values

    def fitted(rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        model = make().fit(x[rows], y[rows])
        if not labels:
            return lambda inputs: np.asarray(model.predict(inputs))

        def probabilities(inputs: np.ndarray) -> np.ndarray:
            found = np.zeros((len(inputs), len(task.classes)))
            found[:, model.classes_] = model.predict_proba(inputs)
            return found

        return probabilities

    found = np.zeros((len(y), len(task.classes))) if labels else np.zeros(len(y))
    halves = material.folds // 2  # five folds: a baseline costs less so, and loses little
    for outside, inside in walk(halves):
        found[inside] = fitted(outside)(x[inside])
    errors = label_errors(y, found, task.classes) if labels else number_errors(values, found)
    whole = fitted(np.arange(len(y)))
    return Candidate(
        name=name,
        what=what,
        validation=errors,
        measured_on=len(y),
        cpu_seconds=time.process_time() - began,
        baseline=True,
        answer=lambda other: whole(_inputs(other)),
    )


def _inputs(features: Features) -> np.ndarray:
    """Descriptors as one table, what is missing as 0."""
    numbers = np.nan_to_num(features.numbers)
    return np.asarray(np.sign(numbers) * np.log1p(np.abs(numbers)), dtype=np.float32)


def _linear(labels: bool) -> Any:
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(C=0.05, max_iter=500) if labels else RidgeCV(alphas=(1.0, 3.0, 10.0, 30.0, 100.0, 300.0))
    return make_pipeline(StandardScaler(), model)


class _Usual:
    """Always the mean, or the shares of the classes."""

    def __init__(self, labels: bool) -> None:
        self._labels = labels

    def fit(self, x: np.ndarray, y: np.ndarray) -> _Usual:
        """Remembers the labels."""
        self.classes_, counts = np.unique(y, return_counts=True)
        self._usual = counts / len(y) if self._labels else np.full(1, y.mean())
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The mean for each."""
        return np.repeat(self._usual, len(x))

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """The shares for each."""
        return np.repeat(self._usual[None], len(x), axis=0)
