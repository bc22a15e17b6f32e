"""Records that a model cannot be trained or tested on: told in a line, and in a file beside a trained model."""

from __future__ import annotations

import csv
from pathlib import Path

from andersonn.io.files import write_whole
from andersonn.progress import Progress
from andersonn.sanitize import cell
from andersonn.training.dataset import Dataset

SHOWN = 3
"""Records whose reasons a line names."""


def told_unusable(dataset: Dataset) -> str:
    """How many records are left out and why the first are, in words; empty if none is."""
    if not dataset.unusable:
        return ""
    first = sorted(dataset.unusable.items())[:SHOWN]
    more = "; …" if len(dataset.unusable) > SHOWN else ""
    why = "; ".join(f"{dataset.records.ids[i] or i}: {reason}" for i, reason in first)
    return f"{len(dataset.unusable)} of {len(dataset.records)} records left out: {why}{more}"


def report_unusable(dataset: Dataset, out: Path, progress: Progress) -> None:
    """Writes ``unusable.csv`` (record, id, reason) to a folder and says how many there are; nothing if there are none."""
    if not dataset.unusable:
        return

    def write(name: str) -> None:
        with open(name, "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["record", "id", "reason"])
            writer.writerows(
                [i, cell(dataset.records.ids[i]), cell(why)] for i, why in sorted(dataset.unusable.items())
            )

    write_whole(out / "unusable.csv", write)
    progress.say(f"{len(dataset.unusable)} of {len(dataset.records)} records are unusable: see unusable.csv")
