"""Labeling many jobs by a pool of worker processes, with a journal and further tries after an abort."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from andersonn.errors import InputError, UsageError
from andersonn.io.installed import how_to_install
from andersonn.labels.jobs import Job, jittered, structure_as_json
from andersonn.structures.elements import formula, hill_formula
from andersonn.workers.journal import Journal, Row
from andersonn.workers.pool import Worker, WorkerPool


@dataclass(frozen=True)
class Labeler:
    """How a quantity is computed.

    Attributes:
        name: such as ``"pore"``.
        compute: ``"module:function"`` that a worker calls, see :data:`andersonn.workers.process.Compute`.
        method: in words, for the output.
        quantities: columns it fills, units in the names.
        settings: handed to the function; part of the key of a row.
        means: further settings that do not change the result, such as the device; not part of the key.
        jitter: size of the move of fractional coordinates before a further try; 0 never tries again.
        retries: further tries, each with its own seed.
        retry_after: kinds of failure that are worth one.
    """

    name: str
    compute: str
    method: str
    quantities: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    means: dict[str, Any] = field(default_factory=dict)
    jitter: float = 0.0
    retries: int = 3
    retry_after: frozenset[str] = frozenset({"aborted", "failed"})


@dataclass(frozen=True)
class Effort:
    """What a run may use.

    Attributes:
        workers: processes.
        seconds: time limit of one try of one input.
        threads: of each process's numerical libraries.
        retry_failed: compute again what failed in an earlier run.
    """

    workers: int = 1
    seconds: float = 120.0
    threads: int = 1
    retry_failed: bool = False


def require(package: str, what: str) -> None:
    """Checks that an optional package is there, without importing it.

    Raises:
        UsageError: it is not, with the cure.
    """
    if importlib.util.find_spec(package) is None:
        raise UsageError("missing_package", f"{what} needs the package {package}", how_to_install("label"))


def require_same(journal: Journal, labeler: Labeler) -> None:
    """Checks that a journal's rows were made as new ones will be: its table must not mix levels of theory.

    Raises:
        UsageError: they were not.
    """
    for row in journal.rows.values():
        settings = row.get("settings", labeler.settings)
        if row["method"] != labeler.method or settings != labeler.settings:
            raise UsageError(
                "other_settings",
                f"the rows of that --out were made by {row['method']}, {settings}, not {labeler.method}, "
                f"{labeler.settings}",
                "choose another --out, or the same options",
            )


def label(
    jobs: Iterable[Job], labeler: Labeler, journal: Journal, effort: Effort, done: Callable[[Row], None] | None = None
) -> Iterator[Row]:
    """One row a job: first those that the journal has, in their place, others as they are finished.

    Args:
        jobs: read lazily.
        labeler: how.
        journal: earlier rows; new ones are appended to it before they are given.
        effort: workers and limits.
        done: called with each row.

    Yields:
        Rows with ``input, id, key, label, method``, the quantities, ``attempts, jitter, seconds, notes`` and what the
        labeler tells of its provenance; failed ones with ``error`` instead. ``stored`` tells rows of an earlier run.
    """

    def handle(worker: Worker, job: Job) -> Row:
        key = job.key(labeler.name, labeler.settings)
        old = journal.rows.get(key)
        if old is not None and not ("error" in old and effort.retry_failed):
            return old | {"stored": True, "input": job.input}
        return _labeled(worker, job, labeler, effort.seconds) | {"key": key, "settings": labeler.settings}

    with WorkerPool(labeler.compute, labeler.settings | labeler.means, effort.workers, effort.threads) as pool:
        for row in pool.map_unordered(handle, jobs):
            if not row.get("stored"):
                journal.append(row)
            if done:
                done(row)
            yield row


def _labeled(worker: Worker, job: Job, labeler: Labeler, seconds: float) -> Row:
    begin = time.perf_counter()
    row: Row = {"input": job.input, "id": job.id, "label": labeler.name, "method": labeler.method, **job.extra}
    if job.error is not None:
        return row | {"error": job.error.as_dict(), "attempts": 0, "seconds": 0.0}
    tries = labeler.retries if labeler.jitter and job.structure is not None and job.structure.periodic else 0
    for attempt in range(tries + 1):
        try:
            moved = job if attempt == 0 else _moved(job, labeler.jitter, attempt)
            result = worker.ask(moved.payload(), seconds)
            row = {name: value for name, value in row.items() if name != "error"}
            row |= _filled(job, labeler, result, attempt)
            break
        except InputError as error:
            row["error"] = error.as_dict()
            if error.kind not in labeler.retry_after:
                break
    return row | {"attempts": attempt + 1, "seconds": round(time.perf_counter() - begin, 3)}


def _moved(job: Job, size: float, seed: int) -> Job:
    assert job.structure is not None
    return replace(job, structure=jittered(job.structure, size, seed))


def _filled(job: Job, labeler: Labeler, result: dict[str, Any], attempt: int) -> Row:
    """The columns of a success."""
    values = {name: result["values"][name] for name in labeler.quantities}
    odd = [name for name, value in values.items() if not math.isfinite(value)]
    if odd:
        raise InputError("not_finite", f"{odd[0]} came out as {values[odd[0]]}", "look at the structure in a viewer")
    structure: dict[str, Any] | None = result.get("structure") or (
        structure_as_json(job.structure) if job.structure else None
    )
    notes = list(result.get("notes", ()))
    if attempt:
        notes.append(f"fractional coordinates moved by up to {labeler.jitter:g} (seed {attempt}) after an abort")
    Z = np.array(structure["atomic_numbers"] if structure else [], dtype=np.int64)
    written = hill_formula if structure and structure["cell"] is None else formula
    return values | {
        "n_atoms": len(Z),
        "formula": written(Z) if len(Z) else None,
        "charge": job.charge,
        "jitter": labeler.jitter if attempt else None,
        "notes": notes,
        "group": job.group or result.get("group"),
        "smiles": job.smiles,
        "structure": structure,
        **result.get("provenance", {}),
    }
