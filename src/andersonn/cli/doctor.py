"""``andersonn doctor``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from andersonn.cli.console import FORMAT, Format, print_rows

if TYPE_CHECKING:
    from andersonn.cli.diagnosis import Finding

HELP = """What is installed and works, what is missing, and how to get it. Needs no network.

Exit status 1 if a required part fails; optional parts are only listed.

Example: andersonn doctor --self-test"""


PLAIN = ("package", "objects")
"""Parts whose names say enough."""
WIDE = 300
"""Columns of the table where there is no terminal to say how many there are."""


def doctor(
    self_test: bool = typer.Option(
        False, "--self-test", help="Also check each model on inputs with known answers, and import the extras."
    ),
    format: Format = FORMAT,
) -> None:
    """Prints the findings."""
    from andersonn.cli.diagnosis import look

    findings = list(look(self_test))
    if format is Format.table:
        _table(findings)
    else:
        print_rows([finding.as_dict() for finding in findings], format)
    raise typer.Exit(1 if any(finding.state == "failed" for finding in findings) else 0)


def _table(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    colors = {"ok": "green", "missing": "yellow", "failed": "red"}
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        what = finding.name if finding.part in (*PLAIN, finding.name) else f"{finding.part} {finding.name}"
        found = f"{finding.found}: {finding.cure}" if finding.cure else finding.found
        table.add_row(f"[{colors[finding.state]}]{finding.state}[/]", escape(what), escape(found))
    console = Console()
    if not (console.is_terminal or "COLUMNS" in os.environ):
        console = Console(width=WIDE)
    console.print(table, crop=False)
