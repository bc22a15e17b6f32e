"""The scientist's own preset, trained on exported records; only the number of epochs is set by the budget."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from curve import PROBE, Curve, Exported, Pace, arguments

import andersonn as an
from andersonn.config import TrainConfig, config_of
from andersonn.data.records import Records
from andersonn.data.store import ImageStore
from andersonn.data.tasks import Task
from andersonn.inference.forward import forward
from andersonn.scientists.base import ScientistSpec
from andersonn.scientists.registry import find
from andersonn.training.dataset import Dataset
from andersonn.training.trainer import Trainer

RATES = ("rate, files", "rate, SMILES", "rate, bonds")


class Spent(Exception):
    """The budget is spent, in the middle of an epoch."""


def main() -> None:
    options = arguments("files", "bonds", *RATES)
    torch.set_num_threads(1)
    data = Exported.read(options.records)
    if options.model in RATES:
        rate(options.out, data, options.model, sorted(options.files.iterdir()))
        return
    curve = Curve(options.out, options.budget, data)
    trainer = train(curve, find(data.task).of_geometry("none" if options.model == "bonds" else None), options.seed)
    parameters = sum(p.numel() for p in trainer.network.parameters())
    curve.write({"parameters": parameters, "epochs": trainer.config.epochs})


def rate(out: Path, data: Exported, model: str, files: list[Path]) -> None:
    """How many records a second the published weights answer."""
    scientist = an.Scientist.load(data.task, geometry="none" if model == "rate, bonds" else None)
    sources = files if model == "rate, files" else data.validation.smiles
    source = f"{files[0].suffix[1:]} files" if model == "rate, files" else "SMILES"
    Curve(out, 1.0, data).finish(0, lambda n: scientist.predict(sources[:n]), source)


def dataset_of(curve: Curve, task: Task, config: TrainConfig) -> Dataset:
    """The exported records and their images, made here and now by this process; of the time, the share of the validation records is
    left out. There are no test records.
    """
    data = curve.data
    sides = (data.train, data.validation)
    values = np.concatenate([side.values for side in sides])
    columns = {
        "id": [str(i) for i in range(len(values))],
        "group": [str(i) for i in range(len(values))],
        "atomic_numbers": [Z.tolist() for side in sides for Z in side.Z],
        "positions": [xyz.ravel().tolist() for side in sides for xyz in side.xyz],
    }
    if data.train.cells:
        columns["cell"] = [cell.ravel().tolist() for side in sides for cell in side.cells]
    if data.train.smiles:
        columns["smiles"] = [text for side in sides for text in side.smiles]
    records = Records.of(pa.table(columns), "exported records")
    begin = curve.clock()
    store = ImageStore.build(records, config.image, workers=1)
    curve.left_out += (curve.clock() - begin) * len(data.validation) / len(records)
    if store.rejected:
        raise ValueError(f"records without an image cannot be compared on: {list(store.rejected.items())[:3]}")
    train, validation = np.split(np.arange(len(values)), [len(data.train)])
    of_side = {"train": train, "validation": validation, "test": np.array([], dtype=np.int64)}
    return Dataset(records, store, values, task.class_of(values), of_side, {})


def train(curve: Curve, scientist: ScientistSpec, seed: int) -> Trainer:
    """Trains to the end of the budget. The images are made within it."""
    task = scientist.task
    config = config_of(scientist, overrides=[f"seed={seed}", "device=cpu"])
    dataset = dataset_of(curve, task, config)
    epochs = probe(curve, dataset, task, config)
    trainer = Trainer(dataset, task, config.model_copy(update={"epochs": epochs}))
    run(trainer, curve)
    curve.evaluate(evaluation(trainer))
    return trainer


def probe(curve: Curve, dataset: Dataset, task: Task, config: TrainConfig) -> int:
    """Epochs that the rest of the budget allows, by the speed of some first batches of a network that is thrown away."""
    pace, until = Pace(curve), curve.spent + PROBE * curve.budget
    trainer = Trainer(dataset, task, config)
    records = len(trainer.shown)

    def watch(fraction: float) -> None:
        if pace.after_batch(round(fraction * records), until):
            raise Spent

    with suppress(Spent):
        trainer.run_epoch(watch)
    return pace.epochs(records)


def run(trainer: Trainer, curve: Curve) -> None:
    """All epochs, or fewer if the budget ends before; the validation that ends an epoch is left out of the CPU-seconds."""
    evaluate, records, seen = evaluation(trainer), len(trainer.shown), [0]

    def watch(fraction: float) -> None:
        now = round(fraction * records)
        over, seen[0] = curve.after_batch(now - seen[0], evaluate), now
        marked[0] = curve.clock()
        if over:
            raise Spent

    marked = [curve.clock()]
    with suppress(Spent):
        while not trainer.done:
            seen[0] = 0
            trainer.run_epoch(watch)
            curve.left_out += curve.clock() - marked[0]


def evaluation(trainer: Trainer) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Classes and values by the averaged weights, which are those that a training keeps."""
    dataset, calibration = trainer.dataset, trainer.raw_calibration

    def evaluate() -> tuple[np.ndarray, np.ndarray]:
        outputs = forward(trainer.average.module, dataset.store, dataset.sides["validation"])
        p = calibration.probabilities(outputs.scores)
        return p.argmax(axis=1), calibration.estimates(outputs.scores, outputs.quantiles)[0]

    return evaluate


if __name__ == "__main__":
    main()
