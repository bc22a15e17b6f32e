"""The operator that answers a shard by a worker process, and the local engine: several of them side by side."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from andersonn.errors import InputError
from andersonn.screening.pieces import Shard
from andersonn.screening.work import COMPUTE, Settings
from andersonn.workers.pool import STARTING, Worker, side_by_side

DEATHS = ("aborted", "timed_out", "out_of_memory", "failed")
"""Kinds of error of a worker that one input in the shard may have caused."""
PATIENCE = (1.0, 5.0, 25.0)
"""Seconds to wait before a store that does not answer is asked again."""


@dataclass(frozen=True)
class Outcome:
    """A finished shard.

    Attributes:
        shard: which.
        parquet: its rows, as a file.
        rejects: ``input, record, kind, message, hint`` of each input that was not answered.
        told: counts, hash of the content, classes, reasons.
    """

    shard: Shard
    parquet: bytes
    rejects: list[dict[str, Any]]
    told: dict[str, Any]


def new_worker(settings: Settings) -> Worker:
    """A process that answers shards, with one thread."""
    return Worker(COMPUTE, asdict(settings), threads=1)


def answered(worker: Worker, shard: Shard, limit: float) -> Outcome:
    """A shard's outcome. If the process dies on it, the shard is tried once more in a fresh one; if that dies too, each
    input is tried alone, those that end a process are rejected, and the others are answered together as usual.

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
            return _asked(worker, shard, limit, {})
        except InputError as error:
            if error.kind not in DEATHS:
                raise
    guilty = _guilty(worker, shard, limit)
    try:
        return _asked(worker, shard, limit, guilty)
    except InputError as error:
        if error.kind not in DEATHS:
            raise
        raise InputError(
            error.kind,
            f"{shard.name} ends its process though no input of it does alone: {error.message}",
            "give more memory or a smaller --shard-size; what is done is kept",
        ) from None


def _asked(worker: Worker, shard: Shard, limit: float, skip: dict[int, dict[str, str]]) -> Outcome:
    payload: dict[str, Any] = {"pieces": [piece.as_dict() for piece in shard.pieces]}
    if skip:
        payload["skip"] = skip
    told = _patiently(worker, payload, STARTING + limit * shard.count)  # the process itself keeps each input's limit
    return Outcome(shard, base64.b64decode(told.pop("parquet")), told.pop("rejects"), told)


def _guilty(worker: Worker, shard: Shard, limit: float) -> dict[int, dict[str, str]]:
    """Inputs of a shard, by number, that crash or block a process when tried alone, and how."""
    _patiently(worker, {}, STARTING)  # else a model that cannot be loaded would convict every input
    pieces, guilty = [piece.as_dict() for piece in shard.pieces], {}
    for number in range(shard.count):
        try:
            _patiently(worker, {"pieces": pieces, "only": number}, STARTING + limit)
        except InputError as error:
            if error.kind not in DEATHS:
                raise
            guilty[number] = _verdict(error, limit).as_dict()
    return guilty


def _verdict(error: InputError, limit: float) -> InputError:
    if error.kind == "timed_out" or "SIGALRM" in error.message:
        return InputError("timed_out", f"it took longer than {limit:g} s", "give more --time-limit")
    if error.kind == "aborted":
        return InputError("crashed", "it ended the process that worked on it", "the structure may be degenerate")
    return error


def _patiently(worker: Worker, payload: dict[str, Any], seconds: float) -> dict[str, Any]:
    for wait in PATIENCE:
        try:
            return worker.ask(payload, seconds)
        except InputError as error:
            if error.kind != "unreachable":
                raise
            time.sleep(wait)
    return worker.ask(payload, seconds)


def local(shards: Iterable[Shard], settings: Settings, workers: int) -> Iterator[Outcome]:
    """Outcomes in the order of completion, by processes of this machine. Shards are read as workers become free."""

    def handle(worker: Worker, shard: Shard) -> Outcome:
        return answered(worker, shard, settings.time_limit)

    return side_by_side(shards, handle, lambda: new_worker(settings), workers)
