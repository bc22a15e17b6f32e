"""``andersonn explain``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from andersonn.cli.answers import short_name, summed_notes
from andersonn.cli.console import FORMAT, MODEL, TASK, Format, print_csv, print_json, write_out
from andersonn.cli.predict import OnError, paths, watched
from andersonn.sanitize import visible

if TYPE_CHECKING:
    from rich.table import Table

    from andersonn.inference.explain import Explanation
    from andersonn.inference.prediction import Failure

    Explained = tuple[Explanation | Failure, Path | None]

HELP = """Which atoms drove the answer: a number for every atom, and a picture.

INPUT is a file, a folder, SMILES, or - for any of these on stdin, as for predict. The number says how much the log-odds of
the answered class fall when the atom is removed; of a model that adds up a dipole moment, it is the atom's part of that, and
functional groups and bonds have theirs. Of pores, the atoms at the bottleneck are named. Exit status 0 if all inputs were
explained, 1 if some could not be.

Examples: andersonn explain conduction NaCl.cif --out NaCl.png; andersonn explain polarity --smiles CCO --format json"""
ROWS = 16
"""Atoms that a table lists of a structure."""
OTHER_PICTURES = (".jpg", ".jpeg", ".svg", ".pdf", ".gif", ".tif", ".tiff", ".webp", ".bmp")


def explain(
    task: str = TASK,
    inputs: list[str] | None = typer.Argument(
        None, metavar="[INPUT]...", help="Files, folders, SMILES, or - for a list on stdin."
    ),
    smiles: list[str] | None = typer.Option(None, help="A molecule as SMILES; may be repeated."),
    model: Path | None = MODEL,
    out: Path = typer.Option(Path("explanations"), help="PNG file, or folder for one picture an input."),
    picture: bool = typer.Option(True, "--picture/--no-picture", help="Whether to draw."),
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
            "bad_option", f"--out {str(out)!r} is no PNG file", "let its name end in .png, or give a folder"
        )
    from andersonn.inference.predictor import load_for
    from andersonn.structures.readers import Smiles

    scientist = load_for(task, model)
    failures: list[Failure] = []
    items = chain(paths(inputs or []), map(Smiles, smiles or []))
    answers = watched(scientist.explanations(items, _Slow().tell), on_error, failures)
    show = {Format.table: _table, Format.json: _json, Format.csv: _csv}[format]
    show(_drawn(answers, out if picture else None))
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
        path = _free(out if out.suffix.lower() == ".png" else out / f"{_file_name(answer)}.png", taken)
        taken.add(path)
        _write(answer, path)
        yield answer, path


def _file_name(answer: Explanation) -> str:
    """A name for the picture, made of the structure's."""
    from andersonn.io.files import encodable_name

    id, source = answer.prediction.id, Path(answer.prediction.input)
    word = id if id and (":" in id or id == answer.prediction.input) else source.stem
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
    from andersonn.structures.attribution_plot import draw_contributions
    from andersonn.structures.picture import png

    found = answer.prediction
    name = short_name(found.input, found.id)
    name = name if len(name) <= 48 else f"{name[:47]}…"
    title = f"{name}, {found.formula}: {found.label.replace('_', ' ')}, p = {found.probabilities[found.label]:.2f}"
    arrow = None if answer.dipole is None else answer.dipole.vector
    write_out(path, png(draw_contributions(answer.structure, answer.values, title, _words(answer), arrow)))


def _words(answer: Explanation) -> str:
    """The quantity as people write it."""
    if answer.method == "dipole":
        return f"part of the dipole moment (|μ| = {answer.total:.2f} D) / D"
    label = answer.prediction.label.replace("_", " ")
    return f"decrease of the log-odds of {label} (now {answer.total:.2f}) when the atom is removed"


def _json(explained: Iterator[Explained]) -> None:
    for answer, path in explained:
        print_json(answer.as_dict() | ({"picture": str(path)} if path else {}))


CSV_COLUMNS = (
    "input", "id", "formula", "task", "class", "probability", "quantity", "total", "method", "atom", "element", "value",
    "share", "notes", "warnings", "picture", "error", "charge_e", "decisive",
)  # fmt: skip


def _csv(explained: Iterator[Explained]) -> None:
    print_csv((row for answer, path in explained for row in _flat(answer.as_dict(), path)), CSV_COLUMNS)


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
        "probability": f"{answer['probabilities'][answer['class']]:.4f}",
        "total": f"{answer['total']:.4f}",
        "picture": str(path or ""),
    }
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
        p = found.probabilities[found.label]
        say(f"{short_name(found.input, found.id)}, {found.formula}: {found.label}, p = {p:.2f}", "bold")
        for sentence in answer.summary:
            say(sentence)
        whole = answer.as_dict()
        if "groups" in whole:
            console.print(_groups(whole["groups"]))
        parts = whole["contributions"]
        table = Table("atom", "element", "contribution", "share", box=None, header_style="dim", pad_edge=False)
        for atom in answer.ranking[:ROWS]:
            part = parts[atom]
            table.add_row(str(atom), part["element"], f"{part['value']:+.3f}", f"{100 * part['share']:.1f} %")
        console.print(table)
        if len(parts) > ROWS:
            say(f"… and {len(parts) - ROWS} atoms that contribute less; --format json or csv has all", "dim")
        for warning in answer.warnings:
            say(f"! {warning}")
        for note in summed_notes([found.notes]):
            print(note, file=sys.stderr)
        say(f"{_words(answer)}; atoms counted from 0" + (f"; picture: {path}" if path else ""), "dim")


def _groups(groups: list[dict[str, Any]]) -> Table:
    """A table of the groups that contribute most."""
    from rich.table import Table

    table = Table("group", "atoms", "contribution", box=None, header_style="dim", pad_edge=False)
    for group in groups[:ROWS]:
        atoms = ", ".join(map(str, group["atoms"][:ROWS])) + (" …" if len(group["atoms"]) > ROWS else "")
        table.add_row(group["group"], atoms, f"{group['value']:+.3f}")
    return table
