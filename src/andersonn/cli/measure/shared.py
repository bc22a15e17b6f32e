"""What the measurements share: checks before anything runs, and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from andersonn.cli.console import Format, print_csv, print_json

OUT = typer.Option(None, help="Folder for report.html and report.json.")
DEVICE = typer.Option("cpu", help="Such as cpu or cuda.")
ENERGY = typer.Option(False, "--energy", help="Measure energy too, where this machine has counters or codecarbon.")
THREADS = typer.Option(1, min=1, help="Threads of torch.")


def require_device(device: str) -> None:
    """Refuses a device that cannot be used, before anything runs."""
    import torch

    from andersonn.errors import UsageError

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError("no_device", f"--device {device!r} cannot be used: {error}", "use --device cpu") from None


def require_writable(out: Path | None) -> None:
    """Refuses a folder that cannot be written to, before anything runs."""
    from andersonn.io import files

    if out is not None:
        files.require_writable(out)


def save(result: dict[str, Any], out: Path | None) -> None:
    """Writes report.json and report.html, which is drawn from it."""
    from andersonn.io.files import write_json, write_text
    from andersonn.measuring.report import render

    if out is not None:
        write_json(out / "report.json", result)
        write_text(out / "report.html", render(result))


def show(head: list[str], body: list[list[str]], lines: list[str], out: Path | None, turned: bool = True) -> None:
    """A table, ``turned`` on its side where it is wide and terminals are not, sentences under it, and where the report is,
    on stdout.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    rows = list(zip(head, *body, strict=True)) if turned else [head, *body]
    table = Table(*rows[0], box=None, header_style="bold", pad_edge=False)
    for row in rows[1:]:
        table.add_row(*map(escape, row))
    console.print(table)
    console.print()
    for line in lines:
        console.print(line, highlight=False, markup=False)
    if out is not None:
        console.print(f"report: {out / 'report.html'}", highlight=False, markup=False)


def tell(result: dict[str, Any], head: list[str], body: list[list[str]], format: Format, out: Path | None) -> None:
    """A comparison of solvers in the format asked for, on stdout; ``head`` and ``body`` are its table."""
    if format is Format.json:
        print_json(result)
    elif format is Format.csv:
        rows = [{"name": name} | _flat(row) for name, row in result["solvers"].items()]
        print_csv(rows, rows[0])
    else:
        show(head, body, [result["verdict"]], out)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Single values; quartiles as two columns."""
    found = {}
    for name, value in row.items():
        if name.endswith("_quartiles"):
            found[name.replace("_quartiles", "_low")], found[name.replace("_quartiles", "_high")] = value
        elif not isinstance(value, (list, dict)):
            found[name] = value
    return found
