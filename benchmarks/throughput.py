"""Structures a second of the conduction scientist beside a CGCNN-style network of equal width (benchmarks/cgcnn.py).

    python benchmarks/throughput.py [RECORDS.parquet] [--crystals 1000] [--threads 1] [--repeats 7]
        [--only prediction | training] [--json FILE]
    python benchmarks/throughput.py [RECORDS.parquet] --cif [--files 1000] [--repeats 3] [--json FILE]

Without a Parquet file: the embedded sample. Both networks see the same neighbors, take the same batches of structures,
have the same loss and optimizer, and run in turn in one process: medians and quartiles of interleaved repeats. A step of
training is batch, forward, loss, backward, clipping and AdamW; a prediction is batch and forward. Images are made
beforehand. Rows of the table:

- CGCNN-style: an edge list, every atom a row of its own, three layers, summed by index_add;
- the same in batches of at most 1,280 atoms, which suit a CPU's cache better, and the same on folded rows (merged atoms);
- ours as shipped; with forward iteration in place of Anderson's; with plain indexing and index_add in place of our
  gather and collect; with every atom a row of its own, in the same batches and in small ones.

With ``--cif``: CIF files are written to a temporary folder, and ``andersonn predict conduction FOLDER --format json`` is
timed as a fresh process. Crystals that must serve twice get distinct small displacements of their atoms.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from andersonn import ForwardIteration, Records, Scientist
from andersonn.config import TrainConfig
from andersonn.data.store import ImageStore
from andersonn.demo.experiment import demo_records
from andersonn.inference.forward import MAX_ROWS
from andersonn.measuring.clock import Timing, interleaved
from andersonn.measuring.setting import cpu_name
from andersonn.models import QUANTILES, EquilibriumNetwork, ImageBatch, row_batches
from andersonn.models.batch import Neighbors
from andersonn.scientists.conduction import CONDUCTION
from cgcnn import CrystalGraphNetwork, EdgeBatch

Run = Callable[[], object]
PERTURBATION = 0.005
"""Å: standard deviation of displacements of a crystal that serves again."""
TWIN = "CGCNN-style"
OURS = "ours, as shipped"


class Scattered(Neighbors):
    """Neighbors as most codes have them: plain indexing, whose gradient adds in place, and index_add."""

    def select(self, rows: Tensor) -> Scattered:
        return Scattered(*super().select(rows))

    def gather(self, values: Tensor) -> Tensor:
        return values[self.index]

    def collect(self, entries: Tensor) -> Tensor:
        flat = entries.reshape(-1, entries.shape[-1])
        return flat.new_zeros(len(self.index), flat.shape[1]).index_add(0, self.index.reshape(-1), flat)


class ScatteredBatch(ImageBatch):
    @classmethod
    def from_store(cls, store: ImageStore, indices: np.ndarray) -> ImageBatch:
        batch = ImageBatch.from_store(store, indices)
        return replace(batch, neighbors=Scattered(*batch.neighbors))


class Contestant:
    """A network and how it gets its batches.

    Args:
        network: gives ``scores`` and ``quantiles``.
        store: images that its batches are made of.
        make: :class:`ImageBatch`, :class:`EdgeBatch` or the like.
        config: of the training.
    """

    def __init__(self, network: nn.Module, store: ImageStore, make: Any, config: TrainConfig) -> None:
        self.network, self.store, self.make, self.config = deepcopy(network), store, make, config
        rate, decay = 1e-5, config.weight_decay  # a small rate: the network stays the one that was trained
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=rate, weight_decay=decay)

    def train(self, batches: list[np.ndarray], labels: np.ndarray, values: np.ndarray) -> None:
        """A step a batch."""
        self.network.train()
        for indices in batches:
            output = self.network(self.make.from_store(self.store, indices))
            loss = loss_of(output, torch.from_numpy(labels[indices]), torch.from_numpy(values[indices]), self.config)
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
            self.optimizer.step()

    @torch.no_grad()
    def predict(self, batches: list[np.ndarray]) -> np.ndarray:
        """Class scores of all batches."""
        self.network.eval()
        return np.concatenate([self.network(self.make.from_store(self.store, part)).scores.numpy() for part in batches])


def loss_of(output: Any, labels: Tensor, values: Tensor, config: TrainConfig) -> Tensor:
    """The scientist's own: cross entropy and the pinball loss of the quantiles."""
    error, levels = values.unsqueeze(1) - output.quantiles, torch.tensor(QUANTILES)
    pinball = torch.maximum(levels * error, (levels - 1.0) * error).sum(dim=1).mean()
    classes = functional.cross_entropy(output.scores, labels, label_smoothing=config.label_smoothing)
    return classes + config.estimate_weight * pinball


