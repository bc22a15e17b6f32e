"""Training runs to be killed, and how two of them are compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = [sys.executable, "-m", "andersonn.cli.main"]
SMALL = ["epochs=3", "model.width=8", "columns=8", "radial=8", "max_rows=400", "device=cpu"]
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Another number of threads adds up in another order, and so gives other last digits."""
TIMES = ("seconds", "train_seconds")


def andersonn(*words) -> subprocess.CompletedProcess:
    """The program with these words, run to its end."""
    command = [*PROGRAM, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=ONE_THREAD)


def training(data: Path, out: Path, *words: str) -> list[str]:
    """The words of a small training."""
    return ["train", "conduction", "--data", str(data), "--out", str(out), "--format", "json", *SMALL, *words]


def content(folder: Path) -> dict[str, object]:
    """All that a run left in its folder, but dates and durations."""
    found: dict[str, object] = {path.name: path.read_bytes() for path in folder.iterdir()}
    card = json.loads(found.pop("model.json"))
    card.pop("trained")
    header, *rows = (line.split(",") for line in found.pop("history.csv").decode().splitlines())
    kept = [k for k, name in enumerate(header) if name not in TIMES]
    return found | {"card": card, "history": [[row[k] for k in kept] for row in (header, *rows)]}
