"""``andersonn measure memory``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from andersonn.cli.console import FORMAT, Bars, Format, print_csv, print_json
from andersonn.cli.measure.shared import DEVICE, OUT, THREADS, require_device, require_writable, save, show
from andersonn.cli.task_list import tasks_like

HELP = """Peak memory of a training step by depth: the equilibrium layer compared with explicit stacks of the same cell.

Without TASK, the convolutional cell of the implicit-layers tutorial. With one, its cell on structures: the embedded
crystals for conduction, those of --data for other tasks. A fresh process for each point: a few minutes.

With --budget, how deep a step can be in so much memory, on structures of rising size: each process is held to the budget,
and what does not fit is seen to fail.

Example: andersonn measure memory conduction --batch 64 --out runs/memory
Example: andersonn measure memory porosity --data mofs.parquet --budget 500MB --rows 300,1000,3000 --out runs/budget"""
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def memory(
    task: str | None = typer.Argument(
        None, metavar="TASK", autocompletion=tasks_like, help="Task, such as conduction."
    ),
    depths: str | None = typer.Option(None, help="Such as 1,10,100; default: 1,2,5,10,20,50,100,200."),
    data: list[Path] | None = typer.Option(None, help="Parquet file of structures; may be repeated."),
    model: Path | None = typer.Option(None, help="Folder of a trained model; default: the shipped weights."),
    batch: int | None = typer.Option(
        None, min=1, help="Structures or images per step; default: 16, with --budget 1 of each size."
    ),
    seed: int = typer.Option(0, min=0, help="Seed of the structures or images; not used with --budget."),
    budget: str | None = typer.Option(None, help="Memory that a step may take, such as 500MB or 2GB."),
    rows: str | None = typer.Option(
        None,
        help="With --budget, sizes as numbers of image rows, such as 300,3000; too large ones use the largest structure.",
    ),
    deepest: int | None = typer.Option(None, min=1, help="With --budget, the largest depth to try; default: 200."),
    variants: bool = typer.Option(
        False, "--variants", help="Also Anderson with short or half-precision windows, or none in the backward pass."
    ),
    device: str = DEVICE,
    threads: int = THREADS,
    format: Format = FORMAT,
    out: Path | None = OUT,
) -> None:
    """Runs the measurement."""
    common = {
        "task": task,
        "model": None if model is None else str(model),
        "data": tuple(map(str, data or ())),
        "device": device,
        "threads": threads,
        "variants": variants,
    }
    if budget is None:
        _refuse({"--rows": rows, "--deepest": deepest}, "belongs to --budget", "give --budget 1GB")
        _by_depth(common | _given(depths=_counts("--depths", depths), batch=batch) | {"seed": seed}, format, out)
        return
    _refuse({"--depths": depths}, "is bisected within a budget", "give --deepest 100 instead")
    common |= {"budget": _bytes(budget)}
    _within(common | _given(rows=_counts("--rows", rows), deepest=deepest, batch=batch), format, out)


def _by_depth(options: dict[str, Any], format: Format, out: Path | None) -> None:
    """Peaks by depth."""
    from andersonn.measuring import memory as comparison
    from andersonn.measuring.report import memory_rows

    result = _measured(comparison.measure, comparison.Plan(**options), out)
    if format is Format.json:
        print_json(result)
    elif format is Format.csv:
        columns = ("kind", "depth", "bytes", "why", "forward_evaluations", "adjoint_evaluations")
        print_csv(result["rows"], columns)
    else:
        show(*memory_rows(result), [result["verdict"]], out)


def _within(options: dict[str, Any], format: Format, out: Path | None) -> None:
    """What fits in a budget, by size."""
    from andersonn.errors import UsageError
    from andersonn.measuring import budget as comparison
    from andersonn.measuring.memory import Plan
    from andersonn.measuring.report import budget_rows

    if options["task"] is None:
        raise UsageError("no_task", "a budget is asked about structures, and no task is named", "name one: porosity")
    result = _measured(comparison.measure, Plan(batch=options.pop("batch", 1), **options), out)
    if format is Format.json:
        print_json(result)
    elif format is Format.csv:
        rows = [
            {"rows": row["rows"], "atoms": sum(row["atoms"]), "ids": " ".join(row["ids"]), "kind": kind, **found}
            | {"bytes": found["bytes"].get(str(found["deepest"]))}
            for row in result["sizes"]
            for kind, found in row["kinds"].items()
        ]
        print_csv(rows, ("rows", "atoms", "ids", "kind", "deepest", "refused", "bytes", "growth", "why"))
    else:
        show(*budget_rows(result), [result["verdict"]], out)


def _measured(measure: Callable[[Any, Bars], dict[str, Any]], plan: Any, out: Path | None) -> dict[str, Any]:
    """Runs a measurement; saves it if there is a folder, which is checked first."""
    require_device(plan.device)
    require_writable(out)
    result = measure(plan, Bars())
    save(result, out)
    return result


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given; the plans know the others' defaults."""
    return {name: value for name, value in options.items() if value is not None}


def _refuse(options: dict[str, Any], why: str, cure: str) -> None:
    from andersonn.errors import UsageError

    for name in (name for name, value in options.items() if value is not None):
        raise UsageError("bad_option", f"{name} {why}", cure)


def _counts(name: str, text: str | None) -> tuple[int, ...] | None:
    from andersonn.errors import UsageError

    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise UsageError(
            f"bad_{name.removeprefix('--')}",
            f"{name} {text!r} is no list of counts",
            "write whole numbers with commas: 1,10,100",
        ) from None


def _bytes(text: str) -> int:
    from andersonn.errors import UsageError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]I?B)", text.strip().upper())
    if match is None:
        raise UsageError("bad_budget", f"--budget {text!r} is no amount of memory", "write 500MB, 2GB or 1.5GiB")
    return int(float(match[1]) * UNITS[match[2]])
