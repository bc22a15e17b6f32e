"""The lean network beside the present recipe: accuracy, cost of training, and evaluations of each solver, by slots and gain.

    python benchmarks/lean.py --data FOLDER … [--tasks conduction …] [--records conduction=8000 …] [--slots 6 …] [--gains 0.9 …]
        [--seeds 0 1 2] [--options key=value …] [--test] [--out runs/lean]
    python benchmarks/lean.py --show [--out runs/lean]

Contestants of a task are its present recipe, the same with fewer neighbor slots, and ``model.encoder=lean`` with so many slots at each gain.
Every network is trained by the scientist's own code on the same records (all of the files of :data:`FILES`, or so many drawn from
them; groups stay together) with the task's own options; the epoch with the lowest validation loss is kept. What is chosen is
chosen by the validation side; the test side is left alone without ``--test``. Seconds are of the processor, with one thread.

Each trained network then answers the validation structures by each way of :data:`WAYS` at the network's own tolerance, from images in
memory and the cell's own first state: evaluations of the cell (mean over batches of 4096 rows), the fraction of structures that
converged within 200 updates, and of those with the class of a solve to 1e-6.

Runs end up in OUT.json one by one, and those that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch

from andersonn.config import config_of
from andersonn.data.merging import read_records
from andersonn.inference.forward import MAX_ROWS, forward, solvers_changed
from andersonn.io.files import write_json
from andersonn.measuring.setting import cpu_name
from andersonn.models import EquilibriumNetwork, row_batches
from andersonn.scientists.registry import find
from andersonn.solvers import Anderson, ForwardIteration, Solver, Status
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.trainer import Trainer
from readings import run_or_show, spread, tested

FILES = {
    "conduction": ("crystals_mp2018.parquet",),
    "polarity": ("molecules_qm9.parquet", "molecules_pereira2018.parquet"),
    "porosity": ("mofs_core2019.parquet", "mofs_qmof.parquet"),
}
SLOTS = {"conduction": 6, "polarity": 5, "porosity": 6}
GAINS = (0.9, 1.5, 2.0, 2.5)
PRESENT, FEWER = "present", "present, {slots} slots"
CLASSES = "model.answer=classes"
"""All contestants learn classes and an estimate apart, as when the study was made."""
LEAN = "lean, {slots} slots, gain {gain:g}"
BUDGET = 200
TIGHT = Anderson(rtol=1e-6, max_steps=500)


def ways(rtol: float) -> dict[str, Solver]:
    """How the trained networks are solved."""
    plain = ForwardIteration(rtol=rtol, max_steps=BUDGET)
    damped = {f"damped {beta}": replace(plain, mixing=beta) for beta in (0.5, 0.7)}
    return {"plain": plain, **damped, "anderson": Anderson(rtol=rtol, max_steps=BUDGET)}


def contestants(task: str, slots: list[int], gains: list[float]) -> dict[str, tuple[str, ...]]:
    """Name → what differs from the task's preset."""
    found: dict[str, tuple[str, ...]] = {PRESENT: ()}
    for count in slots or [SLOTS[task]]:
        columns = f"image.columns={count}"
        found[FEWER.format(slots=count)] = (columns,)
        for gain in gains:
            found[LEAN.format(slots=count, gain=gain)] = (columns, "model.encoder=lean", f"model.gain={gain:g}")
    return found


def read(task: str, folders: list[Path], records: int | None, words: list[str]) -> Dataset:
    """The records of a task, with images as some options ask for."""
    paths = [next(folder / file for folder in folders if (folder / file).exists()) for file in FILES[task]]
    spec = find(task)
    found = read_records(paths, labels=(spec.task.quantity,))
    if records is not None and records < len(found):
        found = found.take(np.sort(np.random.default_rng(0).permutation(len(found))[:records]))
    return prepare(found, spec.task, config_of(spec, overrides=words))


def run(dataset: Dataset, task: str, words: list[str], sides: tuple[str, ...]) -> dict[str, Any]:
    """Trains one network and counts how it is solved."""
    spec = find(task)
    config = config_of(spec, overrides=[CLASSES, *words])
    trainer = Trainer(dataset, spec.task, config)
    seconds = 0.0
    while not trainer.done:
        begin = process_time()
        row = trainer.run_epoch()
        seconds += (process_time() - begin) * row["train_seconds"] / row["seconds"]  # without the validation
    trainer.use_best()
    history = trainer.history
    batches = len(list(row_batches(dataset.store.n_rows, trainer.shown, config.max_rows, config.max_images)))
    return {
        "seed": config.seed,
        "words": words,
        "records": {side: len(indices) for side, indices in dataset.sides.items()},
        "step_ms": 1e3 * seconds / (batches * config.epochs),
        "training_seconds": seconds,
        "best_epoch": 1 + int(np.argmin([row["validation_loss"] for row in history])),
        "validation_loss": min(row["validation_loss"] for row in history),
        "forward_evaluations": float(np.mean([row["forward_evaluations"] for row in history])),
        "radius": history[-1]["radius_median"],
        "history": history,
        "solves": solves(trainer.network.eval(), dataset),
        **tested(trainer, sides),
    }


