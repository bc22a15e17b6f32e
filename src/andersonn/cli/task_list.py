"""Help texts: the tasks that there are, paragraphs that fit the screen, and types as people write them. All of it is made when help is
shown, not when the program starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperCommand, TyperGroup

from andersonn.sanitize import visible

TASKS, LABELS = "{tasks}", "{labels}"
"""Where a help text shows the tasks; with the columns of their labels."""
TYPES = {
    "<str>": "TEXT",
    "<list[str]>": "TEXT",
    "<path>": "PATH",
    "<list[Path]>": "PATH",
    "<int>": "N",
    "<int range>": "N",
    "<float>": "X",
    "<float range>": "X",
}
"""What newer versions of typer write of a type, in words; older ones have words of their own."""
EXAMPLE = re.compile(r"Examples?: ")
NEXT_EXAMPLE = re.compile(r";\s+(?=andersonn )")


class Verb(TyperCommand):
    """A verb. Its help shows the tasks, if it has an argument of that name; each example has its line."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: D102
        text = written = self.help or ""
        if any(param.name == "task" for param in self.params) and not (TASKS in text or LABELS in text):
            about, mark, examples = text.rpartition("\n\nExample")
            text = f"{about}\n\nTasks:\n{TASKS}{mark}{examples}" if mark else f"{text}\n\nTasks:\n{TASKS}"
        self.help = filled(reflowed(text))
        params = self.get_params(ctx)
        for param in params:
            _show_type_in_words(param)
        with _only_what_changes_something(params):
            super().format_help(ctx, formatter)
        self.help = written

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """``[OPTIONS] TASK [INPUT]...``."""
        pieces = [self.options_metavar] if self.options_metavar else []
        for param in self.params:
            if param.param_type_name == "argument" and not getattr(param, "hidden", False):
                name = (param.metavar or param.name or "").strip("[].").upper()
                pieces.append((name if param.required else f"[{name}]") + ("..." if param.nargs != 1 else ""))
        return pieces


class Verbs(TyperGroup):
    """A group of verbs whose help text shows the tasks."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: D102
        self.help = filled(reflowed(self.help or ""))
        for param in self.get_params(ctx):
            _show_type_in_words(param)
        for command in self.commands.values():
            command.short_help = command.short_help or _first_sentence(command.help or "")
        super().format_help(ctx, formatter)


def tasks_like(incomplete: str) -> list[tuple[str, str]]:
    """The tasks whose names begin so, each with what it is about, for the shell to complete."""
    from andersonn.scientists.registry import registered

    return [(name, spec.task.summary) for name, spec in registered().items() if name.startswith(incomplete)]


def reflowed(text: str) -> str:
    """A help text whose paragraphs have no ends of lines of their own, so that they fit every screen. Lists keep theirs: what
    follows a line that ends in a colon. Each example gets a line.
    """
    return "\n\n".join("\n".join(_lines_of(paragraph)) for paragraph in text.split("\n\n"))


def _lines_of(paragraph: str) -> Iterator[str]:
    if EXAMPLE.match(paragraph):
        told = " ".join(paragraph.replace("\nExample: ", "; ").split())
        examples = NEXT_EXAMPLE.split(EXAMPLE.sub("", told))
        yield "Examples:" if len(examples) > 1 else "Example:"
        yield from (f"  {example}" for example in examples)
        return
    before, colon, listed = paragraph.partition(":\n")
    yield " ".join(before.split()) + colon.strip()
    if colon:
        yield from listed.split("\n")


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.)\s", " ".join(text.partition("\n\n")[0].split()), maxsplit=1)[0]


@contextmanager
def _only_what_changes_something(params: list[Any]) -> Iterator[None]:
    """Shows of a switch that is on by default the word that turns it off alone."""
    on = [param for param in params if getattr(param, "secondary_opts", None) and param.default is True]
    shown = [(param, param.opts, param.secondary_opts, param.show_default) for param in on]
    for param in on:
        param.opts, param.secondary_opts, param.show_default = param.secondary_opts, [], False
    try:
        yield
    finally:
        for param, first, second, default in shown:
            param.opts, param.secondary_opts, param.show_default = first, second, default


def _show_type_in_words(param: Any) -> None:
    """Gives a parameter the words of its type; a switch and a choice need none but their own."""
    if not hasattr(param, "display_type_rich"):  # an older typer
        return
    shown = param.display_type_rich(None) if param.metavar is not None and param.param_type_name == "option" else None
    if shown is None:
        kind = param.display_type(None)
        shown = None if kind == "<bool>" else TYPES.get(kind, kind.strip("<>"))
    if param.param_type_name == "argument":
        param.metavar, shown = param.metavar or param.name.upper(), None  # its name says it
    param.display_type_rich = lambda ctx: shown


def filled(text: str) -> str:
    """A help text with the tasks in it."""
    for mark, labels in ((TASKS, False), (LABELS, True)):
        if mark in text:
            text = text.replace(mark, "\n".join(_lines(labels)))
    return text


def _lines(labels: bool) -> list[str]:
    from rich.markup import escape

    from andersonn.scientists.registry import registered

    rows = []
    for name, spec in registered().items():
        about = spec.task.summary or spec.task.quantity_words
        row = [name, spec.task.quantity, about] if labels else [name, about + ("" if spec.trained else " (untrained)")]
        rows.append([escape(visible(word)) for word in row])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
