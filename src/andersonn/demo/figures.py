"""Figures of the demonstration, as SVG text and PNG bytes."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

COLORS = {"anderson": "#0072B2", "forward": "#D55E00"}  # Okabe and Ito: told apart by color-blind readers
NAMES = {"anderson": "Anderson", "forward": "forward iteration"}
MARKERS = {"anderson": "o", "forward": "s"}
INK, FAINT = "#1f2933", "#9aa5b1"
STYLE = {
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
        figure = Figure(figsize=(9.6, 3.5), layout="constrained")
        by_time, by_evaluation = figure.subplots(1, 2, sharey=True)
        for name in ("forward", "anderson"):
            points = curve["curves"][name]
            residual = np.array(points["residual"])
            milliseconds = 1e3 * np.array(points["seconds"])
            for axes, x in ((by_time, milliseconds), (by_evaluation, np.arange(1, len(residual) + 1))):
                axes.semilogy(x, residual, color=COLORS[name], marker=MARKERS[name], markersize=3.2, linewidth=1.6)
                axes.annotate(
                    NAMES[name], (x[-1], residual[-1]), xytext=(5, 5 if name == "forward" else -6),
                    textcoords="offset points", color=COLORS[name], fontsize=9,
                )  # fmt: skip
        _mark_crossover(by_time, curve["crossover"])
        by_time.set_xlabel("time / ms")
        by_time.set_ylabel("largest relative residual of the batch")
        by_evaluation.set_xlabel("evaluations of the cell")
        for axes in (by_time, by_evaluation):
            axes.grid(axis="y", color="#e4e7eb", linewidth=0.7)
            axes.margins(x=0.18, y=0.1)
        return _svg(figure)


def _mark_crossover(axes: Axes, point: dict[str, float] | None) -> None:
    if point is None:
        axes.text(0.03, 0.05, "no crossover: mixing is not paid back for good", transform=axes.transAxes, color=INK)
        return
    x, y = 1e3 * point["seconds"], point["residual"]
    axes.plot([x], [y], marker="o", markersize=11, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.4)
    axes.annotate(
        f"crossover\n{x:.1f} ms, {y:.0e}", (x, y), xytext=(14, 18), textcoords="offset points", color=INK, fontsize=9,
        arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.8},
    )  # fmt: skip


def training_figure(training: dict[str, Any]) -> str:
    """Validation accuracy against training time, and spectral radius against epochs."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9.6, 3.1), layout="constrained")
        accuracy, radius = figure.subplots(1, 2)
        for name in ("forward", "anderson"):
            history = training[name]["history"]
            seconds = np.cumsum([row["train_seconds"] for row in history])
            epochs = [row["epoch"] for row in history]
            accuracy.plot(
                seconds, [100 * row["validation_accuracy"] for row in history], color=COLORS[name], marker=MARKERS[name],
                markersize=3, label=NAMES[name],
            )  # fmt: skip
            radius.plot(epochs, [row["radius_median"] for row in history], color=COLORS[name], label=NAMES[name])
            radius.plot(epochs, [row["radius_max"] for row in history], color=COLORS[name], linestyle=":")
        accuracy.set_xlabel("training time / s (validation not counted)")
        accuracy.set_ylabel("validation accuracy / %")
        accuracy.legend(frameon=False, loc="lower right")
        radius.axhline(1.0, color=INK, linewidth=0.8)
        radius.text(1, 1.02, "forward iteration diverges above 1", fontsize=8.5, color=INK)
        radius.set_ylim(0, 1.15)
        radius.set_xlabel("epoch")
        radius.set_ylabel("spectral radius")
        radius.text(1, 0.9, "lines: median structure; dotted: largest", fontsize=8.5, color=INK)
        return _svg(figure)


def confusion_figure(confusion: list[list[int]], classes: tuple[str, ...]) -> str:
    """Counts in cells shaded by the share of their row."""
    counts = np.array(confusion, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with rc_context(STYLE):
        figure = Figure(figsize=(4.1, 3.2), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.15)  # a browser's font may be wider
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            color = "white" if share > 0.5 else INK
            axes.text(
                column, row, f"{int(counts[row, column])}\n{100 * share:.0f} %", ha="center", va="center", color=color
            )
        axes.set_xticks(range(len(classes)), classes)
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xlabel("predicted")
        axes.set_ylabel("DFT")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return _svg(figure)


def _svg(figure: Figure) -> str:
    """A figure as an inline SVG element, text left as text."""
    stream = io.StringIO()
    FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None})
    text = stream.getvalue()
    svg = text[text.index("<svg") :]
    return re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1), count=1
    )
