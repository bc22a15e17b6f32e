"""Averages the weights of models that were trained on from the same ones, and calibrates and tests the mean.

python tools/average_models.py polarity-a polarity-b --shares 1 2 --data molecules_qm9.parquet [--data …] --out mean

The data are those of the first model. Boosted trees are left out: grow them anew (tools/grow_trees.py). Choose the shares by the validation
side, which is printed first.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from andersonn.cli.console import Bars
from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.training.weight_averaging import averaged
from beside import save_beside


def main() -> None:
    """Writes the files of the mean; says how it and each of the models did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, help="folders that train wrote")
    parser.add_argument("--shares", nargs="+", type=float, help="of each model; default: equal ones")
    parser.add_argument(
        "--data", action="append", required=True, type=Path, help="what the first was trained on; repeat"
    )
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)  # before minutes of work
    try:
        parts = [ModelBundle.load(folder) for folder in given.models]
        records = read_records(given.data, (parts[0].task.quantity,))
        mean = averaged(parts, given.shares or [1.0] * len(parts), records, (), Bars())
    except UsageError as error:
        sys.exit(f"{error.message} ({error.hint})")
    save_beside(mean, given.out, {**dict(zip(map(str, given.models), parts, strict=True)), "mean": mean})


if __name__ == "__main__":
    main()
