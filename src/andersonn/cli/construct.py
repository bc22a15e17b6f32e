"""``andersonn construct``."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from andersonn.cli.console import Bars, print_json, tell, warn
from andersonn.cli.serve import require_installed, serve_models
from andersonn.data.tasks import thresholds_from
from andersonn.errors import UsageError

if TYPE_CHECKING:
    from andersonn.constructing.understanding import Understanding

HELP = """Construct a scientist of your own from a table.

TABLE is a CSV, TSV, Excel or Parquet file with a column of SMILES or of structure files, an SDF or extended xyz with values,
or a folder of structure files with id_prop.csv. The table is looked at first: which structures and values it holds, which
rows cannot be used and why, duplicates, outliers, and how it is divided into training, validation and test. --dry-run stops
there.

Numbers are learned as numbers, or as classes where --thresholds cuts them; words, yes and no, and 0 and 1 as labels.

Example: andersonn construct solubility.csv --target logS --unit "log(mol/L)" --out my-solubility"""
SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(
    r"(\d{1,9}(?:\.\d{1,9})?)\s{0,3}(h|min|m|sec|s|)(?:\s{0,3}(\d{1,9}(?:\.\d{1,9})?)\s{0,3}(min|m|sec|s|))?"
)


class Shown(StrEnum):
    """How the answer is printed."""

    table = "table"
    json = "json"


def construct(
    table: str = typer.Argument(help="Table of structures and values: a file or a folder."),
    target: list[str] = typer.Option(
        ..., metavar="COLUMN", help="Column to be predicted; several, parted by commas, give a model each."
    ),
    out: Path | None = typer.Option(None, help="Folder for the model; made if needed."),
    name: str | None = typer.Option(None, help="Name of the scientist; default made of the column's name."),
    unit: str | None = typer.Option(None, help="Unit of the numbers; default as the table says."),
    thresholds: str | None = typer.Option(None, metavar="A,B", help="Cut the numbers into classes."),
    classes: str | None = typer.Option(
        None, metavar="X,Y,Z", help="Names of the classes in rising order, or the labels to keep."
    ),
    structures: str | None = typer.Option(
        None, metavar="COLUMN|FOLDER", help="Column of SMILES or files, or folder of the files that rows name."
    ),
    split: str = typer.Option(
        "auto",
        metavar="WAY|COLUMN",
        help="random, scaffold, group, or a column of train, validation and test; default scaffold or group.",
    ),
    budget: str = typer.Option(
        "10min", metavar="TIME", help="Time for the whole work, such as 90s, 10min or 2h; with 0 no network is trained."
    ),
    seed: int = typer.Option(0, min=0, help="Another seed gives another split and other first weights."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what the table holds."),
    format: Shown = typer.Option(Shown.table, "--format", "-f", help="table for people, or json (one object a line)."),
    refuse_mixtures: bool = typer.Option(
        False,
        "--refuse-mixtures",
        help="Leave out rows of salts and mixtures; else their largest organic part is read.",
    ),
    resume: bool = typer.Option(False, "--resume", help="Go on with the work in --out; start it if there is none."),
    serve: bool = typer.Option(False, "--serve", help="Then answer on a page, as andersonn serve does, until Ctrl-C."),
) -> None:
    """Prints what was understood, then what was made."""
    seconds = seconds_of(budget)
    if serve:
        require_installed()
    cuts = None if thresholds is None else thresholds_from(thresholds)
    options = {"name": name, "unit": unit, "thresholds": cuts, "classes": _words(classes)}
    how = {"mixtures": not refuse_mixtures}
    targets = _targets(table, target)
    if len(targets) > 1 and (given := [f"--{word}" for word, value in options.items() if value is not None]):
        raise UsageError("bad_option", f"{', '.join(given)} with {len(targets)} targets", "construct them one by one")
    if out is None and not dry_run:
        raise UsageError("missing_option", "--out is not given", "name a folder for the model, or add --dry-run")
    places = [out if out is None or len(targets) == 1 else out / _folder(column) for column in targets]
    bars = Bars()
    with _ready([place for place in places if place is not None], resume, dry_run):
        found = [_understood(table, column, options | how, structures, split, seed, bars) for column in targets]
    for understanding, place in zip(found, places, strict=True):
        if format is Shown.table:
            tell(understanding.as_text())
        elif dry_run:
            print_json(understanding.as_dict())
        if not dry_run and place is not None:
            _construct(understanding, place, seconds, seed, resume, bars, format)
    if serve and not dry_run:
        serve_models([place for place in places if place is not None])


def _construct(
    understanding: Understanding, out: Path, seconds: float, seed: int, resume: bool, bars: Bars, format: Shown
) -> None:
    from andersonn.constructing.run import construct

    command = shlex.join(["andersonn", *sys.argv[1:]])
    try:
        made = construct(understanding, out, budget_s=seconds, seed=seed, resume=resume, progress=bars, command=command)
    except KeyboardInterrupt:
        warn("interrupted; what is done is kept, and the same command with --resume goes on")
        raise typer.Exit(130) from None
    if format is Shown.json:
        print_json(made.as_dict())
    else:
        tell("")
        tell(made.as_text())


def _understood(
    table: str, target: str, options: dict[str, Any], structures: str | None, split: str, seed: int, bars: Bars
) -> Understanding:
    from andersonn.constructing.understanding import understand

    return understand(table, target, structures=structures, split=split, seed=seed, progress=bars, **options)


@contextmanager
def _ready(places: list[Path], resume: bool, dry_run: bool) -> Iterator[None]:
    """Checks the folders before any work, and removes those it made if the table turns out to be of no use.

    Raises:
        UsageError: one is taken or cannot be written to.
    """
    from andersonn.io.files import require_writable
    from andersonn.training.folder import check_free

    new = [] if dry_run else [place for place in places if not place.exists()]
    for place in places:
        check_free(place, resume)
        if not dry_run:
            require_writable(place)
    try:
        yield
    except BaseException:
        for place in new:
            with suppress(OSError):  # somebody has put something there
                place.rmdir()
        raise


def _targets(table: str, given: list[str]) -> list[str]:
    """The columns that are named: one an option, or several parted by commas, unless a column has commas in its name."""
    if not any("," in word for word in given):
        return given
    from andersonn.constructing.sheets import sheet_of

    names = sheet_of(table, given[0]).names
    parted = [[word] if word in names else word.split(",") for word in given]
    return [column.strip() for words in parted for column in words if column.strip()]


def _folder(column: str) -> str:
    from andersonn.constructing.naming import name_of

    return name_of(None, column)


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def seconds_of(budget: str) -> float:
    """A time such as ``90s``, ``10min``, ``1.5h`` or ``1h30min`` in seconds.

    Raises:
        UsageError: it is none, or shorter than 10 seconds and not 0, which trains no network.
    """
    found = DURATION.fullmatch(budget.strip().lower())
    if not found:
        raise UsageError("bad_budget", f"--budget {budget!r} is no time", "write it as 90s, 10min or 2h")
    seconds = float(found[1]) * SECONDS[found[2]] + float(found[3] or 0) * SECONDS[found[4] or ""]
    if 0 < seconds < 10:
        told = "give at least 10 seconds, or 0 to train no network"
        raise UsageError("bad_budget", f"--budget {budget!r} is too short", told)
    return seconds
