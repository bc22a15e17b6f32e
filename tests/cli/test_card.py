"""``andersonn card`` and the cards in docs/cards."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from andersonn.cli.main import app
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import read_card
from andersonn.scientists.registry import registered, weights_folder
from andersonn.training.card import page_of

ROOT = Path(__file__).parents[2]


def asked(*words):
    done = CliRunner().invoke(app, ["card", *map(str, words)])
    assert done.exit_code == 0, done.exception
    return done.stdout


@pytest.fixture
def folder(tmp_path):
    """A copy of a shipped model, as a user's own folder, without notes."""
    copy = shutil.copytree(weights_folder("polarity"), tmp_path / "m")
    (copy / "notes.md").unlink()
    return copy


@pytest.mark.parametrize("task", registered())
def test_text_is_the_page(task):
    page = asked(task)
    assert page == page_of(weights_folder(task))
    for heading in ("## Test", "## Data", "## Inputs unlike the training", "## Make it again", "## What to know"):
        assert heading in page


def test_json():
    content = json.loads(asked("polarity", "--format", "json"))
    card = read_card(weights_folder("polarity"))
    assert content["metrics"] == card["metrics"]["test"]
    assert content["metrics"]["baselines"]["majority"]["accuracy"] < content["metrics"]["accuracy"]
    assert [source["name"] for source in content["data"]["sources"]] == [
        "qm9",
        "pereira2018",
        "common-chemicals",
        "small-molecules",
    ]
    assert all(source["licence"] and source["citation"] for source in content["data"]["sources"])
    assert content["data"]["split_by"] == card["data"]["split_by"]
    assert content["out_of_domain"] == card.get("domain")
    assert content["retrain"]["command"].startswith("andersonn train polarity --data molecules_qm9.parquet --data ")
    assert content["retrain"]["seed"] == card["config"]["seed"]
    assert "borazine" in content["notes"]


def test_csv():
    rows = {row["field"]: row["value"] for row in csv.DictReader(io.StringIO(asked("conduction", "-f", "csv")))}
    assert rows["task"] == "conduction"
    assert float(rows["metrics.accuracy"]) > float(rows["metrics.baselines.majority.accuracy"])


def test_a_folder_of_ones_own(folder):
    card = read_card(folder)
    card["data"]["file"] = "mine.parquet"
    card["config"]["seed"], card["config"]["epochs"] = 5, 3
    card["domain"] = {
        "limit": 1.02, "quantile": 0.99, "n": 9358, "outside": 0.0141, "accuracy_inside": 0.9717,
        "accuracy_outside": None, "accuracy_by_fifth": [0.99, 0.98, 0.98, 0.979, 0.92],
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(card))
    page = asked("polarity", "--model", folder)
    assert "Licence of the data: not known" in page
    assert "--data mine.parquet --out my-model seed=5 epochs=3" in page
    assert "1.4 % of 9,358 test structures lie outside: accuracy n/a there" in page
    assert "0.990, 0.980, 0.980, 0.979, 0.920" in page
    content = json.loads(asked("polarity", "--model", folder, "-f", "json"))
    assert content["data"]["sources"] == []
    assert content["notes"] == ""
    assert content["out_of_domain"]["outside"] == 0.0141


def test_wrong_calls(folder):
    def refused(*words):
        found = CliRunner().invoke(app, ["card", *map(str, words)]).exception
        assert isinstance(found, UsageError)
        return found

    assert "did you mean 'porosity'" in refused("porostiy").hint
    assert refused("porosity", "--model", folder).kind == "wrong_task"
    assert refused("polarity", "--model", folder / "none").kind == "no_model"
    card = read_card(folder)
    del card["metrics"]
    (folder / "model.json").write_text(json.dumps(card))
    assert "has no metrics" in refused("polarity", "--model", folder).message


def test_the_card_of_weights_for_a_geometry():
    folder = registered()["polarity"].of_geometry("none").weights
    page = asked("polarity", "--geometry", "none")
    assert page == page_of(folder) == (ROOT / "docs/cards/polarity_bonds.md").read_text()
    assert page.startswith("# Model card: polarity, bonds alone\n")
    command = json.loads(asked("polarity", "--geometry", "none", "-f", "json"))["retrain"]["command"]
    assert command.startswith("andersonn train polarity --geometry none --data ")
    assert " --out my-model epochs=" in command
