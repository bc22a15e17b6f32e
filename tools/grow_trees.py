"""Grows boosted trees beside a trained network, calibrates and tests both together, and saves them as a model of their own.

python tools/grow_trees.py MODEL_DIR --data crystals.parquet [--data …] --out JOINED_DIR
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from andersonn.cli.console import Bars
from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.training.dataset import prepare
from andersonn.training.recalibrate import recalibrate
from andersonn.training.trees_growing import beside_test, with_trees
from beside import save_beside


def main() -> None:
    """Writes the model's files, and says how its test came out without and with trees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder that train wrote")
    parser.add_argument("--data", action="append", required=True, type=Path, help="what it was trained on; repeat")
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)  # before minutes of work
    try:
        old = ModelBundle.load(given.model)
        records = read_records(given.data, (old.task.quantity,))
        dataset = prepare(records, old.task, old.config)
        network = with_trees(old, dataset)
        new = recalibrate(replace(old, network=network), records, (), Bars())
        beside_test(new.provenance["metrics"]["test"], network.trees, dataset, new.task.classes)
    except UsageError as error:
        sys.exit(f"{error.message} ({error.hint})")
    save_beside(new, given.out, {"network": old, "with trees": new})


if __name__ == "__main__":
    main()
