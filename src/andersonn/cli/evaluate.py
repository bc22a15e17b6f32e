"""``andersonn evaluate``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from andersonn.cli.console import FORMAT, Bars, Format, show_metrics

HELP = """Test a model on labelled structures, beside the majority class and a random forest on composition.

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
    task: str = typer.Argument(help="Task, such as conduction."),
    data: list[Path] = typer.Option(..., help="Parquet file of labelled records; may be repeated."),
    model: Path | None = typer.Option(None, help="Folder of a trained model; default the weights that come along."),
    side: Side = typer.Option(Side.auto, help="Which side of the split."),
    baselines: bool = typer.Option(True, help="Grow the random forest too."),
    format: Format = FORMAT,
) -> None:
    """Prints the metrics."""
    from andersonn.data.tasks import task as task_of

    chosen = task_of(task)
    from andersonn.data.merging import read_records
    from andersonn.scientists.evaluate import evaluate as measure
    from andersonn.scientists.evaluate import scientist_of

    scientist = scientist_of(task, model)
    records = read_records(data, labels=(chosen.quantity,))
    metrics = measure(scientist, records, side.value, baselines, Bars())
    show_metrics(metrics, scientist.task.classes, format)
