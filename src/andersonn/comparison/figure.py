"""Residual against evaluations of every solver on every problem: one panel a problem."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STYLE = {"font.family": ["DejaVu Sans"], "font.size": 8.5, "axes.spines.top": False, "axes.spines.right": False}
OURS = ("#0072B2", "#56B4E9", "#009E73", "#08306B", "#41AB5D", "#6A51A3", "#74C476", "#9E9AC8")
PEERS = ("#D55E00", "#E69F00", "#CC79A7", "#999999", "#8C510A", "#666666", "#F0A3A3", "#7F0000")
COLUMNS = 4


def figure(result: dict[str, Any]) -> bytes:
    """PNG: ours in full blue and green lines, peers dashed in warm colors and gray."""
    curves = result["curves"]
    ours = [name for name in result["solvers"] if _is_ours(result, name)]
    peers = [name for name in result["solvers"] if name not in ours]
    looks = {name: (OURS[k % len(OURS)], "-") for k, name in enumerate(ours)}
    looks |= {name: (PEERS[k % len(PEERS)], "--") for k, name in enumerate(peers)}
    columns = min(COLUMNS, len(curves))
    rows = math.ceil(len(curves) / columns)
    with rc_context(STYLE):
        picture = Figure(figsize=(3.3 * columns + 0.4, 2.5 * rows + 0.9), layout="constrained")
        panels = picture.subplots(rows, columns, squeeze=False).ravel()
        handles: dict[str, Any] = {}
        for panel, problem in zip(panels, curves, strict=False):
            for name, values in curves[problem]["residual"].items():
                line = np.array([math.nan if value is None else value for value in values])
                color, dashes = looks[name]
                (handle,) = panel.semilogy(
                    np.arange(1, len(line) + 1), line, dashes, color=color, linewidth=1.5 if dashes == "-" else 1.2
                )
                handles.setdefault(name, handle)
            panel.set_title(curves[problem]["case"], fontsize=8.5, loc="left")
            panel.grid(axis="y", color="#e4e7eb", linewidth=0.6)
            panel.set_ylim(bottom=min(result["setting"]["tolerances"]) / 3, top=3)
        for panel in panels[len(curves) :]:
            panel.set_visible(False)
        picture.supxlabel("evaluations of f", fontsize=9.5)
        picture.supylabel("largest relative residual of the batch so far", fontsize=9.5)
        shown = [name for name in looks if name in handles]
        picture.legend(
            [handles[n] for n in shown], shown, loc="outside upper center", ncols=min(6, len(shown)), frameon=False
        )
        stream = io.BytesIO()
        FigureCanvasAgg(picture).print_png(stream)
    return stream.getvalue()


def _is_ours(result: dict[str, Any], name: str) -> bool:
    return any(row["ours"] for row in result["rows"] if row["solver"] == name)
