"""``andersonn evaluate``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from andersonn.cli.console import FORMAT, LABEL_COLUMN, PATH_COLUMN, SMILES_COLUMN, Bars, Format, show_metrics

HELP = """Test a model on labelled structures, compared with the majority class and a random forest on composition.

DATA is a Parquet file of records, or a table (CSV, TSV, Excel) with a column of SMILES or of structure files and one of labels.
If DATA is the file that the model was trained on, only its test records are used, unless --side says otherwise.

Example: andersonn evaluate conduction --data crystals.parquet --format json"""


class Side(StrEnum):
    """Which records to test on."""

    auto = "auto"
    all = "all"
    train = "train"
    validation = "validation"
    test = "test"


def evaluate(
    task: str = typer.Argument(help="Task, such as conduction."),
    data: list[Path] = typer.Option(
        ..., help="Table of labelled structures: Parquet, CSV, TSV or Excel; may be repeated."
    ),
    smiles_column: str | None = SMILES_COLUMN,
    path_column: str | None = PATH_COLUMN,
    label_column: str | None = LABEL_COLUMN,
    model: Path | None = typer.Option(None, help="Folder of a trained model; default: the shipped weights."),
    side: Side = typer.Option(Side.auto, help="Which part of the split."),
    baselines: bool = typer.Option(True, help="Also train the random-forest baseline."),
    format: Format = FORMAT,
) -> None:
    """Prints the metrics."""
    from andersonn.inference.predictor import load_for

    scientist = load_for(task, model)
    chosen = scientist.task
    from andersonn.data.merging import read_records
    from andersonn.structures.readers import Columns
    from andersonn.training.evaluate import evaluate as measure

    bars = Bars()
    columns = Columns(smiles_column, path_column)
    records = read_records(data, (chosen.quantity,), columns, label_column, bars.say)
    metrics = measure(scientist, records, side.value, baselines, bars)
    show_metrics(metrics, scientist.task.classes, format)
