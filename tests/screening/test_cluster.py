"""The same library on a Ray cluster, also one that loses machines: the same bytes."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from andersonn.errors import InputError, UsageError
from andersonn.screening import Screening, crew, ray_executor
from tests.screening.conftest import SETTINGS, content, library

SHARDS = 100


def test_ray_gives_the_same_bytes(screening, tmp_path):
    pytest.importorskip("ray")
    replace(screening, engine="ray", out=tmp_path / "o").run()
    assert content(tmp_path / "o") == content(screening.out)


def test_without_ray_the_cure_is_named(screening, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UsageError, match="cluster"):
        replace(screening, engine="ray", out=tmp_path / "o").run()


class Cluster:
    """A head without processors and two more raylets with one each, and what a run on it does.

    Attributes:
        address: of the cluster.
        shards: done in the run.
        lost: numbers of shards whose actor was lost, None for an actor without one.
    """

    def __init__(self, temporary: str) -> None:
        from ray.cluster_utils import Cluster as Raylets

        # All results go through the machines' object stores, as large ones do, so they may be lost with their machine too.
        settings = {"max_direct_call_object_size": 1}
        self._temporary = temporary
        self._raylets = Raylets(True, head_node_args={"num_cpus": 0, "_system_config": settings})
        self.address = self._raylets.address
        self._machines = []
        self.add(2)

    def begin(self, monkeypatch, kills: int) -> Cluster:
        """Watches the next run, in which so many machines are killed as soon as two actors are at work on shards."""
        self.shards, self.lost, self._kills = 0, [], kills
        cluster = self

        class Watched(crew.Crew):
            def __enter__(self):
                cluster._crew = self
                return self

            def _replace(self, actor, shard, error):
                cluster.lost.append(shard and shard.number)
                super()._replace(actor, shard, error)

        monkeypatch.setattr(ray_executor, "Crew", Watched)
        return self

    def update(self, *_) -> None:
        """As a progress is told that a shard is done."""
        self.shards += 1
        at_work = [shard for _, shard in self._crew._promised.values() if shard is not None]
        if len(at_work) == 2:
            for _ in range(self._kills):
                self._raylets.remove_node(self._machines.pop(), allow_graceful=False)
            self._kills = 0

    def start(self, *_) -> None:
        pass

    def finish(self) -> None:
        pass

    def add(self, machines: int) -> None:
        self._machines += [self._raylets.add_node(num_cpus=1) for _ in range(machines)]

    def left(self) -> list[str]:
        """What lies in the folder for temporary files, and worker processes that were started with it."""
        found = [path.name for path in Path(self._temporary).glob("andersonn-*")]
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                is_worker = b"andersonn.workers.process" in (process / "cmdline").read_bytes()
                if is_worker and f"TMPDIR={self._temporary}".encode() in (process / "environ").read_bytes():
                    found.append(process.name)
        return found

    def shut(self) -> None:
        self._raylets.shutdown()


@pytest.fixture
def cluster(monkeypatch):
    pytest.importorskip("ray")
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:  # short: sockets lie in it
        monkeypatch.setenv("TMPDIR", folder)
        found = Cluster(folder)
        yield found
        found.shut()


@pytest.fixture
def undisturbed(tmp_path, in_this_process) -> Screening:
    done = Screening(SETTINGS, str(library(tmp_path / "w.sdf", map(str, range(2 * SHARDS)))), tmp_path / "whole", 2)
    done.run()
    return done


@pytest.mark.slow
def test_a_machine_lost_on_the_way_changes_nothing(undisturbed, tmp_path, cluster, monkeypatch):
    on_cluster = replace(undisturbed, engine="ray", workers=2, address=cluster.address, out=tmp_path / "o")
    on_cluster.run(cluster.begin(monkeypatch, kills=1))
    assert len([shard for shard in cluster.lost if shard is not None]) == 1
    assert cluster.shards == SHARDS
    assert content(tmp_path / "o") == content(undisturbed.out)
    assert nothing_left(cluster)


@pytest.mark.slow
def test_without_machines_the_run_ends_and_the_next_goes_on(undisturbed, tmp_path, cluster, monkeypatch):
    monkeypatch.setattr(crew, "PATIENCE", 2.0)
    monkeypatch.setattr(crew, "LISTENING", 0.5)
    on_cluster = replace(undisturbed, engine="ray", workers=2, address=cluster.address, out=tmp_path / "o")
    with pytest.raises(InputError, match="no machine") as raised:
        on_cluster.run(cluster.begin(monkeypatch, kills=2))
    assert "same command" in raised.value.hint
    assert nothing_left(cluster)
    done = cluster.shards
    cluster.add(1)
    on_cluster.run(cluster.begin(monkeypatch, kills=0))
    assert 0 < done < SHARDS
    assert done + cluster.shards == SHARDS
    assert content(tmp_path / "o") == content(undisturbed.out)
    assert nothing_left(cluster)


def nothing_left(cluster: Cluster) -> bool:
    for _ in range(100):  # the system ends a worker a moment after its actor
        if not cluster.left():
            return True
        time.sleep(0.2)
    raise AssertionError(cluster.left())
