"""Records that the model was not trained on: answers agree with themselves, doubt tells wrong from right, intervals cover in every
slice, corrupted structures are noticed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from andersonn import Scientist
from andersonn.data.records import Records
from andersonn.data.splits import SplitRule, split_of
from andersonn.inference.prediction import Prediction
from andersonn.structures import elements
from andersonn.structures.structure import Structure
from andersonn.training.metrics import roc_auc
from gate.checks import Check
from gate.spoilt import SURE, TOLD, spoilt_rows

FEWEST = 200
"""Records of a slice from which its coverage is judged."""


class Asked:
    """A scientist's answers to records of the test side with their true values.

    Args:
        scientist: the model.
        records: labelled.
        most: records drawn at most.
        seed: of the draw.
    """

    def __init__(self, scientist: Scientist, records: Records, most: int, seed: int = 0) -> None:
        side = split_of(records, SplitRule())["test"]
        random = np.random.default_rng(seed)
        chosen = np.sort(random.permutation(side)[:most])
        found = scientist.predict([records[int(k)] for k in chosen])
        kept = [k for k, answer in enumerate(found) if isinstance(answer, Prediction)]
        self.task, self.scientist = scientist.task, scientist
        self.answers = [found[k] for k in kept]
        self.structures = [records[int(chosen[k])] for k in kept]
        self.refused = len(found) - len(kept)
        self.values = records.label(scientist.task.quantity)[chosen[kept]]
        self.labels = scientist.task.class_of(self.values)
        self.p = np.array([list(a.probabilities.values()) for a in self.answers])
        self.ends = np.array([a.interval90 for a in self.answers])
        self.right = self.p.argmax(axis=1) == self.labels
        self.covered = (self.values >= self.ends[:, 0]) & (self.values <= self.ends[:, 1])


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
    """Of the 90 % interval, in slices by size and by the most electronegative element."""
    found = [Check("90 % interval covers", asked.covered.mean(), 0.88, 0.92, len(asked.covered))]
    for name, part in slices(asked.structures):
        if part.sum() >= FEWEST:
            found.append(
                Check(f"90 % interval covers, {name}", asked.covered[part].mean(), 0.88, 0.92, int(part.sum()))
            )
    return found


def slices(structures: list[Structure]) -> Iterator[tuple[str, np.ndarray]]:
    """Names of slices and which structures they hold, bool ``[n]``."""
    size = np.array([len(each) for each in structures])
    for low, high in ((1, 8), (9, 20), (21, 60), (61, 10_000)):
        yield f"{low} to {high} atoms", (size >= low) & (size <= high)
    symbols = [{elements.symbols()[z] for z in set(each.Z.tolist())} for each in structures]
    taken = np.zeros(len(structures), dtype=bool)
    for family in ("F", "O", "Cl", "N", "S", "Br", "I", "Se", "P"):
        has = np.array([family in each for each in symbols]) & ~taken
        taken |= has
        yield f"with {family}", has
    yield "others", ~taken


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
