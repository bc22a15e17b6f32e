"""Processes that die, take too much memory or too much time; pools of them; and a journal that is not to be spoiled."""

import os
import sys
import threading
from threading import Event

import pytest

from andersonn.errors import InputError, UsageError
from andersonn.workers.journal import Journal
from andersonn.workers.parallel import parallel_map
from andersonn.workers.pool import Worker, WorkerPool
from tests.workers.fakes import InThisProcess

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


@pytest.fixture
def pool(monkeypatch):
    """Two workers without processes."""
    monkeypatch.setattr("andersonn.workers.pool.Worker", InThisProcess)
    with WorkerPool(COMPUTE, {}, 2) as pool:
        yield pool


def test_a_pool_gives_results_in_the_order_of_completion(pool):
    later = Event()

    def use(worker, item):
        if item == 0:
            later.wait()
        return worker.ask({"item": item}, 1.0)["echo"]["item"]

    found = pool.map_unordered(use, range(6))
    assert [next(found) for _ in range(4)] == [1, 2, 3, 4]
    later.set()
    assert sorted(found) == [0, 5]


def test_a_pool_reads_little_ahead(pool):
    read = []
    found = pool.map_unordered(lambda worker, item: item, (read.append(k) or k for k in range(1000)))
    for done in range(1, 101):
        next(found)
        assert len(read) <= done + 4


def test_an_error_ends_the_run_and_closing_drops_what_waits(pool):
    def use(worker, item):
        raise InputError("odd", "it is odd", "")

    with pytest.raises(InputError, match="odd"):
        list(pool.map_unordered(use, range(1000)))
    hold = Event()
    waiting = [pool.lend(lambda worker, item: hold.wait(), None) for _ in range(8)]
    threading.Timer(0.05, hold.set).start()
    pool.close()
    assert any(future.cancelled() for future in waiting)
    assert all(future.done() for future in waiting)


def test_closing_ends_workers_that_are_asked():
    pool = WorkerPool(COMPUTE, {"seconds": 600.0}, 1)
    assert pool.submit({}, 60.0).result() == {"echo": {}}
    asked = pool.submit({"sleep": 600}, 600.0)
    while not asked.running():
        pass
    pool.close()
    with pytest.raises(InputError) as caught:
        asked.result()
    assert caught.value.kind in ("aborted", "stopped")


@pytest.mark.parametrize(("processes", "streamed"), [(None, False), (1, True), (2, True)])
def test_parallel_results_come_in_order(processes, streamed):
    found = parallel_map(divmod, ((k, 7) for k in range(20)), processes, streamed)
    assert list(found) == [divmod(k, 7) for k in range(20)]
