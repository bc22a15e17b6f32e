"""Anderson beside forward iteration on the shipped weights, over crystals of the test side, to equal tolerances.

    python benchmarks/inference.py RECORDS.parquet [--model DIR] [--crystals 1000] [--threads 2] [--json FILE]

Solver and cell only: the encoder and the head are the same for both. Medians of interleaved repeats.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from andersonn import Records, Scientist
from andersonn.data.splits import split_of
from andersonn.data.store import ImageStore
from andersonn.demo.compare import compare_inference, problems, residual_curves
from andersonn.demo.report import crossover_sentence
from andersonn.training.inference import MAX_ROWS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--crystals", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    artifact = Scientist.load(arguments.model or "conduction").artifact
    records = Records.read(arguments.records)
    test = split_of(records, artifact.config.split.rule())["test"]
    chosen = np.sort(np.random.default_rng(0).permutation(test)[: arguments.crystals])
    store = ImageStore.build(records.take(chosen), artifact.config.image.recipe())
    indices = np.flatnonzero(store.n_rows > 0)
    tasks = problems(artifact.network, store, indices, MAX_ROWS)
    solver = artifact.config.model.solver
    inference = compare_inference(tasks, solver)
    print(f"{len(indices)} test crystals, {len(tasks)} batches, {arguments.threads} threads")
    for k, rtol in enumerate(inference["tolerances"]):
        anderson, forward = (inference[name][k] for name in ("anderson", "forward"))
        print(
            f"to {rtol:.0e}: evaluations {anderson['evaluations']} and {forward['evaluations']} "
            f"({forward['evaluations'] / anderson['evaluations']:.2f}), ms {1e3 * anderson['seconds']:.0f} and "
            f"{1e3 * forward['seconds']:.0f} ({forward['seconds'] / anderson['seconds']:.2f})"
        )
    curve = residual_curves(tasks[0], solver)
    print(crossover_sentence(curve))
    if arguments.json:
        arguments.json.write_text(json.dumps({"inference": inference, "curve": curve}))


if __name__ == "__main__":
    main()
