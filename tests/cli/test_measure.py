from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from andersonn.cli import measure
from andersonn.cli.main import app
from andersonn.comparison import contest, contestants
from andersonn.errors import UsageError

PROBLEM = "value iteration 0.99"


@pytest.fixture
def quick(monkeypatch):
    """The contest with a budget that a test can afford."""
    monkeypatch.setattr(measure, "QUICK", {"max_evaluations": 60, "repeats": 1, "seconds": 0.0})
    few = [c for c in contestants.everyone() if "jax" not in c.packages]  # jax takes seconds to compile
    monkeypatch.setattr(contest, "everyone", lambda: few)
    return ["measure", "solvers", "--problem", PROBLEM]


def test_json_and_report(quick, tmp_path):
    done = CliRunner().invoke(app, [*quick, "--format", "json", "--out", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    assert {"solvers", "speedup_time", "speedup_evaluations", "agreement", "rows", "claims"} <= found.keys()
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
    assert "best of ours" in done.stdout
    assert "not measured" in done.stdout


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["--problem", "tanh 0.98"], "tanh 0.99"),
        (["--problem", "tutorial cell, trained"], "--set full"),
        (["--device", "no-such-device"], "--device cpu"),
    ],
)
def test_wrong_calls(words, cause):
    done = CliRunner().invoke(app, ["measure", "solvers", *words])
    assert isinstance(done.exception, UsageError)
    assert cause in str(done.exception)
    assert "\n" not in str(done.exception)


def test_help_is_instant():
    code = "import sys; from andersonn.cli.main import app; assert not {'torch', 'jax', 'scipy', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    done = CliRunner().invoke(app, ["measure", "solvers", "--help"])
    assert "deep-andersonn[peers]" in done.stdout.replace("\n", "").replace(" ", "")
