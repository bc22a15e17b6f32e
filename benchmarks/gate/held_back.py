"""Records that the model was not trained on: answers agree with themselves, doubt tells wrong from right, intervals cover in every
slice, corrupted structures are noticed.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from andersonn import Scientist
from andersonn.data.records import Records
from andersonn.data.splits import SplitRule, split_of
from andersonn.errors import InputError
from andersonn.inference.prediction import Prediction
from andersonn.training.metrics import roc_auc
from gate.checks import Check
from gate.slices import slices
from gate.spoilt import SURE, TOLD, spoilt_rows

FEWEST = 200
"""Records of a slice from which its coverage is judged."""
COLUMNS = ("release", "kind")
"""Columns of files whose values make slices."""


class Asked:
    """A scientist's answers to records of the test side with their true values.

    Args:
        scientist: the model.
        records: labelled.
        most: records drawn at most.
        seed: of the draw.
        told: what the file tells of each record that slices are made of, by name of the column: :func:`told_of`.
    """

    def __init__(
        self,
        scientist: Scientist,
        records: Records,
        most: int,
        seed: int = 0,
        told: dict[str, np.ndarray] | None = None,
    ) -> None:
        side = split_of(records, SplitRule())["test"]
        random = np.random.default_rng(seed)
        drawn = np.sort(random.permutation(side)[:most])
        chosen, asked = [], []
        for k in drawn.tolist():
            with suppress(InputError):  # for some SMILES no geometry is found
                asked.append(records[k])
                chosen.append(k)
        found, chosen = scientist.predict(asked), np.array(chosen, dtype=int)
        kept = [k for k, answer in enumerate(found) if isinstance(answer, Prediction)]
        self.task, self.scientist = scientist.task, scientist
        self.answers = [found[k] for k in kept]
        self.structures = [asked[k] for k in kept]
        self.refused = len(drawn) - len(kept)
        self.values = records.label(scientist.task.quantity)[chosen[kept]]
        self.labels = scientist.task.class_of(self.values)
        self.p = np.array([list(a.probabilities.values()) for a in self.answers])
        self.ends = np.array([a.interval90 for a in self.answers])
        self.right = self.p.argmax(axis=1) == self.labels
        self.covered = (self.values >= self.ends[:, 0]) & (self.values <= self.ends[:, 1])
        self.open = self.ends[:, 1] > self.ends[:, 0]
        self.told = {name: column[chosen[kept]] for name, column in (told or {}).items()}


def coherence(asked: Asked) -> list[Check]:
    """How many answers contradict themselves."""
    value = np.array([a.value for a in asked.answers])
    outside = (value < asked.ends[:, 0]) | (value > asked.ends[:, 1])
    thresholds = np.array(asked.task.thresholds)
    low, high = np.array([-np.inf, *thresholds]), np.array([*thresholds, np.inf])
    top = asked.p.argmax(axis=1)
    apart = (asked.ends[:, 1] < low[top]) | (asked.ends[:, 0] > high[top])
    no_width = (asked.ends[:, 0] == asked.ends[:, 1]) & ~((value == 0.0) & (asked.p[:, 0] > 0.9))
    n = len(value)
    return [
        Check("estimate outside its own interval", float(outside.sum()), None, 0, n, True),
        Check("class denied by the interval", float(apart.sum()), None, 0, n, True),
        Check("interval without width or a sure zero", float(no_width.sum()), None, 0, n, True),
    ]


def accuracy(asked: Asked, least: float) -> list[Check]:
    """Accuracy, and how well doubt tells wrong answers from right ones."""
    n, wrong = len(asked.right), (~asked.right).astype(int)
    certain = asked.p.max(axis=1)
    area = roc_auc(wrong, np.stack([certain, 1.0 - certain], axis=1))
    flagged = np.mean([a.domain is not None and not a.domain.inside for a in asked.answers])
    mae = np.abs(asked.values - [a.value for a in asked.answers]).mean()
    return [
        Check(
            "accuracy", asked.right.mean(), least, None, n, False, f"mean absolute error {mae:.3f} {asked.task.unit}"
        ),
        Check("doubt tells wrong from right (AUROC)", float("nan") if area is None else area, 0.85, None, n),
        Check("false alarms: outside the domain", float(flagged), None, 0.02, n),
    ]


def coverage(asked: Asked) -> list[Check]:
    """Of the 90 % interval, in slices by size, by family and by what the file tells, such as the release.

    An interval of zero alone covers as often as the answer is zero, which no calibration changes. Where there are such, a second
    line tells how often the others cover.
    """
    every = np.ones(len(asked.covered), dtype=bool)
    by_column = [(f"{name} {x}", column == x) for name, column in asked.told.items() for x in np.unique(column)]
    found = []
    for name, part in [("", every), *slices([each.Z for each in asked.structures]), *by_column]:
        lines = [(name, part)]
        if (part & ~asked.open).any():
            lines.append((f"{name} but for sure zeros".strip(), part & asked.open))
        for what, chosen in lines:
            if chosen.sum() >= FEWEST or not what:
                title = f"90 % interval covers{', ' if what else ''}{what}"
                found.append(Check(title, asked.covered[chosen].mean(), 0.88, 0.92, int(chosen.sum())))
    return found


def told_of(file: Path) -> dict[str, np.ndarray]:
    """Columns of a file of records that slices are made of, as strings ``[N]``."""
    names = [name for name in COLUMNS if name in pq.read_schema(file).names]
    table = pq.read_table(file, columns=names)
    return {name: np.array([str(x) for x in table[name].to_pylist()]) for name in names}


def corrupted(asked: Asked, most: int = 300, seed: int = 0) -> list[Check]:
    """Spoilt structures get a warning in four of five cases, or their answers are less sure."""
    found = []
    for row in spoilt_rows(asked.scientist, asked.structures[:most], seed):
        note = f"refused {row.refused}, a warning {row.warned:.2f}"
        if row.warned >= TOLD:
            note = f"refused {row.refused}, mean certainty {row.certain:.2f}"
            found.append(Check(f"{row.kind}: a warning", row.warned, TOLD, None, row.answered, False, note))
        else:
            found.append(Check(f"{row.kind}: mean certainty", row.certain, None, SURE, row.answered, False, note))
    return found
