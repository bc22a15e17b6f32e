"""Figures of a construction's report, as SVG text whose colors follow the page's theme."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from andersonn.constructing.verdict import short
from andersonn.measuring.plots import FAINT, GRID, INK, STYLE, svg

ONE, TWO = "#0072b2", "#d55e00"
"""Okabe and Ito: told apart by color-blind readers; markers differ, too."""
THEME = {INK: "ink", FAINT: "faint", GRID: "line", ONE: "one", TWO: "two"}
"""Color of a figure → the page's variable that takes its place."""
SIZE = (4.9, 3.9)
"""Inches: a figure takes half of a wide page, and all of a telephone's, with letters of about the page's size."""
MOST_DRAWN = 1500
"""Points; of more, a sample."""
MANY = 300
"""Intervals; of more, each is drawn fainter."""
BEYOND = 0.5
"""Spans of the true values by which the axes of estimates reach beyond them; what lies farther is drawn at the edge."""
LONGEST = 60
"""Letters of a name."""


def parity_figure(points: list[dict[str, Any]], label: str) -> str:
    """Estimates with their intervals against true values; each point tells its name.

    Args:
        points: of the test side, of numbers.
        label: quantity and unit.
    """
    points = _sample(points)
    with _figure() as (figure, axes):
        true, estimate = np.array([[point["true"], point["estimate"]] for point in points], dtype=float).T
        room = BEYOND * np.ptp(true) or np.inf
        low = max(min(true.min(), estimate.min()), true.min() - room)
        high = min(max(true.max(), estimate.max()), true.max() + room)
        margin = 0.05 * (high - low) or 1.0
        ends = (low - margin, high + margin)
        axes.plot(ends, ends, color=FAINT, linewidth=1.0, zorder=1)
        _two_kinds(axes, points, lambda point: (point["true"], float(np.clip(point["estimate"], low, high))))
        spans = [point for point in points if point.get("low") is not None and point.get("high") is not None]
        if spans:
            bounds = np.clip([(point["low"], point["high"]) for point in spans], *ends).T
            faint = 0.55 if len(spans) <= MANY else 0.25
            axes.vlines([p["true"] for p in spans], *bounds, color=FAINT, linewidth=0.8, alpha=faint, zorder=0)
        axes.set_xlim(*ends)
        axes.set_ylim(*ends)
        axes.set_aspect("equal")
        _tell_beyond(axes, int(((estimate < low) | (estimate > high)).sum()))
        axes.set_xlabel(f"true {label}", parse_math=False)
        axes.set_ylabel(f"estimated {label}", parse_math=False)
        return _titled(_themed(figure, "parity"), "parity", points)


def distance_figure(points: list[dict[str, Any]], limit: float | None, label: str) -> str:
    """Size of the error against the distance from the training data.

    Args:
        points: of the test side, of numbers, with distances.
        limit: distance beyond which an input is outside the applicability domain.
        label: quantity and unit.
    """
    points = _sample(points)
    with _figure() as (figure, axes):
        errors = np.array([abs(point["estimate"] - point["true"]) for point in points], dtype=float)
        top = min(errors.max(), 4 * float(np.quantile(errors, 0.95)) or np.inf)
        _two_kinds(axes, points, lambda point: (point["distance"], min(abs(point["estimate"] - point["true"]), top)))
        _tell_beyond(axes, int((errors > top).sum()), 0.96)
        if limit is not None:
            axes.axvline(limit, color=INK, linewidth=0.9, linestyle="--", label="limit")
            axes.legend(
                frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, handletextpad=0.3, columnspacing=1.0,
                borderaxespad=0.1,
            )  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.set_xlabel("distance from the training data")
        axes.set_ylabel(f"size of the error, {label}", parse_math=False)
        return _titled(_themed(figure, "distance"), "distance", points)


def reliability_figure(rows: list[dict[str, Any]], n: int | None) -> str:
    """What intervals or probabilities promise against what they hold.

    Args:
        rows: ``level`` and ``covered`` of intervals, or ``confidence``, ``accuracy`` and ``n`` of classes.
        n: test rows, for the band that chance explains; None draws none.
    """
    of_intervals = "level" in rows[0]
    promised, held = ("level", "covered") if of_intervals else ("confidence", "accuracy")
    with _figure() as (figure, axes):
        line = np.linspace(0, 1, 101)
        axes.plot(line, line, color=FAINT, linewidth=1.0, label="perfect")
        x, y = (np.array([row[key] for row in rows], dtype=float) for key in (promised, held))
        if of_intervals and n:
            band = 1.96 * np.sqrt(line * (1 - line) / n)
            axes.fill_between(
                line, line - band, line + band, color=FAINT, alpha=0.25, linewidth=0, label="within chance"
            )
        if not of_intervals:
            counts = np.array([row.get("n") or 1 for row in rows], dtype=float)
            shrunk = (counts * y + 2) / (counts + 4)  # else a bin of right answers alone has no spread
            axes.vlines(
                x, y - (half := 1.96 * np.sqrt(shrunk * (1 - shrunk) / counts)), y + half, color=ONE, linewidth=1.0
            )
        axes.plot(x, y, color=ONE, marker="o", markersize=4.5, linewidth=1.6, label="measured")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.set_aspect("equal")
        axes.set_xlabel("probability of the interval" if of_intervals else "stated probability of the answer")
        axes.set_ylabel("true values inside" if of_intervals else "share of right answers")
        axes.legend(frameon=False, loc="upper left")
        return _themed(figure, "reliability")


