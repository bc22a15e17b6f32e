"""Both readings of the graph image, message passing and convolution, each as an equilibrium and as explicit stacks.

    python benchmarks/readings.py --data FOLDER … [--tasks conduction …] [--readings "message, equilibrium" …]
        [--seeds 0 1 2] [--options key=value …] [--tune] [--out runs/readings]
    python benchmarks/readings.py --show [--out runs/readings]

The folders hold the Parquet files of :data:`FILES`. Every reading is trained by the scientist's own code with the task's own
recipe (but for what :data:`STUDY` and :data:`READINGS` change), on the same training records, and calibrated on the same
validation records; the network of the epoch with the lowest validation loss is tested. A "deep" stack has as many layers
as the equilibrium of the same cell took evaluations, in the mean over the training of the first seed; a "shallow" one has
two, of which the first only reads the image. Seconds are of the processor, not of the clock, with one thread, so that other
work on the machine counts less.

Runs end up in OUT.json one by one, and those that are there already are not repeated; OUT.md holds the tables, and --show
writes them of the runs so far. With --tune the test records are left alone: for choosing options by the validation records.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from andersonn.config import TrainConfig, config_of
from andersonn.data.merging import read_records
from andersonn.data.tasks import Task
from andersonn.inference.forward import forward
from andersonn.io.files import write_json, write_text
from andersonn.measuring.setting import cpu_name
from andersonn.scientists.registry import find
from andersonn.training.baselines import baselines
from andersonn.training.calibrate_and_test import answer_metrics
from andersonn.training.calibration_fitting import fit_calibration
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.trainer import Trainer

FILES = {
    "conduction": ("crystals_mp2018.parquet",),
    "polarity": ("molecules_qm9.parquet", "molecules_pereira2018.parquet"),
    "porosity": ("mofs_small.parquet",),
}
STUDY: dict[str, dict[str, Any]] = {
    "conduction": {
        "train": 2000,
        "validation": 500,
        "test": 1500,
        "options": ("epochs=6", "learning_rate=1e-2", "model.width=64"),
    },
    "polarity": {"train": 1500, "validation": 500, "test": 1500, "options": ("epochs=5", "learning_rate=5e-3")},
    "porosity": {
        "train": 600,
        "validation": 300,
        "test": 900,
        "options": ("epochs=5", "learning_rate=5e-3", "split.validation=0.2", "split.test=0.4"),
    },
}
"""Task → how many records of each side, at most, and what differs from the recipe: shorter, faster training."""
OF_THEN = ("model.answer=classes", "model.encoder=full", "model.electrons=false")
"""The recipes' options when the study was made, where they have changed since."""
CONVOLUTION = ("model.cell=convolution", "model.width=32")
DEEP, UNTIED = "model.layers={depth}", "model.tied=false"
FREE = "model.gain=4"
"""A stack needs no contraction, and the message cell's stacks are better without."""
READINGS: dict[str, tuple[str, ...]] = {
    "message, equilibrium": (),
    "message, tied, deep": (DEEP, FREE),
    "message, untied, deep": (DEEP, UNTIED, FREE),
    "message, untied, shallow": ("model.layers=2", UNTIED, FREE),
    "convolution, equilibrium": CONVOLUTION,
    "convolution, tied, deep": (*CONVOLUTION, DEEP),
    "convolution, untied, deep": (*CONVOLUTION, DEEP, UNTIED),
}
COLUMNS = {
    "validation": ("validation", "accuracy", 3), "accuracy": ("test", "accuracy", 3),
    "balanced": ("test", "balanced_accuracy", 3), "MAE": ("test", "mae", 3), "training, s": ("", "training_seconds", 0),
    "predictions/s": ("", "per_second", 0),
}  # fmt: skip
"""Title → where a run keeps it, and its digits."""


