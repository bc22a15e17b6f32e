"""``andersonn card``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from andersonn.cli.console import FORMAT, GEOMETRY, MODEL, TASK, Format, Geometry, print_json, print_rows, tell
from andersonn.sanitize import visible

HELP = """Model card: data, licence, split, test with baselines, known failures, how to train it again.

As table, Markdown (rendered on a terminal); as json, one object; as csv, a row each of its single values.

Example: andersonn card porosity"""


def card(
    task: str = TASK,
    model: Path | None = MODEL,
    geometry: Geometry | None = GEOMETRY,
    format: Format = FORMAT,
) -> None:
    """Prints the card."""
    from andersonn.inference.model_bundle import require_task
    from andersonn.scientists.registry import find, weights_folder
    from andersonn.training.card import content_of, page_of

    folder = model or weights_folder(find(task).of_geometry(geometry))
    content = content_of(folder)
    require_task(content["task"], task, folder)
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
