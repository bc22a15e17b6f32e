"""A trained model, and its answers, with the classes cut elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from andersonn.errors import UsageError
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.prediction import Prediction


def with_thresholds(bundle: ModelBundle, name: str, thresholds: Sequence[float]) -> ModelBundle:
    """The same distributions, cut at other values of the quantity.

    Args:
        bundle: the model.
        name: of the model, for messages.
        thresholds: rising, in the task's unit, one fewer than there are classes; where the model answers with a number, as many
            as are wanted.

    Raises:
        UsageError: there are too many or too few or they do not rise, or the model learned its classes at fixed thresholds.
    """
    if not bundle.task.has_estimate:
        told = f"the model {name!r} learned labels, not a quantity that could be cut"
        raise UsageError("fixed_thresholds", told, "leave the thresholds out")
    task, calibration = bundle.task.cut_at(tuple(thresholds)), bundle.calibration
    if not isinstance(calibration, DistributionCalibration):
        told = f"the model {name!r} learned its classes at {', '.join(f'{cut:g}' for cut in bundle.task.thresholds)}"
        raise UsageError(
            "fixed_thresholds",
            f"{told} {task.unit}, and they cannot be moved",
            "train one with model.answer=distribution, or with thresholds=[...]",
        )
    shares = np.diff([0.0, *(calibration.usual_below(cut) for cut in task.thresholds), 1.0])
    changed = {"majority_class": task.classes[int(np.argmax(shares))], "anytime": None}
    return replace(
        bundle,
        task=task,
        calibration=calibration.with_thresholds(task.thresholds),
        provenance=bundle.provenance | changed,
    )


def cut_again(bundle: ModelBundle, prediction: Prediction) -> Prediction:
    """An answer with its classes cut where those of ``bundle`` are, which :func:`with_thresholds` gave of the model that answered."""
    calibration, found = bundle.calibration, prediction.distribution
    assert isinstance(calibration, DistributionCalibration)  # others are refused by with_thresholds
    assert found is not None
    p, classes = calibration.classes_of(found)[0], bundle.task.classes
    return replace(
        prediction,
        label=classes[int(p.argmax())],
        probabilities=dict(zip(classes, p.tolist(), strict=True)),
        thresholds=bundle.task.thresholds,
        kind=bundle.task.answer,
    )
