"""How often 90 % intervals cover, in slices of the test side: as the model is, and with tails fitted anew on the validation side.

    python benchmarks/coverage.py conduction --data crystals_2018.parquet --data crystals_extra.parquet --data qmof_gaps.parquet

The files of the training in their order. Each number stands for all answers of a slice, and for those whose interval has a width.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from andersonn import Scientist
from andersonn.data.merging import read_records
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.tails import Kinds
from andersonn.training.dataset import Dataset, atomic_numbers, prepare
from andersonn.training.forward import forward_model
from andersonn.training.tails_fitting import fit_tails, widest_tail
from gate.slices import slices

FEWEST = 200
"""Records of a slice that is told."""


class Told:
    """What a model's network says of some records.

    Args:
        bundle: the model.
        dataset: all records.
        chosen: which are asked.
    """

    def __init__(self, bundle: ModelBundle, dataset: Dataset, chosen: np.ndarray) -> None:
        outputs = forward_model(bundle, dataset, chosen)
        self.scores, self.quantiles = outputs.scores, outputs.quantiles
        self.values, self.made = dataset.values[chosen], dataset.made[chosen]
        self.kinds = Kinds.of_store(dataset.store, chosen)
        self.distance = None if bundle.domain is None else bundle.domain.distance(outputs.states, self.kinds.rows)

    def intervals(self, calibration: DistributionCalibration) -> np.ndarray:
        """``[n, 2]``."""
        return calibration.estimates(self.scores, self.quantiles, self.made, self.distance, self.kinds)[1]


def anew(calibration: DistributionCalibration, told: Told, widest: float) -> DistributionCalibration:
    """The calibration with tails fitted to validation structures."""
    found = calibration.distributions(told.scores, told.made, told.distance)
    return replace(calibration, tails=fit_tails(found, told.values, told.kinds, told.made, widest))


def parts_of(dataset: Dataset, chosen: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Slices of all, then files, then slices of each file."""
    by_kind = list(slices(atomic_numbers(dataset.records, chosen)))
    yield from [("all", np.ones(len(chosen), dtype=bool)), *by_kind]
    if dataset.records.files is None:
        return
    files = dataset.records.files[chosen]
    for name in dict.fromkeys(files.tolist()):
        yield name, files == name
        yield from ((f"{name}, {kind}", part & (files == name)) for kind, part in by_kind)


def some_of_each_file(dataset: Dataset, side: str, most: int) -> np.ndarray:
    """Indices of up to so many records of each file, drawn at random."""
    chosen, files, random = dataset.sides[side], dataset.records.files, np.random.default_rng(0)
    if files is None:
        return np.sort(random.permutation(chosen)[:most])
    parts = [chosen[files[chosen] == name] for name in dict.fromkeys(files[chosen].tolist())]
    return np.concatenate([np.sort(random.permutation(part)[:most]) for part in parts])


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--data", action="append", required=True, type=Path, help="all files of the training, in order")
    parser.add_argument("--model", help="folder; default the shipped weights")
    parser.add_argument("--most", type=int, default=3000, help="test records of a file")
    parser.add_argument("--fitted", type=int, default=1_000_000, help="validation records of a file")
    given = parser.parse_args()
    bundle = Scientist.load(given.model or given.task).bundle
    task, calibration = bundle.task, bundle.calibration
    if not isinstance(calibration, DistributionCalibration):
        parser.error(f"{given.task} does not answer with a distribution")
    dataset = prepare(read_records(given.data, (task.quantity,)), task, bundle.config)
    held = Told(bundle, dataset, some_of_each_file(dataset, "validation", given.fitted))
    chosen = some_of_each_file(dataset, "test", given.most)
    told = Told(bundle, dataset, chosen)
    ways = [calibration, anew(calibration, held, widest_tail(task))]
    ends = [told.intervals(way) for way in ways]
    inside = [(each[:, 0] <= told.values) & (told.values <= each[:, 1]) for each in ends]
    wide = [each[:, 1] > each[:, 0] for each in ends]
    print("| slice | n | as it is | anew | n with a width | as it is | anew |\n" + "|---" * 7 + "|")
    for name, part in parts_of(dataset, chosen):
        if part.sum() >= FEWEST:
            every = " | ".join(f"{each[part].mean():.3f}" for each in inside)
            some = " | ".join(f"{each[part & has].mean():.3f}" for each, has in zip(inside, wide, strict=True))
            print(f"| {name} | {part.sum()} | {every} | {(part & wide[-1]).sum()} | {some} |")
    widths = " and ".join(f"{np.diff(each, axis=1).mean():.3f}" for each in ends)
    print(f"\nmean width {widths} {task.unit}; fitted on {len(held.values)} validation records")


if __name__ == "__main__":
    main()
