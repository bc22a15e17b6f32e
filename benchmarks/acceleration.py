"""Training to equal validation accuracy: every ingredient of fast training given to every solver;
explicit layers and torchdeq beside them.

    python benchmarks/acceleration.py --data FOLDER … [--tasks conduction …] [--networks shipped "free convolution"]
        [--contestants Picard Anderson …] [--seeds 0 1 2] [--records 1800] [--options epochs=4 …] [--out runs/acceleration]
    python benchmarks/acceleration.py --show [--out runs/acceleration]

Records, sides and shortened recipes are those of ``readings.py``. "shipped" is the task's own network, whose cell is held a
contraction; "free convolution" is the paper's kind of network: convolutions over the graph image whose norm is not held
(``gain=16``), so that Picard iteration need not converge; "bare" does not read electron counts, so that the cell has more to
find out. With --records, so many are drawn of the task's first file, and the sides are those of the split by group of them. --options come
after those of the study and hold for all. Within a task, network and seed all contestants have the same first
weights, batches, dropout and final tolerance, and are trained in turn, an epoch each. Answers on validation are solved for by
Anderson to the final tolerance in all of them; the test side is left alone. Seconds are of the processor, not of the clock, with
one thread; validation is not in them. Races end up in OUT.json one by one; contestants that are there already do not run again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch

from andersonn.config import TrainConfig, config_of
from andersonn.data.merging import read_records
from andersonn.data.tasks import Task
from andersonn.io.files import write_json
from andersonn.measuring.setting import cpu_name
from andersonn.models import Stack
from andersonn.scientists.registry import find
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.trainer import Trainer
from readings import CONVOLUTION, FILES, STUDY, read, run_or_show

FREE = (*CONVOLUTION, "model.gain=16", "weight_decay=0.02")
NETWORKS: dict[str, tuple[str, ...]] = {
    "shipped": (),
    "free convolution": FREE,
    "free convolution, bare": (*FREE, "image.oxidation=false", "model.oxidation=false"),
}
PICARD = "model.solver.name=forward"
BUDGET = "model.solver.max_steps=200"
DAMPING = (0.8, 0.7, 0.5, 0.3)
LOOSE = ("solving.start_rtol=0.1", "solving.tightened=1")
ONE_STEP, HALF, WARM = "solving.one_step=0.8", "solving.bfloat16=true", "solving.warm_starts=true"
FAST = (*LOOSE, ONE_STEP)
BASELINES: dict[str, tuple[str, ...]] = {
    "Picard": (PICARD, BUDGET),
    **{f"Picard, β = {beta:g}": (PICARD, BUDGET, f"model.solver.mixing={beta:g}") for beta in DAMPING},
}
CONTESTANTS: dict[str, tuple[str, ...]] = {
    **BASELINES,
    "Picard, at most 20 steps": (PICARD, "model.solver.max_steps=20"),
    "Anderson": (),
    "Anderson, nothing leaves the batch": (),
    "Anderson + loose": LOOSE,
    "Anderson + one step": (ONE_STEP,),
    "Anderson + bfloat16": (HALF,),
    "Anderson + warm starts": (WARM,),
    "Anderson, fast": FAST,
    **{f"{name}, fast": (*options, *FAST) for name, options in BASELINES.items()},
    "Anderson, fast + bfloat16": (*FAST, HALF),
    "Anderson, fast + warm starts": (*FAST, WARM),
    "explicit, tied": ("model.layers=4",),
    "explicit, untied": ("model.layers=4", "model.tied=false"),
    "torchdeq, anderson in both passes": (),
    "torchdeq, anderson and forward iteration": (),
}
"""Name → options. "fast" is the recipe without the solver: loose tolerances first, gradients of one step first. Every baseline is
given it too."""
CLOSE = 0.02
"""How much of Picard iteration's best accuracy the target forgives: about one standard error on 500 structures, so that chance does not decide."""


@dataclass
class Counted:
    """Evaluations of the cell in the batches of a run: forward, and products with its Jacobian."""

    batches: int = 0
    forward: int = 0
    adjoint: int = 0
    unconverged: int = 0
    solves: int = 0

    def add(self, trainer: Trainer) -> None:
        """The batch that was trained on just now; the recorded evaluation, of which all have one, is not counted."""
        layer = trainer.network.equilibrium
        self.batches += 1
        if isinstance(layer, Stack):
            self.forward += layer.layers
            return
        self.forward += layer.last.evaluations
        self.unconverged += int((~layer.last.converged).sum())
        self.solves += len(layer.last.status)
        if layer.last_adjoint is not None:
            self.adjoint += layer.last_adjoint.evaluations


