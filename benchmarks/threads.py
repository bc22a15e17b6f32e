"""How much answers and trained weights depend on the number of threads, for docs/reproducing.md.

python benchmarks/threads.py --data FOLDER [--n 250] [--seed 0] [--threads 1 2 4]
python benchmarks/threads.py --training [--limit 600] [--epochs 3]

FOLDER holds crystals_mp2018.parquet, mofs_core2019.parquet and molecules_qm9.parquet. Each number of threads is a process of
its own, told by OMP_NUM_THREADS, OPENBLAS_NUM_THREADS and torch.set_num_threads, and runs twice: the second run shows whether
it repeats itself bit for bit.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from andersonn import Scientist
from andersonn.config import TrainConfig
from andersonn.data.records import Records
from andersonn.demo.experiment import demo_records
from andersonn.errors import InputError
from andersonn.scientists.registry import find
from andersonn.training.dataset import prepare
from andersonn.training.trainer import Trainer

FILES = {
    "conduction": "crystals_mp2018.parquet", "polarity": "molecules_qm9.parquet", "porosity": "mofs_core2019.parquet"
}  # fmt: skip


def structures(path, n, seed):
    """So many sound structures of a file, drawn by the seed."""
    records, found = Records.read(path), []
    for i in np.random.default_rng(seed).permutation(len(records)):
        try:
            found.append(records[int(i)])
        except InputError:
            continue
        if len(found) == n:
            return found
    raise SystemExit(f"{path} has only {len(found)} sound structures")


def answers(task, data, n, seed):
    """Probabilities ``[n, C]``, estimates ``[n]`` and evaluations ``[n]``."""
    found = [answer for answer in Scientist.load(task).predict(structures(data, n, seed)) if answer.ok]
    return {
        "p": np.array([list(answer.probabilities.values()) for answer in found]),
        "value": np.array([answer.value for answer in found]),
        "evaluations": np.array([answer.solver["evaluations"] for answer in found]),
    }


def weights(limit, epochs):
    """The weights after a short training on the demo's records."""
    config = TrainConfig.make({"epochs": epochs, "limit": limit, "device": "cpu"})
    task = find("conduction").task
    trainer = Trainer(prepare(demo_records(), task, config), task, config)
    while not trainer.done:
        trainer.run_epoch()
    return {name: value.numpy() for name, value in trainer.network.state_dict().items()}


def child(options):
    torch.set_num_threads(options["threads"])
    found = weights(*options["training"]) if options["training"] else answers(*options["asked"])
    save_file({name: np.ascontiguousarray(value) for name, value in found.items()}, options["out"])


def run(threads, **options):
    """The arrays that a process with so many threads gives."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    with tempfile.TemporaryDirectory() as place:
        out = str(Path(place, "found.safetensors"))
        told = json.dumps({"training": None, "asked": None, "threads": threads, "out": out} | options)
        command = [sys.executable, __file__, "--child", told]
        subprocess.run(command, check=True, env=os.environ | dict.fromkeys(names, str(threads)))
        return load_file(out)


def same(a, b):
    return all(a[name].tobytes() == b[name].tobytes() for name in a)


def largest(a, b):
    return max(float(np.abs(a[name].astype(float) - b[name]).max()) for name in a if a[name].size)


def compare_answers(args):
    print(
        "| task | n | threads | largest difference of a probability | of an estimate | classes that differ | again the same |"
    )
    print("|---|---|---|---|---|---|---|")
    for task, file in FILES.items():
        asked = (task, str(args.data / file), args.n, args.seed)
        first = run(args.threads[0], asked=asked)
        for threads in args.threads:
            found, again = (run(threads, asked=asked) for _ in range(2))
            p, value = (np.abs(found[name] - first[name]).max() for name in ("p", "value"))
            other = int((found["p"].argmax(1) != first["p"].argmax(1)).sum())
            repeats = "bit for bit" if same(found, again) else f"within {largest(found, again):.1e}"
            print(
                f"| {task} | {len(found['p'])} | {threads} | {p:.1e} | {value:.1e} | {other} | {repeats} |", flush=True
            )


def compare_training(args):
    training = (args.limit, args.epochs)
    first = run(args.threads[0], training=training)
    size = max(float(np.abs(value).max()) for value in first.values())
    for threads in args.threads:
        found, again = (run(threads, training=training) for _ in range(2))
        repeats = "bit for bit" if same(found, again) else f"within {largest(found, again):.1e}"
        print(
            f"{threads} threads: weights differ by at most {largest(found, first):.1e} of {size:.2g}; again {repeats}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("."))
    parser.add_argument("--n", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--limit", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(json.loads(args.child))
    else:
        (compare_training if args.training else compare_answers)(args)


if __name__ == "__main__":
    main()
