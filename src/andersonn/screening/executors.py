"""How shards are answered: one shard by one worker process, whatever its inputs do to it, and many by a pool of them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from andersonn.errors import InputError
from andersonn.screening.chunks import Shard
from andersonn.screening.worker import COMPUTE, Settings
from andersonn.workers.pool import STARTING, Worker, WorkerPool

PROCESS_FAILURES = ("aborted", "timed_out", "out_of_memory", "failed")
"""Kinds of error of a worker that one input in the shard may have caused."""
RETRY_WAITS = (1.0, 5.0, 25.0)
"""Seconds to wait before a store that does not answer is asked again."""


@dataclass(frozen=True)
class Outcome:
    """A finished shard.

    Attributes:
        shard: which.
        parquet: its rows, as a file.
        rejects: ``input, record, kind, message, hint`` of each input that was not answered.
        summary: ``content`` (a hash), ``counts``, ``classes`` and ``reasons``, as the journal keeps them.
    """

    shard: Shard
    parquet: bytes
    rejects: list[dict[str, Any]]
    summary: dict[str, Any]


def new_worker(settings: Settings) -> Worker:
    """A process that answers shards, with one thread."""
    return Worker(COMPUTE, asdict(settings), threads=1)


def answer_shard(worker: Worker, shard: Shard, limit: float) -> Outcome:
    """A shard's outcome. If the process dies, the shard is tried once more in a new one. If that dies too, each input is
    tried alone, those that end a process are rejected, and the others are answered together as usual.

    Args:
        worker: which may be restarted.
        shard: what to answer.
        limit: seconds of one input.

    Raises:
        InputError: the store does not answer, the model cannot be loaded, or the process dies on the shard though not on
            any input of it.
    """
    for _ in range(2):
        try:
            return _ask(worker, shard, limit, {})
        except InputError as error:
            if error.kind not in PROCESS_FAILURES:
                raise
    crashing = _find_crashing(worker, shard, limit)
    try:
        return _ask(worker, shard, limit, crashing)
    except InputError as error:
        if error.kind not in PROCESS_FAILURES:
            raise
        raise InputError(
            error.kind,
            f"{shard.name} ends its process though no input of it does alone: {error.message}",
            "give more memory or a smaller --shard-size; what is done is kept",
        ) from None


def _ask(worker: Worker, shard: Shard, limit: float, skip: dict[int, dict[str, str]]) -> Outcome:
    payload: dict[str, Any] = {"chunks": [chunk.as_dict() for chunk in shard.chunks]}
    if skip:
        payload["skip"] = skip
    seconds = STARTING + limit * shard.count  # the process itself enforces each input's limit
    summary = _ask_with_retries(worker, payload, seconds)
    return Outcome(shard, base64.b64decode(summary.pop("parquet")), summary.pop("rejects"), summary)


def _find_crashing(worker: Worker, shard: Shard, limit: float) -> dict[int, dict[str, str]]:
    """The inputs of a shard, by number, that end a process alone, and how."""
    _ask_with_retries(worker, {}, STARTING)  # else a model that cannot be loaded would reject every input
    chunks, crashing = [chunk.as_dict() for chunk in shard.chunks], {}
    for number in range(shard.count):
        try:
            _ask_with_retries(worker, {"chunks": chunks, "only": number}, STARTING + limit)
        except InputError as error:
            if error.kind not in PROCESS_FAILURES:
                raise
            crashing[number] = _reason(error, limit).as_dict()
    return crashing


def _reason(error: InputError, limit: float) -> InputError:
    if error.kind == "timed_out" or "SIGALRM" in error.message:
        return InputError("timed_out", f"it took longer than {limit:g} s", "give more --time-limit")
    if error.kind == "aborted":
        return InputError("crashed", "it ended the process that worked on it", "the structure may be degenerate")
    return error


def _ask_with_retries(worker: Worker, payload: dict[str, Any], seconds: float) -> dict[str, Any]:
    for wait in RETRY_WAITS:
        try:
            return worker.ask(payload, seconds)
        except InputError as error:
            if error.kind != "unreachable":
                raise
            worker.wait(wait)
    return worker.ask(payload, seconds)


def local(shards: Iterable[Shard], settings: Settings, workers: int) -> Iterator[Outcome]:
    """Outcomes in the order of completion, by processes of this machine. Shards are read as workers become free."""

    def answer(worker: Worker, shard: Shard) -> Outcome:
        return answer_shard(worker, shard, settings.time_limit)

    with WorkerPool(COMPUTE, asdict(settings), workers) as pool:
        yield from pool.map_unordered(answer, shards)
