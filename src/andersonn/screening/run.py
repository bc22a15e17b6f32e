"""Predictions for a whole library: shards, rejects, manifest. An interrupted run resumes."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import FILES
from andersonn.inference.predictor import Predictor
from andersonn.io.files import from_json, require_writable, write_json, write_whole
from andersonn.progress import Progress, Silent
from andersonn.screening.best import best
from andersonn.screening.chunks import Shard, shards
from andersonn.screening.executors import Outcome, local
from andersonn.screening.expressions import NUMBER
from andersonn.screening.library import Library
from andersonn.screening.ray_executor import on_ray
from andersonn.screening.storage import files_of, is_url, shown
from andersonn.screening.table import expression, parquet_of, schema_of
from andersonn.screening.worker import Settings, scientist_of
from andersonn.structures.readers import USUAL_COLUMNS, Columns
from andersonn.version import __version__
from andersonn.workers.journal import Journal, Row

MANIFEST, SHARDS, REJECTS, TOP = "manifest.json", "shards.jsonl", "rejects.jsonl", "top.parquet"
STATE, OPTIONS, JOURNAL = ".run", "options.json", "journal.jsonl"
FORMAT = 1
ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Screening:
    """Options of a screening.

    Attributes:
        settings: how inputs are answered.
        library: path or URL.
        out: folder for the results.
        shard_size: inputs of a shard at most.
        top: rows of ``top.parquet``; 0 writes none.
        by: score by which they are the best.
        engine: ``local`` or ``ray``.
        workers: processes or actors.
        address: of a running Ray cluster.
        columns: of tables, where they have no usual names.
    """

    settings: Settings
    library: str
    out: Path
    shard_size: int = 2000
    top: int = 0
    by: str = "value"
    engine: str = "local"
    workers: int = 1
    address: str | None = None
    columns: Columns = USUAL_COLUMNS

    def run(self, progress: Progress | None = None) -> dict[str, Any]:
        """Answers the remaining shards and returns the manifest.

        Raises:
            UsageError: an option is wrong or differs from that of the run in ``out``, the library is missing or changed,
                or ``out`` cannot be written.
            InputError: a store does not answer, or a worker dies for another reason than an input.
        """
        scientist = scientist_of(self.settings)
        task, schema = scientist.task, schema_of(scientist)
        self._check(schema)
        options = self._options(scientist)
        finished = _read(self.out / MANIFEST)
        if finished is not None:
            _require_same(finished["options"], options)
            if _plan(shard.plan for shard in self.shards()) != finished["plan"]:
                raise _other_library()
            shutil.rmtree(self.out / STATE, ignore_errors=True)  # a kill after the manifest was written leaves it
            return finished
        require_writable(self.out)
        with _State(self.out) as state:
            began = _read(state.folder / OPTIONS)
            if began is None:
                began = {"options": options, "began": self._latest()}
                write_json(state.folder / OPTIONS, began)
            _require_same(began["options"], options)
            manifest = _Run(self, task, schema, options, state, began["began"], progress or Silent()).complete()
        shutil.rmtree(state.folder)
        return manifest

    def _latest(self) -> float:
        """Now, or when the library last changed if the clock went back since, in seconds since 1970."""
        return max(time.time(), max((found.changed for found in files_of(self.library)), default=0.0))

    def shards(self, since: float | None = None) -> Iterator[Shard]:
        """The library's shards; a local file changed after ``since`` is an error."""
        return shards(Library(self.library, self.shard_size, since, self.columns).chunks(), self.shard_size)

    def _check(self, schema: pa.Schema) -> None:
        if self.engine not in ENGINES:
            raise UsageError("unknown_engine", f"there is no engine {self.engine!r}", f"known: {', '.join(ENGINES)}")
        for name, least in (("shard_size", 1), ("workers", 1), ("top", 0)):
            if getattr(self, name) < least:
                raise UsageError("bad_option", f"{name} is {getattr(self, name)}", f"give at least {least}")
        if self.settings.where:
            expression(self.settings.where, schema)
        if self.top or self.by != "value":  # which labels alone have not
            expression(self.by, schema, NUMBER)
        if not is_url(self.library):
            here, there = self.out.resolve(), Path(self.library).resolve()
            if there.is_dir() and (here == there or there in here.parents):
                raise UsageError("bad_option", "--out lies in the library", "results are not to be read as inputs")

    def _options(self, scientist: Predictor) -> dict[str, Any]:
        """All that decides about the result."""
        model = Path(self.settings.model)
        return {
            "task": scientist.task.name,
            "library": shown(self.library),
            "model": self.settings.name,
            "model_sha256": {name: _sha256(content) for name, content in files_of_model(model).items()},
            "device": self.settings.device,
            "conformers": self.settings.conformers,
            "where": self.settings.where,
            "time_limit": self.settings.time_limit,
            "shard_size": self.shard_size,
            "top": self.top,
            "by": self.by if self.top else None,
            "smiles_column": self.columns.smiles,
            "path_column": self.columns.path,
            **({} if scientist.pores is None else scientist.pores.in_brief()),
            "thresholds": self.settings.thresholds and list(self.settings.thresholds),
            "versions": {"andersonn": __version__}
            | {name: version(name) for name in ("torch", "numpy", "rdkit", "gemmi", "pyarrow")},
        }


