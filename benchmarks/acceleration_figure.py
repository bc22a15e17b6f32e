"""Pictures of the races: validation accuracy against processor seconds, and evaluations and time of predictions.

python benchmarks/acceleration_figure.py [--races runs/acceleration.json] [--inference runs/inference.json] [--out docs/pictures]
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from andersonn.io.files import write_whole
from andersonn.measuring.plots import STYLE

LINES = {
    "Picard": ("#000000", "-", "o"),
    "Picard, β = 0.5": ("#7f7f7f", "--", "s"),
    "Picard, β = 0.5, fast": ("#CC79A7", "--", "s"),
    "Anderson": ("#0072B2", "-", "^"),
    "Anderson, fast": ("#D55E00", "-", "D"),
    "explicit, tied": ("#009E73", ":", "x"),
}
BARS = {
    "no aid": "#0072B2",
    "loosest tolerance": "#009E73",
    "learned first state": "#56B4E9",
    "early exit": "#E69F00",
    "first state and early exit": "#D55E00",
}


def races(found: dict[str, Any]) -> Figure:
    """A panel for each task and network; the first seed of each."""
    panels = {(each["network"], each["task"]): each for each in reversed(found["races"])}
    networks, tasks = (list(dict.fromkeys(key[k] for key in reversed(panels))) for k in (0, 1))
    picture = Figure(figsize=(3.1 * len(tasks) + 0.4, 2.5 * len(networks) + 0.8), layout="constrained")
    axes = picture.subplots(len(networks), len(tasks), squeeze=False)
    handles: dict[str, Any] = {}
    for (row, network), (column, task) in ((r, c) for r in enumerate(networks) for c in enumerate(tasks)):
        axis = axes[row][column]
        each = panels.get((network, task))
        axis.set_title(f"{task}, {network}", fontsize=8.5, loc="left")
        if each is None:
            axis.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axis.transAxes)
            continue
        for name, (color, dashes, mark) in LINES.items():
            run = each["runs"].get(name)
            if run is None:
                continue
            (line,) = axis.plot(
                run["seconds"], run["accuracy"], dashes, color=color, marker=mark, markersize=3.5, linewidth=1.3
            )
            handles.setdefault(name, line)
        axis.grid(axis="y", color="#e4e7eb", linewidth=0.6)
        axis.set_xlim(left=0)
    picture.supxlabel("processor seconds of training", fontsize=9.5)
    picture.supylabel("validation accuracy", fontsize=9.5)
    picture.legend(handles.values(), handles, loc="outside upper center", ncols=3, frameon=False)
    return picture


def predictions(found: dict[str, Any]) -> Figure:
    """Evaluations a structure of each solver with each aid; the first seed of each network."""
    runs = {(each["task"], each["network"]): each for each in reversed(found["runs"])}
    columns = min(3, len(runs))
    picture = Figure(figsize=(3.3 * columns + 0.6, 3.0 * -(-len(runs) // columns) + 0.6), layout="constrained")
    axes = np.ravel(picture.subplots(-(-len(runs) // columns), columns, squeeze=False))
    for axis, ((task, network), each) in zip(axes, reversed(runs.items()), strict=False):
        solvers = list(dict.fromkeys(row["solver"] for row in each["rows"]))[::-1]
        for row in each["rows"]:
            if row["aid"] in BARS:
                place = solvers.index(row["solver"]) + 0.14 * (2 - list(BARS).index(row["aid"]))
                axis.barh(place, row["evaluations"], color=BARS[row["aid"]], height=0.13, label=row["aid"])
        axis.set_yticks(range(len(solvers)), solvers)
        axis.tick_params(axis="y", labelsize=7, length=0)
        axis.grid(axis="x", color="#e4e7eb", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.set_title(f"{task}, {network}", fontsize=8.5, loc="left")
    for axis in axes[len(runs) :]:
        axis.set_visible(False)
    handles, names = axes[0].get_legend_handles_labels()
    legend = dict(zip(names, handles, strict=True))
    picture.legend(legend.values(), legend, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    picture.supxlabel("evaluations of the cell a structure", fontsize=8.5)
    return picture


def save(picture: Figure, path: Path) -> None:
    """As PNG, whole or not at all."""
    stream = io.BytesIO()
    FigureCanvasAgg(picture).print_png(stream)
    write_whole(path, lambda name: Path(name).write_bytes(stream.getvalue()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=Path, default=Path("runs/acceleration.json"))
    parser.add_argument("--inference", type=Path, default=Path("runs/inference.json"))
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with rc_context({**STYLE, "figure.dpi": 110}):
        for name, path, draw in (("races", given.races, races), ("predictions", given.inference, predictions)):
            if path.exists():
                save(draw(json.loads(path.read_text())), given.out / f"{name}.png")


if __name__ == "__main__":
    main()
