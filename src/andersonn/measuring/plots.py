"""Figures of the comparisons, drawn from their JSON alone, as SVG text for a page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from andersonn.measuring.contenders import DAMPED, FORWARD, NAMES
from andersonn.measuring.training_step import LABELS, STACK, VARIANTS

# Okabe and Ito: told apart by color-blind readers
COLORS = {"anderson": "#0072B2", "auto": "#009E73", FORWARD: "#D55E00", DAMPED: "#CC79A7"}
MARKERS = {"anderson": "o", "auto": "^", FORWARD: "s", DAMPED: "D"}
INK, FAINT, GRID = "#1f2933", "#9aa5b1", "#e4e7eb"
STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "andersonn",
}


def residual_figure(curve: dict[str, Any]) -> str:
    """Residual against time, with the crossover, beside residual against evaluations."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9.6, 3.7), layout="constrained")
        by_time, by_evaluation = figure.subplots(1, 2, sharey=True)
        for name in in_order(curve["curves"]):
            points = curve["curves"][name]
            residual = np.array([np.nan if r is None else r for r in points["residual"]])
            milliseconds = 1e3 * np.array(points["seconds"])
            penalty = curve["mixing_penalties"].get(name)
            label = NAMES[name] + ("" if penalty is None else f" ({100 * penalty:+.0f} % a step)")
            for axes, x in ((by_time, milliseconds), (by_evaluation, np.arange(1, len(residual) + 1))):
                axes.semilogy(
                    x, residual, color=COLORS[name], marker=MARKERS[name], markersize=3.2, linewidth=1.6, label=label
                )
        _mark_crossover(by_time, curve["crossovers"].get("anderson"))
        by_time.set_xlabel("time / ms")
        by_time.set_ylabel("largest relative residual of the batch")
        by_evaluation.set_xlabel("evaluations of the cell")
        by_evaluation.legend(frameon=False, loc="upper right")
        for axes in (by_time, by_evaluation):
            axes.grid(axis="y", color=GRID, linewidth=0.7)
            axes.margins(x=0.08, y=0.1)
        return svg(figure)


def _mark_crossover(axes: Axes, point: dict[str, float] | None) -> None:
    if point is None:
        axes.text(0.03, 0.05, "no crossover: mixing is not paid back for good", transform=axes.transAxes, color=INK)
        return
    x, y = 1e3 * point["seconds"], point["residual"]
    axes.plot([x], [y], marker="o", markersize=11, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.4)
    axes.annotate(
        f"crossover\n{x:.1f} ms, {y:.0e}", (x, y), xytext=(24, 18), textcoords="offset points", color=INK, fontsize=9,
        arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.8},
    )  # fmt: skip


def histogram_figure(solvers: dict[str, dict[str, Any]]) -> str:
    """How many structures needed how many evaluations, with each solver."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9.6, 2.9), layout="constrained")
        axes = figure.subplots()
        names = in_order(solvers)
        longest = max(len(solvers[name]["histogram"]) for name in names)
        step = max(1, longest // 40)
        for k, name in enumerate(names):
            counts = np.array(
                solvers[name]["histogram"] + [0] * (step * (longest // step + 1) - len(solvers[name]["histogram"]))
            )
            bins = counts.reshape(-1, step).sum(axis=1)
            x = step * np.arange(len(bins)) + (step - 1) / 2 + step * 0.27 * (k - (len(names) - 1) / 2)
            mean = solvers[name]["evaluations_per_structure"]
            axes.bar(x, bins, width=0.27 * step, color=COLORS[name], label=f"{NAMES[name]}, mean {mean:.1f}")
        first = min(int(np.flatnonzero(solvers[name]["histogram"])[0]) for name in names)
        axes.set_xlim(first - step, longest + step - 1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("evaluations of the cell until the structure has converged")
        axes.set_ylabel("structures")
        axes.legend(frameon=False, loc="upper right")
        return svg(figure)


def training_figure(training: dict[str, Any], target: float | None = None) -> str:
    """Validation accuracy against training time, and spectral radius against epochs."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9.6, 3.1), layout="constrained")
        accuracy, radius = figure.subplots(1, 2)
        for name in in_order(training):
            history = training[name]["history"]
            seconds = np.cumsum([row["train_seconds"] for row in history])
            epochs = [row["epoch"] for row in history]
            accuracy.plot(
                seconds, [100 * row["validation_accuracy"] for row in history], color=COLORS[name], marker=MARKERS[name],
                markersize=3, label=NAMES[name],
            )  # fmt: skip
            radius.plot(epochs, [row["radius_median"] for row in history], color=COLORS[name], label=NAMES[name])
            radius.plot(epochs, [row["radius_max"] for row in history], color=COLORS[name], linestyle=":")
        if target is not None:
            accuracy.axhline(100 * target, color=FAINT, linewidth=0.8, label=f"target {100 * target:.1f} %")
        accuracy.set_xlabel("training time / s (validation not counted)")
        accuracy.set_ylabel("validation accuracy / %")
        accuracy.legend(frameon=False, loc="lower right")
        radius.axhline(1.0, color=INK, linewidth=0.8)
        radius.text(1, 1.02, "Picard iteration diverges above 1", fontsize=8.5, color=INK)
        radius.set_ylim(0, 1.15)
        radius.set_xlabel("epoch")
        radius.set_ylabel("spectral radius")
        radius.text(1, 0.9, "lines: median structure; dotted: largest", fontsize=8.5, color=INK)
        return svg(figure)


