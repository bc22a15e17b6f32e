"""A scientist in one file that nobody registered goes through all that the shipped ones do, with no change elsewhere."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from andersonn import Scientist
from andersonn.cli.main import app
from andersonn.errors import AndersonnError
from andersonn.scientists.registry import registered, weights_folder
from andersonn.training.self_test import failures_of, write_self_test

PAGE = Path(__file__).parents[2] / "docs/extending.md"
SMALL = ["epochs=1", "model.width=8", "columns=6", "radial=8", "conformers=1", "max_rows=400", "device=cpu"]
ENDS = {"": -5.0, "O": -2.0, "C#N": -3.0, "C(=O)O": -2.5}


def run(*words):
    """What a command prints; it must succeed."""
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.stdout


def refused(*words):
    found = CliRunner().invoke(app, [*map(str, words)]).exception
    assert isinstance(found, AndersonnError), found
    return found


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The example of the documentation, as a user would save it."""
    text = re.search(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.M | re.S)[1]
    assert text.count("\n") <= 60
    path = tmp_path_factory.mktemp("own") / "solubility.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Chains of many lengths with made-up solubilities."""
    path = tmp_path_factory.mktemp("data") / "measured.csv"
    rows = [
        ("C" * n + "C(C)" * m + end, base - 0.2 * n) for end, base in ENDS.items() for n in range(2, 9) for m in (0, 1)
    ]
    path.write_text("smiles,logS\n" + "".join(f"{smiles},{value}\n" for smiles, value in rows))
    return path


