from __future__ import annotations

import csv
import html
import io
import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from andersonn.cli.main import app
from andersonn.cli.measure import solvers
from andersonn.errors import UsageError
from andersonn.measuring import budget, inference, memory
from andersonn.measuring.energy import NoMeter

PROBLEM = "Poisson 31²"


@pytest.fixture
def quick(monkeypatch):
    """A budget that a test can afford."""
    monkeypatch.setattr(solvers, "QUICK", {"max_evaluations": 120, "repeats": 1})
    return ["measure", "solvers", "--problem", PROBLEM]


def test_json_and_report(quick, tmp_path):
    done = CliRunner().invoke(app, [*quick, "--format", "json", "--out", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    assert {"solvers", "speedup_time", "speedup_evaluations", "agreement", "rows", "verdict"} <= found.keys()
    assert found["agreement"] == 1.0
    page = (tmp_path / "r/report.md").read_text()
    assert f"andersonn measure solvers --set quick --problem '{PROBLEM}' --seed 0 --device cpu --threads 1" in page
    assert json.loads((tmp_path / "r/report.json").read_text())["curves"]
    assert (tmp_path / "r/residuals.png").read_bytes().startswith(b"\x89PNG")


def test_csv_and_table(quick):
    done = CliRunner().invoke(app, [*quick, "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["problem"] for row in rows} == {PROBLEM}
    assert {row["rtol"] for row in rows} == {"0.001", "1e-05"}
    done = CliRunner().invoke(app, quick)
    assert "to a residual of 1e-05" in " ".join(done.stdout.split())
    assert "max_steps" in done.stdout


def test_solvers_on_the_cell_of_a_model(quick, few):
    words = ["measure", "solvers", "conduction", "--data", str(few), "--batch", "3", "--format", "json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert {(row["problem"], row["batch"], row["status"]) for row in found["rows"]} == {
        ("cell of andersonn/conduction", 3, "converged")
    }
    assert found["speedup_evaluations"] > 1.0


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["--problem", "tanh 0.98"], "tanh 0.99"),
        (["--data", "x.parquet"], "name one"),
        (["conduction", "--problem", "tanh 0.99"], "leave one out"),
        (["polarity"], "give --data"),
        (["--device", "no-such-device"], "--device cpu"),
    ],
)
def test_wrong_calls(words, cause):
    done = CliRunner().invoke(app, ["measure", "solvers", *words])
    assert isinstance(done.exception, UsageError)
    assert cause in str(done.exception)
    assert "\n" not in str(done.exception)


@pytest.fixture(scope="module")
def few(demo_sample, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "few.parquet"
    pq.write_table(demo_sample.take(np.arange(0, 240, 20)).table, path)
    return path


def test_inference(few, tmp_path):
    words = ["measure", "inference", "conduction", "--data", str(few), "--repeats", "1"]
    done = CliRunner().invoke(app, [*words, "--format", "json", "--out", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert {"speedup_time", "speedup_evaluations", "agreement", "solvers"} <= found.keys()
    assert json.loads((tmp_path / "r/report.json").read_text()) == found
    assert found["verdict"] in html.unescape((tmp_path / "r/report.html").read_text())
    done = CliRunner().invoke(app, [*words, "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["name"] for row in rows] == ["anderson", "auto", "forward"]
    assert float(rows[0]["seconds_low"]) <= float(rows[0]["seconds"]) <= float(rows[0]["seconds_high"])
    done = CliRunner().invoke(app, [*words, "--limit", "5"])
    assert "Picard iteration" in done.stdout
    assert "too few to compare times" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["conductoin"], "did you mean 'conduction'"),
        (["conduction", "--side", "validatoin"], "did you mean 'validation'"),
        (["conduction", "--device", "no-such-device"], "--device cpu"),
        (["conduction", "--out", "/proc/none"], "choose another place"),
        (["conduction", "--model", "/nowhere"], "has no model.json"),
    ],
)
def test_wrong_calls_of_inference(few, words, cause):
    done = CliRunner().invoke(app, ["measure", "inference", *words, "--data", str(few)])
    assert isinstance(done.exception, UsageError)
    assert cause in str(done.exception)


def test_training(demo_sample, tmp_path):
    path = tmp_path / "some.parquet"
    pq.write_table(demo_sample.take(np.arange(0, len(demo_sample), 12)).table, path)
    words = [
        "measure",
        "training",
        "conduction",
        "--data",
        str(path),
        "--epochs",
        "1",
        "model.width=8",
        "--limit",
        "80",
    ]
    done = CliRunner().invoke(app, [*words, "--format", "json", "--out", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert {"speedup_time", "speedup_evaluations", "agreement", "solvers"} <= found.keys()
    assert (found["config"]["epochs"], found["config"]["limit"]) == (1, 80)
    assert (tmp_path / "r/report.html").exists()
    done = CliRunner().invoke(app, [*words, "--format", "csv"])
    assert [row["name"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["anderson", "forward"]
    done = CliRunner().invoke(app, words)
    assert "1 epochs are too few" in " ".join(done.stdout.split())
    done = CliRunner().invoke(app, [*words, "modle.width=8"])
    assert "did you mean 'model.width'" in str(done.exception)


def test_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(
        memory, "_point", lambda plan, kind, depth: {"bytes": 10**6 * (depth if kind == "stack" else 5)}
    )
    words = ["measure", "memory", "--depths", "1,10", "--batch", "1"]
    done = CliRunner().invoke(app, [*words, "--format", "json", "--out", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["break_even"] == 10
    assert (tmp_path / "r/report.html").exists()
    done = CliRunner().invoke(app, [*words, "--format", "csv"])
    assert [row["bytes"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["5000000"] * 4 + [
        "1000000",
        "10000000",
    ]
    assert "explicit stack" in CliRunner().invoke(app, words).stdout
    done = CliRunner().invoke(app, ["measure", "memory", "--depths", "1;2"])
    assert "write whole numbers with commas" in str(done.exception)


def test_memory_within_a_budget(few, monkeypatch, tmp_path):
    def found(plan, part, kind):
        assert plan.budget == 2 * 2**30
        edge = 7 if kind == "stack" else 50
        probes = [{"depth": 1, "fits": True, "bytes": 10**6}, {"depth": edge, "fits": True, "bytes": 2 * 10**6}]
        return budget.frontier_of(probes + [{"depth": 8, "fits": False, "bytes": None}] * (kind == "stack"))

    monkeypatch.setattr(budget, "_frontier", found)
    words = ["measure", "memory", "conduction", "--data", str(few), "--budget", "2GiB", "--rows", "2,1000000"]
    done = CliRunner().invoke(app, [*words, "--deepest", "50", "--format", "json", "--out", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert [size["kinds"]["stack"]["refused"] for size in result["sizes"]] == [8, 8]
    assert result["sizes"][0]["rows"] < result["sizes"][1]["rows"]
    assert "hold a stack of 7 layers, not 8" in html.unescape((tmp_path / "r/report.html").read_text())
    done = CliRunner().invoke(app, [*words, "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["kind"], row["deepest"], row["bytes"]) for row in rows[:3]] == [
        ("forward", "50", "2000000"),
        ("anderson", "50", "2000000"),
        ("stack", "7", "2000000"),
    ]
    assert "7 (2.0 MB, 2.00×)" in CliRunner().invoke(app, words).stdout


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["--rows", "300"], "give --budget"),
        (["conduction", "--budget", "2 apples"], "write 500MB"),
        (["conduction", "--budget", "1GB"], "give --data"),
        (["--budget", "1GB"], "name one"),
        (["conduction", "--budget", "1GB", "--depths", "1,2"], "give --deepest"),
        (["conduction", "--budget", "1GB", "--rows", "1;2"], "write whole numbers"),
    ],
)
def test_wrong_calls_of_memory(words, cause):
    done = CliRunner().invoke(app, ["measure", "memory", *words])
    assert isinstance(done.exception, UsageError)
    assert cause in str(done.exception)


def test_energy_goes_from_a_run_to_the_scenario(few, tmp_path, monkeypatch):
    monkeypatch.setattr(inference, "ENERGY_SECONDS", 0.01)
    monkeypatch.setattr(inference, "meter_for", lambda device: NoMeter("no counter"))
    words = [
        "measure",
        "inference",
        "conduction",
        "--data",
        str(few),
        "--repeats",
        "1",
        "--energy",
        "--out",
        str(tmp_path),
    ]
    assert CliRunner().invoke(app, [*words, "--format", "csv"]).exit_code == 0
    run = json.loads((tmp_path / "report.json").read_text())["solvers"]["forward"]["energy"]
    assert (run["kwh"], run["how"], run["source"]) == (None, "not measured", "no counter")
    assert "not measured (no counter), a pass over all structures" in (tmp_path / "report.html").read_text()
    words = ["measure", "carbon", "--from", str(tmp_path / "report.json")]
    done = CliRunner().invoke(app, [*words, "--format", "json", "--out", str(tmp_path / "carbon")])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["run"]["forward"]["kwh"] is None
    assert (tmp_path / "carbon/report.html").exists()
    done = CliRunner().invoke(app, words)
    assert "not measured (no counter)" in " ".join(done.stdout.split())
    done = CliRunner().invoke(app, ["measure", "carbon", "--saving", "0.2,0.3,0.4", "--format", "csv"])
    assert list(csv.DictReader(io.StringIO(done.stdout)))[2]["mid"] == "0.3"


def test_wrong_calls_of_carbon(tmp_path):
    for words, cause in (
        ([], "--saving"),
        (["--saving", "a"], "write 0.01"),
        (["--from", str(tmp_path)], "cannot read"),
    ):
        done = CliRunner().invoke(app, ["measure", "carbon", *words])
        assert isinstance(done.exception, UsageError)
        assert cause in str(done.exception)


def test_help_is_instant():
    code = "import sys; from andersonn.cli.main import app; assert not {'torch', 'jax', 'scipy', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    done = CliRunner().invoke(app, ["measure", "solvers", "--help"])
    assert "benchmarks/solvers.py" in " ".join(done.stdout.split())
