"""The picture of a trace: residuals against evaluations, as a plot or as a small drawing for a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOR, GRID = "#0072B2", "#e4e7eb"
BANDS = ((0.0, 1.0, 0.15, "all samples"), (0.25, 0.75, 0.3, "middle half"))
"""Quantiles between which a band lies, its opacity and its label."""
WIDTH, HEIGHT, LEFT, BOTTOM = 260, 110, 34, 18
"""Pixels of the small drawing, and of its margins for numbers."""


def draw(residual: Tensor, ax: Axes | None, lines: int) -> Axes:
    """Draws residuals ``[T, B]``; see :meth:`andersonn.solvers.Trace.plot`.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise ImportError("Trace.plot needs matplotlib; pip install matplotlib") from error
    if ax is None:
        ax = pyplot.figure(figsize=(6.4, 3.8), layout="constrained").subplots()
    values = residual.numpy().copy()
    values[~(np.isfinite(values) & (values > 0))] = np.nan
    evaluations = np.arange(1, len(values) + 1)
    if values.shape[1] <= lines:
        _draw_lines(ax, evaluations, values)
    else:
        _draw_bands(ax, evaluations, values)
    ax.set_yscale("log")
    ax.set_xlabel("evaluations of f")
    ax.set_ylabel("relative residual")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(axis="y", color=GRID, linewidth=0.7)
    ax.set_axisbelow(True)
    return ax


def _draw_lines(ax: Axes, evaluations: np.ndarray, values: np.ndarray) -> None:
    for sample, line in enumerate(values.T):
        moved = np.flatnonzero(np.diff(line) != 0)
        end = moved[-1] + 2 if len(moved) else 1  # after that the sample keeps its value
        ax.plot(evaluations[:end], line[:end], linewidth=1.4, marker=".", markersize=5, label=f"sample {sample}")
    if values.shape[1] > 1:
        ax.legend(frameon=False, fontsize="small", ncols=1 + values.shape[1] // 7)


def _draw_bands(ax: Axes, evaluations: np.ndarray, values: np.ndarray) -> None:
    seen = ~np.isnan(values).all(axis=1)
    if not seen.any():  # all residuals are zero
        return
    evaluations, values = evaluations[seen], values[seen]
    for low, high, opacity, label in BANDS:
        ends = np.nanquantile(values, [low, high], axis=1)
        ax.fill_between(evaluations, *ends, color=COLOR, alpha=opacity, linewidth=0, label=label)
    ax.plot(evaluations, np.nanmedian(values, axis=1), color=COLOR, linewidth=1.6, label="median")
    ax.legend(frameon=False, fontsize="small", title=f"{values.shape[1]} samples", title_fontsize="small")


def html_of(residual: Tensor, words: str) -> str:
    """A small drawing of residuals ``[T, B]`` beside words: the median, and a band over all samples."""
    drawing = _svg(residual.numpy())
    paper = "background:#fff;border:1px solid #d9dde2;border-radius:4px;line-height:0;flex:none"
    framed = f'<div style="{paper}">{drawing}</div>' if drawing else ""
    return f'<div style="display:flex;gap:12px;align-items:center">{framed}<div>{escape(words)}</div></div>'


def _svg(residual: np.ndarray) -> str:
    """The drawing; empty where there is nothing to draw."""
    values = np.where(np.isfinite(residual) & (residual > 0), residual, np.nan)
    rows = np.flatnonzero(~np.isnan(values).all(axis=1))
    if not len(rows):
        return ""
    low, middle, high = np.log10(np.nanquantile(values[rows], [0.0, 0.5, 1.0], axis=1))
    bottom, top = np.floor(low.min()), max(np.ceil(high.max()), np.floor(low.min()) + 1)
    x = LEFT + (WIDTH - LEFT - 8) * rows / max(len(residual) - 1, 1)

    def points(line: np.ndarray) -> list[str]:
        y = 8 + (HEIGHT - BOTTOM - 8) * (top - line) / (top - bottom)
        return [f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)]

    band = " ".join([*points(low), *points(high)[::-1]])
    style = 'font-size="9" fill="#52606d" font-family="sans-serif"'
    numbers = "".join(
        f'<text x="{LEFT - 4}" y="{y:.0f}" text-anchor="end" {style}>1e{power:.0f}</text>'
        for power, y in ((top, 12), (bottom, HEIGHT - BOTTOM + 3))
    )
    count = f'<text x="{WIDTH - 8}" y="{HEIGHT - 5}" text-anchor="end" {style}>{len(residual)} evaluations</text>'
    frame = f'<path d="M{LEFT},6V{HEIGHT - BOTTOM}H{WIDTH - 6}" fill="none" stroke="#9aa5b1"/>'
    line = f'<polyline points="{" ".join(points(middle))}" fill="none" stroke="{COLOR}" stroke-width="1.6"/>'
    area = f'<polygon points="{band}" fill="{COLOR}" fill-opacity=".18"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">'
    return f"{head}<title>relative residual</title>{frame}{area}{line}{numbers}{count}</svg>"