def memory_figure(rows: list[dict[str, Any]]) -> str:
    """Peak memory against depth, both on logarithmic axes."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        axes = figure.subplots()
        for kind, (color, marker, line) in looks(row["kind"] for row in rows).items():
            points = [(row["depth"], row["bytes"] / 1e6) for row in rows if row["kind"] == kind and row["bytes"]]
            if points:
                x, y = zip(*points, strict=True)
                axes.loglog(x, y, color=color, marker=marker, linestyle=line, markersize=4, label=LABELS[kind])
        axes.set_xlabel("solver steps in either pass, or layers of a stack")
        axes.set_ylabel("peak of a training step / MB")
        depths = sorted({row["depth"] for row in rows})
        axes.set_xticks(depths, [str(depth) for depth in depths])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.grid(axis="y", color=GRID, linewidth=0.7)
        axes.legend(frameon=False, loc="upper left")
        return svg(figure)


def frontier_figure(result: dict[str, Any]) -> str:
    """The deepest step that fits, against the rows of the images; hollow where the deepest tried fits."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        axes = figure.subplots()
        sizes = result["sizes"]
        for kind, (color, marker, line) in looks(kind for row in sizes for kind in row["kinds"]).items():
            found = [(row["rows"], row["kinds"][kind]) for row in sizes if row["kinds"][kind]["deepest"]]
            if not found:
                continue
            x, y = [rows for rows, _ in found], [each["deepest"] for _, each in found]
            axes.loglog(x, y, color=color, linestyle=line, label=LABELS[kind])
            for rows, each in found:
                fill = color if each["refused"] else "none"
                axes.loglog(rows, each["deepest"], color=color, marker=marker, markersize=6, markerfacecolor=fill)
        needed = [(row["rows"], row["needed"][FORWARD]) for row in sizes if row["needed"][FORWARD]]
        if needed:
            axes.loglog(*zip(*needed, strict=True), color=INK, linestyle=":", label="steps to the fixed point")
        axes.set_xlabel("rows of the images in a step")
        axes.set_ylabel(f"deepest step that fits in {result['budget'] / 1e6:,.0f} MB")
        axes.set_xticks([row["rows"] for row in sizes], [f"{row['rows']:,}" for row in sizes])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(axis="y", color=GRID, linewidth=0.7)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        return svg(figure)


