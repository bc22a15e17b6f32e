"""Tables on the command line: predict, screen, evaluate and train take the same ones."""

import gzip
import json

import pytest

from tests.forked import run

SMALL = ["epochs=1", "model.width=12", "columns=8", "radial=8", "conformers=1"]


def answers(done):
    return [json.loads(line) for line in done.stdout.split("\n") if line]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "lib.csv.gz"
    path.write_bytes(gzip.compress(b"name,stuff,mu\nethanol,CCO,1.69\nbad,C(,1\nacetonitrile,CC#N,3.92\n"))
    return path


def test_predict(table):
    done = run("predict", "polarity", table, "O water", "--smiles-column", "stuff", "--format", "json")
    assert done.returncode == 1
    assert [row.get("id", row.get("error", {}).get("kind")) for row in answers(done)] == [
        "ethanol",
        "bad_smiles",
        "acetonitrile",
        "water",
    ]
    assert [row["input"].rpartition(":")[2] for row in answers(done)[:3]] == ["2", "3", "4"]


def test_predict_from_stdin():
    done = run("predict", "polarity", "-", "-f", "json", stdin="SMILES;Name\nCCO;ethanol\n")
    assert [row["id"] for row in answers(done)] == ["ethanol"]
    assert done.returncode == 0
    done = run("predict", "polarity", "-", "-f", "csv", stdin="CCO ethanol\n")
    assert "CCO ethanol,ethanol,C2H6O" in done.stdout


def test_screen(table, tmp_path):
    words = (
        "screen",
        "polarity",
        table,
        "--out",
        tmp_path / "run",
        "--workers",
        1,
        "--smiles-column",
        "stuff",
        "-f",
        "json",
    )
    done = run(*words)
    assert done.returncode == 1, done.stderr
    counts = answers(done)[0]["counts"]
    assert (counts["answered"], counts["rejected"]) == (2, 1)
    assert answers(run(*words))[0]["results"] == answers(done)[0]["results"]
    other = run(*words[:-4], "-f", "json")
    assert other.returncode == 2
    assert "smiles_column" in other.stderr


def test_evaluate(table):
    done = run(
        "evaluate",
        "polarity",
        "--data",
        table,
        "--smiles-column",
        "stuff",
        "--label-column",
        "mu",
        "-f",
        "json",
        "--no-baselines",
    )
    assert done.returncode == 0, done.stderr
    metrics = answers(done)[0]
    assert (metrics["n"], metrics["left_out"]) == (2, 1)
    assert "scaffold" in done.stderr
    without = run("evaluate", "polarity", "--data", table, "--smiles-column", "stuff")
    assert without.returncode == 2
    assert "'mu'" in without.stderr
    assert "--label-column" in without.stderr


@pytest.mark.slow
def test_train(tmp_path):
    rows = "".join(f"{'C' * n}{end},{mu}\n" for n in range(1, 21) for end, mu in (("O", 1.7), ("C#N", 3.9)))
    (tmp_path / "mine.csv").write_text("smiles,dipole_D\n" + rows + "C(,1\n")
    done = run("train", "polarity", "--data", tmp_path / "mine.csv", "--out", tmp_path / "m", "-f", "json", *SMALL)
    assert done.returncode == 0, done.stderr
    assert (
        "bad_smiles" in (tmp_path / "m/unusable.csv").read_text()
        or "no valid SMILES" in (tmp_path / "m/unusable.csv").read_text()
    )
