"""``andersonn measure training``."""

from __future__ import annotations

from pathlib import Path

import typer

from andersonn.cli.console import FORMAT, Bars, Format
from andersonn.cli.measure.shared import ENERGY, OUT, THREADS, require_device, require_writable, save, tell
from andersonn.cli.task_list import tasks_like

HELP = """Trains your network twice on your data: with Anderson in both passes, and with Picard iteration in both.

Same data, batches, first weights and tolerances, epochs in turn. Options are key=value as for train. No model is
kept. Says in words whether Anderson pays.

Example: andersonn measure training conduction --data crystals.parquet --epochs 10 --limit 2000 --out runs/training"""


def training(
    task: str = typer.Argument(metavar="TASK", autocompletion=tasks_like, help="Task, such as conduction."),
    overrides: list[str] | None = typer.Argument(None, metavar="[KEY=VALUE]...", help="Options, as for train."),
    data: list[Path] = typer.Option(..., help="Parquet file of records; may be repeated."),
    config: Path | None = typer.Option(None, help="TOML or JSON file of options."),
    epochs: int | None = typer.Option(None, min=1, help="Passes over the training data, of each run."),
    limit: int | None = typer.Option(None, min=10, help="Use only this many records, drawn by --seed."),
    target: float | None = typer.Option(
        None, help="Validation accuracy to reach, such as 0.8; default: the lower of the two best."
    ),
    device: str | None = typer.Option(None, help="Such as cpu or cuda; default: from the configuration."),
    threads: int = THREADS,
    energy: bool = ENERGY,
    format: Format = FORMAT,
    out: Path | None = OUT,
) -> None:
    """Runs the comparison."""
    from andersonn.config import config_of
    from andersonn.scientists.registry import find

    spec = find(task)
    chosen = spec.task
    named = {"epochs": epochs, "limit": limit, "device": device}
    words = [f"{name}={value}" for name, value in named.items() if value is not None]
    options = config_of(spec, config, [*(overrides or []), *words])

    from andersonn.data.merging import read_records
    from andersonn.measuring import training as comparison
    from andersonn.measuring.report import training_rows
    from andersonn.models.device import pick_device

    require_device(str(pick_device(options.device)))
    require_writable(out)
    records = read_records(data, labels=(chosen.quantity,))
    result = comparison.compare(chosen, records, options, target, threads, energy, Bars())
    save(result, out)
    tell(result, *training_rows(result), format, out)
