"""Shards answered on a Ray cluster: actors, each with one worker process."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain, islice
from typing import Any

from andersonn import launch
from andersonn.errors import InputError, UsageError
from andersonn.io.installed import how_to_install
from andersonn.screening.chunks import Shard
from andersonn.screening.crew import Crew
from andersonn.screening.executors import Outcome, answer_shard
from andersonn.screening.worker import COMPUTE_CARRIED, Settings
from andersonn.workers.pool import Worker


class Actor:
    """A Ray actor: a worker process on a machine of the cluster, which gets the model's files with its settings.

    Args:
        settings: of the run; the model's folder is not looked at.
        model: name → content of the model's files.
    """

    def __init__(self, settings: Settings, model: dict[str, bytes]) -> None:
        self._limit = settings.time_limit
        files = {name: base64.b64encode(content).decode("ascii") for name, content in model.items()}
        self._worker = Worker(COMPUTE_CARRIED, asdict(settings) | {"files": files}, threads=1)

    def ready(self) -> None:
        """Comes back when the actor has a place."""

    def answer(self, shard: Shard) -> Outcome | dict[str, Any]:
        """A shard's outcome, or the error that ended it, as a value: raised, it would be wrapped."""
        try:
            return answer_shard(self._worker, shard, self._limit)
        except InputError as error:
            return error.as_dict()


def on_ray(
    shards: Iterable[Shard], settings: Settings, workers: int, model: dict[str, bytes], address: str | None
) -> Iterator[Outcome]:
    """As :func:`andersonn.screening.executors.local`, by actors of a Ray cluster: that at ``address``, or one started on this
    machine. Where the cluster has GPUs and the device is ``cuda``, the actors share them. A shard whose actor is lost, with its
    machine or alone, is answered by another.

    Args:
        shards: read as actors become free.
        settings: of the run.
        workers: actors.
        model: name → content of the model's files, which go to the actors.
        address: of a running cluster.

    Raises:
        UsageError: Ray is not installed.
        InputError: as :func:`~andersonn.screening.executors.answer_shard` and
            :meth:`~andersonn.screening.crew.Crew.answers` raise it.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray reports its use over the network, unasked
    try:
        import ray as cluster
    except ImportError:
        raise UsageError("missing_package", "--engine ray needs the package ray", how_to_install("cluster")) from None
    source = iter(shards)
    first = list(islice(source, workers))
    if not first:
        return
    started = not cluster.is_initialized()
    if started:
        here = {} if address else {"num_cpus": workers, "include_dashboard": False}
        with launch.SafeChildren():
            cluster.init(address=address, job_config=_job(cluster), log_to_driver=False, logging_level="ERROR", **here)
    try:
        gpus = cluster.cluster_resources().get("GPU", 0) if settings.device == "cuda" else 0
        needs = {"CPU": 1.0} | ({"GPU": min(1.0, gpus / workers)} if gpus else {})
        kind = cluster.remote(
            num_cpus=1,
            num_gpus=needs.get("GPU", 0),
            max_restarts=0,  # the crew replaces what is lost, and knows which shard that was
            scheduling_strategy="SPREAD",
        )(Actor)
        carried = cluster.put(model)
        with Crew(cluster, lambda: kind.remote(settings, carried), needs, len(first)) as crew:
            for found in crew.answers(chain(first, source)):
                yield _outcome(found)
    finally:
        if started:
            cluster.shutdown()


class _Paths(list[str]):
    """Folders from which workers import: Ray adds the current one, first, where anybody's files may lie."""

    def extend(self, paths: Iterable[str]) -> None:
        super().extend(launch.kept(paths, launch.homes()))


def _job(cluster: Any) -> Any:
    """How Ray starts the workers of this job."""
    job = cluster.job_config.JobConfig()
    job._py_driver_sys_path = _Paths(job._py_driver_sys_path)  # no public setting keeps the current folder out
    return job


def _outcome(found: Outcome | dict[str, Any]) -> Outcome:
    if isinstance(found, Outcome):
        return found
    raise InputError(**found)