def contestant(name: str, dataset: Dataset, task: Task, config: TrainConfig) -> Trainer:
    """A trainer as the contestant's name asks for."""
    trainer = Trainer(dataset, task, config)
    if name.endswith("nothing leaves the batch"):
        trainer.network.equilibrium.compact = False
    if name.startswith("torchdeq"):
        from torchdeq_twin import TorchdeqCore

        own, budget = trainer.network.equilibrium, config.model.solver.max_steps
        core = TorchdeqCore(
            own.cell,
            b_solver="anderson" if name.endswith("both passes") else "fixed_point_iter",
            f_tol=config.model.solver.rtol,
            b_tol=config.model.adjoint_rtol,
            f_max_iter=budget,
            b_max_iter=budget,
        )
        trainer.network.equilibrium, trainer.solver_schedule = core, None
    elif not config.model.layers:  # validated alike, however trained
        answering = config.model.solver.model_copy(update={"name": "anderson", "mixing": 1.0})
        trainer.average.module.equilibrium.solver = answering.build()
    return trainer


def race(
    dataset: Dataset, task: Task, network: tuple[str, ...], names: list[str], seed: int, options: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Trains all contestants in turn."""
    own = ("device=cpu", f"seed={seed}", "model.initializer=false")  # which is fitted after training
    common = (*STUDY[task.name]["options"], *own, *network, *options)
    configs = {name: config_of(find(task.name), overrides=[*common, *CONTESTANTS[name]]) for name in names}
    trainers = {name: contestant(name, dataset, task, config) for name, config in configs.items()}
    counted = {name: Counted() for name in names}
    runs: dict[str, dict[str, Any]] = {name: {"seconds": [], "evaluations": [], "accuracy": []} for name in names}
    for _ in range(configs[names[0]].epochs):
        for name, trainer in trainers.items():
            begin, books = process_time(), counted[name]
            row = trainer.run_epoch(lambda _, books=books, trainer=trainer: books.add(trainer))
            run = runs[name]
            run["seconds"].append((process_time() - begin) * row["train_seconds"] / row["seconds"])
            run["evaluations"].append(books.forward + books.adjoint)
            run["accuracy"].append(row["validation_accuracy"])
    for name, trainer in trainers.items():
        books, history = counted[name], trainer.history
        runs[name] |= {
            "seconds": np.cumsum(runs[name]["seconds"]).tolist(),
            "forward": books.forward / books.batches,
            "adjoint": books.adjoint / books.batches,
            "unconverged": books.unconverged / max(books.solves, 1),
            "loss": min(row["validation_loss"] for row in history),
            "radius": history[-1].get("radius_median"),
            "radius_max": history[-1].get("radius_max"),
            "config": configs[name].model_dump(mode="json"),
        }
    return runs


def target_of(runs: dict[str, dict[str, Any]]) -> float:
    """The validation accuracy to race to: the best that Picard iteration reached, undamped, less :data:`CLOSE`."""
    return max(runs["Picard"]["accuracy"]) - CLOSE


def to_target(run: dict[str, Any], target: float) -> tuple[float | None, float | None]:
    """Seconds and evaluations until the validation accuracy reached the target; None if it never did."""
    for seconds, evaluations, accuracy in zip(run["seconds"], run["evaluations"], run["accuracy"], strict=True):
        if accuracy >= target:
            return seconds, evaluations
    return None, None


def drawn(task: str, arguments: argparse.Namespace) -> Dataset:
    """The records to train on."""
    if arguments.records is None:
        return read(task, arguments.data)
    spec, first = find(task), FILES[task][0]
    path = next(folder / first for folder in arguments.data if (folder / first).exists())
    records = read_records([path], labels=(spec.task.quantity,))
    records = records.take(np.sort(np.random.default_rng(0).permutation(len(records))[: arguments.records]))
    config = config_of(spec, overrides=[*STUDY[task]["options"], *arguments.options])
    return prepare(records, spec.task, config)


def study(arguments: argparse.Namespace) -> dict[str, Any]:
    """Races those that are asked for and not there yet."""
    out = arguments.out.with_suffix(".json")
    found = json.loads(out.read_text()) if out.exists() else {"races": []}
    found |= {"machine": f"{cpu_name()}, one thread", "torch": torch.__version__}
    datasets = {name: drawn(name, arguments) for name in arguments.tasks}
    for seed, network, name in product(arguments.seeds, arguments.networks, arguments.tasks):
        where = {"task": name, "network": network, "seed": seed}
        entry = next((each for each in found["races"] if where.items() <= each.items()), None)
        if entry is None:
            sizes = {side: len(indices) for side, indices in datasets[name].sides.items()}
            entry = where | {"records": sizes, "runs": {}}
            found["races"].append(entry)
        missing = [each for each in arguments.contestants if each not in entry["runs"]]
        if missing:
            entry["runs"] |= race(datasets[name], find(name).task, NETWORKS[network], missing, seed, arguments.options)
            write_json(out, found)
            print(f"{name}, {network}, seed {seed}: done", flush=True)
    return found


def tables(found: dict[str, Any]) -> str:
    """Markdown: a table a task and network, ratios over Picard iteration, medians over the seeds."""
    lines = [f"{found['machine']}, PyTorch {found['torch']}.", ""]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in found["races"]:
        groups.setdefault((each["task"], each["network"]), []).append(each)
    for (task, network), races in groups.items():
        seeds, sizes = ", ".join(str(each["seed"]) for each in races), races[0].get("records", {})
        lines += [
            f"### {task}, {network} (seed {seeds})",
            "",
            ", ".join(f"{n} {side}" for side, n in sizes.items()),
            "",
        ]
        lines += [
            "| | accuracy | loss | evaluations a batch | not converged | an epoch | to accuracy, time | evaluations |"
        ]
        lines += ["|---" * 8 + "|"]
        for name in races[0]["runs"]:
            lines.append(f"| {name} | " + " | ".join(cells(races, name)) + " |")
        lines.append("")
    return "\n".join(lines)


def cells(races: list[dict[str, Any]], name: str) -> list[str]:
    """A contestant's row: medians over the seeds; with several their range; times faster than Picard iteration."""
    picked = [each["runs"][name] for each in races]
    plain = [each["runs"]["Picard"] for each in races]
    targets = [target_of(each["runs"]) for each in races]
    arrived = [to_target(run, target) for run, target in zip(picked, targets, strict=True)]
    reference = [to_target(run, target) for run, target in zip(plain, targets, strict=True)]
    epoch = [p["seconds"][-1] / run["seconds"][-1] for p, run in zip(plain, picked, strict=True)]

    def ratio(k: int) -> str:
        if any(each[k] is None for each in arrived):
            return "not reached"
        return ranged([r[k] / a[k] for r, a in zip(reference, arrived, strict=True)])

    def middle(key: str) -> float:
        return float(np.median([run[key] for run in picked]))

    return [
        f"{np.median([max(run['accuracy']) for run in picked]):.3f}",
        f"{middle('loss'):.3f}",
        f"{middle('forward'):.1f} + {middle('adjoint'):.1f}",
        f"{middle('unconverged'):.1%}",
        ranged(epoch),
        ratio(0),
        ratio(1),
    ]


def ranged(values: list[float]) -> str:
    """Median and, over several seeds, the range."""
    text = f"{np.median(values):.2f}"
    return text if len(values) < 2 else f"{text} [{min(values):.2f}–{max(values):.2f}]"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", default=[Path()])
    parser.add_argument("--tasks", nargs="+", choices=tuple(STUDY), default=list(STUDY))
    parser.add_argument("--networks", nargs="+", choices=tuple(NETWORKS), default=["shipped", "free convolution"])
    parser.add_argument("--contestants", nargs="+", choices=tuple(CONTESTANTS), default=list(CONTESTANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--records", type=int, help="default: the records of the study")
    parser.add_argument("--options", nargs="*", default=[], help="of training, for all contestants")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/acceleration"))
    return parser.parse_args()


def main() -> None:
    run_or_show(parsed(), study, tables)


if __name__ == "__main__":
    main()
