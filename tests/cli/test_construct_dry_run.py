"""``andersonn construct --dry-run``, and what is refused before any work."""

import json

import pytest
from typer.testing import CliRunner

from andersonn.cli.construct import seconds_of
from andersonn.cli.verbs import app
from andersonn.errors import UsageError
from tests.constructing.tables import FILE
from tests.forked import run


def test_it_says_what_the_table_holds():
    done = run("construct", FILE, "--target", "logSolubility", "--unit", "log(mol/L)", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "60 molecules, from SMILES, in 60 rows" in done.stdout
    assert "by scaffold: 48 train, 6 validation, 6 test (seed 0)" in done.stdout


def test_json(tmp_path):
    (tmp_path / "t.csv").write_text(FILE.read_text())
    options = (
        "--thresholds",
        "-4,-2",
        "--classes",
        "low, medium,high",
        "--split",
        "random",
        "--seed",
        "3",
        "--name",
        "mine",
    )
    done = run(
        "construct", "t.csv", "--target", "logSolubility", *options, "--dry-run", "--format", "json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["source"] == "t.csv"
    assert (found["name"], found["kind"], found["split"], found["seed"]) == ("mine", "number", "random", 3)
    assert (found["classes"], found["thresholds"]) == (["low", "medium", "high"], [-4.0, -2.0])
    assert sum(found["class_counts"].values()) == sum(found["sides"].values()) == found["n"] == 60
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.fixture
def two(tmp_path):
    """A table of two targets, and of one that has a comma in its name."""
    first, *rows = FILE.read_text().split()
    text = "\n".join(f"{row},{k % 7},{k**0.5}" for k, row in enumerate(rows))
    (tmp_path / "two.csv").write_text(f'{first},other,"with, comma"\n{text}\n')
    return tmp_path / "two.csv"


def test_several_targets(two):
    done = run("construct", two, "--target", "logSolubility,other", "--dry-run", "--format", "json")
    assert [json.loads(line)["target"] for line in done.stdout.split("\n") if line] == ["logSolubility", "other"]
    done = run("construct", two, "--target", "logSolubility", "--target", "with, comma", "--dry-run", "-f", "json")
    assert [json.loads(line)["name"] for line in done.stdout.split("\n") if line] == ["logsolubility", "with_comma"]
    done = run("construct", two, "--target", "logSolubility,other", "--unit", "eV", "--dry-run")
    assert done.returncode == 2
    assert "--unit with 2 targets" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--target", "logsol", "--out", "new"], "did you mean 'logSolubility'? Columns of numbers: 'logSolubility'"),
        (["--target", "logSolubility"], "--out is not given"),
        (["--target", "logSolubility", "--dry-run", "--thresholds", "a,b"], "'a,b' are no numbers"),
        (["--target", "logSolubility", "--dry-run", "--budget", "soon"], "'soon' is no time"),
        (["--target", "logSolubility", "--dry-run", "--structures", "nowhere"], "no column 'nowhere', and there is no such folder"),
        (["--target", "logSolubility", "--out", "taken"], "already holds a model"),
        (["--target", "logSolubility", "--out", "taken/model.json"], "cannot write"),
    ],
)  # fmt: skip
def test_refusals_leave_nothing_behind(tmp_path, words, told):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/model.json").write_text("{}")
    done = run("construct", FILE, *words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.strip().split("\n")
    assert line.startswith("error: ")
    assert told in line
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10min", 600),
        ("2 h", 7200),
        ("1h30min", 5400),
        ("600", 600),
        ("1.5h", 5400),
        ("2m", 120),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_budgets(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5min", "1s", "10 days", "1:30", "1e9h1x"])
def test_no_budgets(text):
    with pytest.raises(UsageError, match="--budget"):
        seconds_of(text)


def test_served_at_the_end(tmp_path, monkeypatch):
    """``--serve`` answers with what was made."""
    from andersonn.cli import construct as verb

    asked = []
    monkeypatch.setattr(verb, "serve_models", asked.append)
    monkeypatch.setattr(verb, "_construct", lambda *_: None)
    rows = "\n".join(f"{'C' * n},{n * 1.5}" for n in range(1, 31))
    (tmp_path / "t.csv").write_text(f"smiles,y\n{rows}\n")
    done = CliRunner().invoke(
        app, ["construct", str(tmp_path / "t.csv"), "--target", "y", "--out", str(tmp_path / "m"), "--serve"]
    )
    assert done.exit_code == 0, done.output
    assert asked == [[tmp_path / "m"]]
