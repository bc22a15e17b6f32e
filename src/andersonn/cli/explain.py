"""``andersonn explain``."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from andersonn.cli.answers import digits_of, short_name, summed_notes
from andersonn.cli.console import FORMAT, GEOMETRY, MODEL, TASK, Format, Geometry, print_csv, print_json, write_out
from andersonn.cli.pores import CLASSES, CLEAN, CONVENTION, RADII, STRIP_GUESTS, Classes, Convention, question
from andersonn.cli.predict import OnError, paths, watched
from andersonn.cli.thresholds import THRESHOLDS, cut
from andersonn.sanitize import visible

if TYPE_CHECKING:
    from rich.table import Table

    from andersonn.inference.explanation import Explanation
    from andersonn.inference.prediction import Failure, Prediction

    Explained = tuple[Explanation | Failure, Path | None]

HELP = """Which atoms or groups drove the answer: a number for each, and a picture.

INPUT is a file, a folder, SMILES, or - for any of these on stdin, as for predict. The number says how much the log-odds of
the answered class fall when the atom is removed; of a model that adds up a dipole moment, it is the atom's part of that, and
functional groups and bonds have theirs. Of a model that reads bonds alone (--geometry none), the number of a group is the
answer less that for the molecule with hydrogen in its place. Of pores, the atoms at the bottleneck explain the answer, and the
numbers are about the network's answer beside it. Atoms are counted from 1 in the order of the file, as in SDF, MOL2 and PDB; "atom"
and "atoms" in json and csv are positions, from 0, beside the name. Exit status 0 if all inputs were explained, 1 if some could not be.

Examples: andersonn explain conduction NaCl.cif --out NaCl.png; andersonn explain polarity --smiles CCO --format json;
andersonn explain polarity --smiles CCO --geometry none"""
ROWS = 16
"""Atoms that a table lists of a structure."""
PICTURES = (".png", ".svg", ".pdf")
OTHER_PICTURES = (".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".webp", ".bmp", ".eps", ".ps")


def explain(
    task: str = TASK,
    inputs: list[str] | None = typer.Argument(
        None, metavar="[INPUT]...", help="Files, folders, SMILES, or - for a list on stdin."
    ),
    smiles: list[str] | None = typer.Option(None, metavar="SMILES", help="A molecule; may be repeated."),
    model: Path | None = MODEL,
    geometry: Geometry | None = GEOMETRY,
    convention: Convention | None = CONVENTION,
    radii: str | None = RADII,
    classes: Classes | None = CLASSES,
    strip_guests: bool = STRIP_GUESTS,
    clean: bool = CLEAN,
    thresholds: str | None = THRESHOLDS,
    out: Path = typer.Option(Path("explanations"), help="PNG, SVG or PDF file, or folder for a PNG of each input."),
    picture: bool = typer.Option(True, "--picture/--no-picture", help="Draw nothing; numbers alone."),
    on_error: OnError = typer.Option(OnError.skip, help="After a bad input: go on, or stop."),
    format: Format = FORMAT,
) -> None:
    """Prints the contributions and writes the pictures."""
    from andersonn.errors import UsageError
    from andersonn.scientists.registry import find

    if model is None:  # one in a folder may be for a task of the user's own
        find(task)
    if not (inputs or smiles):
        raise UsageError("no_input", "there is nothing to explain", "give files, folders, - or --smiles")
    if out.suffix.lower() in OTHER_PICTURES:
        raise UsageError(
            "bad_option",
            f"--out {str(out)!r} is no PNG, SVG or PDF file",
            f"let its name end in one of {', '.join(PICTURES)}, or give a folder",
        )
    from andersonn.inference.loading import load_for
    from andersonn.structures.readers import Smiles

    asked = question(task, model, convention, radii, classes, strip_guests, clean)
    scientist = cut(load_for(task, model, geometry=geometry).asked(asked), thresholds)
    failures: list[Failure] = []
    items = chain(paths(inputs or []), map(Smiles, smiles or []))
    answers = watched(scientist.explanations(items, _Slow().tell), on_error, failures)
    in_csv = partial(_csv, by_groups=scientist.recipe.bonds)
    shows: dict[Format, Callable[[Iterator[Explained]], None]] = {
        Format.table: _table, Format.json: _json, Format.csv: in_csv,
    }  # fmt: skip
    shows[format](_drawn(answers, out if picture else None))
    raise typer.Exit(1 if failures else 0)


class _Slow:
    """Says on stderr how far a structure is whose atoms take long to remove."""

    def __init__(self) -> None:
        self._bars: Any = None

    def tell(self, name: str, done: int, of: int) -> None:
        if done >= of:
            if self._bars is not None:
                self._bars.finish()
            self._bars = None
            return
        if self._bars is None:
            from andersonn.cli.console import Bars

            self._bars = Bars()
            self._bars.start(f"removing atoms of {Path(name).name}", of)
        self._bars.update(done)


def _drawn(answers: Iterator[Explanation | Failure], out: Path | None) -> Iterator[Explained]:
    """The answers with the pictures that were written of them."""
    taken: set[Path] = set()
    for answer in answers:
        if out is None or not answer.ok:
            yield answer, None
            continue
        path = _free(out if out.suffix.lower() in PICTURES else out / f"{_file_name(answer)}.png", taken)
        taken.add(path)
        _write(answer, path)
        yield answer, path


def _file_name(answer: Explanation) -> str:
    """A name for the picture, made of the structure's."""
    from andersonn.io.files import encodable_name

    id, source = answer.prediction.id, Path(answer.prediction.input)
    no_file = answer.prediction.input.startswith("InChI=")
    word = id if id and (":" in id or id == answer.prediction.input or no_file) else source.stem
    plain = re.sub(r"[^\w.+=()\[\]-]+", "_", word).strip("._")[:80]
    return encodable_name(plain).strip("._") or "structure"


