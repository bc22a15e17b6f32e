"""What the verbs share: formats, progress bars on stderr, tables on stdout."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import typer


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    csv = "csv"


FORMAT = typer.Option(Format.table, "--format", "-f", help="table for people, json (one object a line) or csv.")


def print_json(content: dict[str, Any]) -> None:
    """One JSON object on one line of stdout."""
    typer.echo(json.dumps(content, ensure_ascii=False, allow_nan=False))


def print_csv(rows: Iterable[dict[str, Any]], columns: Iterable[str]) -> None:
    """A header, then each flat row as soon as it comes, as CSV on stdout."""
    stdout = SimpleNamespace(write=partial(typer.echo, nl=False))
    writer = csv.DictWriter(stdout, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row)


def print_rows(rows: list[dict[str, Any]], format: Format) -> None:
    """Flat rows of equal keys, at least one, as JSON or CSV."""
    if format is Format.csv:
        print_csv(rows, rows[0])
    else:
        for row in rows:
            print_json(row)


def write_out(path: Path, content: bytes) -> None:
    """Writes a file that the user named, whole or not at all.

    Raises:
        UsageError: it cannot be written there.
    """
    from andersonn.errors import UsageError
    from andersonn.files import write_whole

    try:
        write_whole(path, lambda name: Path(name).write_bytes(content))
    except OSError as error:
        raise UsageError(
            "not_writable", f"cannot write {str(path)!r}: {error.strerror}", "choose another --out"
        ) from None


def show_metrics(metrics: dict[str, Any], classes: tuple[str, ...], format: Format) -> None:
    """Metrics of a test on stdout; as CSV, those that are single values."""
    if format is Format.json:
        print_json(metrics)
    elif format is Format.csv:
        flat = {name: value for name, value in metrics.items() if not isinstance(value, (dict, list))}
        print_csv([flat], flat)
    else:
        from andersonn.cli.tables import print_metrics

        print_metrics(metrics, classes)


class Bars:
    """Progress bars with rate and remaining time on stderr; plain lines when stderr is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)
        self._bar: Any = None
        self._task: Any = None
        self._name, self._total, self._decile = "", 1.0, 0

    def start(self, task: str, total: float) -> None:
        """A bar, or a line, for a new piece of work."""
        self._name, self._total, self._decile = task, max(total, 1e-9), 0
        if self.console.is_terminal:
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description:<34}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[note]}"), console=self.console)
            self._bar.start()
            self._task = self._bar.add_task(task, total=total, note="")

    def update(self, done: float, note: str = "") -> None:
        """Moves the bar; without a terminal, a line every tenth."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, **({"note": note} if note else {}))
            return
        decile = int(10 * done / self._total)
        if decile > self._decile:
            self._decile = decile
            self.say(f"{self._name}: {10 * decile} %" + (f", {note}" if note else ""))

    def finish(self) -> None:
        """Fills and closes the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=self._total)
            self._bar.stop()
            self._bar = None

    def say(self, text: str) -> None:
        """A line on stderr, above the bar if there is one."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)
