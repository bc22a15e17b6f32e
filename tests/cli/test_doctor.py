"""``andersonn doctor`` and the questions with known answers."""

import csv
import io
import json
import os
import re
import shutil
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from andersonn import launch
from andersonn.cli import diagnosis
from andersonn.cli.main import app
from andersonn.data.sources import SOURCES
from andersonn.errors import UsageError
from andersonn.io.installed import EXTRAS, how_to_install
from andersonn.scientists import registry
from andersonn.scientists.registry import registered, weights_folder
from andersonn.training import self_test

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def asked(*words):
    """Exit status and findings by (part, name)."""
    done = CliRunner().invoke(app, ["doctor", *words, "--format", "json"])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return done.exit_code, {(row["part"], row["name"]): row for row in rows}


def names(requirements):
    return {re.match(r"[\w-]+", requirement)[0] for requirement in requirements}


def test_it_knows_every_package_of_the_project():
    assert set(diagnosis.REQUIRED) == names(PROJECT["dependencies"])
    extras = {extra: names(packages) for extra, packages in PROJECT["optional-dependencies"].items()}
    for of_a_clone in ("audit", "docs", "test"):  # who has the package alone needs neither
        del extras[of_a_clone]
    assert {extra: set(packages) for extra, packages in EXTRAS.items()} == extras


def test_a_sound_machine():
    status, found = asked()
    assert status == 0
    assert found["python", "python"]["state"] == "ok"
    assert all(found["package", package]["state"] == "ok" for package in diagnosis.REQUIRED)
    assert all(found["model", task]["found"].startswith("sha256 ") for task in registered())
    assert {name for part, name in found if part == "data"} == set(SOURCES)
    assert found["data", "qm9"]["cure"] == "andersonn data get qm9"
    assert "writable" in found["cache", "cache"]["found"]
    assert all(row["cure"] for row in found.values() if row["state"] == "missing" and row["part"] != "device")
    assert not any(part == "self-test" for part, _ in found)


def test_table_and_csv():
    table = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "300"}).stdout  # no command is broken off
    assert "extra label pyscf" in table
    missing = sum(find_spec(module) is None for module in EXTRAS["label"].values())
    assert table.count(how_to_install("label")) == missing
    rows = list(csv.DictReader(io.StringIO(CliRunner().invoke(app, ["doctor", "-f", "csv"]).stdout)))
    assert rows[0].keys() == {"part", "name", "state", "found", "cure"}


def test_missing_and_broken_packages(monkeypatch, tmp_path):
    (tmp_path / "brokenpackage.py").write_text("raise ValueError('no such symbol')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(diagnosis, "REQUIRED", {"broken-package": "brokenpackage"})
    monkeypatch.setattr(diagnosis, "EXTRAS", {"label": {"absent": "nowhere_to_be_found"}})
    status, found = asked()
    assert status == 1
    assert found["package", "broken-package"]["state"] == "failed"
    assert "no such symbol" in found["package", "broken-package"]["found"]
    assert found["extra label", "absent"]["cure"] == how_to_install("label")
    assert found["extra label", "absent"]["state"] == "missing"


def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path / "file"))
    status, found = asked()
    assert status == 1
    assert "ANDERSONN_CACHE" in found["cache", "cache"]["cure"]


def test_shipped_models_answer_as_they_did():
    for task in registered():
        asked_of, wrong = self_test.failures_of(weights_folder(task))
        assert (wrong, asked_of >= 2) == ([], True)
        content = json.loads((weights_folder(task) / "self_test.json").read_text())
        assert len({case["class"] for case in content["cases"]}) >= 2


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The shipped models, as copies that can be spoiled."""
    folder = shutil.copytree(weights_folder("porosity").parent, tmp_path / "weights")
    monkeypatch.setattr(registry, "weights_folder", lambda spec: folder / spec.weights.name)
    return folder


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def swap(case):
    first, second, *_ = case["probabilities"]
    p = case["probabilities"]
    p[first], p[second] = p[second], p[first]


def test_wrong_answers_fail(copy):
    status, found = asked("--self-test")
    assert status == 0
    assert all(found["self-test", task]["state"] == "ok" for task in registered())
    change(copy / "polarity/self_test.json", lambda content: content["cases"][0].update({"class": "strongly_polar"}))
    change(copy / "conduction/self_test.json", lambda content: swap(content["cases"][1]))
    change(copy / "porosity/self_test.json", lambda content: content.update(weights="0" * 64))
    status, found = asked("--self-test")
    assert status == 1
    assert "water.xyz: weakly_polar, expected strongly_polar" in found["self-test", "polarity"]["found"]
    assert "a probability differs" in found["self-test", "conduction"]["found"]
    assert "made for other weights" in found["self-test", "porosity"]["found"]


def test_missing_and_damaged_expectations(copy):
    (copy / "polarity/self_test.json").unlink()
    with pytest.raises(UsageError, match="write_self_test"):
        self_test.failures_of(copy / "polarity")
    (copy / "porosity/self_test.json").write_text('{"weights": "a", "tolerance": 0.1, "cases": [{}]}')
    with pytest.raises(UsageError, match="no cases"):
        self_test.failures_of(copy / "porosity")


def test_a_damaged_model_fails(copy):
    (copy / "polarity/model.safetensors").write_bytes(b"broken")
    status, found = asked()
    assert status == 1
    assert found["model", "polarity"]["state"] == "failed"
    assert found["model", "polarity"]["cure"]


def test_questions_that_cannot_be_answered_are_refused(copy):
    with pytest.raises(UsageError, match="unit cell"):
        self_test.write_self_test(
            copy / "polarity", {"NaCl.vasp": "NaCl\n1\n4 0 0\n0 4 0\n0 0 4\nNa\n1\nDirect\n0 0 0\n"}
        )


@pytest.mark.parametrize(
    ("given", "told"),
    [("", None), ("/whole", None), ("/whole:/more", None), (".", "."), ("/whole:", "an empty part"), (":/whole", "an empty part"),
     ("/whole:lib:../x", "lib, ../x")],
)  # fmt: skip
def test_parts_of_a_search_path_that_lead_anywhere(monkeypatch, given, told):
    monkeypatch.setattr(launch, "given_path", given.replace(":", os.pathsep))
    found = list(diagnosis._search_path())
    assert [each.found.partition(":")[0] for each in found] == ([told] if told else [])
    assert all(each.state == "missing" and "PYTHONSAFEPATH=1" in each.cure for each in found)