def _free(path: Path, taken: set[Path]) -> Path:
    """The path, or with a number if this run already wrote there."""
    number, free = 1, path
    while free in taken:
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _write(answer: Explanation, path: Path) -> None:
    from matplotlib.figure import Figure

    from andersonn.structures.attribution_plot import SIZE
    from andersonn.structures.picture import written

    figure = Figure(figsize=SIZE, layout="constrained", facecolor="white")
    answer.plot(short_name(answer.prediction.input, answer.prediction.id), figure)
    write_out(path, written(figure, path.suffix))


def _said(found: Prediction, spaced: bool = True) -> str:
    """The answer in a line."""
    if not found.has_class:
        low, high = found.interval90
        digits = digits_of([high - low])
        return f"{found.value:.{digits}f}, 90 % interval {low:.{digits}f} … {high:.{digits}f}"
    label = found.label.replace("_", " ") if spaced else found.label
    return f"{label}, p = {found.probabilities[found.label]:.2f}"


def _json(explained: Iterator[Explained]) -> None:
    for answer, path in explained:
        print_json(answer.as_dict() | ({"picture": str(path)} if path else {}))


CSV_COLUMNS = (
    "input", "id", "formula", "task", "class", "probability", "quantity", "total", "method", "atom", "element", "value",
    "share", "notes", "warnings", "picture", "error", "charge_e", "decisive", "name",
)  # fmt: skip


OF_GROUPS = ("group", "atoms", "without", "estimate_without", "class_without", "probability_without")


def _csv(explained: Iterator[Explained], by_groups: bool) -> None:
    absent = ("atom", "element", "share", "charge_e", "name") if by_groups else OF_GROUPS
    columns = [name for name in (*CSV_COLUMNS, *OF_GROUPS) if name not in absent]
    rows = (row for answer, path in explained for row in _flat(answer.as_dict(), path))
    print_csv(({name: row.get(name, "") for name in columns} for row in rows), columns)


