"""Actors that are lost, by a cluster in this process that loses them as it is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from andersonn.errors import InputError
from andersonn.screening import crew
from andersonn.screening.chunks import Shard
from andersonn.screening.crew import LOSSES, Crew


class RayActorError(Exception):
    actor_init_failed = False


class FakeRay:
    """Answers in the order of the questions. ``fails(shard or None, actor's number)`` gives the error of a call, or None."""

    def __init__(self, fails=lambda shard, actor: None, room=True) -> None:
        names = ("ObjectLostError", "NodeDiedError", "WorkerCrashedError", "OutOfMemoryError")
        kinds = {name: type(name, (Exception,), {}) for name in names}
        self.exceptions = SimpleNamespace(RayActorError=RayActorError, **kinds)
        self._fails, self._room, self.started, self.killed, self._calls = fails, room, 0, [], []

    def start(self):
        number, self.started = self.started, self.started + 1

        def call(shard=None):
            self._calls.append((shard, number))
            return len(self._calls) - 1

        remote = SimpleNamespace(remote=call)
        return SimpleNamespace(ready=remote, answer=remote, number=number)

    def wait(self, promised, num_returns, timeout):
        return (sorted(promised)[:1], []) if self._room else ([], promised)

    def get(self, call):
        shard, actor = self._calls[call]
        error = self._fails(shard, actor)
        if error:
            raise error
        return shard

    def kill(self, actor):
        self.killed.append(actor.number)

    def nodes(self):
        return [{"Alive": False, "Resources": {"CPU": 9.0}}, {"Alive": True, "Resources": {"GPU": 1.0}}]


def answered(ray: FakeRay, shards: int, size: int = 2) -> list[int]:
    with Crew(ray, ray.start, {"CPU": 1.0}, size) as hands:
        return [shard.number for shard in hands.answers(Shard(k, ()) for k in range(shards))]


def test_shards_are_read_as_actors_become_free():
    read = []
    ray = FakeRay()
    with Crew(ray, ray.start, {"CPU": 1.0}, 2) as hands:
        found = hands.answers(read.append(k) or Shard(k, ()) for k in range(9))
        next(found)
        assert read == [0, 1, 2]
    assert sorted(ray.killed) == [0, 1]


@pytest.mark.parametrize("kind", ["RayActorError", "ObjectLostError", "NodeDiedError"])
@pytest.mark.parametrize("at", [0, 3, 6])
def test_a_lost_shard_is_answered_by_another_actor_once(kind, at):
    lost = []

    def fails(shard, actor):
        if shard is not None and shard.number == at and not lost:
            lost.append(actor)
            return getattr(ray.exceptions, kind)()
        return None

    ray = FakeRay(fails)
    assert sorted(answered(ray, 7)) == list(range(7))
    assert ray.started == 3
    assert sorted(ray.killed) == [0, 1, 2]  # the lost one too, which may be merely out of reach


def test_all_actors_lost_at_once_are_replaced():
    ray = FakeRay(lambda shard, actor: RayActorError() if shard and actor < 4 else None)
    assert sorted(answered(ray, 9, size=4)) == list(range(9))
    assert ray.started == 8


def test_actors_lost_as_they_start_are_replaced():
    ray = FakeRay(lambda shard, actor: RayActorError() if actor < 3 else None)
    assert answered(ray, 2, size=1) == [0, 1]


def test_a_shard_that_loses_every_actor_ends_the_run():
    ray = FakeRay(lambda shard, actor: RayActorError("out of\nmemory") if shard and shard.number == 1 else None)
    with pytest.raises(InputError, match=rf"shard-000001 were lost {LOSSES} times: memory"):
        answered(ray, 3)
    assert sorted(set(ray.killed)) == list(range(ray.started))


def test_actors_that_never_live_end_the_run():
    with pytest.raises(InputError, match=f"start were lost {3 * LOSSES} times"):
        answered(FakeRay(lambda shard, actor: RayActorError()), 3, size=3)


def test_an_actor_that_cannot_start_ends_the_run():
    error = RayActorError("Traceback\n  ModuleNotFoundError: No module named 'andersonn'\n")
    error.actor_init_failed = True
    with pytest.raises(InputError, match="cannot start: ModuleNotFoundError"):
        answered(FakeRay(lambda shard, actor: error), 3)


def test_other_errors_are_not_taken_for_lost_machines():
    ray = FakeRay(lambda shard, actor: ZeroDivisionError() if shard else None)
    with pytest.raises(ZeroDivisionError):
        answered(ray, 3)
    assert sorted(ray.killed) == [0, 1]


def test_without_a_machine_that_has_room_the_run_ends(monkeypatch):
    monkeypatch.setattr(crew, "PATIENCE", 0.0)
    with pytest.raises(InputError, match="no machine of the cluster has had room") as raised:
        answered(FakeRay(room=False), 3)
    assert "same command" in raised.value.hint
