"""Runs that are killed, interrupted or run into trouble go on, and end with the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from andersonn.errors import UsageError
from andersonn.screening import Screening
from tests.screening.conftest import SETTINGS, content, library


def command(waters: Path, out: Path) -> list[str]:
    words = ["screen", "polarity", str(waters), "--out", str(out), "--shard-size", "10", "--workers", "1"]
    return [sys.executable, "-m", "andersonn.cli.main", *words, "--top", "3", "--by=-value"]


def test_killed_anywhere_it_goes_on_to_the_same_bytes(screening, waters, tmp_path):
    out = tmp_path / "killed"
    process = subprocess.Popen(command(waters, out), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 100
    while len(list(out.glob("shards/*.parquet"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert len(list(out.glob("shards/*.parquet"))) in range(2, 5)
    assert not (out / "manifest.json").exists()
    assert subprocess.run(command(waters, out), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode == 1
    assert content(out) == content(screening.out)


def test_killed_between_a_shard_and_its_line_it_does_that_shard_again(screening, waters, tmp_path, monkeypatch):
    run = replace(screening, out=tmp_path / "o", workers=1)
    monkeypatch.setattr("andersonn.workers.journal.Journal.append", broken_after(2))
    with pytest.raises(OSError, match="full"):
        run.run()
    monkeypatch.undo()
    journal = tmp_path / "o/.run/journal.jsonl"
    journal.write_text(journal.read_text() + '{"key": "shard-0000')  # as a kill in the midst of a line leaves it
    with (tmp_path / "o/shards/shard-000000.parquet").open("rb+") as stream:
        stream.truncate(10)  # of another run's file system, say: what is not as the journal says is made again
    run.run()
    assert content(run.out) == content(screening.out)


def broken_after(times: int):
    from andersonn.workers.journal import Journal

    append, calls = Journal.append, []

    def broken(self, row):
        calls.append(row)
        if len(calls) > times:
            raise OSError("the disk is full")
        append(self, row)

    return broken


def test_a_library_that_changes_under_a_run_is_an_error(waters, tmp_path, monkeypatch):
    mine = library(tmp_path / "waters.sdf", [f"w{k}" for k in range(20)])
    run = Screening(SETTINGS, str(mine), tmp_path / "o", 10)
    monkeypatch.setattr("andersonn.workers.journal.Journal.append", broken_after(1))
    with pytest.raises(OSError, match="full"):
        run.run()
    monkeypatch.undo()
    os.utime(mine, (time.time() + 5, time.time() + 5))
    with pytest.raises(UsageError, match="changed"):
        run.run()


def test_two_runs_into_one_folder(waters, tmp_path):
    from andersonn.workers.journal import Journal

    with Journal(tmp_path / "o/.run/journal.jsonl"), pytest.raises(UsageError, match="another run"):
        Screening(SETTINGS, str(waters), tmp_path / "o").run()


def test_an_interrupt_keeps_what_is_done(screening, waters, tmp_path):
    out = tmp_path / "o"
    process = subprocess.Popen(command(waters, out), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not list(out.glob("shards/*.parquet")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in said
    screening_again = replace(screening, out=out)
    screening_again.run()
    assert content(out) == content(screening.out)
