"""Records that cannot be trained on, told in a file beside the model."""

from __future__ import annotations

import csv
from pathlib import Path

from andersonn.io.files import write_whole
from andersonn.progress import Progress
from andersonn.sanitize import cell
from andersonn.training.dataset import Dataset


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
