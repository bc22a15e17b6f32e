"""One bad input costs one input, whatever it does to its process."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from andersonn.errors import InputError
from andersonn.screening import Screening, executors
from andersonn.screening.chunks import Chunk, Shard
from tests.screening import fakes
from tests.screening.conftest import SETTINGS, content, library


@pytest.mark.usefixtures("forked_workers")
def test_inputs_that_end_their_process_cost_only_themselves(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "COMPUTE", fakes.COMPUTE)
    monkeypatch.setenv("FAKES", str(tmp_path))
    titles = ["a", "segfault", "b", "hang", "memory", "c"]
    settings = replace(SETTINGS, time_limit=2.0)
    manifest = Screening(settings, str(library(tmp_path / "l.sdf", titles)), tmp_path / "o", 10).run()
    assert manifest["counts"] == {"inputs": 6, "answered": 3, "kept": 3, "rejected": 3}
    rejects = [json.loads(line) for line in (tmp_path / "o/rejects.jsonl").read_text().splitlines()]
    assert [(r["record"], r["kind"]) for r in rejects] == [(2, "crashed"), (4, "timed_out"), (5, "internal")]
    ids = pq.read_table(tmp_path / "o/shards/shard-000000.parquet")["id"].to_pylist()
    assert ids == ["l:a", "l:b", "l:c"]


@pytest.mark.usefixtures("forked_workers")
def test_a_worker_killed_once_changes_nothing(tmp_path, monkeypatch, request):
    lib = library(tmp_path / "l.sdf", ["a", "once", "b"])
    monkeypatch.setattr(executors, "COMPUTE", fakes.COMPUTE)
    monkeypatch.setenv("FAKES", str(tmp_path))
    found = Screening(SETTINGS, str(lib), tmp_path / "o", 10).run()
    assert (tmp_path / "once").exists()
    monkeypatch.undo()
    request.getfixturevalue("in_this_process")
    assert found == Screening(SETTINGS, str(lib), tmp_path / "quiet", 10).run()
    assert content(tmp_path / "o") == content(tmp_path / "quiet")


@pytest.mark.usefixtures("forked_workers")
def test_a_model_that_cannot_be_loaded_convicts_no_input(tmp_path):
    worker = executors.new_worker(replace(SETTINGS, model=str(tmp_path)))
    try:
        with pytest.raises(InputError, match="model"):
            executors.answer_shard(worker, Shard(0, (Chunk("x", "x", "file"),)), 5.0)
    finally:
        worker.close()


def test_a_store_that_does_not_answer_is_asked_again():
    class Flaky:
        asked = 0
        waits = ()

        def wait(self, seconds):
            self.waits += (seconds,)

        def ask(self, payload, seconds):
            self.asked += 1
            if self.asked < 3:
                raise InputError("unreachable", "timeout", "")
            return {"parquet": "", "rejects": [], "counts": {}}

    worker = Flaky()
    assert executors.answer_shard(worker, Shard(0, ()), 1.0).rejects == []
    assert worker.asked == 3
    assert worker.waits == executors.RETRY_WAITS[:2]
