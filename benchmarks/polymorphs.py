"""Are polymorphs told apart? Crystals of one composition, of which some are metals and some are not.

    python benchmarks/polymorphs.py --data crystals_2018.parquet --data crystals_extra.parquet --data qmof_gaps.parquet

In each group of the chosen side that has both, every metal is paired with every crystal that is none. Printed is the share of pairs in which
the metal has the larger probability of a metal, averaged over the groups, with its standard error. Half is what the composition alone
gives. The volume an atom is the simplest baseline: the smaller one is called the metal.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from andersonn import Scientist
from andersonn.data.merging import read_records
from andersonn.inference.forward import forward
from andersonn.models import lead
from andersonn.models.trees_beside import without_trees
from andersonn.training.dataset import atomic_numbers, prepare

METAL = "metal"


def pairs_told_apart(score: np.ndarray, metal: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Of each group that has both, the share of pairs in which the metal has the larger score; half for equal ones.

    Args:
        score: rises with the chance of a metal, ``[n]``.
        metal: ``[n]``, bool.
        groups: names ``[n]``.
    """
    shares = []
    for group in np.unique(groups):
        mine = np.flatnonzero(groups == group)
        ours, others = score[mine[metal[mine]]], score[mine[~metal[mine]]]
        if len(ours) and len(others):
            shares.append(np.mean((ours[:, None] > others) + 0.5 * (ours[:, None] == others)))
    return np.array(shares)


def main() -> None:
    """Prints one line for each that is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="conduction", help="the task's own, or a folder")
    parser.add_argument("--data", action="append", required=True, type=Path, help="what it was trained on; repeat")
    parser.add_argument("--side", default="test", choices=("validation", "test"))
    given = parser.parse_args()
    bundle = Scientist.load(given.model).bundle
    records = read_records(given.data, (bundle.task.quantity,))
    dataset = prepare(records, bundle.task, bundle.config)
    chosen = dataset.sides[given.side]
    metal = dataset.labels[chosen] == bundle.task.classes.index(METAL)
    groups = np.array(records.groups)[chosen]
    cells = np.array(records.table["cell"].take(chosen).to_pylist(), dtype=np.float64).reshape(-1, 3, 3)
    volume = np.abs(np.linalg.det(cells)) / [len(Z) for Z in atomic_numbers(records, chosen)]
    scores = {"volume an atom": -volume}
    for name, network in (("network alone", without_trees(lead(bundle.network))), ("as shipped", bundle.network)):
        p = bundle.calibration.probabilities(forward(network, dataset.store, chosen).scores)
        scores[name] = p[:, bundle.task.classes.index(METAL)]
    for name, score in scores.items():
        shares = pairs_told_apart(score, metal, groups)
        error = shares.std(ddof=1) / len(shares) ** 0.5
        print(f"{given.side}, {len(shares)} groups, {name}: {shares.mean():.3f} ± {error:.3f}")


if __name__ == "__main__":
    main()
