"""Answers as a table: one row a structure, the columns that conditions and scores speak of."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.data.tasks import Task
from andersonn.inference.prediction import Prediction
from andersonn.inference.predictor import Predictor
from andersonn.screening.expressions import NUMBER, TRUTH, WORD, Expression
from andersonn.solvers import Status
from andersonn.structures.pores import BY_STRUCTURE
from andersonn.structures.pores.columns import IN_RESULTS


def schema_of(scientist: Predictor) -> pa.Schema:
    """The columns of a scientist's results, units in their names, those of classes and of estimates where its answers have them; the
    task, its classes and thresholds as metadata. Where the geometry of pores answers, what was measured and the network's answer have
    columns of their own.
    """
    real, word, task = pa.float32(), pa.string(), scientist.task
    own = scientist.bundle.task
    of_class = [("class", word), ("p", real), *((f"p_{name}", real) for name in task.classes)] if task.has_class else []
    of_estimate = [(task.quantity, real), ("low90", real), ("high90", real)] if task.has_estimate else []
    columns = [
        ("input", word),
        ("record", pa.int64()),
        ("id", word),
        ("formula", word),
        *of_class,
        *of_estimate,
        ("n_atoms", pa.int32()),
        ("status", word),
        ("steps", pa.int32()),
        ("residual", real),
        ("distance", real),
        ("inside", pa.bool_()),
        *((f"void_{name}", real) for name in (BY_STRUCTURE if own.geometric_baselines else ())),
        *([] if scientist.pores is None else _beside(own)),
        ("notes", pa.list_(word)),
        ("warnings", pa.list_(word)),
    ]
    classes = ",".join(task.classes) if task.has_class else ""
    thresholds = ",".join(map(str, task.thresholds)) if task.answer == "class" else ""
    return pa.schema(columns, metadata={"task": task.name, "classes": classes, "thresholds": thresholds})


def _beside(own: Task) -> list[tuple[str, pa.DataType]]:
    """Columns of measured pores, and of what the network says in its own classes."""
    measured = [(f"pore_{name}", pa.int32() if whole else pa.float32()) for name, whole in IN_RESULTS.items()]
    return [
        *measured,
        ("network_class", pa.string()),
        *((f"network_{name}", pa.float32()) for name in ("p", own.quantity)),
    ]


def expression(text: str, schema: pa.Schema, wanted: str = TRUTH) -> Expression:
    """A condition or score over results. ``value`` stands for the task's quantity.

    Args:
        text: what the user wrote.
        schema: of the results.
        wanted: as of :class:`~andersonn.screening.expressions.Expression`.

    Raises:
        UsageError: it is none.
    """
    kinds = {field.name: _kind(field.type) for field in schema if not pa.types.is_list(field.type)}
    metadata = schema.metadata or {}
    classes = tuple(metadata[b"classes"].decode().split(","))
    words = {"class": classes, "status": tuple(status.name.lower() for status in Status)}
    return Expression(text, kinds | ({"value": NUMBER} if "low90" in kinds else {}), words, wanted)


def _kind(of: pa.DataType) -> str:
    return TRUTH if pa.types.is_boolean(of) else WORD if pa.types.is_string(of) else NUMBER


def row_of(answer: Prediction, record: int | None) -> dict[str, Any]:
    """The row of one answer."""
    return answer.in_columns() | {
        "record": record,
        **{f"void_{name}": value for name, value in answer.voids.items()},
        **_measured(answer),
        "notes": list(answer.notes),
        "warnings": list(answer.warnings),
    }


def _measured(answer: Prediction) -> dict[str, Any]:
    """What was measured of pores and what the network says, by column; empty where the network answers."""
    if not answer.pores:
        return {}
    beside = answer.network
    estimate = beside["estimate"]
    return {f"pore_{name}": answer.pores[name] for name in IN_RESULTS} | {
        "network_class": beside["class"],
        "network_p": beside["probabilities"][beside["class"]],
        f"network_{estimate['quantity']}": estimate["value"],
    }


def with_value(table: pa.Table, task: Task) -> pa.Table:
    """The table with the task's quantity, if its answers have one, also as ``value``, as expressions may call it."""
    if not task.has_estimate or "value" in table.column_names:
        return table
    return table.append_column("value", table[task.quantity])


def parquet_of(table: pa.Table) -> bytes:
    """A table as a Parquet file; the same bytes for the same table."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()
