"""``andersonn card``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from andersonn.cli.console import FORMAT, Format, print_json, print_rows, tell
from andersonn.sanitize import visible

HELP = """Model card: data, licence, split, test with baselines, known failures, how to train it again.

As table, Markdown (rendered on a terminal); as json, one object; as csv, a row each of its single values.

Example: andersonn card porosity"""


def card(
    task: str = typer.Argument(help="Task, such as conduction."),
    model: Path | None = typer.Option(None, help="Folder of a trained model; default: the shipped weights."),
    format: Format = FORMAT,
) -> None:
    """Prints the card."""
    from andersonn.errors import UsageError
    from andersonn.scientists.registry import find, weights_folder
    from andersonn.training.card import content_of, page_of

    folder = model or weights_folder(task)
    content = content_of(folder)
    if content["task"] != task:
        find(task)  # a misspelt name is told as such
        raise UsageError(
            "wrong_task", f"the model in {str(folder)!r} is for {content['task']}, not {task}", "name its own task"
        )
    if format is Format.json:
        print_json(content)
    elif format is Format.csv:
        print_rows([{"field": name, "value": value} for name, value in _leaves(content)], format)
    else:
        _show(page_of(folder))


def _leaves(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Single values of nested groups, their names joined by dots."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            yield prefix + name, value


def _show(page: str) -> None:
    from rich.console import Console

    page = "\n".join(map(visible, page.split("\n")))  # a card may come with a model from anywhere
    console = Console()
    if console.is_terminal:
        from rich.markdown import Markdown

        console.print(Markdown(page))
    else:
        tell(page, end="")
