"""The polarity scientist on the labeled drugs and biomolecules that come with the package, by kind, size and novelty.

python benchmarks/biomolecules.py --known molecules_qm9.parquet --known molecules_pereira2018.parquet [--model DIR]

No model is trained on the set. ``sides`` are those of its own split by scaffold, for models that are.
"""

from __future__ import annotations

import argparse
import json
from importlib import resources

import numpy as np
import pyarrow.parquet as pq

from andersonn import Scientist
from andersonn.data.records import Records
from andersonn.data.splits import SplitRule, split_of
from andersonn.inference.tails import Kinds
from andersonn.structures.readers.molecules.smiles import constitution
from andersonn.training.calibrate_and_test import answer_metrics
from andersonn.training.dataset import prepare
from andersonn.training.forward import forward_model

PATH = resources.files("andersonn.data") / "sets/biomolecules.parquet"
LARGE = 10
"""Heavy atoms from which on a molecule is larger than any of QM9."""


def parts_of(records: Records, known: list[str]) -> dict[str, np.ndarray]:
    """Name → indices of a part of the set."""
    table = pq.read_table(PATH, columns=["kind", "smiles"])
    kinds, smiles = np.array(table["kind"].to_pylist()), table["smiles"].to_pylist()
    seen = {
        constitution(text) for path in known for text in pq.read_table(path, columns=["smiles"])["smiles"].to_pylist()
    }
    old = np.array([constitution(text) in seen for text in smiles])
    heavy = np.array([(records.atomic_numbers(i) > 1).sum() for i in range(len(records))])
    masks = {"all": np.ones(len(records), bool), "in the files of training": old, "in neither": ~old}
    masks |= {f"up to {LARGE - 1} heavy atoms": heavy < LARGE, f"{LARGE} to {heavy.max()} heavy atoms": heavy >= LARGE}
    masks |= {kind: kinds == kind for kind in dict.fromkeys(kinds.tolist())}
    parts = {name: np.flatnonzero(mask) for name, mask in masks.items() if mask.any()}
    sides = split_of(records, SplitRule(0, 0.1, 0.3))
    return parts | {
        "scaffold side: train": np.concatenate([sides["train"], sides["validation"]]),
        "scaffold side: test": sides["test"],
    }


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--known", action="append", required=True, help="Parquet file the model was trained on; repeat")
    parser.add_argument("--model", help="folder; default the shipped weights")
    parser.add_argument("--json", action="store_true", help="one object a line instead")
    given = parser.parse_args()
    scientist = Scientist.load(given.model or "polarity")
    records = Records.read(PATH, (scientist.task.quantity,))
    bundle = scientist.bundle
    dataset = prepare(records, bundle.task, bundle.config)
    rows = []
    for name, part in parts_of(records, given.known).items():
        outputs = forward_model(bundle, dataset, part)
        kinds, made = Kinds.of_store(dataset.store, part), dataset.made[part]
        truth = dataset.values[part]
        found = answer_metrics(outputs, bundle.calibration, truth, bundle.task, made, bundle.domain, kinds)
        majority = np.bincount(dataset.labels[part]).max() / len(part)
        rows.append({"part": name, "majority": float(majority)} | found)
    if given.json:
        print("\n".join(json.dumps(row) for row in rows))
        return
    print("| part | n | majority | accuracy | balanced | mean error / D | interval covers |\n" + "|---" * 7 + "|")
    for row in rows:
        numbers = (row["majority"], row["accuracy"], row["balanced_accuracy"], row["mae"], row["interval90_coverage"])
        print(f"| {row['part']} | {row['n']} | " + " | ".join(f"{x:.3f}" for x in numbers) + " |")


if __name__ == "__main__":
    main()