class _Run:
    """One run into a folder, from its first missing shard to the manifest."""

    def __init__(
        self,
        screening: Screening,
        task: Task,
        schema: pa.Schema,
        options: dict[str, Any],
        state: _State,
        since: float,
        progress: Progress,
    ) -> None:
        self.screening, self.task, self.options, self.state = screening, task, options, state
        self.schema, self.since, self.progress = schema, since, progress
        self.out = screening.out

    def complete(self) -> dict[str, Any]:
        """Answers the missing shards, then writes the summary files."""
        total = sum(shard.count for shard in self.screening.shards(self.since))
        journal = self.state.journal
        plans: list[str] = []
        watch = Watch(self.progress, journal.rows.values())
        self.progress.start(f"{self.task.name}: {self.options['library']}", total)
        try:
            for outcome in self._outcomes(self._missing(plans)):
                self._keep(outcome)
                watch.moved(outcome)
        finally:
            self.progress.finish()
        if len(journal.rows) != len(plans):
            raise _other_library()
        return self._manifest(_plan(plans))

    def _outcomes(self, missing: Iterator[Shard]) -> Iterator[Outcome]:
        screening = self.screening
        if screening.engine == "local":
            return local(missing, screening.settings, screening.workers)
        model = files_of_model(Path(screening.settings.model))
        return on_ray(missing, screening.settings, screening.workers, model, screening.address)

    def _missing(self, plans: list[str]) -> Iterator[Shard]:
        """Shards that are not done; the plans of all are noted."""
        for shard in self.screening.shards(self.since):
            plans.append(shard.plan)
            row = self.state.journal.rows.get(shard.name)
            if row is not None and row["plan"] != shard.plan:
                raise _other_library()
            if row is None or not self._is_whole(row):
                yield shard

    def _is_whole(self, row: Row) -> bool:
        """Whether a shard's files are as its line in the journal says: a machine that lost power may have lost them."""
        try:
            content, rejects = self._file(row["key"]).read_bytes(), self.state.rejects(row["key"]).read_bytes()
        except FileNotFoundError:
            return False
        return _sha256(content) == row["sha256"] and rejects.count(b"\n") == row["counts"]["rejected"]

    def _file(self, shard: str) -> Path:
        return self.out / "shards" / f"{shard}.parquet"

    def _keep(self, outcome: Outcome) -> None:
        """Writes a shard: its rejects, its rows, and last the line in the journal that says both are whole."""
        shard = outcome.shard
        write_whole(self.state.rejects(shard.name), lambda name: Path(name).write_bytes(_lines(outcome.rejects)))
        write_whole(self._file(shard.name), lambda name: Path(name).write_bytes(outcome.parquet))
        row: Row = {"key": shard.name, "plan": shard.plan, "sha256": _sha256(outcome.parquet), **outcome.summary}
        self.state.journal.append(row)

    def _manifest(self, plan: str) -> dict[str, Any]:
        """Joins what the shards left and writes the manifest, which says that all is there."""
        names = sorted(self.state.journal.rows)
        rows = [self.state.journal.rows[name] for name in names]
        counts: Counter[str] = Counter()
        classes: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        for row in rows:
            counts.update(row["counts"])
            classes.update(row["classes"])
            reasons.update(row["reasons"])
        write_whole(self.out / REJECTS, lambda name: _joined(Path(name), map(self.state.rejects, names)))
        listed = _lines(
            {"shard": row["key"]} | {k: row[k] for k in ("counts", "plan", "content", "sha256")} for row in rows
        )
        write_whole(self.out / SHARDS, lambda name: Path(name).write_bytes(listed))
        if self.screening.top:
            score = expression(self.screening.by, self.schema, NUMBER)
            found = best(map(self._file, names), score, self.task, self.screening.top, self.schema)
            write_whole(self.out / TOP, lambda name: Path(name).write_bytes(parquet_of(found)))
        manifest = {
            "format": FORMAT,
            "options": self.options,
            "counts": dict(counts),
            "classes": {name: classes[name] for name in self.task.classes} if self.task.has_class else {},
            "rejects": dict(sorted(reasons.items())),
            "shards": len(rows),
            "plan": plan,
            "content": _plan(row["content"] for row in rows),
            "results": _sha256(listed),
        }
        write_json(self.out / MANIFEST, manifest)
        return manifest