def looks(kinds: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """Color, marker and line of each kind of training step: forms of Anderson that need less memory are broken lines in its color."""
    known = {
        STACK: ("#7A7A7A", "D", "-"),
        FORWARD: (COLORS[FORWARD], MARKERS[FORWARD], "-"),
        "anderson": (COLORS["anderson"], MARKERS["anderson"], "-"),
    }
    marks = dict(zip(VARIANTS, "v^<>Pp", strict=True))
    known |= {name: (COLORS["anderson"], mark, "--") for name, mark in marks.items()}
    return {kind: known[kind] for kind in dict.fromkeys(kinds)}


def carbon_figure(projection: dict[str, Any]) -> str:
    """The saving, the whole fleet, all electricity, and the paper's number, on one logarithmic axis."""
    saved, ceiling = projection["saved_mt"], projection["ceiling_mt"]
    bars = [
        (f"the paper: {projection['paper_gt']:g} Gt a year by 2030", 1e3 * projection["paper_gt"], None, INK),
        ("all electricity generation, 2024", 1e3 * projection["power_sector_gt"], None, INK),
        ("all data centers, in this scenario", ceiling["mid"], (ceiling["low"], ceiling["high"]), INK),
        ("saved, in this scenario", saved["mid"], (saved["low"], saved["high"]), COLORS["anderson"]),
    ]
    with rc_context(STYLE):
        figure = Figure(figsize=(9.6, 2.6), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        least = min([value for value in (saved["low"], saved["mid"]) if value > 0], default=1.0)
        left = least / 4
        for y, (_, value, ends, color) in enumerate(reversed(bars)):
            if ends and ends[1] > 0:
                axes.plot(
                    [max(ends[0], left), ends[1]], [y, y], color=color, linewidth=5, solid_capstyle="butt", alpha=0.45
                )
            if value > 0:
                axes.plot([value], [y], color=color, marker="o", markersize=8)
            text = _short(value) + (f" ({_short(ends[0])} … {_short(ends[1])})" if ends else "")
            axes.annotate(
                text, (max(value, ends[1] if ends else 0, left), y), xytext=(9, 0), textcoords="offset points", va="center",
                color=INK,
            )  # fmt: skip
        axes.set_yticks(range(len(bars)), [label for label, *_ in reversed(bars)])
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(left, 4e6)
        axes.set_ylim(-0.6, len(bars) - 0.4)
        axes.grid(axis="x", color=GRID, linewidth=0.7)
        axes.set_xlabel("million tonnes of CO2 a year (logarithmic)")
        return svg(figure)


def residual_panels(
    curves: dict[str, dict[str, list[float | None]]], looks: dict[str, tuple[str, str]], floor: float
) -> bytes:
    """PNG with a panel a problem: residual against evaluations of every solver.

    Args:
        curves: title of the panel → solver → residual after each evaluation; None where it is not finite.
        looks: solver → color and line style, in the order of the legend.
        floor: least residual that is shown.
    """
    columns = min(4, len(curves))
    rows = -(-len(curves) // columns)
    with rc_context(STYLE | {"font.size": 8.5}):
        picture = Figure(figsize=(3.3 * columns + 0.4, 2.5 * rows + 0.9), layout="constrained")
        panels = picture.subplots(rows, columns, squeeze=False).ravel()
        handles: dict[str, Any] = {}
        for panel, (title, lines) in zip(panels, curves.items(), strict=False):
            for name, values in lines.items():
                color, dashes = looks[name]
                line = [np.nan if value is None else value for value in values]
                (handle,) = panel.semilogy(range(1, len(line) + 1), line, dashes, color=color, linewidth=1.4)
                handles.setdefault(name, handle)
            panel.set_title(title, fontsize=8.5, loc="left")
            panel.grid(axis="y", color=GRID, linewidth=0.6)
            panel.set_ylim(bottom=floor, top=3)
        for panel in panels[len(curves) :]:
            panel.set_visible(False)
        picture.supxlabel("evaluations of f", fontsize=9.5)
        picture.supylabel("largest relative residual of the batch", fontsize=9.5)
        shown = [name for name in looks if name in handles]
        picture.legend(
            [handles[n] for n in shown], shown, loc="outside upper center", ncols=min(6, len(shown)), frameon=False
        )
        stream = io.BytesIO()
        FigureCanvasAgg(picture).print_png(stream)
    return stream.getvalue()


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def in_order(names: Iterable[str]) -> list[str]:
    """Picard iteration first, so that the others are drawn over it."""
    names = list(names)
    return [name for name in (FORWARD, DAMPED, "anderson", "auto") if name in names]


def svg(figure: Figure) -> str:
    """A figure as an inline SVG element, text left as text."""
    stream = io.StringIO()
    FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None})
    text = stream.getvalue()
    svg = text[text.index("<svg") :]
    head, end, rest = svg.partition(">")
    return re.sub(r' (?:width|height)="[^"]*"', "", head) + end + rest
