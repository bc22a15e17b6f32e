"""Grows boosted trees beside a trained network, calibrates and tests both together, and saves them as a model of their own.

python tools/grow_trees.py MODEL_DIR --data crystals.parquet [--data …] [--grown-on more.parquet …] --out JOINED_DIR

Trees are grown on the training side of ``--grown-on``, if it is given, which may have more records than the network was trained on,
such as large cells. Its split is the same, so no record of the network's validation and test sides is among them.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from andersonn.cli.console import Bars
from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.recalibrate import recalibrate
from andersonn.training.trees_growing import beside_test, with_trees
from beside import save_beside

GROWN_ON = "trees_grown_on"
"""Where a model's card says on how many records of which files its trees were grown."""


def _same_split(files: list[Path], model: ModelBundle, dataset: Dataset) -> Dataset:
    """The records of some files, prepared, unless one of their training side stands on another side of a model's data."""
    found = prepare(read_records(files, (model.task.quantity,)), model.task, model.config)
    held = np.concatenate([dataset.sides["validation"], dataset.sides["test"]])
    groups = [
        set(np.asarray(d.records.groups)[chosen]) for d, chosen in ((found, found.sides["train"]), (dataset, held))
    ]
    if groups[0] & groups[1]:
        raise UsageError(
            "other_split", "groups of its test or validation side are among them", "give files of the same split"
        )
    return found


def main() -> None:
    """Writes the model's files, and says how its test came out without and with trees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder that train wrote")
    parser.add_argument("--data", action="append", required=True, type=Path, help="what it was trained on; repeat")
    parser.add_argument(
        "--grown-on", action="append", type=Path, help="what the trees are grown on; repeat; else --data"
    )
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)  # before minutes of work
    try:
        old = ModelBundle.load(given.model)
        records = read_records(given.data, (old.task.quantity,))
        dataset = prepare(records, old.task, old.config)
        grown_on = _same_split(given.grown_on, old, dataset) if given.grown_on else dataset
        network = with_trees(old, dataset, grown_on=grown_on)
        new = recalibrate(replace(old, network=network), records, (), Bars())
        new.provenance[GROWN_ON] = {"file": grown_on.records.source, "train": len(grown_on.sides["train"])}
        beside_test(new.provenance["metrics"]["test"], network.trees, dataset, new.task.classes)
    except UsageError as error:
        sys.exit(f"{error.message} ({error.hint})")
    save_beside(new, given.out, {"network": old, "with trees": new})


if __name__ == "__main__":
    main()
