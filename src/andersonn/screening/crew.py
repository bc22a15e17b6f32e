"""Actors of a cluster whose machines come and go: each works on one shard, and another answers a shard whose actor is lost."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from andersonn.errors import InputError
from andersonn.sanitize import lines_of
from andersonn.screening.chunks import Shard

LOSSES = 5
"""How often a shard may be lost with its actor; and, for each actor, how often one may be lost while it starts."""
LISTENING = 5.0
"""Seconds without news of any actor after which the machines are counted."""
PATIENCE = 300.0
"""Seconds to wait for a machine when there is none: a cloud takes minutes to replace those that it took away."""


class Crew:
    """Actors at work. Leave the ``with`` block, and they end.

    Args:
        cluster: the module ``ray``.
        start: starts an actor, which has ``ready()`` and ``answer(shard)``.
        needs: what an actor takes of a machine, such as ``{"CPU": 1}``.
        size: actors.
    """

    def __init__(self, cluster: Any, start: Callable[[], Any], needs: dict[str, float], size: int) -> None:
        self._cluster, self._start, self._needs, self._size = cluster, start, needs, size
        kinds = ("RayActorError", "ObjectLostError", "NodeDiedError", "WorkerCrashedError", "OutOfMemoryError")
        self._lost_ways = tuple(getattr(cluster.exceptions, kind) for kind in kinds)
        # Result → actor and its shard, or none while it starts.
        self._promised: dict[Any, tuple[Any, Shard | None]] = {}
        self._actors: list[Any] = []
        self._idle: list[Any] = []
        self._lost: deque[Shard] = deque()
        self._losses: Counter[int | None] = Counter()
        self._lively = time.monotonic()  # when there was a machine, at least

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self._actors:
            self._cluster.kill(actor)

    def answers(self, shards: Iterable[Shard]) -> Iterator[Any]:
        """What actors answered, one for each shard, in the order of completion.

        Args:
            shards: read as actors become free.

        Raises:
            InputError: ``no_machines``: none is left that has room for an actor, for :data:`PATIENCE`; ``actor_failed``: an
                actor cannot start, or one shard loses every actor.
        """
        source = iter(shards)
        for _ in range(self._size):
            self._hire()
        while not self._idle or any(shard for _, shard in self._promised.values()):
            done, _ = self._cluster.wait(list(self._promised), num_returns=1, timeout=LISTENING)
            if not done:
                self._require_machines()
                continue
            actor, shard = self._promised.pop(done[0])
            try:
                found = self._cluster.get(done[0])
            except self._lost_ways as error:
                self._replace(actor, shard, error)
                self._assign(source)
                continue
            self._losses[None], self._lively = 0, time.monotonic()
            self._idle.append(actor)
            self._assign(source)  # before the caller writes what was found: the actor is not to wait for that
            if shard is not None:
                yield found

    def _hire(self) -> None:
        actor = self._start()
        self._actors.append(actor)
        self._promised[actor.ready.remote()] = actor, None  # it gets a shard once a machine has room for it

    def _assign(self, source: Iterator[Shard]) -> None:
        """Gives idle actors what is lost, or else what is next."""
        while self._idle:
            shard = self._lost.popleft() if self._lost else next(source, None)
            if shard is None:
                return
            actor = self._idle.pop()
            self._promised[actor.answer.remote(shard)] = actor, shard

    def _replace(self, actor: Any, shard: Shard | None, error: Exception) -> None:
        self._actors.remove(actor)
        self._cluster.kill(actor)  # one that is merely out of reach would keep its place and its worker process
        if getattr(error, "actor_init_failed", False):
            raise _failed("an actor cannot start", error, "install the same andersonn on every machine of the cluster")
        number, allowed = (None, LOSSES * self._size) if shard is None else (shard.number, LOSSES)
        self._losses[number] += 1
        if self._losses[number] >= allowed:
            what = "actors that start" if shard is None else f"actors that answer {shard.name}"
            raise _failed(
                f"{what} were lost {allowed} times",
                error,
                "give machines with more memory or a smaller --shard-size, or look into the cluster's logs; what is done is kept",
            )
        if shard is not None:
            self._lost.append(shard)
        self._hire()

    def _require_machines(self) -> None:
        machines = [node["Resources"] for node in self._cluster.nodes() if node["Alive"]]
        if any(all(has.get(kind, 0) >= need for kind, need in self._needs.items()) for has in machines):
            self._lively = time.monotonic()
        elif time.monotonic() - self._lively >= PATIENCE:
            needs = ", ".join(f"{need:g} {kind}" for kind, need in self._needs.items())
            raise InputError(
                "no_machines",
                f"for {PATIENCE:g} s no machine of the cluster has had room for an actor ({needs})",
                "add machines (ray start --address=…) and give the same command: it goes on with what is missing",
            )


def _failed(what: str, error: Exception, cure: str) -> InputError:
    lines = [line.strip() for line in lines_of(str(error)) if line.strip()]
    return InputError("actor_failed", f"{what}: {lines[-1][:200] if lines else type(error).__name__}", cure)