def contestants(scientist: Scientist, folded: ImageStore, whole: ImageStore) -> dict[str, Contestant]:
    """Name → what runs, the CGCNN-style network first."""
    config, shipped = scientist.bundle.config, scientist.bundle.network
    torch.manual_seed(0)
    twin = CrystalGraphNetwork(config.model.width, len(CONDUCTION.classes))
    forward = with_forward_iteration(shipped)
    entries = {
        TWIN: (twin, whole, EdgeBatch),
        f"{TWIN}, small batches": (twin, whole, EdgeBatch),
        f"{TWIN}, folded rows": (twin, folded, EdgeBatch),
        OURS: (shipped, folded, ImageBatch),
        "ours, forward iteration": (forward, folded, ImageBatch),
        "ours, plain scatter": (shipped, folded, ScatteredBatch),
        "ours, every atom a row": (shipped, whole, ImageBatch),
        "ours, every atom a row, small batches": (shipped, whole, ImageBatch),
    }
    return {name: Contestant(*entry, config) for name, entry in entries.items()}


def with_forward_iteration(network: EquilibriumNetwork) -> EquilibriumNetwork:
    """A copy that iterates plainly, in both passes, at the same tolerances."""
    copied, solver = deepcopy(network), network.equilibrium.solver
    copied.equilibrium.solver = ForwardIteration(rtol=solver.rtol, max_steps=4 * solver.max_steps)
    return copied


def batches_of(name: str, n_rows: np.ndarray, whole_rows: np.ndarray, rows: int, images: int) -> list[np.ndarray]:
    """The same batches for all, but for those who run in smaller ones too."""
    indices = np.flatnonzero(n_rows > 0)
    if name.endswith("small batches"):
        return list(row_batches(whole_rows, indices, 1280, images))
    return list(row_batches(n_rows, indices, rows, images))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both tables."""
    torch.set_num_threads(arguments.threads)
    scientist = Scientist.load("conduction")
    config = scientist.bundle.config
    records = read(arguments.records, arguments.crystals)
    folded = ImageStore.build(records, config.image)
    whole = ImageStore.build(records, replace(config.image, fold=False))
    values = records.label(CONDUCTION.quantity)
    labels = CONDUCTION.class_of(values)
    values = (values / scientist.bundle.calibration.scale).astype(np.float32)
    runners = contestants(scientist, folded, whole)
    n, rows = folded.n_rows, whole.n_rows
    training, prediction = {}, {}
    for name, runner in runners.items():
        steps = batches_of(name, n, rows, config.max_rows, config.max_images)
        training[name] = lambda r=runner, b=steps: r.train(b, labels, values)
        asked = batches_of(name, n, rows, MAX_ROWS, 256)
        prediction[name] = lambda r=runner, b=asked: r.predict(b)
    count = int((n > 0).sum())
    print(
        f"{count} crystals, {rows.sum()} atoms in {n.sum()} folded rows, width {config.model.width}, "
        f"{arguments.threads} threads, {arguments.repeats} repeats, torch {torch.__version__}, {cpu_name()}"
    )
    found = {"crystals": count, "atoms": int(rows.sum()), "folded_rows": int(n.sum())}
    found["evaluations"] = {name: evaluations(runner, name, n, rows) for name, runner in runners.items()}
    for name, each in found["evaluations"].items():
        if each:
            print(f"{name}: {each['forward']} evaluations of the cell forward, {each['adjoint']} backward, first batch")
    for title, runs in {"prediction": prediction, "training": training}.items():
        if arguments.only in (None, title):
            found[title] = table(title, runs, count, arguments.repeats)
    return found


def evaluations(runner: Contestant, name: str, n: np.ndarray, rows: np.ndarray) -> dict[str, int] | None:
    """Of the cell on the first training batch, without dropout; None for a network without equilibrium."""
    if not isinstance(runner.network, EquilibriumNetwork):
        return None
    runner.network.eval()
    batch = batches_of(name, n, rows, runner.config.max_rows, runner.config.max_images)[0]
    runner.network(runner.make.from_store(runner.store, batch)).scores.sum().backward()
    layer = runner.network.equilibrium
    runner.optimizer.zero_grad()
    return {"forward": layer.last.evaluations, "adjoint": layer.last_adjoint.evaluations}


def table(title: str, runs: dict[str, Run], count: int, repeats: int) -> dict[str, Any]:
    """Times runs in turn, prints and returns structures a second and the ratio to the CGCNN-style network."""
    seconds = paired(runs, repeats)
    print(f"\n| {title} | structures/s | quartiles | times {TWIN}, round by round |", "|---|---|---|---|", sep="\n")
    rows = {}
    for name, taken in seconds.items():
        low, median, high = np.percentile(count / taken, [25, 50, 75])
        ratio = np.percentile(seconds[TWIN] / taken, [25, 50, 75])
        rows[name] = {"per_second": median, "quartiles": [low, high], "ratio": ratio.tolist(), "repeats": repeats}
        print(
            f"| {name} | {median:,.0f} | {low:,.0f} – {high:,.0f} | {ratio[1]:.2f} ({ratio[0]:.2f} – {ratio[2]:.2f}) |"
        )
    return rows


def paired(runs: dict[str, Run], repeats: int) -> dict[str, np.ndarray]:
    """Seconds of each run by round, taken in turn; one round first that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return {name: np.array(taken[1:]) for name, taken in seconds.items()}


