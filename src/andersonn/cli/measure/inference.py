"""``andersonn measure inference``."""

from __future__ import annotations

from pathlib import Path

import typer

from andersonn.cli.console import FORMAT, Bars, Format
from andersonn.cli.measure.shared import (
    DEVICE,
    ENERGY,
    OUT,
    THREADS,
    require_device,
    require_writable,
    save,
    tell,
)
from andersonn.cli.task_list import tasks_like

HELP = """Compares predictions of your model with Anderson, with the automatic choice, and with Picard iteration.

All to the same tolerance, in turn, after one round that is not counted. Needs no labels. Says in words whether Anderson pays.

Example: andersonn measure inference conduction --data crystals.parquet --limit 1000 --out runs/inference"""


def inference(
    task: str = typer.Argument(metavar="TASK", autocompletion=tasks_like, help="Task, such as conduction."),
    data: list[Path] = typer.Option(..., help="Parquet file of structures; may be repeated."),
    model: Path | None = typer.Option(None, help="Folder of a trained model; default: the shipped weights."),
    limit: int | None = typer.Option(None, min=1, help="Only so many structures, drawn by --seed."),
    side: str = typer.Option(
        "all", metavar="SIDE", help="all, or train, validation or test: sides of the model's own split."
    ),
    rtol: float | None = typer.Option(None, help="Relative residual to reach; default the model's own."),
    compact: bool = typer.Option(True, help="Converged structures stay in the batch, with every solver."),
    repeats: int = typer.Option(5, min=1, help="Timed rounds."),
    seed: int = typer.Option(0, min=0, help="Seed of the random selection."),
    device: str = DEVICE,
    threads: int = THREADS,
    energy: bool = ENERGY,
    format: Format = FORMAT,
    out: Path | None = OUT,
) -> None:
    """Runs the comparison."""
    from andersonn.data.merging import read_records
    from andersonn.inference.loading import load_for
    from andersonn.measuring import inference as comparison
    from andersonn.measuring.report import inference_rows

    plan = comparison.Plan(limit, side, rtol, compact, repeats, threads, seed, energy)
    require_device(device)
    require_writable(out)
    result = comparison.compare(load_for(task, model, device), read_records(data), plan, Bars())
    save(result, out)
    tell(result, *inference_rows(result), format, out)
