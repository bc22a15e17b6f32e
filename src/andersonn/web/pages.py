"""Model cards, the measurement report and examples: what the page shows that is not computed."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from andersonn.errors import InputError, UsageError
from andersonn.inference.distribution import DistributionCalibration
from andersonn.scientists.registry import registered
from andersonn.structures.elements import hill_formula
from andersonn.structures.readers import read_content
from andersonn.structures.readers.molecules.smiles import atomic_numbers
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from markdown_it.token import Token

    from andersonn.inference.predictor import Predictor

STATIC = Path(__file__).parent / "static"
TEMPLATES = Path(__file__).parent / "templates"
TABS = {"lab": "Lab", "construct": "Construct", "cards": "Model cards", "report": "Measurements", "api": "API"}
"""Pages as all of them list them."""
PACKAGED = Path(__file__).parent / "shelf"
"""Where an installed package has the documents; in a clone they are in the repository."""
REPOSITORY = Path(__file__).parents[3]
EMPTY_HEADER = re.compile(r"<th((?: class=\"\w+\")?)></th>")
FIGURES = Path(__file__).parent / "figures.json"
REPORT = "docs/measured.md"


def shelf(name: str) -> str:
    """The text of a document of the repository, wherever it was installed.

    Raises:
        UsageError: the installation lacks it.
    """
    for folder in (PACKAGED, REPOSITORY):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise UsageError("no_document", f"this installation has no {name}", "install the package again")


def about(scientist: Predictor) -> dict[str, Any]:
    """What a page has to know of a scientist: its model's task, in its own words."""
    from andersonn.web.boundary import shown_range

    task = scientist.task
    return {
        "name": task.name,
        "summary": task.summary or task.quantity_words,
        "answer": task.answer,
        "classes": task.classes if task.has_class else (),
        "thresholds": task.thresholds if task.answer == "class" else (),
        "quantity": task.quantity,
        "quantity_words": task.quantity_words,
        "unit": task.unit,
        "range": shown_range(task),
        "first_threshold_is_fixed": task.zero_is_class
        and not isinstance(scientist.bundle.calibration, DistributionCalibration),
        "periodic": task.periodic,
        "model": scientist.name,
        # for which no atoms are removed, one after the other
        "pore_options": scientist.pores is not None,
        "explained_at_once": scientist.bundle.config.model.head == "dipole" or scientist.recipe.bonds,
    }


@cache
def html(name: str) -> str:
    """A page, ``lab`` or ``construct``, with the head that all share."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = {"lab": ("main", []), "construct": ("construct", ["construct"])}
    script, styles = own[name]
    return found.get_template(f"{name}.html").render(current=name, tabs=TABS, script=script, styles=styles)


@cache
def examples() -> list[dict[str, Any]]:
    """Of all registered scientists, each with ``name``, ``task``, ``formula`` (None of several structures) and either ``file`` and
    ``text``, or ``smiles``.
    """
    found: list[dict[str, Any]] = []
    for spec in registered().values():
        for name, source in spec.examples.items():
            example = {"name": name, "task": spec.name}
            if "\n" in source:
                found.append(example | {"file": name, "text": source})
            elif source.startswith("examples/"):
                found.append(example | {"file": Path(source).name, "text": shelf(source)})
            else:
                found.append(example | {"smiles": source})
    return [example | {"formula": _formula(example)} for example in found]


def _formula(example: dict[str, Any]) -> str | None:
    """The formula of an example of one structure; those of other packages may be unsound, which is told when they are asked about."""
    try:
        if "smiles" in example:
            return hill_formula(atomic_numbers(example["smiles"]))
        structures = read_content(example["text"].encode(), Path(example["file"]))
    except InputError:
        return None
    first = structures[0]
    return first.formula if len(structures) == 1 and isinstance(first, Structure) else None


@cache
def figures() -> dict[str, Any]:
    """The figures of what was measured, as ``tools/figures.py`` takes them from the documentation."""
    return json.loads(FIGURES.read_text(encoding="utf-8"))


@cache
def report() -> str:
    """The measurement report as HTML."""
    return as_html(shelf(REPORT))


def as_html(markdown: str) -> str:
    """Markdown as HTML; raw HTML in it stays text, and links to files that are not served become plain text."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        style = str(token.attrs.pop("style", ""))  # styles in attributes are forbidden to our pages
        if style.startswith("text-align:"):
            token.attrs["class"] = style.removeprefix("text-align:")
        token.children = _served(token.children or [])
    html = parser.renderer.render(tokens, parser.options, {})
    html = EMPTY_HEADER.sub(r"<td\1></td>", html).replace("<pre>", '<pre tabindex="0">')  # for keys and screen readers
    return html.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")


def _served(tokens: list[Token]) -> list[Token]:
    """Tokens of a line without links to what is not served; links never stand in links."""
    kept, inside = [], True
    for token in tokens:
        if token.type == "link_open":
            inside = str(token.attrs.get("href", "")).startswith(("https://", "http://", "#"))
            token.attrs = {"rel": "noreferrer", **token.attrs}
        if inside or token.type not in ("link_open", "link_close"):
            kept.append(token)
    return kept
