"""``andersonn measure memory``."""

from __future__ import annotations

from pathlib import Path

import typer

from andersonn.cli.console import FORMAT, Bars, Format, print_csv, print_json
from andersonn.cli.measure.shared import DEVICE, OUT, THREADS, require_device, require_writable, save, show

HELP = """Peak memory of a training step against depth: the equilibrium layer beside explicit stacks of the same cell.

Without TASK, the convolutional cell of the implicit-layers tutorial. With one, its cell on structures: the embedded
crystals for conduction, those of --data for other tasks. A fresh process for each point: a few minutes.

Example: andersonn measure memory conduction --batch 64 --out runs/memory"""


def memory(
    task: str | None = typer.Argument(None, help="Task, such as conduction."),
    depths: str | None = typer.Option(None, help="Such as 1,10,100; default 1,2,5,10,20,50,100,200."),
    data: list[Path] | None = typer.Option(None, help="Parquet file of structures; may be repeated."),
    model: Path | None = typer.Option(None, help="Folder of a trained model; default the weights that come along."),
    batch: int = typer.Option(16, min=1, help="Structures, or images, in the step."),
    seed: int = typer.Option(0, min=0, help="Of the structures, or of the images."),
    device: str = DEVICE,
    threads: int = THREADS,
    format: Format = FORMAT,
    out: Path | None = OUT,
) -> None:
    """Runs the measurement."""
    from andersonn.comparison.own import memory as comparison
    from andersonn.comparison.own.report import memory_rows

    plan = comparison.Plan(
        task=task,
        model=None if model is None else str(model),
        data=tuple(map(str, data or ())),
        batch=batch,
        depths=comparison.DEPTHS if depths is None else _depths(depths),
        device=device,
        threads=threads,
        seed=seed,
    )
    require_device(device)
    require_writable(out)
    result = comparison.measure(plan, Bars())
    save(result, out)
    if format is Format.json:
        print_json(result)
    elif format is Format.csv:
        columns = ("kind", "depth", "bytes", "why", "forward_evaluations", "adjoint_evaluations")
        print_csv(result["rows"], columns)
    else:
        show(*memory_rows(result["rows"]), [result["verdict"]], out)


def _depths(text: str) -> tuple[int, ...]:
    from andersonn.errors import UsageError

    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise UsageError(
            "bad_depths", f"--depths {text!r} is no list of counts", "write whole numbers with commas: 1,10,100"
        ) from None