def _of_group(group: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: f"{value:.4f}" for name, value in group.items() if isinstance(value, float)}
    return group | numbers | {"atoms": " ".join(map(str, group["atoms"]))}


def _flat(answer: dict[str, Any], path: Path | None) -> Iterator[dict[str, Any]]:
    """One row per atom, or one with the error."""
    row: dict[str, Any] = dict.fromkeys(CSV_COLUMNS, "")
    row |= {name: answer[name] for name in CSV_COLUMNS if name in answer and name != "error"}
    if "error" in answer:
        error = answer["error"]
        yield row | {"error": f"{error['kind']}: {error['message']} ({error['hint']})"}
        return
    row |= {
        "notes": "; ".join(answer["notes"]),
        "warnings": "; ".join(answer["warnings"]),
        "probability": f"{answer['probabilities'][answer['class']]:.4f}" if answer["class"] is not None else "",
        "total": f"{answer['total']:.4f}",
        "picture": str(path or ""),
    }
    if answer["method"] == "groups":
        yield from (row | _of_group(group) for group in answer["groups"]) if answer["groups"] else (row,)
        return
    charges = answer.get("dipole", {}).get("charges_e", [])
    for atom, part in enumerate(answer["contributions"]):
        charge = {"charge_e": f"{charges[atom]:.4f}"} if charges else {}
        yield row | charge | part | {"value": f"{part['value']:.4f}", "share": f"{part['share']:.4f}"}


def _table(explained: Iterator[Explained]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()

    def say(text: str, style: str = "") -> None:
        console.print(visible(text), style=style, highlight=False, markup=False, soft_wrap=True)

    for answer, path in explained:
        if not answer.ok:
            print(f"{visible(answer.input)}: {answer.error['message']} ({answer.error['hint']})", file=sys.stderr)
            continue
        found = answer.prediction
        say(f"{short_name(found.input, found.id)}, {found.formula}: {_said(found, spaced=False)}", "bold")
        for sentence in answer.summary:
            say(sentence)
        whole = answer.as_dict()
        if whole.get("groups"):
            console.print(_groups(whole["groups"]))
        if answer.groups is not None:
            _end(say, answer, path)
            continue
        parts = whole["contributions"]
        table = Table("atom", "element", "contribution", "share", box=None, header_style="dim", pad_edge=False)
        for atom in answer.ranking[:ROWS]:
            part = parts[atom]
            table.add_row(str(atom + 1), part["element"], f"{part['value']:+.3f}", f"{100 * part['share']:.1f} %")
        console.print(table)
        if len(parts) > ROWS:
            say(f"… and {len(parts) - ROWS} atoms that contribute less; --format json or csv has all", "dim")
        _end(say, answer, path)


def _end(say: Callable[..., None], answer: Explanation, path: Path | None) -> None:
    """Warnings and notes of an explanation, and what its numbers are."""
    if answer.groups is not None and answer.groups.parts and answer.groups.frame:
        say(f"without all of them, {answer.groups.frame}: {answer.groups.of_frame:+.3f}")
    for warning in answer.warnings:
        say(f"! {warning}")
    for note in summed_notes([("", answer.prediction.notes)]):
        print(note, file=sys.stderr)
    say(f"{answer.quantity_words}; atoms counted from 1" + (f"; picture: {path}" if path else ""), "dim")


def _groups(groups: list[dict[str, Any]]) -> Table:
    """A table of the groups that contribute most."""
    from rich.markup import escape
    from rich.table import Table

    without = any("without" in group for group in groups)
    heads = ("group", "atoms", "contribution", *(["without it"] if without else []))
    table = Table(*heads, box=None, header_style="dim", pad_edge=False)
    for group in groups[:ROWS]:
        atoms = ", ".join(str(atom + 1) for atom in group["atoms"][:ROWS]) + (
            " …" if len(group["atoms"]) > ROWS else ""
        )
        table.add_row(group["group"], atoms, f"{group['value']:+.3f}", *([escape(group["without"])] if without else []))
    return table