class Watch:
    """Tells how far a run is: rate since it began and the share of inputs that were rejected."""

    def __init__(self, progress: Progress, rows: Iterable[Row], clock: Callable[[], float] = time.perf_counter) -> None:
        self._progress, self._clock, self._begin = progress, clock, clock()
        counts = [row["counts"] for row in rows]
        self._inputs = sum(count["inputs"] for count in counts)
        self._rejected = sum(count["rejected"] for count in counts)
        self._earlier = self._inputs

    def moved(self, outcome: Outcome) -> None:
        """A shard is done."""
        counts = outcome.summary["counts"]
        self._inputs += counts["inputs"]
        self._rejected += counts["rejected"]
        rate = (self._inputs - self._earlier) / max(self._clock() - self._begin, 1e-9)
        share = 100.0 * self._rejected / max(self._inputs, 1)
        self._progress.update(self._inputs, f"{rate:.0f}/s, {share:.2g} % rejected")


class _State:
    """What a run in progress keeps in its folder: options, journal, rejects by shard."""

    def __init__(self, out: Path) -> None:
        self.folder = out / STATE
        self.journal = Journal(self.folder / JOURNAL)

    def __enter__(self) -> _State:
        return self

    def __exit__(self, *error: object) -> None:
        self.journal.__exit__(None, None, None)

    def rejects(self, shard: str) -> Path:
        """The file of one shard's rejects."""
        return self.folder / "rejects" / f"{shard}.jsonl"


def files_of_model(folder: Path) -> dict[str, bytes]:
    """Name → content of a model's files."""
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        raise UsageError("bad_out", f"{str(path)!r} is no file of a screening", "choose another --out") from None


def _require_same(earlier: dict[str, Any], now: dict[str, Any]) -> None:
    now = json.loads(json.dumps(now))
    different = [name for name in now if earlier.get(name) != now[name]]
    if different:
        words = "; ".join(f"{name} was {earlier.get(name)}, is {now[name]}" for name in different)
        raise UsageError("other_options", f"the run in --out has other options: {words}", "choose another --out")


def _other_library() -> UsageError:
    return UsageError("other_library", "the library is not the one of the run in --out", "choose another --out")


def _plan(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
    return digest.hexdigest()[:32]


def _lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=True).encode() + b"\n" for row in rows)


def _joined(target: Path, files: Iterable[Path]) -> None:
    with target.open("wb") as stream:
        for file in files:
            stream.write(file.read_bytes())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
