"""Solvers on the shipped weights, over crystals of the test side, with and without leaving converged crystals out.

    python benchmarks/inference.py RECORDS.parquet [--model DIR] [--crystals 1000] [--rtol 1e-3 1e-5] [--compact 0 0.7]
        [--threads 1] [--repeats 7] [--json FILE]

A row for each tolerance, solver and share of a batch at which the converged leave it (0: never). Evaluations of the cell
and its rows (atoms in a call, summed over calls); milliseconds of the solver and cell alone, which the encoder and the
head add the same to whatever the solver, as medians and quartiles of interleaved repeats; and answers of the whole network
in the class that forward iteration at 1e-6 gives.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from andersonn import Anderson, ForwardIteration, Records, Scientist
from andersonn.data.splits import split_of
from andersonn.data.store import ImageStore
from andersonn.demo.compare import Problem, problems, residual_curves
from andersonn.demo.report import crossover_sentence
from andersonn.measure.clock import interleaved
from andersonn.models import EquilibriumNetwork
from andersonn.solvers import Solver
from andersonn.training.inference import MAX_ROWS, ask

MAX_STEPS = 200
SOLVERS = {
    "forward": ForwardIteration(max_steps=MAX_STEPS),
    "Anderson": Anderson(max_steps=MAX_STEPS),
    "Anderson, period 2": Anderson(period=2, max_steps=MAX_STEPS),
    'Anderson("auto")': Anderson("auto", max_steps=MAX_STEPS),
}
REFERENCE = ForwardIteration(rtol=1e-6, max_steps=500, compact=0.0)
HEAD = "| residual below | solver | leave at | evaluations | rows | ms | quartiles | unconverged | same class |"


class Counted:
    """A map that adds the rows it is called with to ``rows[0]``."""

    def __init__(self, f: Callable[[Tensor], Tensor], rows: list[int]) -> None:
        self.f, self.rows = f, rows

    def __call__(self, z: Tensor) -> Tensor:
        self.rows[0] += len(z)
        return self.f(z)

    def subset(self, samples: Tensor, rows: Tensor) -> Counted:
        return Counted(self.f.subset(samples, rows), self.rows)


def classes(network: EquilibriumNetwork, store: ImageStore, indices: np.ndarray, solver: Solver) -> np.ndarray:
    """Class of each crystal with another solver in the network."""
    own, network.equilibrium.solver = network.equilibrium.solver, solver
    try:
        return ask(network, store, indices).scores.argmax(axis=1)
    finally:
        network.equilibrium.solver = own


def work(tasks: list[Problem], solver: Solver) -> dict[str, int]:
    """Evaluations, rows evaluated, and crystals without a solution."""
    rows = [0]
    found = [replace(task, f=Counted(task.f, rows)).solve(solver) for task in tasks]
    return {
        "evaluations": sum(each.evaluations for each in found),
        "rows": rows[0],
        "unconverged": sum(int((~each.converged).sum()) for each in found),
    }


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--crystals", type=int, default=1000)
    parser.add_argument("--rtol", type=float, nargs="+", default=[1e-3, 1e-5])
    parser.add_argument("--compact", type=float, nargs="+", default=[0.0, 0.7])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    artifact = Scientist.load(arguments.model or "conduction").artifact
    records = Records.read(arguments.records)
    test = split_of(records, artifact.config.split.rule())["test"]
    chosen = np.sort(np.random.default_rng(0).permutation(test)[: arguments.crystals])
    store = ImageStore.build(records.take(chosen), artifact.config.image.recipe())
    indices = np.flatnonzero(store.n_rows > 0)
    network = artifact.network
    tasks = problems(network, store, indices, MAX_ROWS)
    print(
        f"{len(indices)} test crystals, {sum(len(task.z0) for task in tasks)} rows, {len(tasks)} batches, "
        f"{arguments.threads} threads, {arguments.repeats} repeats, torch {torch.__version__}"
    )
    print(HEAD, "|---" * HEAD.count(" |") + "|", sep="\n")
    reference, table = classes(network, store, indices, REFERENCE), []
    for rtol in arguments.rtol:
        runs = {(n, c): replace(s, rtol=rtol, compact=c) for n, s in SOLVERS.items() for c in arguments.compact}
        solve_all = {key: lambda solver=solver: [task.solve(solver) for task in tasks] for key, solver in runs.items()}
        times = interleaved(solve_all, arguments.repeats)
        for (name, share), solver in runs.items():
            time = times[name, share]
            same = float((classes(network, store, indices, solver) == reference).mean())
            row = {"rtol": rtol, "solver": name, "compact": share, **work(tasks, solver), **asdict(time), "same": same}
            table.append(row)
            print(
                f"| {rtol:.0e} | {name} | {share} | {row['evaluations']} | {row['rows']:,} | {1e3 * time.median:.0f} | "
                f"{1e3 * time.low:.0f}–{1e3 * time.high:.0f} | {row['unconverged']} | {100 * same:.2f} % |"
            )
    curve = residual_curves(tasks[0], artifact.config.model.solver)
    print(crossover_sentence(curve))
    if arguments.json:
        arguments.json.write_text(json.dumps({"table": table, "curve": curve}))


if __name__ == "__main__":
    main()
