"""Pieces of HTML in which answers show themselves in a notebook: styles stand in the elements, and nothing is loaded or run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from andersonn.sanitize import harmless
from andersonn.structures.shown import PAPER

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Of the classes, in rising order of the quantity: Okabe and Ito's, which color-blind people tell apart."""
LONGEST = 80
"""Characters of a name or warning in a table."""
CELL = "text-align:left;padding:4px 8px;vertical-align:middle"


def text(value: object, longest: int = 10_000) -> str:
    """Text for a page: escaped, without controls and secrets, and cut where it is longer."""
    shown = harmless(str(value))
    return escape(shown if len(shown) <= longest else f"{shown[: longest - 1]}…")


def words(name: str) -> str:
    """A class as people read it, escaped."""
    return text(name.replace("_", " "))


def answer_title(label: str, formula: str, name: str) -> str:
    """The first line of a card: class, formula, and the name, unless it is the formula."""
    named = "" if name == formula else f" {text(name, LONGEST)}"
    return f"<b>{words(label)}</b> {text(formula)}{named}" if label else f"<b>{text(formula)}</b>{named}"


def picture(svg: str) -> str:
    """An SVG on white ground."""
    return f'<div style="{PAPER}">{svg}</div>' if svg else ""


def bar(probabilities: Mapping[str, float], width: int = 150) -> str:
    """Probabilities of the classes as one bar, each class with its share of the width; names and numbers on pointing at it."""
    parts = "".join(
        f'<div title="{words(name)}: {p:.3f}" style="width:{100 * p:.2f}%;background:{PALETTE[k % len(PALETTE)]}"></div>'
        for k, (name, p) in enumerate(probabilities.items())
    )
    return f'<div style="display:flex;width:{width}px;height:10px;border-radius:3px;overflow:hidden">{parts}</div>'


def key(probabilities: Iterable[str]) -> str:
    """Which class has which color."""
    return " ".join(
        f'<span style="white-space:nowrap"><span style="color:{PALETTE[k % len(PALETTE)]}">■</span> {words(name)}</span>'
        for k, name in enumerate(probabilities)
    )


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already, under plain titles."""
    head = "".join(f'<th style="{CELL}">{text(title)}</th>' for title in titles)
    body = ("".join(f'<td style="{CELL}">{cell}</td>' for cell in row) for row in rows)
    whole = "".join(f"<tr>{row}</tr>" for row in body)
    return f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{whole}</tbody></table>'


def lines(texts: Iterable[str], mark: str = "") -> str:
    """Lines of plain text, each behind a mark."""
    return "".join(f"<div>{text(mark + line)}</div>" for line in texts)
