"""Every verb takes a model that answers with a number alone, or with a label alone, and says what is true of it."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from andersonn import Scientist
from andersonn.cli.main import app
from tests.constructed_models import BOILING, CLASSES, boiling_points, kinds_of
from tests.pictures import colors

RUNNER = CliRunner()
HIDDEN = ("lower_half", "upper_half")


@pytest.fixture
def number(constructed):
    return str(constructed[0])


@pytest.fixture
def label(constructed):
    return str(constructed[1])


def asked(*words, status=0):
    done = RUNNER.invoke(app, list(map(str, words)))
    assert done.exit_code == status, done.output
    assert not any(name in done.output for name in HIDDEN)
    return done.stdout


def test_predict_shows_a_number_or_a_label(number, label):
    table = asked("predict", "boiling", "CCO", "CCCCCCCC", "--model", number)
    assert "boiling point / °C" in table
    assert "boiling point: estimates; intervals calibrated" in table
    assert "class" not in table
    row, bad = csv.DictReader(
        io.StringIO(asked("predict", "boiling", "CCO", "C1", "--model", number, "-f", "csv", status=1))
    )
    assert float(row["low90"]) < float(row["value"]) < float(row["high90"])
    assert not {"class", "probability"} & row.keys()
    assert bad["error"]
    table = asked("predict", "volatility", "CCO", "--model", label)
    assert "90 %" not in table
    assert "kind: low, middle, high; probabilities calibrated" in table
    (row,) = csv.DictReader(io.StringIO(asked("predict", "volatility", "CCO", "--model", label, "-f", "csv")))
    assert row["class"] in CLASSES
    assert not {"value", "quantity", "low90", "high90"} & row.keys()
    answer = json.loads(asked("predict", "volatility", "CCO", "--model", label, "-f", "json"))
    assert (answer["estimate"], answer["thresholds"]) == (None, [])


def test_thresholds_make_classes_of_a_number_and_none_of_labels(number, label):
    found = json.loads(asked("predict", "boiling", "CCO", "--model", number, "--thresholds=20,60,100", "-f", "json"))
    names = ["below_20", "from_20_to_60", "from_60_to_100", "from_100"]
    assert list(found["probabilities"]) == names
    assert sum(found["probabilities"].values()) == pytest.approx(1.0)
    value = found["estimate"]["value"]
    above = sum(p for name, p in found["probabilities"].items() if names.index(name) > 1)
    assert (above > 0.5) == (value > 60.0)
    assert "labels, not a quantity" in asked_error("predict", "volatility", "CCO", "--model", label, "--thresholds=1")


def test_classes_made_of_a_number_are_the_same_in_all_ways(number, tmp_path):
    cuts = (20.0, 60.0, 100.0)
    found = json.loads(asked("predict", "boiling", "CCO", "--model", number, "--thresholds=20,60,100", "-f", "json"))
    scientist = Scientist.load(number)
    (before,) = scientist.predict(["CCO"]).thresholds(cuts)
    (after,) = scientist.with_thresholds(cuts).predict(["CCO"])
    assert before.as_dict() == after.as_dict()
    assert (after.label, after.thresholds) == (found["class"], cuts)
    assert after.probabilities == pytest.approx(found["probabilities"], abs=1e-4)
    (tmp_path / "one.smi").write_text("CCO\n")
    asked(
        "screen", "boiling", tmp_path / "one.smi", "--out", tmp_path / "o", "--model", number, "--thresholds=20,60,100"
    )
    (row,) = pq.read_table(tmp_path / "o/shards").to_pylist()
    assert row["class"] == found["class"]
    assert [row[f"p_{name}"] for name in found["probabilities"]] == pytest.approx(
        list(found["probabilities"].values()), abs=1e-4
    )


def asked_error(*words):
    from andersonn.errors import UsageError

    done = RUNNER.invoke(app, list(map(str, words)))
    assert isinstance(done.exception, UsageError)
    return f"{done.exception.message} {done.exception.hint}"


def test_evaluate_by_kind(number, label, tmp_path):
    words = ("evaluate", "boiling", "--data", BOILING, "--model", number)
    found = json.loads(asked(*words, "--label-column", "boiling", "-f", "json"))
    assert {"n", "rmse", "mae", "r2", "interval90_coverage"} <= found.keys()
    assert "accuracy" not in found
    assert found["classes"] == found["thresholds"] == []
    assert found["rmse"] < found["baselines"]["random_forest"]["rmse"] < found["baselines"]["mean"]["rmse"]
    assert "RMSE / °C" in asked(*words, "--label-column", "boiling", "--no-baselines")
    smiles, values = boiling_points()
    rows = [f"{text},{CLASSES[k]}" for text, k in zip(smiles, kinds_of(values), strict=True)]
    (tmp_path / "kinds.csv").write_text("\n".join(["smiles,kind", *rows, "CCBr,odd"]))
    words = ("evaluate", "volatility", "--data", tmp_path / "kinds.csv", "--model", label)
    found = json.loads(asked(*words, "-f", "json"))
    assert (found["n"], found["left_out"]) == (40, 1)
    assert "mae" not in found
    assert found["accuracy"] > found["baselines"]["majority"]["accuracy"]
    assert "true \\ predicted" in asked(*words, "--no-baselines")
    (tmp_path / "odd.csv").write_text("smiles,kind\nCCO,lw\n")
    assert "did you mean 'low'" in asked_error(*words[:2], "--data", tmp_path / "odd.csv", "--model", label)
    (tmp_path / "none.csv").write_text("smiles,kid\nCCO,low\n")
    assert "did you mean" in asked_error(*words[:2], "--data", tmp_path / "none.csv", "--model", label)


def test_screen_has_the_columns_of_the_kind(number, label, tmp_path, forked_workers):
    (tmp_path / "l.smi").write_text("CCO\nCCCCCC\nCCC\n")
    out = tmp_path / "n"
    words = ("screen", "boiling", tmp_path / "l.smi", "--model", number, "--out", out, "--workers", "1", "--top", "2")
    manifest = json.loads(asked(*words, "--where", "value > -20", "-f", "json"))
    assert (manifest["counts"]["kept"], manifest["classes"]) == (2, {})
    table = pq.read_table(out / "top.parquet")
    assert not {"class", "p", *(f"p_{name}" for name in HIDDEN)} & set(table.column_names)
    assert table["boiling_C"][0].as_py() >= table["boiling_C"][1].as_py()
    assert "2 kept" in asked(*words, "--where", "value > -20")
    out = tmp_path / "l"
    words = ("screen", "volatility", tmp_path / "l.smi", "--model", label, "--out", out, "--workers", "1")
    assert "no 'value'" in asked_error(*words, "--top", "2")
    asked(*words, "--where", "class == 'low'", "--top", "2", "--by", "p_low")
    assert not {"kind", "low90", "value"} & set(pq.read_table(out / "top.parquet").column_names)


def test_card_tells_of_the_construction(number, label):
    page = asked("card", "boiling", "--model", number)
    assert "| random forest | 20 |" in page
    assert "andersonn construct boiling.csv" in page
    assert json.loads(asked("card", "boiling", "--model", number, "-f", "json"))["answers_with"] == "number"
    page = asked("card", "volatility", "--model", label)
    assert "low, middle, high" in page
    assert "RMSE" not in page


def test_explain_prints_groups_and_draws_them(number, label, tmp_path):
    words = ("explain", "boiling", "CCO", "CCOC(C)=O", "CC", "--model", number, "--out", tmp_path)
    assert "without it" in asked(*words)
    assert colors(imread(tmp_path / "CCO.png")) > 30
    ethanol, *_ = map(json.loads, asked(*words, "--no-picture", "-f", "json").splitlines())
    assert (ethanol["method"], ethanol["quantity"]) == ("groups", "boiling_C")
    rows = list(csv.DictReader(io.StringIO(asked(*words, "--no-picture", "-f", "csv"))))
    assert [row["group"] for row in rows if row["input"] in ("CCO", "CC")] == ["OH", ""]
    row = next(
        csv.DictReader(
            io.StringIO(asked("explain", "volatility", "CCO", "--model", label, "--no-picture", "-f", "csv"))
        )
    )
    assert row["quantity"].startswith("log_odds_of_")
    shipped = json.loads(asked("explain", "polarity", "CC#N", "--geometry", "none", "--no-picture", "-f", "json"))
    assert [group["without"] for group in shipped["groups"]] == ["C"]
