"""Our networks against those that people use, to equal accuracy: the same machine, one thread, the same records and sides.

    python benchmarks/peers_training.py --data FOLDER [--tasks polarity] [--only ours chemprop …] [--train 10000]
        [--validation 1000] [--budget 3600] [--fractions 0.0625 0.25 1] [--seed 0] [--out runs/peers] [--envs runs/peers/envs]
    python benchmarks/peers_training.py --show [--out runs/peers]

Each peer is its authors' own code from PyPI, in an environment of its own that is made on first use, and is run as they advise by
a small program of benchmarks/peers/ with that environment's Python. To add a peer, write such a program and name it in
:data:`TASKS`. It gets a file of exported records (training and validation sides of the project's split by group; test records
stay out) and CPU-seconds: reading, images, graphs and training count, imports and the evaluations that make the curve do not.
Rates that fall over a fixed number of epochs fall over what the budget allows, by the speed of some first batches, whose time
counts; such a network is trained with each of the --fractions of the budget, and what it reaches soonest counts.

Ours are asked how many records they answer a second with the published weights, in runs of their own.

Runs end up in OUT/TASK, one file of JSON lines a run; finished ones are not repeated. --show also tells of one that was ended early. OUT/TASK/report.md has the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import write

from andersonn.data.merging import read_records
from andersonn.data.records import Records
from andersonn.data.splits import SplitRule, split_of
from andersonn.data.tasks import Task
from andersonn.io.files import write_text
from andersonn.measuring.energy import CounterMeter, NoMeter, readable_counters
from andersonn.measuring.setting import cpu_name
from andersonn.scientists.registry import find

RUNNERS = Path(__file__).parent / "peers"
FRACTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of the budget, at which curves are printed."""
OURS = "ours"
Points = list[dict[str, Any]]
ENDED = {"parameters": None, "epochs": "–", "energy": {"kwh": None, "source": "a run was ended early"}}
"""What is not known of a run that was ended early."""


@dataclass(frozen=True)
class Contender:
    """A network in the study.

    Attributes:
        runner: program in benchmarks/peers/.
        packages: what its environment holds, as arguments of one ``pip install`` after the other; none: this one.
        model: of the runner's models.
        scheduled: whether its rates depend on how long it will be trained.
    """

    runner: str
    packages: tuple[str, ...] = ()
    model: str | None = None
    scheduled: bool = False


