"""What a worker process runs: read a shard, make its graph images, predict, return the rows as a Parquet file."""

from __future__ import annotations

import base64
import gc
import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from andersonn.errors import InputError
from andersonn.inference.by_geometry import PoreQuestion
from andersonn.inference.prediction import Failure, Prediction
from andersonn.inference.predictor import BATCH_SIZE, Predictor
from andersonn.screening.chunks import Chunk
from andersonn.screening.expressions import Expression
from andersonn.screening.parsing import Reader, Unit
from andersonn.screening.table import expression, parquet_of, row_of, schema_of, with_value
from andersonn.workers.process_limits import return_memory, time_limit

COMPUTE = "andersonn.screening.worker:compute"
COMPUTE_CARRIED = "andersonn.screening.worker:compute_carried"


@dataclass(frozen=True)
class Settings:
    """How inputs are answered; the same in all workers of a run.

    Attributes:
        model: folder of the model.
        name: how it is called.
        device: such as ``"cpu"``.
        conformers: of molecules whose geometry is made; None as the model's recipe has it.
        where: condition on rows that are kept; None keeps all.
        time_limit: seconds of one input; the process is ended when it takes longer.
        pores: what is asked of pores, as :meth:`~andersonn.inference.by_geometry.PoreQuestion.as_dict` has it; None: the network
            answers.
        thresholds: where the network's classes are cut; None: as the model has them.
    """

    model: str
    name: str
    device: str = "cpu"
    conformers: int | None = None
    where: str | None = None
    time_limit: float = 120.0
    pores: dict[str, Any] | None = None
    thresholds: tuple[float, ...] | None = None

    @classmethod
    def of(cls, scientist: Predictor, **options: Any) -> Self:
        """Inputs answered as a scientist answers them.

        Args:
            scientist: read from a folder.
            options: other attributes.
        """
        assert scientist.folder is not None
        pores = None if scientist.pores is None else scientist.pores.as_dict()
        cuts = scientist.moved
        return cls(str(scientist.folder.resolve()), scientist.name, pores=pores, thresholds=cuts, **options)


def compute(payload: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """What :class:`andersonn.workers.pool.Worker` calls: answers a shard.

    Args:
        payload: ``chunks``; perhaps ``skip``, the number of an input in the shard → why it is not to be touched, or
            ``only``, the number of the one to be tried alone; without chunks, only the model is loaded.
        settings: :class:`Settings`.
    """
    return _answered(_shard_predictor(json.dumps(settings, sort_keys=True)), payload)


def compute_carried(payload: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """As :func:`compute` on a machine that has no folder with the model.

    Args:
        payload: as of :func:`compute`.
        settings: :class:`Settings`, and ``files``: name → content of the model's files in base 64. They lie on the disk only
            while the model is loaded: a process that is killed with its machine's others leaves nothing behind.
    """
    return _answered(_carried_predictor(json.dumps(settings, sort_keys=True)), payload)


def _answered(predictor: ShardPredictor, payload: dict[str, Any]) -> dict[str, Any]:
    if "chunks" not in payload:
        return {}
    chunks = [Chunk(**chunk) for chunk in payload["chunks"]]
    if "only" in payload:
        predictor.try_one(chunks, payload["only"])
        return {}
    skip = {int(k): InputError(**error) for k, error in payload.get("skip", {}).items()}
    found = predictor.predict(chunks, skip)
    return_memory()  # else each shard leaves a little more behind, for the first dozens of them
    return found


@lru_cache(maxsize=1)
def _shard_predictor(settings: str) -> ShardPredictor:
    predictor = ShardPredictor(Settings(**json.loads(settings)))
    gc.freeze()  # the libraries' objects stay: the collector's passes over them took a tenth of the time
    return predictor


@lru_cache(maxsize=1)
def _carried_predictor(settings: str) -> ShardPredictor:
    given = json.loads(settings)
    files = given.pop("files")
    with tempfile.TemporaryDirectory(prefix="andersonn-", ignore_cleanup_errors=True) as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(base64.b64decode(content))
        return _shard_predictor(json.dumps(given | {"model": folder}))


class ShardPredictor:
    """A model that answers shards.

    Args:
        settings: how.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.scientist = scientist_of(settings)
        self.task = self.scientist.task
        self.schema = schema_of(self.scientist)
        self._where: Expression | None = expression(settings.where, self.schema) if settings.where else None
        self._latest: tuple[list[Chunk], list[Unit]] | None = None

    def predict(self, chunks: list[Chunk], skip: dict[int, InputError]) -> dict[str, Any]:
        """Answers a shard: ``parquet`` in base 64, ``rejects`` and counts."""
        reader = Reader(chunks)
        rows: list[dict[str, Any]] = []
        rejects: list[dict[str, Any]] = []
        waiting: list[tuple[Unit, Any]] = []
        for number, unit in enumerate(reader.units()):
            waiting += [(unit, item) for item in self._imaged(unit, skip.get(number))]
            if len(waiting) >= BATCH_SIZE:
                self._answer(waiting, rows, rejects)
                waiting = []
        self._answer(waiting, rows, rejects)
        table = pa.Table.from_pylist(rows, schema=self.schema)
        kept = table if self._where is None else table.filter(self._where(with_value(table, self.task)))
        return {
            "parquet": base64.b64encode(parquet_of(kept)).decode("ascii"),
            "rejects": rejects,
            "content": reader.content,
            "counts": {
                "inputs": len(rows) + len(rejects),
                "answered": len(rows),
                "kept": len(kept),
                "rejected": len(rejects),
            },
            "classes": Counter(table["class"].to_pylist() if self.task.has_class else ()),
            "reasons": Counter(reject["kind"] for reject in rejects),
        }

    def try_one(self, chunks: list[Chunk], number: int) -> None:
        """Answers one input alone, to see whether that ends the process."""
        if self._latest is None or self._latest[0] != chunks:
            self._latest = chunks, list(Reader(chunks).units())
        unit = self._latest[1][number]
        self._answer([(unit, item) for item in self._imaged(unit, None)], [], [])

    def _imaged(self, unit: Unit, known: InputError | None) -> list[Any]:
        """What is ready to be asked about of one input, or the failures in its place."""
        if known is not None:
            return [Failure(unit.input, known.as_dict())]
        with time_limit(self.settings.time_limit):
            return self.scientist.images(unit.input, unit.make)

    def _answer(
        self, waiting: list[tuple[Unit, Any]], rows: list[dict[str, Any]], rejects: list[dict[str, Any]]
    ) -> None:
        answers = self.scientist.network_answers([item for _, item in waiting])
        for (unit, item), network in zip(waiting, answers, strict=True):
            with time_limit(self.settings.time_limit):  # the geometry of large pores takes seconds
                answer = self.scientist.completed(network, item)
            if isinstance(answer, Prediction):
                rows.append(row_of(answer, unit.record))
            else:
                rejects.append({"input": unit.input, "record": unit.record, **answer.error})


def scientist_of(settings: Settings) -> Predictor:
    """The scientist that answers."""
    scientist = Predictor.load(Path(settings.model), settings.device)
    scientist.name = settings.name
    if settings.pores is not None:
        scientist = scientist.about_pores(PoreQuestion.from_dict(settings.pores))
    if settings.thresholds is not None:
        scientist = scientist.with_thresholds(settings.thresholds)
    return scientist if settings.conformers is None else scientist.over_conformers(settings.conformers)