def subset(dataset: Dataset, sizes: dict[str, Any]) -> Dataset:
    """The dataset with at most so many records a side, always the same ones."""
    draw = np.random.default_rng(0)
    return replace(dataset, sides={s: np.sort(draw.permutation(i)[: sizes[s]]) for s, i in dataset.sides.items()})


def configured(task: str, reading: str, seed: int, depth: dict[str, int], options: list[str]) -> TrainConfig:
    """The configuration of one run; ``depth`` gives the layers of a deep stack by cell."""
    words = [word.format(depth=depth.get(reading.partition(",")[0])) for word in READINGS[reading]]
    return config_of(
        find(task), overrides=[*OF_THEN, *STUDY[task]["options"], "device=cpu", f"seed={seed}", *words, *options]
    )


def run(dataset: Dataset, task: Task, config: TrainConfig, tune: bool) -> dict[str, Any]:
    """Trains, calibrates and tests one network."""
    trainer = Trainer(dataset, task, config)
    seconds = 0.0
    while not trainer.done:
        begin = time.process_time()
        row = trainer.run_epoch()
        seconds += (time.process_time() - begin) * row["train_seconds"] / row["seconds"]  # without the validation
    trainer.use_best()
    history = trainer.history
    found = {
        "seed": config.seed,
        "layers": config.model.layers,
        "parameters": sum(p.numel() for p in trainer.network.parameters()),
        "training_seconds": seconds,
        "best_epoch": 1 + int(np.argmin([row["validation_loss"] for row in history])),
        "evaluations": float(np.mean([row["forward_evaluations"] for row in history])),
        "history": history,
        "config": config.model_dump(mode="json"),
    }
    return found | tested(trainer, ("validation",) if tune else ("validation", "test"))


def tested(trainer: Trainer, sides: tuple[str, ...]) -> dict[str, Any]:
    """Metrics of each side, calibrated on the first, and structures a second from images to answers on the last."""
    dataset, found, calibration = trainer.dataset, {}, None
    for side in sides:
        chosen = dataset.sides[side]
        values, made = dataset.values[chosen], dataset.made[chosen]
        begin = time.process_time()
        outputs = forward(trainer.network, dataset.store, chosen)
        found["per_second"] = len(chosen) / (time.process_time() - begin)
        if calibration is None:
            calibration = fit_calibration(outputs.scores, outputs.quantiles, values, trainer.task, trainer.scale, made)
        found[side] = answer_metrics(outputs, calibration, values, trainer.task, made)
    return found


