"""``andersonn train``."""

from __future__ import annotations

from pathlib import Path

import typer

from andersonn.cli.console import (
    FORMAT,
    GEOMETRY,
    LABEL_COLUMN,
    PATH_COLUMN,
    SMILES_COLUMN,
    TASK,
    Bars,
    Format,
    Geometry,
    show_metrics,
    tell,
    warn,
)
from andersonn.cli.task_list import LABELS
from andersonn.errors import UsageError

HELP = f"""Train a model on labeled structures.

DATA is a Parquet file with columns id, group, atomic_numbers, positions, cell and the label, in which smiles may stand in
for the atoms of molecules, or a table (CSV, TSV, Excel) with a column of SMILES or of structure files and one of labels; id
and group are made where they are missing. --data may be repeated, and the same molecule in two files stays on one side.
Groups are never divided between training, validation and test.
Options are key=value words, such as epochs=20 model.width=96 (list them with --options); each task has its own defaults.

Tasks, the columns of their labels, and what they ask:
{LABELS}

A Python file in place of the task's name declares a task of your own: andersonn train ./my_scientist.py --data ...

Started by torchrun, several processes train one model together, on as many GPUs or on the cores of one or more machines:
torchrun --nproc-per-node 2 --no-python andersonn train ...

Example: andersonn train conduction --data crystals.parquet --out my-model epochs=20"""

FROM = typer.Option(
    None,
    "--from",
    metavar="MODEL",
    help="Start from a trained model: a task's own, or a folder (fine-tuning). model.width may be twice as large, model.rounds and model.gain others.",
)


def _list_options(wanted: bool) -> None:
    if not wanted:
        return
    from rich.console import Console
    from rich.table import Table

    from andersonn.config import TrainConfig

    table = Table("option", "default", "meaning", box=None, header_style="bold", pad_edge=False)
    for name, default, meaning in TrainConfig.describe():
        table.add_row(name, "" if default is None else str(default), meaning)
    Console().print(table)
    raise typer.Exit


def train(
    task: str = TASK,
    overrides: list[str] | None = typer.Argument(None, metavar="[KEY=VALUE]...", help="Options."),
    data: list[Path] = typer.Option(
        ..., help="Table of labeled structures: Parquet, CSV, TSV or Excel; may be repeated."
    ),
    out: Path = typer.Option(..., help="Folder for the model; made if needed."),
    smiles_column: str | None = SMILES_COLUMN,
    path_column: str | None = PATH_COLUMN,
    label_column: str | None = LABEL_COLUMN,
    geometry: Geometry | None = GEOMETRY,
    config: Path | None = typer.Option(None, help="TOML or JSON file of options."),
    start: str | None = FROM,
    resume: bool = typer.Option(False, "--resume", help="Go on with the run in --out; start it if there is none."),
    format: Format = FORMAT,
    options: bool = typer.Option(
        False, "--options", callback=_list_options, is_eager=True, help="List all options and exit."
    ),
) -> None:
    """Trains and prints the test metrics."""
    from andersonn.config import config_of
    from andersonn.scientists.registry import find

    spec = find(task).of_geometry(geometry)
    if start is None:
        chosen = config_of(spec, config, overrides or [])  # a wrong option is told before PyTorch is imported

    from andersonn.data.merging import read_records
    from andersonn.scientist import Scientist
    from andersonn.structures.readers import Columns
    from andersonn.training.distributed import launched

    rank, size = launched()
    try:
        first = None if start is None else Scientist.load(start, geometry=geometry)
        if first is not None:
            chosen = config_of(spec, config, overrides or [], first.bundle.config)
        bars = Bars()
        columns = Columns(smiles_column, path_column)
        records = read_records(
            data, (spec.task.quantity,), columns, label_column, bars.say if rank == 0 else lambda _: None
        )
        scientist = Scientist.train(spec, records, chosen, out, resume, bars, first)
    except KeyboardInterrupt:
        if rank == 0:
            warn("interrupted; the same command with --resume goes on after the last whole epoch")
        raise typer.Exit(130) from None
    except UsageError as error:
        if error.kind == "other_failed":
            raise typer.Exit(2) from None  # the other has said why
        if size > 1:
            error.message = f"process {rank} of {size}: {error.message}"
        raise
    if rank > 0:
        return
    metrics = {"task": spec.name, "model": str(out), **scientist.bundle.provenance["metrics"]["test"]}
    show_metrics(metrics, scientist.task, format)
    if format is Format.table:
        tell(f"model and metrics are in {out}")
