"""Constructions end to end, on a small table: numbers, classes, labels, and what goes wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import andersonn as an
from andersonn.constructing import candidates, run
from andersonn.constructing.own_networks import passes_within
from andersonn.constructing.run import CONSTRUCTION, TABLE, construct
from andersonn.constructing.understanding import understand
from andersonn.errors import UsageError
from andersonn.training.evaluate import evaluate

ATOMS = ("C", "N", "O", "F", "Cl", "S")


def molecules(n):
    """Chains with an end group, and a made-up quantity that depends on both."""
    ends = ("", "O", "N", "Cl", "F", "C(=O)O", "C#N", "S", "c1ccccc1", "C=C")
    rows = []
    for k in range(n):
        length, end = 2 + k // len(ends), ends[k % len(ends)]
        rows.append(
            {"SMILES": "C" * length + end, "solubility (g/L)": 10.0 - 0.8 * length + 1.5 * (k % len(ends)) ** 0.5}
        )
    return rows


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "model"
    understood = understand(molecules(120), "solubility", split="random")
    return construct(understood, folder, budget_s=0.0, command="andersonn construct …")


def test_folder_answers_like_a_trained_model(made):
    scientist = an.Scientist.load(made.folder)
    (answer,) = scientist.predict(["CCCCCO"])
    assert answer.as_dict()["class"] is None
    assert answer.as_dict()["estimate"]["value"] == pytest.approx(10 - 0.8 * 5 + 1.5, abs=0.8)
    low, high = answer.interval90
    assert low <= answer.value <= high
    assert {path.name for path in made.folder.iterdir()} == {
        "construction.json", "domain.safetensors", "metrics.json", "model.json", "model.safetensors", "report.html", TABLE,
    }  # fmt: skip


def test_better_than_the_mean_and_covered(made):
    content = made.content
    test, beside = content["test"], content["test"]["beside"]
    assert test["rmse"] < 0.5 * beside["mean"]["rmse"]
    assert set(beside) == {"mean", "ridge regression", "random forest"}
    assert sum(each["chosen"] for each in content["candidates"]) == 1
    assert json.loads((made.folder / CONSTRUCTION).read_text()) == content
    assert [point["n"] for point in content["learning_curve"]] == sorted(p["n"] for p in content["learning_curve"])


def test_evaluate_prints_the_test_again(made):
    scientist = an.Scientist.load(made.folder)
    found = evaluate(scientist, an.Records.read(made.folder / TABLE, (scientist.task.quantity,)), baselines=False)
    assert found["side"] == "test"
    assert found["same_file_as_training"]
    assert found["mae"] == pytest.approx(made.content["test"]["mae"], rel=1e-6)


def test_finished_construction_is_read_back_and_another_is_refused(made):
    same = understand(molecules(120), "solubility", split="random")
    assert construct(same, made.folder, budget_s=0.0, resume=True).content == made.content
    other = understand(molecules(100), "solubility", split="random")
    with pytest.raises(UsageError, match="another table"):
        construct(other, made.folder, budget_s=0.0, resume=True)
    with pytest.raises(UsageError, match="already holds"):
        construct(same, made.folder, budget_s=0.0)


def test_the_same_seed_makes_the_same_model(made, tmp_path):
    again = construct(understand(molecules(120), "solubility", split="random"), tmp_path / "again", budget_s=0.0)
    assert again.content["test"] == made.content["test"]


def test_thresholds_make_classes(tmp_path):
    rows = molecules(120)
    understood = understand(rows, "solubility", thresholds=(4.0, 8.0), classes=("poor", "fair", "good"), split="random")
    construct(understood, tmp_path / "model", budget_s=0.0)
    scientist = an.Scientist.load(tmp_path / "model")
    (answer,) = scientist.predict(["CCCO"])
    assert answer.label == "good"
    assert sum(answer.probabilities.values()) == pytest.approx(1.0)
    assert answer.as_dict()["thresholds"] == [4.0, 8.0]


def test_labels_are_answered_as_classes(tmp_path):
    rows = [
        {"SMILES": row["SMILES"], "acid": "yes" if row["SMILES"].endswith("=O)O") else "no"} for row in molecules(120)
    ]
    construct(understand(rows, "acid", split="random"), tmp_path / "model", budget_s=0.0)
    scientist = an.Scientist.load(tmp_path / "model")
    answers = scientist.predict(["CCCCC(=O)O", "CCCCCN"])
    assert [answer.label for answer in answers] == ["yes", "no"]
    assert answers[0].as_dict()["estimate"] is None


def test_network_trained_further_is_tried_where_there_is_time(tmp_path, monkeypatch):
    monkeypatch.setattr("andersonn.constructing.run.FEWEST", 50)
    understood = understand(molecules(150), "solubility", split="random")
    found = construct(understood, tmp_path / "model", budget_s=60.0)
    names = [each["name"] for each in found.content["candidates"]]
    assert any("trained further" in name for name in names)
    assert not (tmp_path / "model" / "network").exists()
    (answer,) = an.Scientist.load(tmp_path / "model").predict(["CCCCCO"])
    assert answer.ok


def test_no_passes_without_time(made):
    from andersonn.constructing.material import material_for, starts_for
    from andersonn.progress import Silent

    understood = understand(molecules(120), "solubility", split="random")
    material = material_for(understood, starts_for(understood)[0], 0, Silent())
    assert passes_within(material, 0.0) == 0
    assert passes_within(material, 1e6) == 15


def test_fine_tune_starts_from_one_scientist(made):
    scientist = an.Scientist.load("polarity", geometry="none")
    tuned = scientist.fine_tune(molecules(60), "solubility", split="random", budget=0)
    assert tuned.bundle.provenance["started_from"]["task"] == "polarity"
    with pytest.raises(UsageError, match="constructed itself"):
        an.construct(molecules(60), "solubility", budget=0, split="random", start=made.folder)


def no_last_layer_is_any_good(monkeypatch):
    def poor(material, seed):
        for each in candidates.last_layers(material, seed):
            yield replace(each, validation=each.validation | {"rmse": 1e9, "log_loss": 1e9})

    monkeypatch.setattr(run, "last_layers", poor)


def test_a_forest_that_is_better_is_what_the_folder_holds(tmp_path, monkeypatch):
    no_last_layer_is_any_good(monkeypatch)
    understood = understand(molecules(120), "solubility", split="random")
    made = construct(understood, tmp_path / "model", budget_s=0.0)
    content = made.content
    assert next(each["name"] for each in content["candidates"] if each["chosen"]) == "random forest"
    assert "No network was better in validation than random forest" in made.as_text()
    assert content["test"]["rmse"] == pytest.approx(content["test"]["beside"]["random forest"]["rmse"], rel=0.05)
    assert [point["n"] for point in content["learning_curve"]][-1] == 108
    scientist = an.Scientist.load(made.folder)
    (answer,) = scientist.predict(["CCCCCO"])
    low, high = answer.interval90
    assert low <= answer.value <= high
    assert answer.value == pytest.approx(10 - 0.8 * 5 + 1.5, abs=1.5)
    table, _ = an.Scientist.load(made.folder).explain(["CCCCCO", "CCCN"])
    assert np.abs(table.values).max() > 0
    found = evaluate(scientist, an.Records.read(made.folder / TABLE, (scientist.task.quantity,)), baselines=False)
    assert found["mae"] == pytest.approx(content["test"]["mae"], rel=1e-3)


def test_a_forest_of_labels(tmp_path, monkeypatch):
    no_last_layer_is_any_good(monkeypatch)
    rows = [{"SMILES": row["SMILES"], "kind": "short" if len(row["SMILES"]) < 9 else "long"} for row in molecules(120)]
    made = construct(understand(rows, "kind", split="random"), tmp_path / "model", budget_s=0.0)
    assert made.content["test"]["accuracy"] > 0.7
    short, long = an.Scientist.load(made.folder).predict(["CCO", "CCCCCCCCCCCCO"])
    assert (short.label, long.label) == ("short", "long")


def test_crystals(tmp_path):
    random, rows = np.random.default_rng(0), []
    for k in range(60):
        a = 3.5 + 0.05 * k
        pair = ((11, 17), (3, 9), (12, 8), (19, 35))[k % 4]
        rows.append({
            "id": f"salt {k}", "group": f"g{k}", "atomic_numbers": list(pair), "positions": [0.0, 0, 0, a / 2, 0, 0],
            "cell": [0, a / 2, a / 2, a / 2, 0, a / 2, a / 2, a / 2, 0], "volume_A3": a**3 / 4 + random.normal(0, 0.1),
        })  # fmt: skip
    found = construct(understand(rows, "volume_A3", split="random"), tmp_path / "model", budget_s=0.0)
    assert found.content["test"]["r2"] > 0.8
    assert found.content["periodic"]