def solves(network: EquilibriumNetwork, dataset: Dataset) -> dict[str, dict[str, float]]:
    """Way of solving → evaluations, and what became of the validation structures."""
    chosen, solver = dataset.sides["validation"], network.equilibrium.solver
    network.equilibrium.initializer = None  # a first state fitted to other gains would favor one
    with solvers_changed(network, lambda _: TIGHT):
        classes = forward(network, dataset.store, chosen).scores.argmax(axis=1)
    found = {}
    batches = len(list(row_batches(dataset.store.n_rows, chosen, MAX_ROWS)))
    for name, way in ways(solver.rtol).items():
        begin = process_time()
        with solvers_changed(network, lambda _, way=way: way):
            outputs = forward(network, dataset.store, chosen)
        found[name] = {
            "evaluations": outputs.evaluations / batches,
            "updates": float(outputs.steps.mean()),
            "converged": float((outputs.status == Status.CONVERGED).mean()),
            "same_class": float((outputs.scores.argmax(axis=1) == classes).mean()),
            "ms": 1e3 * (process_time() - begin) / len(chosen),
        }
    return found


def study(arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs what is asked for and not there yet, seed by seed."""
    torch.set_num_threads(1)
    out = arguments.out.with_suffix(".json")
    found = json.loads(out.read_text()) if out.exists() else {"tasks": {}}
    found |= {"machine": f"{cpu_name()}, one thread", "torch": torch.__version__}
    sizes = {task: int(count) for task, _, count in (word.partition("=") for word in arguments.records)}
    sides = ("validation", "test") if arguments.test else ("validation",)
    datasets: dict[tuple[str, ...], Dataset] = {}
    for seed, task in product(arguments.seeds, arguments.tasks):
        runs = found["tasks"].setdefault(task, {})
        for name, words in contestants(task, arguments.slots, arguments.gains).items():
            wanted = arguments.contestants
            if (wanted and name not in wanted) or seed in [each["seed"] for each in runs.get(name, [])]:
                continue
            own = [*words, *arguments.options, "device=cpu", f"seed={seed}"]
            key = (task, *(word for word in words if word.startswith("image.")))
            if key not in datasets:
                datasets[key] = read(task, arguments.data, sizes.get(task), own)
            runs.setdefault(name, []).append(run(datasets[key], task, own, sides))
            write_json(out, found)
            print(f"{task}, {name}, seed {seed}: {shown(runs[name][-1])}", flush=True)
    return found


def shown(each: dict[str, Any]) -> str:
    """A run in a line."""
    counts = ", ".join(f"{name} {way['evaluations']:.1f}" for name, way in each["solves"].items())
    return (
        f"validation loss {each['validation_loss']:.4f}, accuracy {each['validation']['accuracy']:.3f}, "
        f"MAE {each['validation']['mae']:.3f}, {each['step_ms']:.0f} ms a step, radius {each['radius']:.2f}; evaluations: {counts}"
    )


def tables(found: dict[str, Any]) -> str:
    """Markdown: a table a task; mean ± standard deviation over the seeds."""
    lines = [f"{found['machine']}, PyTorch {found['torch']}."]
    for task, entry in found["tasks"].items():
        sizes = ", ".join(f"{n:,} {side}" for side, n in next(iter(entry.values()))[0]["records"].items())
        solved = list(next(iter(entry.values()))[0]["solves"])
        titles = ["network", "seeds", "loss", "accuracy", "MAE", "ms a step", *solved, "anderson, ms", "plain, ms"]
        lines += [
            "",
            f"### {task}",
            "",
            f"Records: {sizes}.",
            "",
            f"| {' | '.join(titles)} |",
            "|---" * len(titles) + "|",
        ]
        for name, runs in entry.items():
            cells = [name, str(len(runs)), spread([r["validation_loss"] for r in runs], 4)]
            cells += [spread([r["validation"][key] for r in runs], 3) for key in ("accuracy", "mae")]
            cells += [spread([r["step_ms"] for r in runs], 0)]
            cells += [_counts([r["solves"][way] for r in runs]) for way in solved]
            cells += [spread([r["solves"][way]["ms"] for r in runs], 2) for way in ("anderson", "plain")]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _counts(solves: list[dict[str, float]]) -> str:
    """Evaluations, and where not all structures converged, how many did."""
    converged = min(each["converged"] for each in solves)
    told = spread([each["evaluations"] for each in solves], 1)
    return told if converged == 1.0 else f"{told} ({100 * converged:.1f} %)"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--tasks", nargs="*", default=list(FILES))
    parser.add_argument("--records", nargs="*", default=[], metavar="TASK=NUMBER")
    parser.add_argument("--slots", type=int, nargs="*", default=[])
    parser.add_argument("--gains", type=float, nargs="*", default=list(GAINS))
    parser.add_argument("--contestants", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--options", nargs="*", default=[])
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/lean"))
    run_or_show(parser.parse_args(), study, tables)


if __name__ == "__main__":
    main()
