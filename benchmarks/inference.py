"""Predicting at equal answers: each way of solving for fewer evaluations beside plain forward iteration.

    python benchmarks/inference.py --data FOLDER … [--tasks conduction …] [--networks shipped "free convolution"]
        [--limit 1000] [--repeats 5] [--out runs/inference]
    python benchmarks/inference.py --show [--out runs/inference]

Networks as in ``acceleration.py``: the shipped weights, and the convolution whose norm is not held, trained here as there. All ways
answer the same test structures (no label is read) from images in memory, in turn, one round uncounted; seconds are of the
processor, with one thread: encoder, solve and head. "Same class" is beside a solve to 1e-6. The loosest tolerance is chosen on
validation structures: the first of :data:`LADDER` at which 99.9 % of them have the same class. The learned first state is fitted
to the solutions of training structures by least squares.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch

from acceleration import NETWORKS
from andersonn import Scientist
from andersonn.config import config_of
from andersonn.data.merging import read_records
from andersonn.inference.early_exit import forward_early_exit
from andersonn.inference.forward import Outputs, forward
from andersonn.io.files import write_json
from andersonn.measuring.setting import cpu_name
from andersonn.models import EquilibriumNetwork
from andersonn.models.network import StateGuess
from andersonn.scientists.registry import find
from andersonn.solvers import Anderson, ForwardIteration, Solver
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.early_exit_fitting import fit_early_exit
from andersonn.training.first_state import fit_first_state
from andersonn.training.trainer import Trainer
from readings import FILES, STUDY, read, run_or_show

LADDER = (0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3)
ENOUGH = 0.999
BUDGET = 200
TIGHT = Anderson(rtol=1e-6, max_steps=500)
Asked = Callable[[np.ndarray], Outputs]


def networks(
    task: str, kind: str, folders: list[Path], limit: int
) -> tuple[EquilibriumNetwork, Dataset, dict[str, np.ndarray]]:
    """A trained network, a dataset of its images, and some records of each side of its own split."""
    if kind == "shipped":
        bundle = Scientist.load(task).bundle
        files = [next(folder / file for folder in folders if (folder / file).exists()) for file in FILES[task]]
        dataset = prepare(read_records(files, labels=(bundle.task.quantity,)), bundle.task, bundle.config)
        network = bundle.network
    else:
        dataset = read(task, folders)
        config = config_of(find(task), overrides=[*STUDY[task]["options"], "device=cpu", *NETWORKS[kind]])
        trainer = Trainer(dataset, find(task).task, config)
        while not trainer.done:
            trainer.run_epoch()
        trainer.use_best()
        network = trainer.network
    draw = np.random.default_rng(0)
    return network.eval(), dataset, {s: np.sort(draw.permutation(i)[:limit]) for s, i in dataset.sides.items()}


class Ways:
    """The ways of answering, made ready for one network."""

    def __init__(self, network: EquilibriumNetwork, dataset: Dataset, sides: dict[str, np.ndarray]) -> None:
        self.network, self.store, self.sides = network, dataset.store, sides
        self.layer, self.own = network.equilibrium, replace(network.equilibrium.solver, max_steps=BUDGET)
        self.forward = ForwardIteration(rtol=self.own.rtol, max_steps=BUDGET)
        self.layer.solver = self.own
        self.guess = StateGuess(self.layer.cell, network.config.width)
        self.layer.initializer = self.guess
        fit_first_state(network, self.store, sides["train"], seed=0)
        chosen = sides["validation"]
        self.guessed = fit_early_exit(network, self.store, chosen, forward(network, self.store, chosen))
        self.layer.initializer = None
        self.rule = fit_early_exit(network, self.store, chosen, forward(network, self.store, chosen))

    def all(self) -> dict[str, Asked]:
        """Name → how."""
        damped = replace(self.forward, mixing=0.5)
        found = {
            "forward": self.solved(self.forward),
            "forward, from zeros": self.solved(self.forward, start=torch.zeros_like),
            "forward, damped": self.solved(damped),
            "forward, loosest": self.solved(self.loosest(self.forward)),
            "anderson": self.solved(self.own),
            "anderson, from zeros": self.solved(self.own, start=torch.zeros_like),
            "anderson, all stay in the batch": self.solved(replace(self.own, compact=0.0)),
            "anderson, loosest": self.solved(self.loosest(self.own)),
            "anderson, learned first state": self.solved(self.own, initializer=self.guess),
            "anderson, bfloat16": self.solved(self.own, around=partial(torch.autocast, "cpu", torch.bfloat16)),
        }
        if self.rule is not None:
            found["anderson, anytime"] = self.solved(self.own, way=partial(forward_early_exit, rule=self.rule))
        if self.guessed is not None:
            both = {"initializer": self.guess, "way": partial(forward_early_exit, rule=self.guessed)}
            found["anderson, anytime and learned first state"] = self.solved(self.own, **both)
        return found

    def solved(
        self,
        solver: Solver,
        start: Callable[[torch.Tensor], torch.Tensor] | None = None,
        initializer: torch.nn.Module | None = None,
        way: Callable[..., Outputs] = forward,
        around: Callable[[], AbstractContextManager] = nullcontext,
    ) -> Asked:
        """Answers with a solver, perhaps from another first state, in another way, inside a context."""
        layer = self.layer
        first = type(layer.cell).initial

        def asked(indices: np.ndarray) -> Outputs:
            layer.solver, layer.initializer = solver, initializer
            if start is not None:
                layer.cell.initial = lambda x: start(first(layer.cell, x))
            try:
                with around():
                    return way(self.network, self.store, indices)
            finally:
                layer.solver, layer.initializer = self.own, None
                if start is not None:
                    del layer.cell.initial

        return asked

    def loosest(self, solver: Solver) -> Solver:
        """The solver at the loosest tolerance that leaves the classes of validation structures as they are."""
        chosen = self.sides["validation"]
        tight = classes(self.solved(TIGHT)(chosen))
        for rtol in LADDER:
            looser = replace(solver, rtol=rtol)
            if (classes(self.solved(looser)(chosen)) == tight).mean() >= ENOUGH:
                return looser
        return replace(solver, rtol=LADDER[-1])


def classes(outputs: Outputs) -> np.ndarray:
    return outputs.scores.argmax(axis=1)


def compare(
    network: EquilibriumNetwork, dataset: Dataset, sides: dict[str, np.ndarray], repeats: int
) -> dict[str, Any]:
    """All ways in turn."""
    ways = Ways(network, dataset, sides)
    test = sides["test"]
    tight, every = classes(ways.solved(TIGHT)(test)), ways.all()
    seconds: dict[str, list[float]] = {name: [] for name in every}
    outputs: dict[str, Outputs] = {}
    for round_ in range(repeats + 1):
        for name, asked in every.items():
            begin = process_time()
            outputs[name] = asked(test)
            if round_:
                seconds[name].append(process_time() - begin)
    rows = {}
    for name, found in outputs.items():
        ratios = np.array(seconds["forward"]) / np.array(seconds[name])
        rows[name] = {
            "evaluations": float((found.steps + 1).mean()),
            "seconds": float(np.median(seconds[name])),
            "faster": np.percentile(ratios, (25, 50, 75)).tolist(),
            "same_class": float((classes(found) == tight).mean()),
            "unconverged": float((found.status != 0).mean()),
        }
    rules = {name: None if r is None else r.as_dict() for name, r in (("plain", ways.rule), ("guessed", ways.guessed))}
    loosest = {name: ways.loosest(each).rtol for name, each in (("forward", ways.forward), ("anderson", ways.own))}
    return {"n": len(test), "rtol": ways.own.rtol, "anytime": rules, "loosest": loosest, "ways": rows}


def tables(found: dict[str, Any]) -> str:
    """Markdown: a table a task and network; ratios over forward iteration."""
    lines = [f"{found['machine']}, PyTorch {found['torch']}.", ""]
    for each in found["runs"]:
        lines += [f"### {each['task']}, {each['network']} (n = {each['n']}, to {each['rtol']:g})", ""]
        lines += ["| | evaluations a structure | fewer | predictions, times as fast | same class | not converged |"]
        lines += ["|---" * 6 + "|"]
        plain = each["ways"]["forward"]["evaluations"]
        for name, row in each["ways"].items():
            low, middle, high = row["faster"]
            note = f" ({each['loosest'][name.partition(',')[0]]:g})" if name.endswith("loosest") else ""
            lines.append(
                f"| {name}{note} | {row['evaluations']:.2f} | {plain / row['evaluations']:.2f} | "
                f"{middle:.2f} [{low:.2f}–{high:.2f}] | {row['same_class']:.4f} | {row['unconverged']:.1%} |"
            )
        lines.append("")
    return "\n".join(lines)


def study(arguments: argparse.Namespace) -> dict[str, Any]:
    """Compares those that are asked for."""
    found: dict[str, Any] = {"machine": f"{cpu_name()}, one thread", "torch": torch.__version__, "runs": []}
    for kind in arguments.networks:
        for task in arguments.tasks:
            result = compare(*networks(task, kind, arguments.data, arguments.limit), arguments.repeats)
            found["runs"].append({"task": task, "network": kind} | result)
            write_json(arguments.out.with_suffix(".json"), found)
            print(f"{task}, {kind}: done", flush=True)
    return found


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", default=[Path()])
    parser.add_argument("--tasks", nargs="+", choices=tuple(STUDY), default=list(STUDY))
    parser.add_argument("--networks", nargs="+", choices=tuple(NETWORKS), default=["shipped", "free convolution"])
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/inference"))
    return parser.parse_args()


def main() -> None:
    run_or_show(parsed(), study, tables)


if __name__ == "__main__":
    main()
