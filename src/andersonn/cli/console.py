"""What the verbs share: formats, progress bars on stderr, tables on stdout."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import typer

from andersonn.cli.streams import encoding_of, exactly
from andersonn.cli.task_list import tasks_like
from andersonn.sanitize import UNSEEN, cell, harmless

if TYPE_CHECKING:
    from andersonn.data.tasks import Task


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    csv = "csv"


FORMAT = typer.Option(Format.table, "--format", "-f", help="table for people, json (one object per line) or csv.")


class Geometry(StrEnum):
    """How molecules without 3-D coordinates are read; :data:`andersonn.scientists.base.GEOMETRIES` has the details."""

    none = "none"
    one = "one"
    many = "many"


TASK = typer.Argument(
    metavar="TASK",
    autocompletion=tasks_like,
    help="Task, such as conduction, or a Python file that declares a scientist.",
)
MODEL = typer.Option(None, help="Folder of a trained model; default the weights that come with the task.")
GEOMETRY = typer.Option(
    None,
    help="How molecules without 3-D coordinates are read: none, by their bonds alone, which is fastest; one conformer; or "
    "many, whose mean is the answer (default).",
)
SMILES_COLUMN = typer.Option(None, metavar="NAME", help="Column of SMILES in a table, if it has no usual name.")
LABEL_COLUMN = typer.Option(None, metavar="NAME", help="Column of labels, in the task's unit, if it has another name.")
PATH_COLUMN = typer.Option(None, metavar="NAME", help="Column of files in a table, relative to the table's folder.")


def tell(text: str, end: str = "\n") -> None:
    """A text on stdout, at once."""
    print(text, end=end, flush=True)


def warn(text: str) -> None:
    """A line on stderr, at once."""
    print(text, file=sys.stderr, flush=True)


def print_json(content: dict[str, Any]) -> None:
    """One JSON object on one line of stdout; where that is not UTF-8, in ASCII, which is the same JSON."""
    ascii = not encoding_of(sys.stdout).lower().startswith("utf")
    text = json.dumps(content, ensure_ascii=ascii, allow_nan=False)
    tell(UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text))  # the same JSON, harmless to a terminal


def print_csv(rows: Iterable[dict[str, Any]], columns: Iterable[str]) -> None:
    """A header, then each flat row as soon as it comes, as CSV on stdout; text as :func:`andersonn.sanitize.cell` has it."""
    encoding = encoding_of(sys.stdout)
    stdout = SimpleNamespace(write=lambda line: tell(exactly(line, encoding), end=""))
    writer = csv.DictWriter(stdout, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: cell(value) for name, value in row.items()})


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
    from andersonn.io.files import cannot_write, write_whole

    try:
        write_whole(path, lambda name: Path(name).write_bytes(content))
    except OSError as error:
        raise cannot_write(path, error) from None


def show_metrics(metrics: dict[str, Any], task: Task, format: Format) -> None:
    """Metrics of a test on stdout; as CSV, those that are single values."""
    if format is Format.json:
        print_json(metrics)
    elif format is Format.csv:
        flat = {name: value for name, value in metrics.items() if not isinstance(value, (dict, list))}
        print_csv([flat], flat)
    else:
        from andersonn.cli.tables import print_metrics

        print_metrics(metrics, task)


def _rate(done: float, seconds: float) -> str:
    """How fast work goes, in words; nothing before the first part is done."""
    if done <= 0.0 or seconds <= 0.0:
        return ""
    return f"{done / seconds:.3g}/s" if done > seconds else f"{_duration(seconds / done)} each"


def _duration(seconds: float) -> str:
    """A time in words, as ``"1 h 5 min"``."""
    if seconds < 59.5:
        return f"{seconds:.2g} s" if seconds < 9.5 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Bars:
    """Progress bars with rate and remaining time on stderr; plain lines when stderr is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)
        self._bar: Any = None
        self._task: Any = None
        self._name, self._total, self._decile, self._begin = "", 1.0, 0, 0.0

    def start(self, task: str, total: float) -> None:
        """A bar, or a line, for a new piece of work."""
        task = harmless(task)
        self._name, self._total, self._decile, self._begin = task, max(total, 1e-9), 0, time.monotonic()
        if self.console.is_terminal:
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            described = TextColumn("{task.description}", markup=False)  # names of files are no markup
            columns = (described, BarColumn(20), TaskProgressColumn(), TimeRemainingColumn())
            told = (TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[note]}", markup=False))
            self._bar = Progress(*columns, *told, console=self.console)
            self._bar.start()
            self._task = self._bar.add_task(task, total=total, note="", rate="")

    def update(self, done: float, note: str = "") -> None:
        """Moves the bar; without a terminal, a line every tenth."""
        note = harmless(note)
        rate = _rate(done, time.monotonic() - self._begin)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, rate=rate, **({"note": note} if note else {}))
            return
        decile = int(10 * done / self._total)
        if decile > self._decile:
            self._decile = decile
            left = (time.monotonic() - self._begin) * max(self._total / done - 1.0, 0.0)
            told = (f"{10 * decile} %", rate, f"{_duration(left)} left", note)
            self.say(f"{self._name}: {', '.join(word for word in told if word)}")

    def finish(self) -> None:
        """Fills and closes the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=self._total)
            self._bar.stop()
            self._bar = None

    def say(self, text: str) -> None:
        """A line on stderr, above the bar if there is one."""
        text = harmless(text)
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            warn(text)