def study(arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs what is asked for and not there yet, seed by seed, so that all readings are equally far when it is stopped."""
    out = arguments.out.with_suffix(".json")
    found = json.loads(out.read_text()) if out.exists() else {"tasks": {}}
    found |= {"machine": f"{cpu_name()}, one thread", "torch": torch.__version__, "options": arguments.options}
    datasets = {name: read(name, arguments.data) for name in arguments.tasks}
    for name, dataset in datasets.items():
        entry = found["tasks"].setdefault(name, {"runs": {}})
        entry["records"] = {side: len(indices) for side, indices in dataset.sides.items()}
        if "baselines" not in entry and not arguments.tune:
            entry["baselines"] = baselines(dataset, find(name).task)(dataset.sides["test"])
    for seed, name, reading in product(arguments.seeds, arguments.tasks, arguments.readings):
        every = found["tasks"][name]["runs"]
        runs = every.setdefault(reading, [])
        if seed in [each["seed"] for each in runs]:
            continue
        config = configured(name, reading, seed, depths(every), arguments.options)
        runs.append(run(datasets[name], find(name).task, config, arguments.tune))
        write_json(out, found)
        print(f"{name}, {reading}, seed {seed}: {shown(runs[-1])}", flush=True)
    return found


def read(name: str, folders: list[Path]) -> Dataset:
    """The records of a task's study, with their images."""
    paths = [next(folder / file for folder in folders if (folder / file).exists()) for file in FILES[name]]
    task, config = find(name).task, configured(name, "message, equilibrium", 0, {}, [])
    dataset = subset(prepare(read_records(paths, labels=(task.quantity,)), task, config), STUDY[name])
    dataset.require_trainable(task)
    return dataset


def depths(runs: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    """Cell → layers of its deep stacks, where its equilibrium has been trained."""
    trained = {reading.partition(",")[0]: each[0] for reading, each in runs.items() if each and not each[0]["layers"]}
    return {cell: round(first["evaluations"]) for cell, first in trained.items()}


def shown(each: dict[str, Any]) -> str:
    """A run in a line."""
    return (
        f"validation accuracy {each['validation']['accuracy']:.3f}, loss {min(r['validation_loss'] for r in each['history']):.4f}, "
        f"MAE {each['validation']['mae']:.3f}, epoch {each['best_epoch']}, {each['evaluations']:.1f} evaluations, "
        f"{each['training_seconds']:.0f} s, {each['per_second']:.0f}/s, {each['parameters']} parameters"
    )


def tables(found: dict[str, Any]) -> str:
    """Markdown: a table a task; mean ± standard deviation over the seeds."""
    lines = [f"{found['machine']}, PyTorch {found['torch']}."]
    for name, entry in found["tasks"].items():
        sizes = ", ".join(f"{n:,} {side}" for side, n in entry["records"].items())
        lines += ["", f"### {name}", "", f"Records: {sizes}.", ""]
        lines += ["| reading | layers | seeds | parameters |" + "".join(f" {title} |" for title in COLUMNS)]
        lines += ["|---" * (4 + len(COLUMNS)) + "|"]
        for reading, runs in entry["runs"].items():
            if not runs:
                continue
            cells = [reading, layers(runs), str(len(runs)), f"{runs[0]['parameters']:,}"]
            cells += [spread([picked(each, path) for each in runs], digits) for *path, digits in COLUMNS.values()]
            lines.append("| " + " | ".join(cells) + " |")
        for rule, metrics in entry.get("baselines", {}).items():
            cells = [rule, "", "", "", "", *(f"{metrics[key]:.3f}" for key in ("accuracy", "balanced_accuracy"))]
            cells += [f"{metrics['mae']:.3f}" if "mae" in metrics else "", "", ""]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def layers(runs: list[dict[str, Any]]) -> str:
    """Of a stack, or the evaluations of an equilibrium in training."""
    return str(runs[0]["layers"] or f"solved, {np.mean([each['evaluations'] for each in runs]):.1f}")


def picked(each: dict[str, Any], path: list[str]) -> float:
    """A number of a run; NaN where it was not tested."""
    side, key = path
    return (each.get(side, {}) if side else each).get(key, np.nan)


def spread(values: list[float], digits: int) -> str:
    """Mean ± standard deviation of the sample."""
    text = f"{np.mean(values):,.{digits}f}"
    return text if len(values) < 2 else f"{text} ± {np.std(values, ddof=1):,.{digits}f}"


def run_or_show(
    arguments: argparse.Namespace,
    study: Callable[[argparse.Namespace], dict[str, Any]],
    tables: Callable[[dict[str, Any]], str],
) -> None:
    """Writes the tables of a study, which is run unless what there is of it shall only be shown."""
    torch.set_num_threads(1)
    found = json.loads(arguments.out.with_suffix(".json").read_text()) if arguments.show else study(arguments)
    write_text(arguments.out.with_suffix(".md"), tables(found))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", default=[Path()])
    parser.add_argument("--tasks", nargs="+", choices=tuple(STUDY), default=list(STUDY))
    parser.add_argument("--readings", nargs="+", choices=tuple(READINGS), default=list(READINGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--options", nargs="*", default=[])
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/readings"))
    return parser.parse_args()


def main() -> None:
    run_or_show(parsed(), study, tables)


if __name__ == "__main__":
    main()