def learning_figure(curve: list[dict[str, Any]], twice: dict[str, Any] | None, label: str) -> str:
    """Validation error against the number of training rows, and what twice the data would give.

    Args:
        curve: ``n``, ``error`` and perhaps ``spread``, in the order of n.
        twice: ``n`` and ``error`` expected; None draws none.
        label: of the error.
    """
    with _figure() as (figure, axes):
        n, error = (np.array([row[key] for row in curve], dtype=float) for key in ("n", "error"))
        spread = np.array([row.get("spread") or 0.0 for row in curve], dtype=float)
        axes.errorbar(
            n, error, spread if spread.any() else None, color=ONE, marker="o", markersize=4.5, linewidth=1.6, elinewidth=1.0,
            capsize=2.5, label="measured",
        )  # fmt: skip
        ticks = [int(value) for value in n]
        if twice:
            ends = [n[-1], twice["n"]], [error[-1], twice["error"]]
            axes.plot(*ends, color=TWO, linestyle="--", linewidth=1.4, zorder=1)
            axes.plot(
                [twice["n"]], [twice["error"]], color=TWO, marker="s", markersize=6, markerfacecolor="none",
                markeredgewidth=1.5, linestyle="", label="expected of twice the data",
            )  # fmt: skip
            axes.annotate(
                short(twice["error"]), (twice["n"], twice["error"]), xytext=(0, -14), textcoords="offset points",
                ha="center", color=TWO,
            )  # fmt: skip
            ticks.append(int(twice["n"]))
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.margins(x=0.1, y=0.15)
        axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))
        axes.set_xlabel("training rows (logarithmic)")
        axes.set_ylabel(label, parse_math=False)
        axes.grid(axis="y", color=GRID, linewidth=0.7)
        axes.legend(frameon=False, loc="best")
        return _themed(figure, "learning")


def _two_kinds(
    axes: Axes, points: list[dict[str, Any]], place: Callable[[dict[str, Any]], tuple[float, float]]
) -> None:
    """Draws points inside and outside the applicability domain, and a legend if there are both."""
    parts = _inside_outside(points)
    for name, marker, color, part in zip(("inside", "outside"), "os", (ONE, TWO), parts, strict=True):
        if part:
            x, y = zip(*map(place, part), strict=True)
            dots: PathCollection = axes.scatter(
                x, y, s=17, marker=marker, color=color, alpha=0.8, linewidths=0, zorder=3,
                label="like the training data" if name == "inside" else "unlike it",
            )  # fmt: skip
            dots.set_gid(f"points-{name}")
    if all(parts):
        axes.legend(frameon=False, loc="upper left", handletextpad=0.2, borderaxespad=0.1)


def _tell_beyond(axes: Axes, count: int, height: float = 0.02) -> None:
    """Says how many points are drawn at the edge because they lie beyond it."""
    if count:
        said = f"at the edge: {count:,} beyond it"
        axes.text(0.99, height, said, transform=axes.transAxes, ha="right", fontsize=8.5, color=TWO)


def _inside_outside(points: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    outside = [point for point in points if point.get("inside") is False]
    return [point for point in points if point.get("inside") is not False], outside


def _sample(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(points) <= MOST_DRAWN:
        return points
    rows = np.random.default_rng(0).choice(len(points), MOST_DRAWN, replace=False)
    return [points[row] for row in sorted(rows)]


def _titled(text: str, figure: str, points: list[dict[str, Any]]) -> str:
    """The figure with the name and numbers of each point in a title, which browsers show under the pointer."""
    for name, part in zip(("inside", "outside"), _inside_outside(points), strict=True):
        start = text.find(f'id="{figure}-points-{name}"')
        if start < 0:
            continue
        titles = iter(part)

        def named(match: re.Match[str], titles: Iterator[dict[str, Any]] = titles) -> str:
            point = next(titles)
            said = f"{str(point.get('id', ''))[:LONGEST]}: true {short(point['true'])}, estimated {short(point['estimate'])}"
            return f"{match[1]}><title>{escape(said)}</title></use>"

        start = text.index("</defs>", start)  # of the marker
        text = text[:start] + re.sub(r"(<use [^<>]*?)/>", named, text[start:], count=len(part))
    return text


@contextmanager
def _figure() -> Iterator[tuple[Figure, Axes]]:
    with rc_context(STYLE | {"text.color": INK}), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Glyph .* missing"
        )  # names may be in any script; the browser has fonts
        figure = Figure(figsize=SIZE, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots()
        axes.patch.set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_locator(MaxNLocator(6))
        yield figure, axes


def _themed(figure: Figure, name: str) -> str:
    """SVG for a page: colors are the page's variables, no metadata, no namespaces, no name that another figure has."""
    text = svg(figure)
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<defs>\s*</defs>", "", text)
    text = re.sub(r'\s(?:xmlns(?::\w+)?|version)="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'<g id="(?!points-)[^"]*">', "<g>", text)
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for color, name in THEME.items():
        text = text.replace(color, f"var(--{name})")
    return text.replace("<svg", '<svg class="figure" aria-hidden="true"', 1)
