"""The demonstration's work: train with each solver, test, compare the solvers; returns plain data for the report."""

from __future__ import annotations

import os
import platform
import time
from importlib import resources
from typing import Any

import numpy as np
import torch

from andersonn.config import TrainConfig
from andersonn.data.records import Records
from andersonn.demo.compare import MIXING, REPEATS, SOLVERS, compare_inference, contestants
from andersonn.inference.forward import MAX_ROWS, forward
from andersonn.measuring.contenders import BUDGET
from andersonn.measuring.curves import residual_curves
from andersonn.measuring.problems import problems
from andersonn.measuring.setting import cpu_name, threads_of
from andersonn.measuring.training import train_in_turn
from andersonn.progress import Progress
from andersonn.scientists.conduction import CONDUCTION
from andersonn.training.baselines import baselines
from andersonn.training.calibrate_and_test import answer_metrics, fitted_to
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.trainer import Trainer

EXAMPLES_PER_CLASS = 2
EXAMPLE_ROWS = (2, 9)
"""Examples are the first test crystals of each class with an image of so many rows: neither trivial nor too tall."""
THREADS = 1
"""Of torch: batches are small, so a second thread saves little, and on a busy machine two wait for each other."""
OPTIONS: dict[str, Any] = {
    "epochs": 5,
    "max_rows": 768,
    "max_images": 64,
    "weight_decay": 0.3,
    "label_smoothing": 0.1,
    "image": {"columns": 6},
    "model": {"encoder": "lean", "gain": 1.5, "width": 64, "dropout": 0.3, "embedding_dropout": 0.3},
}
"""The lean network, at a gain where the fixed point takes plain iteration many evaluations."""


def demo_records() -> Records:
    """The embedded sample (Materials Project, CC BY 4.0)."""
    return Records.read(str(resources.files("andersonn.demo") / "crystals.parquet"), (CONDUCTION.quantity,))


def demo_config(seed: int, epochs: int | None, solver: str) -> TrainConfig:
    """Options of the run with one of :data:`~andersonn.demo.compare.SOLVERS`; they differ in the solver alone."""
    options = OPTIONS | {"seed": seed}
    options["model"] = OPTIONS["model"] | {"solver": {"max_steps": BUDGET, **SOLVERS[solver]}}
    return TrainConfig.make(options | ({} if epochs is None else {"epochs": epochs}))


def run(seed: int, epochs: int | None, progress: Progress) -> dict[str, Any]:
    """Everything the report shows, as JSON-able data, but the pictures."""
    with threads_of(THREADS):
        return _run(seed, epochs, progress)


def _run(seed: int, epochs: int | None, progress: Progress) -> dict[str, Any]:
    begin = time.perf_counter()
    configs = {name: demo_config(seed, epochs, name) for name in SOLVERS}
    records = demo_records()
    progress.start("graph images", len(records))
    dataset = prepare(records, CONDUCTION, configs["anderson"], lambda done, _: progress.update(done))
    progress.finish()
    imaging = time.perf_counter() - begin
    progress.start("random forest", 1)
    beside = baselines(dataset, CONDUCTION)(dataset.sides["test"])
    progress.finish()
    trainers = {name: Trainer(dataset, CONDUCTION, config) for name, config in configs.items()}
    train_in_turn(trainers, progress)
    tested = {name: _test(trainer) for name, trainer in trainers.items()}
    progress.start("comparing the solvers", 2)
    network, side = trainers["anderson"].network, dataset.sides["test"]
    solver = configs["anderson"].model.solver
    inference = compare_inference(problems(network, dataset.store, side, MAX_ROWS), solver)
    progress.update(1)
    curve = residual_curves(problems(network, dataset.store, side, 10**9)[0], contestants(solver), REPEATS)
    progress.finish()
    return {
        "seed": seed,
        "data": _data_summary(dataset, imaging),
        "config": configs["anderson"].model_dump(mode="json"),
        "machine": _machine(),
        "baselines": beside,
        "test": {name: metrics for name, (metrics, _) in tested.items()},
        "training": {name: _training_summary(trainer) for name, trainer in trainers.items()},
        "damped_mixing": MIXING,
        "inference": inference,
        "curve": curve,
        "examples": _examples(dataset, tested["anderson"][1]),
        "seconds": time.perf_counter() - begin,
    }


def _test(trainer: Trainer) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """Metrics on the test side, and the answer to each test record by index."""
    dataset, task = trainer.dataset, trainer.task
    side = dataset.sides["validation"]
    outputs = forward(trainer.network, dataset.store, side)
    known = dataset.values[side]
    calibration = fitted_to(trainer.raw_calibration, outputs, known, task, dataset.made[side], known)
    side = dataset.sides["test"]
    outputs = forward(trainer.network, dataset.store, side)
    p = calibration.probabilities(outputs.scores)
    values, intervals = calibration.estimates(outputs.scores, outputs.quantiles)
    answers = {
        int(index): {"probabilities": p[k].tolist(), "value": float(values[k]), "interval90": intervals[k].tolist()}
        for k, index in enumerate(side)
    }
    return answer_metrics(outputs, calibration, dataset.values[side], task), answers


def _training_summary(trainer: Trainer) -> dict[str, Any]:
    history = trainer.history

    def mean(key: str) -> float:
        return float(np.mean([row[key] for row in history]))

    return {
        "history": history,
        "seconds": sum(row["train_seconds"] for row in history),
        "forward_evaluations": mean("forward_evaluations_per_structure"),
        "adjoint_evaluations": mean("adjoint_evaluations_per_structure"),
        "cell_calls": mean("forward_evaluations") + mean("adjoint_evaluations"),
        "unconverged": mean("forward_unconverged"),
        "radius": history[-1]["radius_median"],
        "radius_max": max(row["radius_max"] for row in history),
    }


def _data_summary(dataset: Dataset, imaging: float) -> dict[str, Any]:
    counts = np.bincount(dataset.labels[dataset.usable], minlength=3)
    return {
        "crystals": len(dataset.usable),
        "unusable": len(dataset.unusable),
        **{side: len(indices) for side, indices in dataset.sides.items()},
        "classes": dict(zip(CONDUCTION.classes, counts.tolist(), strict=True)),
        "atoms": int(dataset.store.multiplicity.sum()),
        "rows": int(dataset.store.n_rows.sum()),
        "imaging_seconds": imaging,
    }


def _examples(dataset: Dataset, answers: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    rows = dataset.store.n_rows
    for c, name in enumerate(CONDUCTION.classes):
        fitting = [i for i in answers if dataset.labels[i] == c and EXAMPLE_ROWS[0] <= rows[i] <= EXAMPLE_ROWS[1]]
        for index in fitting[:EXAMPLES_PER_CLASS]:
            found.append({"record": index, "truth": name, "gap": float(dataset.values[index]), **answers[index]})
    return found


def _machine() -> dict[str, Any]:
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
