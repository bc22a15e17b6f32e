"""Folds are to the others what the test side is to training."""

from __future__ import annotations

import numpy as np
import pytest

from andersonn.constructing.material import folds_of
from andersonn.constructing.understanding import understand

RINGS = ["c1ccccc1", "c1ccncc1", "C1CCCCC1", "C1CCOCC1", "c1ccc2ccccc2c1", "C1CCNCC1"]
TAILS = ["C", "CC", "CCC", "CCCC", "CO", "CN", "CF", "CCl", "CCO", "CCN"]
ROWS = [
    {"SMILES": f"{tail}{ring}", "value": float(3 * i + j)}
    for i, ring in enumerate(RINGS)
    for j, tail in enumerate(TAILS)
]


def folds(rows, split):
    found = understand(rows, "value", split=split)
    chosen = np.concatenate([found.sides["train"], found.sides["validation"]])
    groups = np.array(found.records.groups)[chosen]
    return folds_of(found, chosen, 0), groups


def parted(numbers, groups):
    return sum(len(set(numbers[groups == group].tolist())) > 1 for group in set(groups.tolist()))


def sided(by_scaffold):
    test = (lambda i, j: i == 5) if by_scaffold else (lambda i, j: j == 9)
    sides = ["test" if test(k // 10, k % 10) else "train" for k in range(len(ROWS))]
    return [row | {"side": side} for row, side in zip(ROWS, sides, strict=True)]


@pytest.mark.parametrize(("rows", "split"), [(ROWS, "scaffold"), (sided(True), "side")])
def test_scaffolds_stay_whole_where_the_sides_keep_them(rows, split):
    numbers, groups = folds(rows, split)
    assert parted(numbers, groups) == 0
    assert len(set(numbers.tolist())) == len(set(groups.tolist()))


def test_folds_are_random_where_a_column_divides_scaffolds():
    numbers, groups = folds(sided(False), "side")
    assert parted(numbers, groups) == 6
    assert np.ptp(np.bincount(numbers)) <= 1


def test_isomers_share_a_fold_at_random():
    pairs = [f"C[C@H](O){'C' * n}F" for n in range(1, 16)] + [f"C[C@@H](O){'C' * n}F" for n in range(1, 16)]
    rows = [{"SMILES": smiles, "value": float(k * k)} for k, smiles in enumerate(pairs)]
    numbers, groups = folds(rows, "random")
    assert parted(numbers, groups) == 0
    assert len(groups) > len(set(groups.tolist()))
