"""What every runner of this folder shares: the exported records, and the curve of validation accuracy against CPU-seconds.

Runs with the Python of each peer's own environment, so it needs numpy alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PROBE = 0.04
"""Fraction of the budget after which the number of epochs is fixed, of networks whose rates depend on it; it counts."""
PREDICTED = 1000
"""Validation records of which the rate of prediction is taken."""
REPEATS = 3


@dataclass(frozen=True, eq=False)
class Side:
    """Structures of one side of the split.

    Attributes:
        smiles: of molecules, as the file has them; of crystals none.
        Z: atomic numbers of each structure.
        xyz: positions in Å, ``[n, 3]`` of each structure.
        cells: of crystals, lattice vectors as rows in Å, ``[3, 3]`` each; of molecules none.
        values: what is to be learned, in the task's unit.
    """

    smiles: list[str]
    Z: list[np.ndarray]
    xyz: list[np.ndarray]
    cells: list[np.ndarray]
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Exported:
    """What the study exported for its runners.

    Attributes:
        thresholds: between the classes, in the task's unit; a value on one is in the class above.
        task: its name.
    """

    train: Side
    validation: Side
    thresholds: np.ndarray
    task: str

    @classmethod
    def read(cls, path: Path) -> Exported:
        with np.load(path) as file:
            sides = (_side(file, name) for name in ("train", "validation"))
            return cls(*sides, file["thresholds"], str(file["task"]))

    @property
    def labels(self) -> np.ndarray:
        """Classes of the validation side."""
        return self.classes(self.validation.values)

    def classes(self, values: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.thresholds, values, side="right").astype(np.int64)

    def classes_at_best(self, estimates: np.ndarray) -> np.ndarray:
        """Classes of the validation side by estimates of a network that learned values alone: cut where most of these very records
        come into their class, which favours the network.
        """
        order = np.argsort(estimates, kind="stable")
        of_class = self.labels[order, None] == np.arange(len(self.thresholds) + 1)
        below = np.vstack(
            [np.zeros(of_class.shape[1], dtype=np.int64), np.cumsum(of_class, axis=0)]
        )  # [n + 1, classes]
        right, cuts = below[:, 0], []  # right[i]: so many of the first i records at most, in the classes up to this one
        for upper in range(1, of_class.shape[1]):
            gain = right - below[:, upper]
            best = np.maximum.accumulate(gain)
            cuts.append(np.maximum.accumulate(np.where(gain == best, np.arange(len(gain)), 0)))
            right = best + below[:, upper]
        return self._cut(order, cuts)

    @staticmethod
    def _cut(order: np.ndarray, cuts: list[np.ndarray]) -> np.ndarray:
        """Classes of records in an order, by where each upper class begins if the classes up to it end at a record."""
        end, classes = len(order), np.zeros(len(order), dtype=np.int64)
        for lower in reversed(range(len(cuts))):
            begin = int(cuts[lower][end])
            classes[order[begin:end]] = lower + 1
            end = begin
        return classes


def _side(file: np.lib.npyio.NpzFile, name: str) -> Side:
    cuts = np.cumsum(file[f"{name}_atoms"])[:-1]
    Z, xyz = np.split(file[f"{name}_Z"], cuts), np.split(file[f"{name}_xyz"], cuts)
    of_some = {key: list(file[f"{name}_{key}"]) if f"{name}_{key}" in file else [] for key in ("smiles", "cells")}
    return Side([str(text) for text in of_some["smiles"]], Z, xyz, of_some["cells"], file[f"{name}_values"])


class Curve:
    """Counts CPU-seconds of this process, evaluations left out, and writes what is known after some of them as lines of JSON.

    Args:
        out: file to append to.
        budget: CPU-seconds.
        data: with the validation side.
        evaluations: of the network, evenly over the budget.
        clock: in seconds.
    """

    def __init__(
        self,
        out: Path,
        budget: float,
        data: Exported,
        evaluations: int = 12,
        clock: Callable[[], float] = time.process_time,
    ) -> None:
        self.out, self.budget, self.data, self.clock = out, budget, data, clock
        self.interval = budget / evaluations
        self.next, self.shown, self.left_out = self.interval, 0, 0.0
        self.evaluated = -1
        self.begin = clock()

    @property
    def spent(self) -> float:
        """CPU-seconds since the beginning, what was left out not counted."""
        return self.clock() - self.begin - self.left_out

    @property
    def over(self) -> bool:
        return self.spent >= self.budget

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What runs inside is left out."""
        begin = self.clock()
        yield
        self.left_out += self.clock() - begin

    def after_batch(self, shown: int, evaluate: Callable[[], tuple[np.ndarray, np.ndarray | None]]) -> bool:
        """Evaluates if it is time to.

        Args:
            shown: records of the batch.
            evaluate: gives classes of the validation side and, of a network that has them, values.

        Returns:
            whether the budget is spent.
        """
        self.shown += shown
        if self.spent >= self.next:
            self.evaluate(evaluate)
            self.next = min(self.spent + self.interval, self.budget)  # the last is when the budget is spent
        return self.over

    def evaluate(self, evaluate: Callable[[], tuple[np.ndarray, np.ndarray | None]]) -> None:
        """Adds a point to the curve, unless nothing was learned since the last."""
        if self.shown == self.evaluated:
            return
        spent, self.evaluated = self.spent, self.shown
        with self.paused():
            classes, values = evaluate()
            accuracy = float((classes == self.data.labels).mean())
            mae = None if values is None else float(np.abs(values - self.data.validation.values).mean())
            self.write({"cpu_seconds": spent, "shown": self.shown, "accuracy": accuracy, "mae": mae})

    def write(self, line: dict) -> None:
        with self.out.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def finish(self, parameters: int, predict: Callable[[int], object], source: str, **more: object) -> None:
        """Writes the last line: the network's size, and how many records a second are predicted from ``source``.

        Args:
            predict: of the first n records of the validation side, from their source to the answers.
        """
        predict(PREDICTED // 10)  # the first call is slower
        seconds = []
        for _ in range(REPEATS):
            begin = self.clock()
            predict(PREDICTED)
            seconds.append(self.clock() - begin)
        rate = min(PREDICTED, len(self.data.validation)) / float(np.median(seconds))
        self.write({"parameters": parameters, "source": source, "per_second": rate, **more})


class Pace:
    """How fast a network trains, by some first batches, of which the very first, slower than others, is left out."""

    def __init__(self, curve: Curve) -> None:
        self.curve, self.marks = curve, []

    def after_batch(self, shown: int, until: float) -> bool:
        """Takes note that ``shown`` records were learned from so far.

        Returns:
            whether that is enough: some CPU-seconds are spent, and there is a batch besides the first.
        """
        self.marks.append((self.curve.spent, shown))
        return len(self.marks) > 2 and self.curve.spent >= until

    def epochs(self, records: int) -> int:
        """How many passes over so many records what is left of the budget allows; at least one."""
        (begin, first), (end, last) = self.marks[0], self.marks[-1]
        if last == first:
            raise ValueError("all training records are in one batch, by which no pace can be told; export more")
        left = self.curve.budget - self.curve.spent
        return max(1, int(left / (end - begin) * (last - first) / records))


def arguments(*models: str) -> argparse.Namespace:
    """The command line of a runner: records.npz, the folder of the validation side's files, and where to write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("records", type=Path)
    parser.add_argument("files", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--budget", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", choices=models or None)
    return parser.parse_args()
