"""The picture of a trace: residuals against evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOR, GRID = "#0072B2", "#e4e7eb"
BANDS = ((0.0, 1.0, 0.15, "all samples"), (0.25, 0.75, 0.3, "middle half"))
"""Quantiles between which a band lies, its opacity and its label."""


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
