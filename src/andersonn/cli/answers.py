"""Answers as a table for people: results and warnings on stdout; notes, summed up, errors and progress on stderr."""

from __future__ import annotations

import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from andersonn.sanitize import harmless, visible

if TYPE_CHECKING:
    from andersonn.data.tasks import Task
    from andersonn.inference.prediction import Failure, Prediction

NAMES = 4
"""Inputs named of those that share a warning."""
PATIENCE = 1.0
"""Seconds of work before progress is shown."""
MOST_DIGITS = 8
WIDE, FOLDED = 1000, 16
"""Columns of a terminal that shows all; letters that long names may give way by."""
NARROW = "a wider terminal, or --format json, also shows windows, channels and surface"
NUMBER = re.compile(r"\d+")
ROW = re.compile(r":\d+$")
"""Ends the name of a row of a table."""


def print_table(answers: Iterator[Prediction | Failure], task: Task) -> None:
    """All answers to a task as one table, also those that were there before an interruption."""
    found: list[Prediction | Failure] = []
    try:
        for answer in answers:
            found.append(answer)
    finally:
        _show(found, task)


def _show(found: list[Prediction | Failure], task: Task) -> None:
    from rich.console import Console

    good = [a for a in found if a.ok]
    console = Console()
    if good:
        table, whole = _fitting(good, task, console)
        console.print(table)
        for line in shared_warnings((short_name(a.input, a.id), a.warnings) for a in good):
            console.print(line, highlight=False, markup=False)
        console.print(visible(_footer(good[0], task)), style="dim", highlight=False, markup=False)
        if not whole:
            console.print(NARROW, style="dim", highlight=False, markup=False)
        sys.stdout.flush()  # what goes to stderr comes after the table, also where both end in one file
    for line in summed_notes((short_name(a.input, a.id), a.notes) for a in good):
        print(line, file=sys.stderr)
    for a in found:
        if not a.ok:
            print(f"{visible(a.input)}: {a.error['message']} ({a.error['hint']})", file=sys.stderr)


def _fitting(good: list[Prediction], task: Task, console: Any) -> tuple[Any, bool]:
    """The table, and whether it has all columns: where the terminal is too narrow, what was measured of pores is left out."""
    table = _table(good, task)
    needed = console.measure(table, options=console.options.update(width=WIDE)).maximum
    if not good[0].pores or needed <= console.width + FOLDED:
        return table, True
    return _table(good, task, pores=False), False


def _table(good: list[Prediction], task: Task, pores: bool = True) -> Any:
    from rich.markup import escape
    from rich.table import Table

    quantity = escape(visible(f"{task.quantity_words} / {task.unit}" if task.unit else task.quantity_words))
    table = Table(box=None, header_style="bold", pad_edge=False)
    from andersonn.structures.pores.columns import IN_TABLES

    more = IN_TABLES if good[0].pores and pores else {}
    of_class = ("class", "p") if task.has_class else ()
    of_estimate = (quantity, "90 % interval") if task.has_estimate else ()
    whole = ("class", "p", "90 % interval", *more)  # these are not broken: names of files and formulas give way
    for title in ("input", "formula", *of_class, *of_estimate, *more):
        table.add_column(title, justify="right" if title == "p" else "left", overflow="fold", no_wrap=title in whole)
    digits = 2 if task.answer == "class" else digits_of(a.interval90[1] - a.interval90[0] for a in good)
    for a in good:
        doubted = " !" if a.warnings else ""
        row = [escape(short_name(a.input, a.id)), a.formula]
        if task.has_class:
            row += [escape(visible(a.label)) + doubted, f"{a.probabilities[a.label]:.2f}"]
        if task.has_estimate:
            low, high = a.interval90
            value = f"{a.value:.{digits}f}" + ("" if task.has_class else doubted)
            row += [value, f"{low:.{digits}f} … {high:.{digits}f}"]
        table.add_row(*row, *(f"{a.pores[name]:{form}}" for name, form in more.values()))
    return table


def digits_of(widths: Iterable[float]) -> int:
    """Digits behind the point that numbers of an unknown scale are shown with: two that say something of the narrowest interval.

    Args:
        widths: of the intervals, at least one of them.
    """
    least = min((width for width in widths if width > 0.0), default=1.0)
    return min(max(1 - math.floor(math.log10(least / 2.0)), 0), MOST_DIGITS)


