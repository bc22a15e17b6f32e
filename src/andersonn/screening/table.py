"""Answers as a table: one row a structure, the columns that conditions and scores speak of."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.data.tasks import Task
from andersonn.inference.prediction import Prediction
from andersonn.screening.expressions import NUMBER, TRUTH, WORD, Expression
from andersonn.solvers import Status
from andersonn.structures.pores import BY_STRUCTURE


def schema_of(task: Task) -> pa.Schema:
    """The columns of a task's results, units in their names, those of classes and of estimates where its answers have them; the task,
    its classes and thresholds as metadata.
    """
    real, word = pa.float32(), pa.string()
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
        *((f"void_{name}", real) for name in (BY_STRUCTURE if task.geometric_baselines else ())),
        ("notes", pa.list_(word)),
        ("warnings", pa.list_(word)),
    ]
    classes = ",".join(task.classes) if task.has_class else ""
    thresholds = ",".join(map(str, task.thresholds)) if task.answer == "class" else ""
    return pa.schema(columns, metadata={"task": task.name, "classes": classes, "thresholds": thresholds})


def expression(text: str, task: Task, wanted: str = TRUTH) -> Expression:
    """A condition or score over a task's results. ``value`` stands for the task's quantity.

    Raises:
        UsageError: it is none.
    """
    kinds = {field.name: _kind(field.type) for field in schema_of(task) if not pa.types.is_list(field.type)}
    words = {"class": task.classes, "status": tuple(status.name.lower() for status in Status)}
    return Expression(text, kinds | ({"value": NUMBER} if task.has_estimate else {}), words, wanted)


def _kind(of: pa.DataType) -> str:
    return TRUTH if pa.types.is_boolean(of) else WORD if pa.types.is_string(of) else NUMBER


def row_of(answer: Prediction, record: int | None) -> dict[str, Any]:
    """The row of one answer."""
    place, solver = answer.domain, answer.solver
    said: dict[str, Any] = {}
    if answer.has_class:
        said |= {"class": answer.label, "p": answer.probabilities[answer.label]}
        said |= {f"p_{name}": p for name, p in answer.probabilities.items()}
    if answer.has_estimate:
        said |= {answer.quantity: answer.value, "low90": answer.interval90[0], "high90": answer.interval90[1]}
    return {
        "input": answer.input,
        "record": record,
        "id": answer.id,
        "formula": answer.formula,
        **said,
        "n_atoms": answer.n_atoms,
        "status": solver["status"],
        "steps": solver["steps"],
        "residual": solver["residual"],
        "distance": place and place.distance,
        "inside": place and place.inside,
        **{f"void_{name}": value for name, value in answer.voids.items()},
        "notes": list(answer.notes),
        "warnings": list(answer.warnings),
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
