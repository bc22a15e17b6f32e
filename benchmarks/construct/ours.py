"""``andersonn.construct`` on a table with the columns smiles, value and split.

python benchmarks/construct/ours.py TABLE PREDICTIONS --budget SECONDS [--seed 0]

The budget is counted in seconds of the processor, so that what else the machine does changes nothing. PREDICTIONS gets the answers
to the test side with their 90 % intervals, and what was chosen beside it in PREDICTIONS.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from pathlib import Path

import torch

from andersonn.constructing import run
from andersonn.constructing.understanding import understand


class ProcessorTime:
    """The module ``time``, whose clock is the processor's."""

    monotonic = staticmethod(time.process_time)
    process_time = staticmethod(time.process_time)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--budget", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    vars(run)["time"] = ProcessorTime
    understood = understand(str(arguments.table), "value", split="split")
    with tempfile.TemporaryDirectory() as scratch:
        content = run.construct(
            understood, Path(scratch) / "model", budget_s=arguments.budget, seed=arguments.seed
        ).content
    with arguments.predictions.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", "value", "low", "high"])
        for point in content["points"]:
            writer.writerow([point["smiles"], point["estimate"], point["low"], point["high"]])
    kept = {name: content[name] for name in ("candidates", "test", "split", "cpu_seconds")}
    arguments.predictions.with_suffix(".json").write_text(json.dumps(kept))


if __name__ == "__main__":
    main()