def shared_warnings(answers: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[str]:
    """A line for each warning, which names the inputs that it is about.

    Args:
        answers: name and warnings of each input.
    """
    names: dict[str, list[str]] = {}
    for name, warnings in answers:
        for warning in warnings:
            names.setdefault(visible(warning), []).append(name)
    for warning, of in names.items():
        more = f" and {len(of) - NAMES} more" if len(of) > NAMES else ""
        yield f"! {', '.join(of[:NAMES])}{more}: {warning}"


def summed_notes(answers: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[str]:
    """A line for each kind of note, with the names of the inputs concerned if they are few, else with their number. Notes that differ
    only in numbers are of one kind; the first one stands for them.

    Args:
        answers: name and notes of each input.
    """
    texts: dict[str, Counter[str]] = {}
    names: dict[str, list[str]] = {}
    inputs = 0
    for name, own in answers:
        inputs += 1
        for note in own:
            texts.setdefault(NUMBER.sub("#", note), Counter())[note] += 1
        for kind in {NUMBER.sub("#", note) for note in own}:
            names.setdefault(kind, []).append(name)
    for kind, alike in texts.items():
        of = list(dict.fromkeys(names[kind]))
        few = len(names[kind]) <= min(NAMES, inputs // 2)
        where = "" if inputs == 1 else f"{', '.join(of)}: " if few else f"{len(names[kind])} of {inputs} inputs: "
        yield f"note: {where}{visible(next(iter(alike)))}{' (for instance)' if len(alike) > 1 else ''}"


def short_name(name: str, id: str) -> str:
    """An input as tables show it."""
    name, id = visible(name), visible(id)
    path = Path(name)
    if name == id or name.startswith("InChI="):  # in which a slash divides nothing; of InChI the SMILES are shown
        return id or name
    of_row = ROW.search(path.name) and id not in name
    return f"{path.name} [{id}]" if ":" in id or of_row else path.name


def _footer(answer: Prediction, task: Task) -> str:
    calibrated = "calibrated" if answer.calibrated else "not calibrated"
    if task.answer == "number":
        return f"{task.quantity_words}: estimates; intervals {calibrated}; model {answer.model}"
    if task.answer == "label":
        return f"{task.quantity_words}: {', '.join(task.classes)}; probabilities {calibrated}; model {answer.model}"
    first, *others = answer.probabilities
    at_zero = answer.thresholds[0] == 0.0  # the class of zero itself: nothing lies below
    cuts = f"{first} {'=' if at_zero else '<'} {answer.thresholds[0]:g}"
    between = ["<" if at_zero else "≤", *["≤"] * len(others)]
    for mark, name, end in zip(between, others, [*answer.thresholds[1:], None], strict=False):
        cuts += f" {mark} {name}" + (f" < {end:g}" if end is not None else "")
    if answer.pores:
        sphere, probe = (f"{answer.pores[name]:g} Å" for name in ("access_A", "probe_A"))
        told = f"channels for a sphere {sphere} wide, accessible surface for a probe of radius {probe}"
        return f"classes by {answer.quantity}: {cuts}; geometry by {answer.pores['convention']}, {told}"
    return f"classes by {answer.quantity}: {cuts}; probabilities {calibrated}; model {answer.model}"


class Reading:
    """How far the reading of many inputs is: a bar on stderr once it takes longer than :data:`PATIENCE`, if that is a
    terminal which nothing else writes to.

    Args:
        count: gives the number of inputs, asked once the bar is shown; None where it is not known.
        quiet: show nothing, as when results go to the same terminal line by line.
    """

    def __init__(self, count: Callable[[], int | None], quiet: bool) -> None:
        self._count, self._begin = count, time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._quiet = quiet or not sys.stderr.isatty()

    def tell(self, name: str, inputs: int, structures: int) -> None:
        """Shows how many inputs and structures have been read; ``name`` was the last one."""
        if self._quiet or (self._bar is None and time.monotonic() - self._begin < PATIENCE):
            return
        if self._bar is None:
            self._bar, self._task = self._started()
        self._bar.update(self._task, completed=inputs, structures=structures, name=harmless(Path(name).name)[:40])

    def _started(self) -> tuple[Any, Any]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        told = TextColumn("inputs, {task.fields[structures]} structures  {task.fields[name]}", markup=False)
        bar = Progress(
            BarColumn(20), MofNCompleteColumn(), told, TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        bar.start()
        return bar, bar.add_task("", total=self._count(), structures=0, name="")

    def finish(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
