"""``andersonn predict``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from andersonn.cli.answers import Reading, print_table
from andersonn.cli.console import (
    FORMAT,
    GEOMETRY,
    MODEL,
    PATH_COLUMN,
    SMILES_COLUMN,
    TASK,
    Format,
    Geometry,
    print_csv,
    print_json,
)
from andersonn.cli.pores import CLASSES, CLEAN, CONVENTION, RADII, STRIP_GUESTS, Classes, Convention, question
from andersonn.cli.task_list import TASKS
from andersonn.cli.thresholds import THRESHOLDS, cut
from andersonn.sanitize import visible

if TYPE_CHECKING:
    from andersonn.data.tasks import Task
    from andersonn.inference.explanation import Explanation
    from andersonn.inference.prediction import Failure, Prediction
    from andersonn.structures.readers import Columns

HELP = f"""Ask about structures: class, probabilities and estimate of each. Models made for a number or for labels answer with that alone.

INPUT is a structure file, also packed (.gz, .bz2, .xz), a folder of them, a table (.csv, .tsv, .xlsx, .parquet) with a column
of SMILES or of files, SMILES, or - for stdin: any of these, one per line, or a table. Exit status 0 if all inputs
were answered, 1 if some could not be.

Tasks:
{TASKS}

Examples: andersonn predict conduction NaCl.cif structures/ --format json; andersonn predict polarity --smiles CCO;
andersonn predict polarity million.smi --geometry none --format csv;
andersonn predict polarity molecules.csv --smiles-column ligand"""

Answered = TypeVar("Answered", "Prediction | Failure", "Explanation | Failure")


class OnError(StrEnum):
    """What to do about an input that cannot be answered."""

    skip = "skip"
    stop = "stop"


def predict(
    task: str = TASK,
    inputs: list[str] | None = typer.Argument(
        None, metavar="[INPUT]...", help="Files, folders, tables, SMILES, or - for a list or table on stdin."
    ),
    smiles: list[str] | None = typer.Option(None, metavar="SMILES", help="A molecule; may be repeated."),
    smiles_column: str | None = SMILES_COLUMN,
    path_column: str | None = PATH_COLUMN,
    model: Path | None = MODEL,
    geometry: Geometry | None = GEOMETRY,
    thresholds: str | None = THRESHOLDS,
    convention: Convention | None = CONVENTION,
    radii: str | None = RADII,
    classes: Classes | None = CLASSES,
    strip_guests: bool = STRIP_GUESTS,
    clean: bool = CLEAN,
    anytime: bool = typer.Option(
        False, "--anytime", help="Stop solving once the class is settled; the estimate is rougher then."
    ),
    on_error: OnError = typer.Option(OnError.skip, help="After a bad input: go on, or stop."),
    format: Format = FORMAT,
) -> None:
    """Prints one answer an input."""
    from andersonn.errors import UsageError
    from andersonn.scientists.registry import find

    if model is None:  # one in a folder may be for a task of the user's own
        find(task)
    if not (inputs or smiles):
        raise UsageError("no_input", "there is nothing to predict", "give files, folders, - or --smiles")
    from andersonn.inference.loading import load_for
    from andersonn.structures.pores.columns import IN_CSV
    from andersonn.structures.readers import Columns, Smiles

    columns = Columns(smiles_column, path_column)
    asked = question(task, model, convention, radii, classes, strip_guests, clean)
    scientist = cut(load_for(task, model, anytime=anytime, geometry=geometry).asked(asked), thresholds)
    failures: list[Failure] = []
    shows: dict[Format, Callable[[Iterator[Prediction | Failure]], None]] = {
        Format.table: partial(print_table, task=scientist.task), Format.json: _json, Format.csv: partial(_csv, columns=_csv_columns(scientist.task) + (IN_CSV if scientist.pores else ())),
    }  # fmt: skip
    count = partial(_count, inputs or [], smiles or [], columns)
    reading = Reading(count, quiet=format is not Format.table and sys.stdout.isatty())
    chosen = chain(paths(inputs or [], columns), map(Smiles, smiles or []))
    try:
        shows[format](watched(_closing(scientist.answers(chosen, columns, reading.tell), reading), on_error, failures))
    finally:
        reading.finish()
    raise typer.Exit(1 if failures else 0)


def _closing(answers: Iterator[Answered], reading: Reading) -> Iterator[Answered]:
    """The answers; the bar is gone before the last one is shown."""
    yield from answers
    reading.finish()


def _count(inputs: list[str], smiles: list[str], columns: Columns) -> int | None:
    """How many inputs there are, folders counted by their files and tables by their rows; None if a list comes on stdin."""
    from andersonn.structures.readers import sources

    return None if "-" in inputs else sum(1 for _ in sources(inputs, columns)) + len(smiles)


def paths(inputs: list[str], columns: Columns | None = None) -> Iterator[Any]:
    """The inputs, - replaced by the lines of stdin, or by the table that stands there."""
    from andersonn.structures.readers import USUAL_COLUMNS
    from andersonn.structures.readers.content import left_out
    from andersonn.structures.readers.inputs import from_lines

    for item in inputs:
        if item == "-":
            yield from from_lines(iter(sys.stdin.readline, ""), columns or USUAL_COLUMNS)
            continue
        if os.path.isdir(item) and (told := left_out(Path(item))):
            print(f"note: {visible(told)}", file=sys.stderr)
        yield item


def watched(answers: Iterator[Answered], on_error: OnError, failures: list[Failure]) -> Iterator[Answered]:
    """The answers, the failures among them noted down, up to the first failure if that is to stop the run."""
    for answer in answers:
        if not answer.ok:
            failures.append(answer)
        yield answer
        if failures and on_error is OnError.stop:
            return


def _json(answers: Iterator[Prediction | Failure]) -> None:
    for answer in answers:
        print_json(answer.as_dict())


def _csv(answers: Iterator[Prediction | Failure], columns: tuple[str, ...]) -> None:
    print_csv((_flat(answer.as_dict(), columns) for answer in answers), columns)


CSV_COLUMNS = (
    "input", "id", "formula", "task", "class", "probability", "quantity", "value", "low90", "high90", "n_atoms",
    "status", "notes", "warnings", "error", "thresholds",
)  # fmt: skip


OF_CLASS, OF_ESTIMATE = ("class", "probability"), ("quantity", "value", "low90", "high90")


def _csv_columns(task: Task) -> tuple[str, ...]:
    """Those that answers to a task have."""
    absent = (*(() if task.has_class else OF_CLASS), *(() if task.has_estimate else OF_ESTIMATE))
    absent += () if task.answer == "class" else ("thresholds",)
    return tuple(name for name in CSV_COLUMNS if name not in absent)


def _flat(answer: dict[str, Any], columns: tuple[str, ...]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(columns, "")
    row |= {name: answer[name] for name in columns if name in answer and name not in ("error", "notes", "warnings")}
    if answer.get("thresholds"):
        row["thresholds"] = ",".join(f"{cut:.12g}" for cut in answer["thresholds"])
    if "error" in answer:
        error = answer["error"]
        row["error"] = f"{error['kind']}: {error['message']} ({error['hint']})"
        return row
    pores = answer.get("pores", {})
    row |= {name: f"{x:.4f}" if isinstance(x, float) else x for name, x in pores.items() if name in columns}
    if answer["class"] is not None:
        row["probability"] = f"{answer['probabilities'][answer['class']]:.4f}"
    if answer["estimate"] is not None:
        form = ".4f" if answer["class"] is not None else ".6g"  # the scale of a user's own number is not known
        low, high = answer["estimate"]["interval90"]
        numbers = {"value": answer["estimate"]["value"], "low90": low, "high90": high}
        row |= {name: f"{number:{form}}" for name, number in numbers.items()}
        row["quantity"] = answer["estimate"]["quantity"]
    return row | {
        "status": answer["solver"]["status"],
        "notes": "; ".join(answer["notes"]),
        "warnings": "; ".join(answer["warnings"]),
    }
