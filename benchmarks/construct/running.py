"""The methods of the study, and one run of one of them on one split."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from andersonn.io.places import cache_folder
from construct.splits import Molecules, Split
from peers_training import python_of

PROGRAMS = Path(__file__).parent
PACKAGES = ("torch==2.13.0", "chemprop==2.3.1")
COMPILED = "compiled"
"""Folder of the cache."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
EPOCHS = 50
RDKIT_FEATURES = ("--molecule-featurizers", "v1_rdkit_2d_normalized", "--no-descriptor-scaling")
"""As chemprop's documentation advises: these features are scaled already."""


@dataclass(frozen=True)
class Job:
    """One run: the table, the seed, and where the answers shall be."""

    table: Path
    predictions: Path
    seed: int
    envs: Path


def ours(budget: float) -> Callable[[Job], list[str]]:
    """The command of a construction."""

    def command(job: Job) -> list[str]:
        program = [sys.executable, str(PROGRAMS / "ours.py"), str(job.table), str(job.predictions)]
        return [*program, "--budget", str(budget), "--seed", str(job.seed)]

    return command


def forest(features: str) -> Callable[[Job], list[str]]:
    """The command of a forest."""

    def command(job: Job) -> list[str]:
        program = [sys.executable, str(PROGRAMS / "forest.py"), str(job.table), str(job.predictions)]
        return [*program, "--features", features, "--seed", str(job.seed)]

    return command


def chemprop(*options: str) -> Callable[[Job], list[str]]:
    """The command of chemprop."""

    def command(job: Job) -> list[str]:
        program = [str(Path(python_of(PACKAGES, job.envs)).parent / "chemprop"), "train"]
        program += ["--data-path", str(job.table), "--smiles-columns", "smiles", "--target-columns", "value"]
        program += ["--splits-column", "split", "--task-type", "regression", "--epochs", str(EPOCHS)]
        program += ["--accelerator", "cpu", "--num-workers", "0", "--pytorch-seed", str(job.seed)]
        return [*program, "--output-dir", str(job.predictions.parent / "chemprop"), *options]

    return command


METHODS: dict[str, Callable[[Job], list[str]]] = {
    "ours, last layer": ours(0),
    "ours, 120 s": ours(120),
    "chemprop": chemprop(),
    "chemprop, RDKit features": chemprop(*RDKIT_FEATURES),
    "forest, Morgan": forest("morgan"),
    "forest, descriptors": forest("descriptors"),
}


def run_one(method: str, molecules: Molecules, split: Split, core: int | None, envs: Path) -> dict[str, Any]:
    """Errors and seconds of one method on one split.

    Args:
        method: of :data:`METHODS`.
        molecules: the set.
        split: of it.
        core: of the processor that it runs on; None: the first.
        envs: folder of the environments of peers.

    Raises:
        RuntimeError: it failed, or left molecules of the test side without an answer.
    """
    with tempfile.TemporaryDirectory() as folder:
        table, predictions = Path(folder) / "table.csv", Path(folder) / "predictions.csv"
        counts = split.write(molecules, table)
        job = Job(table.absolute(), predictions, split.seed, envs.absolute())
        spent = _spent(METHODS[method](job), core, Path(folder))
        written = [predictions, *Path(folder).glob("chemprop/**/test_predictions.csv")]
        with next(path for path in written if path.exists()).open(newline="") as file:
            answers = {row["smiles"]: row for row in csv.DictReader(file)}
        with table.open(newline="") as file:
            asked = [row for row in csv.DictReader(file) if row["split"] == "test"]
        beside = predictions.with_suffix(".json")
        chosen = _chosen(json.loads(beside.read_text())) if beside.exists() else {}
    missing = [row["smiles"] for row in asked if row["smiles"] not in answers]
    if missing:
        raise RuntimeError(f"{len(missing)} molecules got no answer, such as {missing[0]}")
    return counts | spent | measures(asked, answers) | chosen


def _spent(command: list[str], core: int | None, folder: Path) -> dict[str, float]:
    """Runs a command on one core and counts what it and its children spend.

    Its cache holds the code that this machine compiled once, but no images.
    """
    cores, cache = os.sched_getaffinity(0), folder / "cache"
    environment = {"ANDERSONN_CACHE": str(cache), **dict.fromkeys(THREADS, "1")}
    if (compiled := cache_folder() / COMPILED).is_dir():
        shutil.copytree(compiled, cache / COMPILED)
    began = time.monotonic()
    with (folder / "log").open("w") as log:
        child = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=os.environ | environment,
            preexec_fn=lambda: os.sched_setaffinity(0, {min(cores) if core is None else core}),
        )  # fmt: skip
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{(folder / 'log').read_text()[-3000:]}")
    return {"cpu_seconds": usage.ru_utime + usage.ru_stime, "wall_seconds": time.monotonic() - began}


def measures(asked: list[dict[str, str]], answers: dict[str, dict[str, str]]) -> dict[str, float | None]:
    """``rmse, mae``, and the share of values inside 90 % intervals; None where a method gives no intervals."""
    given = [answers[row["smiles"]] for row in asked]
    truth = np.array([float(row["value"]) for row in asked])
    misses = np.array([float(row["value"]) for row in given]) - truth
    found: dict[str, float | None] = {
        "rmse": float(np.sqrt(np.square(misses).mean())),
        "mae": float(np.abs(misses).mean()),
        "coverage": None,
    }
    if "low" in given[0]:
        low, high = (np.array([float(row[name]) for row in given]) for name in ("low", "high"))
        found["coverage"] = float(((low <= truth) & (truth <= high)).mean())
    return found


def _chosen(content: dict[str, Any]) -> dict[str, Any]:
    """What a construction chose, and what each of its candidates had on validation."""
    tried = {each["name"]: each["validation"].get("rmse") for each in content["candidates"]}
    return {"chosen": next(each["name"] for each in content["candidates"] if each["chosen"]), "tried": tried}
