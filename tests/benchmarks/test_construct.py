"""The benchmark of construct: what its splits hold, how answers are judged, and what its tables compare."""

import csv

import numpy as np
import pytest

from construct.running import METHODS, measures, run_one
from construct.splits import Molecules, Split
from construct.tables import figure, report

TAILS = ("", "C", "CC", "CCC", "O", "N", "Cl", "F", "CO", "CN", "N#CC", "CC(C)")
RINGS = (
    "c1ccccc1",
    "C1CCCCC1",
    "c1ccncc1",
    "C1CCOC1",
    "c1ccsc1",
    "C1CCNCC1",
    "c1ccc2ccccc2c1",
    "C1CC1",
    "c1ccoc1",
    "C1CCC1",
)


@pytest.fixture
def molecules(tmp_path):
    smiles = [
        *(tail + ring for ring in RINGS for tail in TAILS),
        *("C" * n for n in range(1, 9)),
        "OC",
        "F[C@H](Cl)C",
        "F[C@@H](Cl)C",
    ]
    path = tmp_path / "set.csv"
    path.write_text("smiles,y\n" + "\n".join(f"{each},{len(each)}" for each in [*smiles, "CO"]))
    return Molecules.read(path)


def test_a_molecule_is_there_once(molecules):
    assert molecules.rows - len(molecules.smiles) == 2  # methanol, and an isomer
    assert "CO" not in molecules.smiles


@pytest.mark.parametrize("kind", ["random", "scaffold"])
def test_sides_are_apart_and_complete(kind, molecules):
    sides = Split(kind, 0, 3).of(molecules)
    rows = np.concatenate(list(sides.values()))
    assert sorted(rows.tolist()) == list(range(len(molecules.smiles)))
    assert 0.7 < len(sides["train"]) / len(rows) < 0.9
    assert len(sides["val"]) > 0
    assert len(sides["test"]) > 0


def test_scaffolds_are_not_divided(molecules):
    sides = Split("scaffold", 0, 1).of(molecules)
    held = {side: {molecules.scaffolds[k] for k in rows} for side, rows in sides.items()}
    assert not held["train"] & held["test"]
    assert not held["train"] & held["val"]
    assert not held["val"] & held["test"]


@pytest.mark.parametrize("kind", ["random", "scaffold"])
def test_a_smaller_training_side_keeps_the_test(kind, molecules, tmp_path):
    whole, small = Split(kind, 0, 2).of(molecules), Split(kind, 40, 2).of(molecules)
    assert (whole["test"] == small["test"]).all()
    assert {*small["train"], *small["val"]} < {*whole["train"]}
    assert len(small["train"]) == 36
    assert len(small["val"]) == 4
    assert Split(kind, 40, 2).write(molecules, tmp_path / "t.csv") == {
        "train": 36, "val": 4, "test": len(small["test"]),
    }  # fmt: skip
    with (tmp_path / "t.csv").open() as file:
        assert sum(row["split"] == "test" for row in csv.DictReader(file)) == len(small["test"])


def test_answers_are_judged_in_the_order_of_the_table():
    asked = [{"smiles": "C", "value": "1"}, {"smiles": "O", "value": "2"}]
    answers = {"O": {"value": "2", "low": "1.5", "high": "2.5"}, "C": {"value": "3", "low": "2.5", "high": "3.5"}}
    assert measures(asked, answers) == {"rmse": pytest.approx(2**0.5), "mae": 1.0, "coverage": 0.5}
    del answers["C"]["low"], answers["O"]["low"]
    assert measures(asked, answers)["coverage"] is None


def test_a_forest_runs_in_a_process_of_its_own(molecules, tmp_path):
    found = run_one("forest, descriptors", molecules, Split("random", 40, 0), None, tmp_path)
    assert found["train"] == 36
    assert found["test"] == len(Split("random", 0, 0).of(molecules)["test"])
    assert 0 < found["rmse"] < 6
    assert found["cpu_seconds"] > 0


def _run(method, seed, rmse, seconds=1.0):
    coverage = 0.9 if method.startswith("ours") else None
    chosen = {"chosen": "a last layer"} if method.startswith("ours") else {}
    return {"set": "esol", "kind": "random", "size": 0, "seed": seed, "method": method, "rmse": rmse, "mae": rmse,
            "coverage": coverage, "cpu_seconds": seconds, **chosen}  # fmt: skip


def test_pairs_are_of_the_same_splits():
    runs = [_run("ours, last layer", 0, 1.0, 2.0), _run("ours, last layer", 1, 3.0, 9.0), _run("chemprop", 0, 2.0, 8.0)]
    text = report(runs, list(METHODS))
    assert "| esol | random | all | 2.00 ± 1.41 (2) | 2.00 (1) |" in text
    assert "| esol | random | all | 0.50, 1 of 1 |" in text
    assert "| esol | random | all | 0.25 (1) |" in text
    assert figure(runs, list(METHODS)).startswith(b"\x89PNG")
