"""Unexpected errors, progress without a terminal, shell completion, and how fast help comes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from andersonn.cli import main as program
from andersonn.cli import system_errors, verbs
from andersonn.cli.console import Bars, _duration, _rate
from tests.forked import run


def failing():
    raise RuntimeError("the flux\ncapacitor is empty")


def run_failing(monkeypatch, capsys) -> str:
    monkeypatch.setattr(verbs, "app", failing)
    with pytest.raises(SystemExit) as left:
        program.main()
    assert left.value.code == 1
    return capsys.readouterr().err


def test_an_unexpected_error_is_one_line_and_a_log_file(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path / "new"))
    shown = run_failing(monkeypatch, capsys)
    assert shown.count("\n") == 1
    assert "RuntimeError: the flux capacitor is empty" in shown
    log = Path(re.search(r"report it with (.*)\)", shown).group(1))
    assert log.parent == tmp_path / "new/logs"
    assert log.stat().st_mode & 0o077 == 0
    text = log.read_text()
    assert "Traceback" in text
    assert "in failing" in text
    assert "andersonn 0." in text


def test_only_the_last_log_files_stay(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path))
    monkeypatch.setattr(system_errors, "KEPT", 3)
    for _ in range(5):
        last = run_failing(monkeypatch, capsys)
    logs = sorted((tmp_path / "logs").iterdir())
    assert len(logs) == 3
    assert str(logs[-1]) in last


def test_a_log_that_cannot_be_written_is_shown(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(system_errors.tempfile, "gettempdir", lambda: str(tmp_path))
    assert str(tmp_path / "error-") in run_failing(monkeypatch, capsys)
    monkeypatch.setattr(system_errors.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    shown = run_failing(monkeypatch, capsys)
    assert "no log file could be written" in shown
    assert "Traceback" in shown


def test_progress_without_a_terminal_tells_rate_and_time_left(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("andersonn.cli.console.time.monotonic", lambda: now[0])
    bars = Bars()
    bars.start("images", 200)
    now[0] += 4.0
    bars.update(40)
    bars.update(41)
    now[0] += 6.0
    bars.update(100, "half")
    assert capsys.readouterr().err.splitlines() == [
        "images: 20 %, 10/s, 16 s left",
        "images: 50 %, 10/s, 10 s left, half",
    ]


def test_words_for_rates_and_times():
    assert [_duration(s) for s in (0.234, 9.4, 42.2, 59.6, 600, 3900)] == [
        "0.23 s", "9.4 s", "42 s", "1 min", "10 min", "1 h 5 min",
    ]  # fmt: skip
    assert [_rate(*given) for given in ((0, 1), (10, 4), (2, 300))] == ["", "2.5/s", "2 min each"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    at = {"COMP_WORDS": "andersonn pre", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "andersonn pre"}
    at |= {"_ANDERSONN_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    found = run(env=os.environ | at)
    assert "predict" in found.stdout
    assert "train" not in found.stdout


def test_help_is_plain_where_there_is_no_terminal():
    done = subprocess.run([sys.executable, "-m", "andersonn.cli.main", "--help"], capture_output=True, text=True)
    assert "--install-completion" in done.stdout
    assert "\x1b" not in done.stdout  # no colors where there is no terminal
    assert max(map(len, done.stdout.splitlines())) <= 80
