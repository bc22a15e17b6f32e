"""The tasks that there are, for help texts. They are asked for when help is shown, not when the program starts."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from andersonn.sanitize import visible

TASKS, LABELS = "{tasks}", "{labels}"
"""Where a help text shows the tasks; with the columns of their labels."""


class CommandWithTasks(TyperCommand):
    """A verb whose help text shows the tasks."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: D102
        self.help = filled(self.help or "")
        super().format_help(ctx, formatter)


class GroupWithTasks(TyperGroup):
    """A group of verbs whose help text shows the tasks."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: D102
        self.help = filled(self.help or "")
        super().format_help(ctx, formatter)


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
