from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from andersonn.cli.main import app
from andersonn.errors import UsageError

RUNNER = CliRunner()


@pytest.fixture
def library(tmp_path):
    (tmp_path / "l.smi").write_text("CCO ethanol\nC1CC broken\n")
    return tmp_path / "l.smi"


def test_screen_tells_what_was_answered_and_what_was_not(library, tmp_path, forked_workers):
    words = ["screen", "polarity", str(library), "--out", str(tmp_path / "o"), "--workers", "1", "--conformers", "1"]
    found = RUNNER.invoke(app, [*words, "--format", "json", "--where", "p > 0"])
    assert found.exit_code == 1, found.output
    manifest = json.loads(found.stdout)
    assert manifest["counts"] == {"inputs": 2, "answered": 1, "kept": 1, "rejected": 1}
    assert manifest["options"]["conformers"] == 1
    assert "rejected" in found.stderr
    again = RUNNER.invoke(app, [*words, "--where", "p > 0"])
    assert "1 of 2 answered, 1 kept" in again.stdout
    assert "rejected 1: bad_smiles" in again.stdout


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["polarity", "{library}", "--where", "dipol_D > 1"], "did you mean 'dipole_D'"),
        (["polarty", "{library}"], "did you mean 'polarity'"),
        (["conduction", "{library}", "--conformers", "2"], "not conformers"),
        (["polarity", "nowhere"], "no library"),
    ],
)
def test_wrong_calls(library, tmp_path, words, error):
    words = [word.format(library=library) for word in words]
    found = RUNNER.invoke(app, ["screen", *words, "--out", str(tmp_path / "o")])
    assert isinstance(found.exception, UsageError)
    assert error in str(found.exception)