@pytest.fixture(scope="module")
def model(file, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("model") / "m"
    metrics = json.loads(run("train", file, "--data", data, "--out", out, "-f", "json", *SMALL))
    assert metrics["task"] == "solubility"
    assert "solubility" not in registered()
    return out


def test_the_model_describes_its_task(model):
    card = json.loads((model / "model.json").read_text())
    assert card["own_task"]["noun"] == "solubility"
    assert card["config"]["model"]["width"] == 8
    assert card["config"]["image"]["columns"] == 6
    assert not (model.parent / "__pycache__").exists()


def test_predict_by_name_and_by_file(model, file):
    (by_name, by_file) = (
        json.loads(run("predict", task, "--smiles", "CCO", "--model", model, "-f", "json"))
        for task in ("solubility", file)
    )
    assert by_name == by_file
    assert by_name["task"] == "solubility"
    assert by_name["estimate"]["quantity"] == "logS"
    assert by_name["estimate"]["value"] < 0  # a quantity that can be negative is not cut off at 0
    assert by_name["thresholds"] == [-4.0]
    table = run("predict", "solubility", "--smiles", "CCO", "--model", model)
    assert "solubility / log(mol/L)" in table.replace("\n", " ")


def test_wrong_calls_name_cause_and_cure(model, file):
    untrained = refused("predict", file, "--smiles", "CCO")
    assert (untrained.kind, "andersonn train ./solubility.py" in untrained.hint) == ("untrained", True)
    assert refused("predict", "solubility", "--smiles", "CCO").kind == "unknown_task"
    assert refused("predict", "polarity", "--smiles", "CCO", "--model", model).kind == "wrong_task"
    assert refused("card", "polarity", "--model", model).kind == "wrong_task"
    for name in ("solubilty", "logS", "boiling_point"):  # what a user may think that it is called
        error = refused("predict", name, "--smiles", "CCO", "--model", model)
        assert (error.kind, error.hint) == ("wrong_task", "name its own task: solubility")
    error = refused("predict", "polarty", "--smiles", "CCO", "--model", weights_folder("polarity"))
    assert (error.kind, error.hint) == ("unknown_task", "did you mean 'polarity'?")


def test_explain(model, tmp_path):
    found = json.loads(
        run("explain", "solubility", "--smiles", "CCO", "--model", model, "--out", tmp_path / "x.png", "-f", "json")
    )
    assert len(found["contributions"]) == found["n_atoms"] == 9
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_evaluate(model, data):
    found = json.loads(run("evaluate", "solubility", "--data", data, "--model", model, "--side", "all", "-f", "json"))
    assert found["classes"] == ["poorly_soluble", "soluble"]
    assert found["baselines"].keys() == {"majority", "random_forest"}
    assert "random forest" in run("evaluate", "solubility", "--data", data, "--model", model)


def test_card(model):
    content = json.loads(run("card", "solubility", "--model", model, "-f", "json"))
    assert content["retrain"]["command"].startswith("andersonn train FILE.py --data measured.csv --out my-model")
    page = run("card", "solubility", "--model", model)
    assert "# Model card: solubility" in page
    assert "`FILE.py` is the Python file that declares the scientist `solubility`" in page
    assert "../" not in page  # pages of this package tell nothing of it
    assert "licences:\nbelow" in page.lower()
    assert "| measured \\ predicted |" in page
    rows = {
        row["field"] for row in csv.DictReader(io.StringIO(run("card", "solubility", "--model", model, "-f", "csv")))
    }
    assert "metrics.accuracy" in rows


def test_export_and_python(model, file, data, tmp_path):
    scientist = Scientist.load(model)
    scientist.export(tmp_path / "hub")
    readme = (tmp_path / "hub/README.md").read_text()
    assert "andersonn predict solubility" in readme
    again = Scientist.load(tmp_path / "hub")
    first, second = (each.predict("CCCO")[0] for each in (scientist, again))
    assert (first.value, first.label) == (second.value, second.label)
    assert again.task == scientist.task


def test_screen(model, tmp_path, forked_workers):
    (tmp_path / "library.smi").write_text("CCO\nCCCCCC\nC1CC\n")
    words = ["--model", model, "--out", tmp_path / "run", "--workers", "1", "--where", "logS < 5", "-f", "json"]
    done = CliRunner().invoke(app, [*map(str, ["screen", "solubility", tmp_path / "library.smi", *words])])
    assert done.exit_code == 1, done.output  # one of the three is no molecule
    assert json.loads(done.stdout)["counts"]["answered"] == 2
    (shard,) = (tmp_path / "run/shards").glob("*.parquet")
    assert {"logS", "p_soluble", "class"} <= set(pq.read_table(shard).column_names)


def test_known_answers(model):
    write_self_test(model, {"ethanol": "CCO"})
    assert failures_of(model) == (1, [])


def test_serve(model, monkeypatch, forked_workers):
    """With this model alone: the others are untrained."""
    testclient = pytest.importorskip("fastapi.testclient")
    from dataclasses import replace

    from andersonn.web import lab as laboratory
    from andersonn.web.app import make_app
    from andersonn.web.limits import Limits

    monkeypatch.setattr(
        laboratory, "registered", lambda: {n: replace(s, weights=None) for n, s in registered().items()}
    )
    lab = laboratory.Lab(Limits(readers=1), [model])
    with testclient.TestClient(make_app(lab), base_url="http://127.0.0.1") as client:
        content = client.get("/api/tasks").json()
        (task,) = content["tasks"]
        assert task["quantity_words"] == "solubility"
        assert task["summary"] == "molecules: how much of them water dissolves"
        assert task["range"] == [-12.0, 4.0]
        assert {row["name"]: row["kind"] for row in content["unavailable"]} == dict.fromkeys(registered(), "untrained")
        assert client.get("/api/examples").json() == []
        (answer,) = client.post("/api/predict/solubility", data={"smiles": "CCO"}).json()["answers"]
        assert answer["estimate"]["quantity"] == "logS"
        look = client.post("/api/inspect/solubility", data={"smiles": "CCO"}).json()
        assert look["answer"]["model"] == str(model)
        assert look["boundary"]["cuts"][0] == -12.0
        assert len(client.post("/api/explain/solubility", data={"smiles": "CCO"}).json()["contributions"]) == 9
        assert "Model card: solubility" in client.get("/api/cards/solubility?format=html").text
        other = client.post("/api/predict/polarity", data={"smiles": "CCO"})
        assert (other.status_code, other.json()["error"]["kind"]) == (404, "untrained")
