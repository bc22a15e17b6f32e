"""Shards answered on a Ray cluster: Ray Data schedules actors, each with one worker process."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from andersonn import launch
from andersonn.errors import InputError, UsageError
from andersonn.io.installed import how_to_install
from andersonn.screening.chunks import Chunk, Shard
from andersonn.screening.executors import Outcome, answer_shard, new_worker
from andersonn.screening.worker import Settings


class Actor:
    """A Ray actor: a worker process and the model's files on a machine of the cluster.

    Args:
        settings: of the run; the model's folder is replaced by one on that machine.
        model: name → content of the model's files.
    """

    def __init__(self, settings: dict[str, Any], model: dict[str, bytes]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="andersonn-")  # lives as long as the actor
        for name, content in model.items():
            Path(self._folder.name, name).write_bytes(content)
        self._settings = replace(Settings(**settings), model=self._folder.name)
        self._worker = new_worker(self._settings)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Answers one shard, a row with its number and chunks; an error comes back as a row too."""
        chunks = tuple(Chunk(**chunk) for chunk in json.loads(row["chunks"]))
        shard = Shard(int(row["number"]), chunks)
        try:
            outcome = answer_shard(self._worker, shard, self._settings.time_limit)
        except InputError as error:
            return {"number": shard.number, "parquet": b"", "report": json.dumps({"error": error.as_dict()})}
        report = json.dumps({"summary": outcome.summary, "rejects": outcome.rejects})
        return {"number": shard.number, "parquet": outcome.parquet, "report": report}


def on_ray(
    shards: Iterable[Shard], settings: Settings, workers: int, model: dict[str, bytes], address: str | None
) -> Iterator[Outcome]:
    """As :func:`andersonn.screening.executors.local`, by actors of a Ray cluster: that at ``address``, or one started on this
    machine. Where the cluster has GPUs and the device is ``cuda``, the actors share them.

    Args:
        shards: listed before the first is answered.
        settings: of the run.
        workers: actors.
        model: name → content of the model's files, which actors bring to their machines.
        address: of a running cluster.

    Raises:
        UsageError: Ray is not installed.
        InputError: as :func:`~andersonn.screening.executors.answer_shard` raises it.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray reports its use over the network, unasked
    try:
        import ray as cluster
        import ray.data
    except ImportError:
        raise UsageError(
            "missing_package", "--engine ray needs the package ray[data]", how_to_install("cluster")
        ) from None
    listed = {shard.number: shard for shard in shards}
    if not listed:
        return
    started = not cluster.is_initialized()
    if started:
        here = {} if address else {"num_cpus": workers, "include_dashboard": False}
        with launch.SafeChildren():
            cluster.init(address=address, job_config=_job(cluster), log_to_driver=False, logging_level="ERROR", **here)
    try:
        gpus = cluster.cluster_resources().get("GPU", 0) if settings.device == "cuda" else 0
        rows = [
            {"number": number, "chunks": json.dumps([chunk.as_dict() for chunk in shard.chunks])}
            for number, shard in listed.items()
        ]
        cluster.data.DataContext.get_current().enable_progress_bars = False
        outcomes = cluster.data.from_items(rows, override_num_blocks=len(rows)).map(
            Actor,
            fn_constructor_args=(asdict(settings), model),
            concurrency=min(workers, len(rows)),
            num_cpus=1,
            **({"num_gpus": min(1.0, gpus / workers)} if gpus else {}),
        )
        for row in outcomes.iter_rows():
            yield _outcome(listed[int(row["number"])], row["parquet"], json.loads(row["report"]))
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


def _outcome(shard: Shard, parquet: bytes, report: dict[str, Any]) -> Outcome:
    if "error" in report:
        raise InputError(**report["error"])
    return Outcome(shard, parquet, report["rejects"], report["summary"])
