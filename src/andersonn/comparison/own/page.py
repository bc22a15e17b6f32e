"""Parts of a report: one HTML page that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterable
from importlib import resources
from typing import Any


def page(title: str, body: str) -> str:
    """The whole page around a body."""
    shell = resources.files("andersonn.comparison.own").joinpath("page.html").read_text(encoding="utf-8")
    return shell.replace("{{title}}", html.escape(title)).replace("{{body}}", body)


def cards(numbers: Iterable[tuple[str, str]]) -> str:
    """Large numbers with what they are."""
    return "".join(
        f"<div class=card><b>{html.escape(number)}</b><span>{html.escape(text)}</span></div>"
        for number, text in numbers
    )


def table(head: list[str], body: list[list[str]]) -> str:
    """A table of text."""
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
    return f"<div class=scroll><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"


def items(lines: Iterable[str]) -> str:
    """A list of sentences; they are text, not HTML."""
    return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>"


def machine_line(setting: dict[str, Any]) -> str:
    """Hardware, versions, seed, n and repeats, in a sentence."""
    versions = ", ".join(f"{name} {number}" for name, number in setting["versions"].items() if number)
    gpu = "" if setting["gpu"] is None else f", {setting['gpu']}"
    known = {"seed": "seed", "n": "n", "repeats": "repeats"}
    counts = ", ".join(f"{word} {setting[key]}" for key, word in known.items() if key in setting)
    return (
        f"{setting['cpu']}, {setting['cores']} cores, {setting['threads']} torch threads{gpu}; Python "
        f"{setting['python']}, {versions}; {counts}."
    )