FILES = {"polarity": ("molecules_qm9.parquet",), "conduction": ("crystals_mp2018.parquet",)}
SCHNETPACK = (
    "torch==2.13.0",
    "ase h5py pyyaml hydra-core pytorch-lightning torchmetrics hydra-colorlog rich fasteners dirsync torch-ema matscipy tensorboard "
    "tensorboardX tqdm protobuf",
    "--no-deps schnetpack==2.1.1",
)
"""schnetpack asks for a sympy that is older than torch's; it uses one function of it, which both have."""
TASKS: dict[str, dict[str, Contender]] = {
    "polarity": {
        OURS: Contender("ours_run.py", model="files", scheduled=True),
        "ours, bonds alone": Contender("ours_run.py", model="bonds", scheduled=True),
        "ours, published": Contender("ours_run.py", model="rate, files"),
        "ours, published, by conformers": Contender("ours_run.py", model="rate, SMILES"),
        "ours, published, bonds alone": Contender("ours_run.py", model="rate, bonds"),
        "PaiNN": Contender("schnetpack_run.py", SCHNETPACK, model="painn"),
        "SchNet": Contender("schnetpack_run.py", SCHNETPACK, model="schnet"),
        "chemprop": Contender("chemprop_run.py", ("torch==2.13.0", "chemprop==2.3.0"), scheduled=True),
    },
    "conduction": {
        OURS: Contender("ours_run.py", model="files", scheduled=True),
        "ours, published": Contender("ours_run.py", model="rate, files"),
        "MEGNet": Contender("matgl_run.py", ("torch==2.13.0", "matgl==4.1.2"), model="megnet"),
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the Parquet files")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--only", nargs="+", help="contenders; default: all")
    parser.add_argument("--train", type=int, default=10_000, help="records")
    parser.add_argument("--validation", type=int, default=1000, help="records")
    parser.add_argument("--budget", type=float, default=3600, help="CPU-seconds of each")
    parser.add_argument("--fractions", type=float, nargs="+", default=[1 / 16, 1 / 4, 1], help="see above")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/peers"))
    parser.add_argument("--envs", type=Path, default=Path("runs/peers/envs"))
    parser.add_argument("--show", action="store_true", help="only write the tables of what has run")
    arguments = parser.parse_args()
    if not arguments.show and arguments.data is None:
        parser.error("--data is needed, to run")
    for task in arguments.tasks:
        folder = arguments.out / task
        if not arguments.show:
            run_task(task, folder, arguments)
        text = report(task, json.loads((folder / "study.json").read_text()), results(task, folder))
        write_text(folder / "report.md", text)
        print(text)


def run_task(task: str, folder: Path, arguments: argparse.Namespace) -> None:
    """All runs of a task that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    study = {name: getattr(arguments, name) for name in ("train", "validation", "budget", "seed")}
    study_file = folder / "study.json"
    if study_file.exists() and (was := json.loads(study_file.read_text())["study"]) != study:
        raise SystemExit(f"{folder} holds runs of another study ({was}); give another --out, or remove it")
    if not study_file.exists():
        records = read_records([arguments.data / name for name in FILES[task]], (find(task).task.quantity,))
        export(records, find(task).task, study, folder)
        study_file.write_text(json.dumps({"study": study, "machine": cpu_name(), "energy": {}}))
    for name, contender in TASKS[task].items():
        if arguments.only and name not in arguments.only:
            continue
        for budget in budgets(contender, arguments.budget, arguments.fractions):
            run(name, contender, budget, folder, arguments)


def budgets(contender: Contender, budget: float, fractions: list[float]) -> list[float]:
    """CPU-seconds of each run of a contender."""
    return [fraction * budget for fraction in fractions] if contender.scheduled else [budget]


def export(records: Records, task: Task, study: dict[str, Any], folder: Path) -> None:
    """Writes records.npz for the runners, and the structures of the validation side as xyz or CIF files.

    Records are drawn by the study's seed from the training and the validation side of the split by group.
    """
    draw = np.random.default_rng(study["seed"])
    values, smiles = records.label(task.quantity), [] if task.periodic else records.table["smiles"].to_pylist()
    usable = ~(records.is_null("positions") | np.isnan(values))
    if not task.periodic:
        usable &= ~records.is_null("smiles")
    arrays: dict[str, np.ndarray] = {"thresholds": np.array(task.thresholds), "task": np.array(task.name)}
    sides = split_of(records, SplitRule())
    for name in ("train", "validation"):
        there = sides[name][usable[sides[name]]]
        if len(there) < study[name]:
            raise SystemExit(f"only {len(there)} records on the {name} side; lower --{name}")
        chosen = draw.permutation(there)[: study[name]]
        structures = [records[int(i)] for i in chosen]
        arrays[f"{name}_ids"] = np.array([records.ids[i] for i in chosen])
        if task.periodic:
            arrays[f"{name}_cells"] = np.stack([structure.cell for structure in structures])
        else:
            arrays[f"{name}_smiles"] = np.array([smiles[i] for i in chosen])
        arrays[f"{name}_atoms"] = np.array([len(structure.Z) for structure in structures])
        arrays[f"{name}_Z"] = np.concatenate([structure.Z for structure in structures]).astype(np.int64)
        arrays[f"{name}_xyz"] = np.concatenate([structure.xyz for structure in structures])
        arrays[f"{name}_values"] = values[chosen]
    np.savez(folder / "records.npz", **arrays)
    (folder / "files").mkdir(exist_ok=True)
    kind = "cif" if task.periodic else "xyz"
    for i, structure in enumerate(structures):  # of the last side
        atoms = Atoms(structure.Z, structure.xyz, cell=structure.cell, pbc=task.periodic)
        write(folder / "files" / f"{i:06}.{kind}", atoms, format=kind)


def python_of(packages: tuple[str, ...], envs: Path) -> str:
    """The Python of an environment that holds these packages, made if it is not there; without any, this one."""
    if not packages:
        return sys.executable
    folder = envs / packages[-1].split()[-1].replace("==", "-")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        for package in packages:  # torch first, so that the others take it as it is
            subprocess.run([python, "-m", "pip", "install", "--quiet", *package.split()], check=True)
        (folder / "complete").touch()
    return str(python)


def run(name: str, contender: Contender, budget: float, folder: Path, arguments: argparse.Namespace) -> None:
    """One run, unless it is there; its energy where the processor's counters can be read."""
    out = folder / f"{name.replace(', ', '_').replace(' ', '_')}-{budget:g}.jsonl"
    if out.exists() and '"parameters"' in out.read_text():  # the last that a runner writes
        return
    out.write_text(json.dumps({"name": name, "budget": budget}) + "\n")
    command = [python_of(contender.packages, arguments.envs), str(RUNNERS / contender.runner)]
    command += [str(folder / "records.npz"), str(folder / "files"), str(out)]
    command += ["--budget", str(budget), "--seed", str(arguments.seed)]
    command += ["--model", contender.model] if contender.model else []
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TQDM_DISABLE"), "1")
    counters, missing = readable_counters("cpu")
    meter = NoMeter("; ".join(missing)) if missing else CounterMeter(counters)
    print(f"{name}: {budget:g} CPU-seconds", flush=True)
    _, energy = meter.run(lambda: subprocess.run(command, check=True, env=os.environ | one_thread))
    with out.open("a") as file:
        file.write(json.dumps({"energy": energy.as_dict()}) + "\n")


@dataclass(frozen=True)
class Run:
    """A run: its curve, and the rest."""

    name: str
    budget: float
    points: Points
    facts: dict[str, Any]


def results(task: str, folder: Path) -> list[Run]:
    """The runs of a task, contenders in the order of :data:`TASKS`, short budgets first. One that was ended early has the budget that
    it came to.
    """
    found = []
    for path in folder.glob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        facts = {key: value for line in lines if "cpu_seconds" not in line for key, value in line.items()}
        points = [line for line in lines if "cpu_seconds" in line]
        if "parameters" in facts or points:
            budget = facts["budget"] if "parameters" in facts else round(points[-1]["cpu_seconds"])
            found.append(Run(facts["name"], budget, points, ENDED | facts))
    order = list(TASKS[task])
    return sorted(found, key=lambda each: (order.index(each.name), each.budget))


def seconds_to(runs: list[Run], measure: str, target: float) -> float | None:
    """The least CPU-seconds after which a point of one of the curves is as good as ``target``; None if none is.

    Args:
        measure: ``accuracy``, or ``mae``, of which less is better.
    """
    sign = -1.0 if measure == "mae" else 1.0
    points = [p for each in runs for p in each.points if p[measure] is not None]
    return min((p["cpu_seconds"] for p in points if sign * p[measure] >= sign * target), default=None)


def longest(runs: list[Run]) -> Run:
    """The run with the largest budget."""
    return max(runs, key=lambda each: each.budget)


def report(task: str, study: dict[str, Any], runs: list[Run]) -> str:
    """The tables."""
    size = study["study"]
    energy = {str(each.facts["energy"]["source"]) for each in runs if each.facts["energy"]["kwh"] is None}
    return "\n".join(
        [
            f"{task}: {size['train']:,} training and {size['validation']:,} validation records, {size['budget']:g} CPU-seconds, "
            f"seed {size['seed']}; {study['machine']}, one thread.",
            *([f"Energy was not measured: {'; '.join(sorted(energy))}."] if energy else []),
            "",
            *curves(runs, size["budget"]),
            "",
            *to_equal(runs),
            "",
            *rates(runs),
            "",
        ]
    )


def trained(runs: list[Run]) -> dict[str, list[Run]]:
    """The runs of each network that was trained."""
    return {
        name: [each for each in runs if each.name == name and each.points]
        for name in {r.name: 0 for r in runs if r.points}
    }


def curves(runs: list[Run], budget: float) -> Iterator[str]:
    """Validation accuracy (and mean absolute error) against CPU-seconds, a row a run."""
    at = [fraction * budget for fraction in FRACTIONS]
    yield (
        "| trained for, CPU-seconds | weights | epochs | records shown | "
        + " | ".join(f"after {t:g}" for t in at)
        + " | kWh |"
    )
    yield "|---" * (5 + len(at)) + "|"
    for each in (r for every in trained(runs).values() for r in every):
        cells = []
        for t in at:
            before = [p for p in each.points if p["cpu_seconds"] <= 1.1 * t]  # a step may end a little late
            cells.append(shown(before[-1]) if before and t <= 1.01 * each.budget else "")
        kwh = each.facts["energy"]["kwh"]
        seen, weights = each.points[-1]["shown"], each.facts["parameters"]
        weights = "–" if weights is None else f"{weights:,}"
        yield (
            f"| {each.name}, {each.budget:g} | {weights} | {each.facts['epochs']} | {seen:,} | "
            + " | ".join(cells)
            + f" | {'–' if kwh is None else f'{kwh:.3g}'} |"
        )


def shown(point: dict[str, Any]) -> str:
    mae = "" if point["mae"] is None else f" ({point['mae']:.2f})"
    return f"{point['accuracy']:.3f}{mae}"


def to_equal(runs: list[Run]) -> Iterator[str]:
    """What each peer has after its budget, and how long it and ours take to be as good for the first time."""
    yield "| peer | measure | of the peer, after s | network of ours | at its end, after s | CPU-seconds of the peer until then | of ours | ratio |"
    yield "|---" * 8 + "|"
    by_name = trained(runs)
    ours = {name: by_name.pop(name) for name in list(by_name) if name.startswith(OURS)}
    for (name, theirs), (own, mine) in product(by_name.items(), ours.items()):
        for measure in ("accuracy", "mae"):
            target, reached = longest(theirs).points[-1][measure], longest(mine).points[-1][measure]
            if target is None:
                continue
            long, short = seconds_to(theirs, measure, target), seconds_to(mine, measure, target)
            assert long is not None  # its last point is as good
            cells = [
                name,
                measure,
                f"{target:.3f}, {longest(theirs).budget:g}",
                own,
                f"{reached:.3f}, {longest(mine).budget:g}",
            ]
            cells += [f"{long:.0f}", "not reached" if short is None else f"{short:.1f}"]
            cells += ["–" if short is None else f"{long / short:.1f}"]
            yield "| " + " | ".join(cells) + " |"


def rates(runs: list[Run]) -> Iterator[str]:
    """Predictions a CPU-second, reading included."""
    yield "| prediction, from | records a CPU-second |"
    yield "|---|---|"
    for name in {each.name: 0 for each in runs}:
        facts = longest([each for each in runs if each.name == name]).facts
        if "per_second" in facts:
            yield f"| {name}, {facts['source']} | {facts['per_second']:.0f} |"


if __name__ == "__main__":
    main()
