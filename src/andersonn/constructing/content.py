"""Everything that a construction's report shows, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from andersonn.constructing.candidates import Candidate
from andersonn.constructing.finishing import Finished
from andersonn.constructing.material import Material
from andersonn.constructing.measures import label_errors, number_errors
from andersonn.constructing.understanding import Understanding
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.tails import Kinds
from andersonn.structures import elements

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Of central intervals, whose coverage is shown."""
CONFIDENCES = 8


def content_of(
    understood: Understanding,
    material: Material,
    candidates: list[Candidate],
    chosen: Candidate,
    done: Finished,
    curve: list[dict[str, float]],
    twice: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The content of ``construction.json``; docs/construct.md names its parts."""
    task, sides = material.task, material.dataset.sides
    truth = material.dataset.values[material.tested]
    answers = _Answers.of(done, material)
    reasons = Counter([*understood.unusable.values(), *material.dataset.unusable.values()])
    return {
        "name": task.name,
        "source": understood.source,
        "target": understood.target,
        "unit": task.unit,
        "kind": understood.kind,
        "periodic": understood.periodic,
        "classes": list(task.classes) if task.answer != "number" else [],
        "thresholds": list(task.thresholds) if task.answer == "class" else [],
        "understanding": {
            "values": _values(understood),
            "findings": list(understood.findings),
            "rows": len(understood.records) + len(understood.unusable),
            "usable": len(material.fitted) + len(material.tested),
            "unusable": dict(reasons.most_common()),
        },
        "split": {"by": understood.split, **{side: len(indices) for side, indices in sides.items()}},
        "candidates": [_described(each, each is chosen) for each in candidates],
        "test": _tested(truth, answers, material) | {"beside": _beside(candidates, material, truth)},
        "points": _points(answers, done, material, understood),
        "reliability": _reliability(done, material, truth, answers),
        "learning_curve": curve,
        "twice": None if twice is None else dict(twice),
        "applicability": _applicability(done, truth, answers, material),
    }


def _values(understood: Understanding) -> str:
    """What the target holds, in a line."""
    values = understood.values
    if understood.kind == "labels":
        counts = np.bincount(values.astype(np.int64), minlength=len(understood.classes))
        return ", ".join(f"{name} {count:,}" for name, count in zip(understood.classes, counts.tolist(), strict=True))
    return f"{values.min():.4g} to {values.max():.4g}, median {np.median(values):.4g}"


class _Answers:
    """Answers to the test side: estimates ``[n]``, intervals ``[n, 2]``, probabilities ``[n, C]``."""

    def __init__(self, estimates: np.ndarray, intervals: np.ndarray, probabilities: np.ndarray) -> None:
        self.estimates, self.intervals, self.probabilities = estimates, intervals, probabilities

    @classmethod
    def of(cls, done: Finished, material: Material) -> _Answers:
        calibration, tested = done.bundle.calibration, done.tested
        made = np.zeros(len(tested.scores), dtype=bool)
        kinds = Kinds.of_store(material.dataset.store, material.tested)
        p = calibration.probabilities(tested.scores, made, done.distances)
        estimates, intervals = calibration.estimates(tested.scores, tested.quantiles, made, done.distances, kinds)
        return cls(estimates, intervals, p)


def _described(candidate: Candidate, chosen: bool) -> dict[str, Any]:
    return {
        "name": candidate.name,
        "what": candidate.what,
        "baseline": candidate.baseline,
        "chosen": chosen,
        "n": candidate.measured_on,
        "validation": candidate.validation,
        "cpu_seconds": candidate.cpu_seconds,
        "note": candidate.note,
    }


def _tested(truth: np.ndarray, answers: _Answers, material: Material) -> dict[str, Any]:
    """Measures of the test side."""
    task = material.task
    if task.answer == "label":
        return {"n": len(truth), **label_errors(task.class_of(truth), answers.probabilities, task.classes)}
    inside = (truth >= answers.intervals[:, 0]) & (truth <= answers.intervals[:, 1])
    found: dict[str, Any] = {
        "n": len(truth),
        **number_errors(truth, answers.estimates),
        "coverage90": float(inside.mean()),
        "mean_width90": float(np.diff(answers.intervals, axis=1).mean()),
    }
    if task.answer == "class":
        found |= label_errors(task.class_of(truth), answers.probabilities, task.classes)
    return found


def _beside(candidates: list[Candidate], material: Material, truth: np.ndarray) -> dict[str, Any]:
    """Measures of the baselines on the test side."""
    found = {}
    for each in candidates:
        if each.answer is None:
            continue
        answers = each.answer(material.of_tested)
        if material.task.answer == "label":
            found[each.name] = label_errors(material.task.class_of(truth), answers, material.task.classes)
        else:
            found[each.name] = number_errors(truth, answers)
    return found


def _points(answers: _Answers, done: Finished, material: Material, understood: Understanding) -> list[dict[str, Any]]:
    """The test side, structure by structure."""
    assert done.bundle.domain is not None  # a construction fits one
    task, records = material.task, understood.records
    smiles = records.table["smiles"].to_pylist() if "smiles" in records.table.column_names else None
    truth = material.dataset.values[material.tested]
    labels = task.class_of(truth)
    found = []
    for k, i in enumerate(material.tested.tolist()):
        Z = records.atomic_numbers(i)
        assert Z is not None  # else it were not usable
        p = dict(zip(task.classes, answers.probabilities[k].tolist(), strict=True))
        point: dict[str, Any] = {
            "id": records.ids[i],
            "smiles": None if smiles is None else smiles[i],
            "formula": elements.formula(Z) if understood.periodic else elements.hill_formula(Z),
            "n_atoms": len(Z),
            "distance": float(done.distances[k]),
            "inside": bool(done.distances[k] <= done.bundle.domain.limit),
        }
        if task.answer == "label":
            point |= {"true": task.classes[labels[k]], "estimate": max(p, key=lambda name: p[name]), "p": p}
        else:
            low, high = answers.intervals[k].tolist()
            point |= {"true": float(truth[k]), "estimate": float(answers.estimates[k]), "low": low, "high": high}
        found.append(point | ({"p": p} if task.answer == "class" else {}))
    return found


def _reliability(done: Finished, material: Material, truth: np.ndarray, answers: _Answers) -> list[dict[str, float]]:
    """How often central intervals cover, or how often answers of a confidence are right."""
    calibration = done.bundle.calibration
    if isinstance(calibration, DistributionCalibration) and material.task.answer != "label":
        made = np.zeros(len(truth), dtype=bool)
        at = calibration.distributions(done.tested.scores, made, done.distances).at(truth)
        return [{"level": level, "covered": float((np.abs(at - 0.5) <= 0.5 * level).mean())} for level in LEVELS]
    confidence = answers.probabilities.max(axis=1)
    right = answers.probabilities.argmax(axis=1) == material.task.class_of(truth)
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(CONFIDENCES, len(truth)))
    return [
        {"confidence": float(confidence[part].mean()), "accuracy": float(right[part].mean()), "n": len(part)}
        for part in parts
    ]


def _applicability(done: Finished, truth: np.ndarray, answers: _Answers, material: Material) -> dict[str, Any]:
    """Errors inside and outside the applicability domain."""
    assert done.bundle.domain is not None  # a construction fits one
    limit = done.bundle.domain.limit
    inside = done.distances <= limit
    misses = np.square(answers.estimates - truth)
    right = answers.probabilities.argmax(axis=1) == material.task.class_of(truth)

    def part(of: np.ndarray) -> dict[str, Any]:
        if material.task.answer == "label":
            return {"n": int(of.sum()), "accuracy": float(right[of].mean()) if of.any() else None}
        return {"n": int(of.sum()), "rmse": float(np.sqrt(misses[of].mean())) if of.any() else None}

    return {"limit": float(limit), "inside": part(inside), "outside": part(~inside)}
