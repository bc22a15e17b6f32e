"""Runs that are killed, interrupted or run into trouble go on, and end with the same bytes."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

import pytest

from andersonn.errors import UsageError
from andersonn.screening import Screening
from andersonn.workers.journal import Journal
from tests.screening.conftest import SETTINGS, content, words


def test_killed_it_goes_on_to_the_same_bytes(screening, unfinished, in_this_process):
    shards = [path.name for path in sorted((unfinished / "shards").iterdir())]
    assert shards == [f"shard-{k:06d}.parquet" for k in range(3)]
    assert not (unfinished / "manifest.json").exists()
    journal = unfinished / ".run/journal.jsonl"
    assert journal.read_bytes().count(b"\n") == 2
    before = {path.name: path.stat().st_mtime_ns for path in (unfinished / "shards").iterdir()}
    journal.write_text(journal.read_text() + '{"key": "shard-0000')  # as a kill in the midst of a line leaves it
    with (unfinished / "shards/shard-000000.parquet").open("rb+") as stream:
        stream.truncate(10)  # of another run's file system, say: what is not as the journal says is made again
    replace(screening, out=unfinished, workers=1).run()
    assert content(unfinished) == content(screening.out)
    made = {path.name for path in (unfinished / "shards").iterdir() if path.stat().st_mtime_ns != before.get(path.name)}
    assert made == {f"shard-{k:06d}.parquet" for k in (0, 2, 3, 4)}


def test_a_full_disk_ends_the_run_and_leaves_it_to_go_on(screening, tmp_path, monkeypatch, in_this_process):
    run = replace(screening, out=tmp_path / "o", workers=1)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", after(2, OSError("the disk is full")))
        with pytest.raises(OSError, match="full"):
            run.run()
    run.run()
    assert content(run.out) == content(screening.out)


def after(times: int, trouble: BaseException):
    """The journal's ``append``, with trouble after so many rows."""
    append, rows = Journal.append, []

    def troubled(self, row):
        if len(rows) == times:
            raise trouble
        rows.append(row)
        append(self, row)

    return troubled


def test_a_library_that_changes_under_a_run_is_an_error(screening, waters, unfinished, tmp_path):
    mine = tmp_path / waters.name
    mine.write_bytes(waters.read_bytes())
    os.utime(mine, (time.time() + 5, time.time() + 5))
    with pytest.raises(UsageError, match="changed"):
        replace(screening, library=str(mine), out=unfinished).run()


def test_two_runs_into_one_folder(waters, tmp_path):
    with Journal(tmp_path / "o/.run/journal.jsonl"), pytest.raises(UsageError, match="another run"):
        Screening(SETTINGS, str(waters), tmp_path / "o").run()


def test_an_interrupt_keeps_what_is_done(screening, waters, tmp_path, monkeypatch, capsys, in_this_process):
    from andersonn.cli.main import main

    append = Journal.append

    def append_and_interrupt(self, row):
        append(self, row)
        # What stands in for worker processes here are threads, where RDKit up to 2026.3 leaves its handler behind for good.
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("sys.argv", ["andersonn", *words(waters, tmp_path / "o")])
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", append_and_interrupt)
        with pytest.raises(SystemExit) as caught:
            main()
    assert caught.value.code == 130
    assert "the same command goes on" in capsys.readouterr().err
    done = (tmp_path / "o/.run/journal.jsonl").read_bytes().count(b"\n")
    assert 1 <= done < 5  # of all shards; another worker's shard may be written before the interrupt is heard
    replace(screening, out=tmp_path / "o", workers=1).run()
    assert content(tmp_path / "o") == content(screening.out)
