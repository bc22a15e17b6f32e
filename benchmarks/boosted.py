"""Conduction's network alone beside gradient-boosted trees on the same records, on the same split.

    python benchmarks/boosted.py --data crystals_2018.parquet --data crystals_extra.parquet --data qmof_gaps.parquet

The files of the training in their order. The trees read what those beside the shipped network read (composition, counts of electrons,
oxidation states, how atoms stand to each other); with ``--composition`` not the last. The network is asked without the trees beside it. They are grown on
the training side and stopped by the validation side. The test side is answered by file, and by slices where one of the two is better by more than chance.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from andersonn import Scientist
from andersonn.data.merging import read_records
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import lead
from andersonn.models.trees_beside import without_trees
from andersonn.training.dataset import Dataset, atomic_numbers, prepare
from andersonn.training.forward import forward_records
from andersonn.training.metrics import classification_metrics
from andersonn.training.trees_growing import numbers_of
from gate.slices import slices

FEWEST = 200
"""Test records of a slice that is told."""
SURELY = 2.0
"""Standard deviations of the difference from which on one of the two is called better."""


def grown(dataset: Dataset, options: dict[str, Any], surroundings: bool) -> Any:
    """The trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    train, held = dataset.sides["train"], dataset.sides["validation"]
    trees = HistGradientBoostingClassifier(early_stopping=True, n_iter_no_change=15, random_state=0, **options)
    x, x_held = (numbers_of(dataset, side, surroundings) for side in (train, held))
    print(f"{len(train):,} training records, {x.shape[1]} features", flush=True)
    trees.fit(x, dataset.labels[train], X_val=x_held, y_val=dataset.labels[held])
    told = classification_metrics(dataset.labels[held], trees.predict_proba(x_held), tuple(map(str, trees.classes_)))
    print(f"{trees.n_iter_} rounds; validation accuracy {told['accuracy']:.4f}", flush=True)
    return trees


def by_file(dataset: Dataset, bundle: ModelBundle, p: np.ndarray, q: np.ndarray) -> list[dict[str, Any]]:
    """A row for each file of the test side and each method: probabilities ``p`` of the trees, ``q`` of the network."""
    test, files = dataset.sides["test"], dataset.records.files
    assert files is not None  # several
    rows = []
    for name in dict.fromkeys(files[test].tolist()):
        part = files[test] == name
        for method, said in (("boosted trees", p), ("network", q)):
            found = classification_metrics(dataset.labels[test][part], said[part], bundle.task.classes)
            row = {key: found[key] for key in ("n", "accuracy", "balanced_accuracy", "roc_auc", "ece")}
            rows.append({"file": name, "method": method, **row, "metal_or_not": found["above"]["metal"]})
    return rows


def by_slice(dataset: Dataset, p: np.ndarray, q: np.ndarray) -> list[dict[str, Any]]:
    """Slices of the test side in which one of the two is better by more than chance."""
    test, files = dataset.sides["test"], dataset.records.files
    assert files is not None  # several
    labels, rows = dataset.labels[test], []
    theirs, ours = p.argmax(axis=1) == labels, q.argmax(axis=1) == labels
    Zs = atomic_numbers(dataset.records, test)
    for name in dict.fromkeys(files[test].tolist()):
        for title, part in slices(Zs):
            both = part & (files[test] == name)
            gain = ours[both].astype(float) - theirs[both]
            if both.sum() >= FEWEST and abs(gain.mean()) > SURELY * gain.std() / np.sqrt(both.sum()):
                row = {"trees": float(theirs[both].mean()), "network": float(ours[both].mean())}
                rows.append({"file": name, "slice": title, "n": int(both.sum()), **row})
    return rows


def main() -> None:
    """Prints two Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, type=Path, help="all files of the training, in order")
    parser.add_argument("--model", help="folder; default the shipped weights")
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--leaves", type=int, default=63)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--composition", action="store_true", help="the trees read no distances")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    bundle = Scientist.load(given.model or "conduction").bundle
    dataset = prepare(read_records(given.data, (bundle.task.quantity,)), bundle.task, bundle.config)
    surroundings = not given.composition
    options = {"learning_rate": given.rate, "max_leaf_nodes": given.leaves, "max_iter": given.rounds}
    trees = grown(
        dataset, {**options, "l2_regularization": 1.0, "min_samples_leaf": 10, "max_features": 0.3}, surroundings
    )
    test = dataset.sides["test"]
    p = trees.predict_proba(numbers_of(dataset, test, surroundings))
    outputs = forward_records(without_trees(lead(bundle.network)), dataset, test, bundle.config.conformers)
    distance = None if bundle.domain is None else bundle.domain.distance(outputs.states)
    q = bundle.calibration.probabilities(outputs.scores, dataset.made[test], distance)
    rows, parts = by_file(dataset, bundle, p, q), by_slice(dataset, p, q)
    print(f"\n| {' | '.join(rows[0])} |\n" + "|---" * len(rows[0]) + "|")
    for row in rows:
        print("| " + " | ".join(f"{x:.3f}" if isinstance(x, float) else str(x) for x in row.values()) + " |")
    print("\n| file | slice | n | boosted trees | network |\n|---|---|---|---|---|")
    for row in parts:
        print(f"| {row['file']} | {row['slice']} | {row['n']} | {row['trees']:.3f} | {row['network']:.3f} |")
    if given.json:
        given.json.write_text(json.dumps({"by_file": rows, "by_slice": parts}, indent=1) + "\n")


if __name__ == "__main__":
    main()
