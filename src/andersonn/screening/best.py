"""The best rows of many shards, one shard in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from andersonn.data.tasks import Task
from andersonn.screening.expressions import Expression
from andersonn.screening.table import with_value


def best(files: Iterable[Path], score: Expression, task: Task, count: int, schema: pa.Schema) -> pa.Table:
    """The ``count`` rows with the highest score, highest first; of equal ones those that come first in the library. Rows
    without a score are left out.

    Args:
        files: of the shards, in order.
        score: of a row.
        task: whose results they are.
        count: rows, at most.
        schema: of the files.
    """
    found = schema.append(pa.field("score", pa.float64())).empty_table()
    for file in files:
        table = pq.read_table(file, schema=schema)
        scores = pc.cast(score(with_value(table, task)), pa.float64())
        table = table.append_column("score", scores).filter(pc.is_finite(scores))
        both = pa.concat_tables([found, table])
        order = pc.array_sort_indices(pc.negate(both["score"]))
        found = both.take(order[:count]).combine_chunks()
    return found
