"""``andersonn measure solvers``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from andersonn.cli.console import FORMAT, Bars, Format, print_csv, print_json, tell
from andersonn.cli.measure.shared import DEVICE, THREADS, require_device, require_writable, show
from andersonn.cli.task_list import tasks_like

HELP = """The solvers of this package side by side: evaluations of f, time and status.

Without TASK, on standard problems: the quick set takes a minute, the full one hours. With one, on the cell of its model and
your structures. Beside other libraries' solvers: benchmarks/solvers.py in the repository.

Example: andersonn measure solvers --out runs/solvers
Example: andersonn measure solvers conduction --data crystals.parquet --batch 32"""

QUICK = {"max_evaluations": 200, "repeats": 3}
"""How the quick set is kept short."""


class Set(StrEnum):
    """Which cases to run."""

    quick = "quick"
    full = "full"


def solvers(
    task: str | None = typer.Argument(
        None, metavar="TASK", autocompletion=tasks_like, help="Task whose model's cell is solved, such as conduction."
    ),
    set: Set = typer.Option(Set.quick, "--set", help="quick: few runs, small. full: all precisions and batches."),
    problem: list[str] | None = typer.Option(None, help="Only this standard problem; may be given several times."),
    data: list[Path] | None = typer.Option(None, help="Parquet file of structures; may be repeated."),
    model: Path | None = typer.Option(None, help="Folder of a trained model; default the shipped weights."),
    batch: int = typer.Option(16, min=1, help="Structures, with TASK."),
    seed: int = typer.Option(0, min=0, help="Of the problems, or of the draw of structures."),
    device: str = DEVICE,
    threads: int = THREADS,
    format: Format = FORMAT,
    out: Path | None = typer.Option(None, help="Folder for report.md, report.json and residuals.png."),
) -> None:
    """Runs the comparison."""
    from andersonn.errors import UsageError
    from andersonn.measuring import solvers as comparison

    if task is None and (data or model):
        raise UsageError("no_task", "data and model belong to a task, and none is named", "name one: conduction")
    if task is not None and problem:
        raise UsageError("bad_option", "--problem names a standard problem, and a task is named too", "leave one out")
    require_device(device)
    require_writable(out)
    if task is None:
        cases = comparison.standard_cases(set.value, problem or (), seed, device)
    else:
        folder = None if model is None else str(model)
        cases = comparison.own_cases(task, folder, [str(file) for file in data or ()], batch, seed, device)
    limits = QUICK if set is Set.quick else {}
    result = comparison.measure(cases, device=device, threads=threads, seed=seed, progress=Bars(), **limits)
    if out:
        words = [task or "", f"--set {set.value}", *(f"--problem '{name}'" for name in problem or ())]
        words += [*(f"--data {file}" for file in data or ()), f"--model {model}" if model else ""]
        words += [f"--batch {batch}" if task else "", f"--seed {seed} --device {device} --threads {threads}"]
        comparison.save(result, out, " ".join(word for word in ("andersonn measure solvers", *words) if word))
    if format is Format.json:
        print_json({name: value for name, value in result.items() if name != "curves"})
    elif format is Format.csv:
        print_csv(result["rows"], result["rows"][0])
    else:
        for rtol in result["setting"]["tolerances"]:
            head, body = comparison.solver_rows(result, rtol)
            show([f"to a residual of {rtol:.0e}", *head[1:]], body, [], None)
        tell(result["verdict"])
        if out:
            tell(f"report: {out / 'report.md'}")
