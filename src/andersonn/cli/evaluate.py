"""``andersonn evaluate``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from andersonn.cli.console import (
    FORMAT,
    GEOMETRY,
    LABEL_COLUMN,
    MODEL,
    PATH_COLUMN,
    SMILES_COLUMN,
    TASK,
    Bars,
    Format,
    Geometry,
    show_metrics,
)
from andersonn.cli.task_list import LABELS

HELP = f"""Test a model on labelled structures, beside the majority class and a random forest on composition. Of a model that answers with a number
alone, its errors, beside the mean and a random forest.

DATA is a Parquet file of records, or a table (CSV, TSV, Excel) with a column of SMILES or of structure files and one of labels.
The column of labels has the name of the task's quantity, unless --label-column names it; of a model made for labels it holds
their words:
{LABELS}

On the very files a model was trained on, only the held-out test side counts, unless --side says otherwise.

Example: andersonn evaluate conduction --data crystals.parquet --format json"""


class Side(StrEnum):
    """Which records to test on."""

    auto = "auto"
    all = "all"
    train = "train"
    validation = "validation"
    test = "test"


def evaluate(
    task: str = TASK,
    data: list[Path] = typer.Option(
        ..., help="Table of labelled structures: Parquet, CSV, TSV or Excel; may be repeated."
    ),
    smiles_column: str | None = SMILES_COLUMN,
    path_column: str | None = PATH_COLUMN,
    label_column: str | None = LABEL_COLUMN,
    model: Path | None = MODEL,
    geometry: Geometry | None = GEOMETRY,
    side: Side = typer.Option(Side.auto, help="Which side of the split."),
    baselines: bool = typer.Option(True, help="Grow the random forest too."),
    format: Format = FORMAT,
) -> None:
    """Prints the metrics."""
    from andersonn.inference.loading import load_for

    scientist = load_for(task, model, geometry=geometry)
    chosen = scientist.bundle.task
    from andersonn.data.labelled import read_labelled
    from andersonn.structures.readers import Columns
    from andersonn.training.evaluate import evaluate as measure

    bars = Bars()
    columns = Columns(smiles_column, path_column)
    records = read_labelled(data, chosen, columns, label_column, bars.say)
    metrics = measure(scientist, records, side.value, baselines, bars)
    show_metrics(metrics, chosen, format)
