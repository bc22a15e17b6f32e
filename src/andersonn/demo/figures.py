"""The demonstration's own figure, as SVG text."""

from __future__ import annotations

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from andersonn.measuring.plots import INK, STYLE, svg


def confusion_figure(confusion: list[list[int]], classes: tuple[str, ...]) -> str:
    """Counts in cells shaded by the share of their row."""
    counts = np.array(confusion, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with rc_context(STYLE):
        figure = Figure(figsize=(4.1, 3.2), layout=ConstrainedLayoutEngine(w_pad=0.15))  # a browser's font may be wider
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
        return svg(figure)
