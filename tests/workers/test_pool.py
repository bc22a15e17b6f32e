"""Processes that die, take too much memory or too much time, and a journal that is not to be spoiled."""

import os
import sys

import pytest

from andersonn.errors import InputError, UsageError
from andersonn.workers.journal import Journal
from andersonn.workers.pool import Worker

COMPUTE = "tests.workers.fakes:misbehave"


@pytest.fixture
def worker():
    worker = Worker(COMPUTE, {"seconds": 0.5}, gigabytes=1.0)
    yield worker
    worker.close()


def test_a_worker_lives_on_after_a_death(worker):
    with pytest.raises(InputError, match="exit status 3"):
        worker.ask({"status": 3}, 20.0)
    assert worker.ask({"x": 1}, 20.0) == {"echo": {"x": 1}}
    worker.close()
    with pytest.raises(InputError, match="stopped"):
        worker.ask({"x": 1}, 20.0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to a bound of memory")
def test_memory_is_bounded_and_the_process_goes_on(worker):
    assert worker.ask({"gigabytes": 0.25}, 20.0) == {"held": 2**28}
    with pytest.raises(InputError) as caught:
        worker.ask({"gigabytes": 2}, 20.0)
    assert caught.value.kind == "out_of_memory"
    assert worker.ask({"x": 2}, 20.0) == {"echo": {"x": 2}}


@pytest.mark.skipif(os.name == "nt", reason="no such timer")
def test_one_part_of_the_work_may_not_take_longer(worker):
    assert worker.ask({"sleep": 0.01}, 20.0) == {"echo": {"sleep": 0.01}}
    with pytest.raises(InputError, match="SIGALRM"):
        worker.ask({"sleep": 20}, 20.0)


def test_a_file_that_is_no_journal_is_left_alone(tmp_path):
    path = tmp_path / "precious.jsonl"
    path.write_text("my thesis\n")
    with pytest.raises(UsageError, match="no row of an earlier run"):
        Journal(path)
    assert path.read_text() == "my thesis\n"


@pytest.mark.skipif(os.name == "nt", reason="no such locks")
def test_two_runs_do_not_write_one_file(tmp_path):
    with Journal(tmp_path / "rows.jsonl"), pytest.raises(UsageError, match="another run"):
        Journal(tmp_path / "rows.jsonl")
