"""A random forest of 500 trees on Morgan fingerprints (radius 2, 2048 bits) or on RDKit's 2-D descriptors.

python benchmarks/construct/forest.py TABLE PREDICTIONS --features morgan|descriptors [--seed 0]

TABLE has the columns smiles, value and split; the forest learns from train and val together, since it chooses nothing.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Chem import Descriptors
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from sklearn.ensemble import RandomForestRegressor

TREES = 500
LARGEST = float(np.finfo(np.float32).max) / 2
"""Of what a forest reads; some descriptors are larger, or not defined for a molecule."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--features", choices=("morgan", "descriptors"), required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with arguments.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    features = np.stack([features_of(Chem.MolFromSmiles(row["smiles"]), arguments.features) for row in rows])
    values = np.array([float(row["value"]) for row in rows])
    test = np.array([row["split"] == "test" for row in rows])
    forest = RandomForestRegressor(TREES, random_state=arguments.seed, n_jobs=1).fit(features[~test], values[~test])
    with arguments.predictions.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", "value"])
        answers = forest.predict(features[test])
        writer.writerows(zip([row["smiles"] for row in rows if row["split"] == "test"], answers, strict=True))


def features_of(mol: Chem.Mol, kind: str) -> np.ndarray:
    """Features of a molecule, ``[2048]`` bits or ``[about 210]`` descriptors."""
    if kind == "morgan":
        return np.asarray(GetMorganGenerator(radius=2, fpSize=2048).GetFingerprintAsNumPy(mol), dtype=np.float32)
    found = np.array(list(Descriptors.CalcMolDescriptors(mol).values()), dtype=np.float64)
    return np.clip(np.nan_to_num(found, nan=0.0), -LARGEST, LARGEST)


if __name__ == "__main__":
    main()
