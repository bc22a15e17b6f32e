"""Molecules read by their bonds alone: CPU time per SMILES, and the accuracy of a simple method on the same split.

    python benchmarks/bonds_alone.py rate LIBRARY.parquet [--n 4000] [--model DIR] [--geometry none one many] [--json FILE]
    python benchmarks/bonds_alone.py baseline --data molecules_qm9.parquet --data molecules_pereira2018.parquet [--grown 30000]

``rate``: from a SMILES to its answer in one process and thread, in turns over the geometries, in batches as ``predict`` makes them;
medians and quartiles over rounds. A millisecond of CPU is 1,000 SMILES a second of one core. ``baseline``: gradient-boosted trees
on counted Morgan fingerprints (radius 2, folded to 512) and the composition, grown on part of the training side, tested on the
validation side, by file: the strongest simple method that we tried beside the random forest on composition of the model card.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator

from andersonn import Scientist
from andersonn.data.merging import read_records
from andersonn.data.splits import SplitRule, split_of
from andersonn.scientists.registry import find
from andersonn.structures.descriptors import composition_features
from andersonn.structures.readers import Smiles
from andersonn.structures.readers.molecules.smiles import atomic_numbers

ROUNDS = 3
SLOWER = {"none": 1, "one": 20, "many": 50}
"""How many times fewer molecules are asked in a geometry, which takes about so much longer."""


def rate(library: Path, n: int, model: str | None, geometries: list[str]) -> dict[str, dict[str, float]]:
    """CPU milliseconds per SMILES by geometry."""
    torch.set_num_threads(1)
    smiles = pq.read_table(library, columns=["smiles"])["smiles"].to_pylist()
    chosen = np.random.default_rng(0).permutation(len(smiles))[:n]
    words = [Smiles(smiles[k]) for k in chosen if smiles[k]]
    asked = {geometry: Scientist.load(model or "polarity", geometry=geometry) for geometry in geometries}
    parts = {geometry: words[: max(64, len(words) // SLOWER[geometry])] for geometry in asked}
    times: dict[str, list[float]] = {geometry: [] for geometry in asked}
    for turn in range(ROUNDS + 1):  # the first warms up
        for geometry, scientist in asked.items():
            begin = time.process_time()
            scientist.predict(parts[geometry])
            if turn:
                times[geometry].append(1e3 * (time.process_time() - begin) / len(parts[geometry]))
    found = {}
    for geometry, taken in times.items():
        low, middle, high = np.quantile(taken, (0.25, 0.5, 0.75))
        found[geometry] = {"n": len(parts[geometry]), "ms": float(middle), "low": float(low), "high": float(high)}
        print(f"{geometry}: {middle:.2f} ms of CPU per SMILES ({low:.2f} to {high:.2f}), n = {len(parts[geometry])}")
    return found


def features(smiles: list[str]) -> np.ndarray:
    """Counted fingerprints and composition ``[n, F]``."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=512)
    rows = []
    for text in smiles:
        counts = generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(text))
        rows.append(np.concatenate([counts, composition_features(atomic_numbers(text))]))
    return np.stack(rows).astype(np.float32)


def baseline(data: list[str], grown: int) -> dict[str, dict[str, float]]:
    """Accuracy of boosted trees on the validation side by file."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    task = find("polarity").task
    records = read_records(data, (task.quantity,))
    sides, files = split_of(records, SplitRule()), records.files
    assert files is not None  # several files
    smiles, labels = records.table["smiles"].to_pylist(), task.class_of(records.label(task.quantity))
    train = np.random.default_rng(0).permutation(sides["train"])[:grown]
    trees = HistGradientBoostingClassifier(max_iter=300, learning_rate=0.1, random_state=0)
    trees.fit(features([smiles[k] for k in train]), labels[train])
    found = {}
    for name in dict.fromkeys(files.tolist()):
        part = sides["validation"][files[sides["validation"]] == name]
        part = np.random.default_rng(0).permutation(part)[:4000]
        right = trees.predict(features([smiles[k] for k in part])) == labels[part]
        majority = float(np.bincount(labels[part]).max() / len(part))
        found[name] = {"n": len(part), "accuracy": float(right.mean()), "majority": majority}
        print(f"{name}: {right.mean():.3f} (majority {majority:.3f}), n = {len(part)}, grown on {len(train)}")
    return found


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    fast, simple = verbs.add_parser("rate"), verbs.add_parser("baseline")
    fast.add_argument("library", type=Path)
    fast.add_argument("--n", type=int, default=4000)
    fast.add_argument("--model", help="folder; default the shipped weights")
    fast.add_argument("--geometry", nargs="+", default=["none", "one", "many"])
    simple.add_argument("--data", action="append", required=True, help="all files of the training, in order")
    simple.add_argument("--grown", type=int, default=30_000, help="training molecules")
    for verb in (fast, simple):
        verb.add_argument("--json", type=Path)
    given = parser.parse_args()
    rdBase.DisableLog("rdApp.*")
    if given.verb == "rate":
        found = rate(given.library, given.n, given.model, given.geometry)
    else:
        found = baseline(given.data, given.grown)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
