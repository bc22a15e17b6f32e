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
from andersonn.cli.pores import CLASSES, CLEAN, CONVENTION, RADII, STRIP_GUESTS, Classes, Convention, question
from andersonn.cli.task_list import LABELS
from andersonn.cli.thresholds import THRESHOLDS, cut

HELP = f"""Test a model on labeled structures, beside the majority class and a random forest on composition. Of a model that answers with a number
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
        ..., help="Table of labeled structures: Parquet, CSV, TSV or Excel; may be repeated."
    ),
    smiles_column: str | None = SMILES_COLUMN,
    path_column: str | None = PATH_COLUMN,
    label_column: str | None = LABEL_COLUMN,
    model: Path | None = MODEL,
    geometry: Geometry | None = GEOMETRY,
    convention: Convention | None = CONVENTION,
    radii: str | None = RADII,
    classes: Classes | None = CLASSES,
    strip_guests: bool = STRIP_GUESTS,
    clean: bool = CLEAN,
    thresholds: str | None = THRESHOLDS,
    side: Side = typer.Option(Side.auto, help="Which side of the split."),
    baselines: bool = typer.Option(True, help="Do without the random forest."),
    format: Format = FORMAT,
) -> None:
    """Prints the metrics."""
    from andersonn.inference.loading import load_for

    asked = question(task, model, convention, radii, classes, strip_guests, clean)
    scientist = cut(load_for(task, model, geometry=geometry).asked(asked), thresholds)
    from andersonn.data.labelled import read_labelled
    from andersonn.data.merging import read_records
    from andersonn.structures.readers import Columns
    from andersonn.training.evaluate import evaluate as measure
    from andersonn.training.evaluate_pores import CAVITY

    bars = Bars()
    columns, chosen = Columns(smiles_column, path_column), scientist.bundle.task
    if scientist.pores is not None and label_column is None and all(_has(path, CAVITY) for path in data):
        records = read_records(data, (chosen.quantity, CAVITY), columns, say=bars.say)
    else:
        records = read_labelled(data, chosen, columns, label_column, bars.say)
    metrics = measure(scientist, records, side.value, baselines, bars)
    show_metrics(metrics, scientist.bundle.task, format)


def _has(path: Path, column: str) -> bool:
    """Whether a table has a column of that name; a file that cannot be read has none."""
    from andersonn.data.tables import columns_of
    from andersonn.structures.readers.tables.columns import plain

    return plain(column) in map(plain, columns_of(path))