def read(path: Path | None, count: int) -> Records:
    """Some crystals, always the same."""
    records = Records.read(path, (CONDUCTION.quantity,)) if path else demo_records()
    return records.take(np.sort(np.random.default_rng(0).permutation(len(records))[:count]))


def cold_start(arguments: argparse.Namespace) -> dict[str, Any]:
    """Times the program on a folder of CIF files."""
    warnings.simplefilter("ignore")
    command = [sys.executable, "-m", "andersonn.cli.main", "predict", "conduction"]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with tempfile.TemporaryDirectory() as folder:
        atoms = write_files(read(arguments.records, arguments.files), Path(folder), arguments.files)

        def run() -> None:
            done = subprocess.run([*command, folder, "--format", "json"], capture_output=True, text=True, check=False)
            answers = [json.loads(line) for line in done.stdout.splitlines()]
            failed = sum("error" in answer for answer in answers)
            if len(answers) != arguments.files or failed:
                raise SystemExit(f"{len(answers)} answers, {failed} of them errors\n{done.stderr}")

        timing: Timing = interleaved({"cold": run}, arguments.repeats, warmup=0)["cold"]
    print(
        f"{arguments.files} CIF files, {atoms / arguments.files:.1f} atoms on average, from a cold start on {cores} cores: "
        f"{timing.median:.1f} s (quartiles {timing.low:.1f} – {timing.high:.1f}, {timing.repeats} repeats)"
    )
    return {"files": arguments.files, "atoms": atoms, "cores": cores, **asdict(timing)}


def write_files(records: Records, folder: Path, count: int) -> int:
    """Writes ``count`` CIF files by ASE; returns the number of their atoms."""
    from ase import Atoms
    from ase.io import write

    random, atoms = np.random.default_rng(0), 0
    for k in range(count):
        structure = records[k % len(records)]
        shift = PERTURBATION * random.standard_normal(structure.xyz.shape) * (k >= len(records))
        crystal = Atoms(structure.Z, structure.xyz + shift, cell=structure.cell, pbc=True)
        write(folder / f"crystal-{k:05d}.cif", crystal, format="cif")
        atoms += len(structure)
    return atoms


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path, nargs="?")
    parser.add_argument("--crystals", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", choices=("prediction", "training"))
    parser.add_argument("--cif", action="store_true")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    found = cold_start(arguments) if arguments.cif else measure(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
