"""A picture of a structure with its atoms colored by their contributions to a prediction."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from andersonn.structures import elements
from andersonn.structures.graph import AtomBondGraph
from andersonn.structures.picture import (
    FAINT,
    INK,
    ball,
    bond_segments,
    cell_edges,
    facing,
    frame,
    inside,
    seen,
    with_faces,
)
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

PALETTE = "RdBu_r"
NAMED = 12
"""Bars, and at most as many atoms named in a large structure."""
ALL_NAMED = 24
"""Up to this many balls, every atom is named."""
SMALLEST = np.array([7.0, 4.5])
"""Å: width and height of paper that are always shown."""
LEAST = 1e-3
"""Colors span at least this much to both sides, so that rounding errors stay pale."""
SHORTEST = 0.1
"""D: of a shorter dipole moment no arrow is drawn."""
LENGTH_PER_D = 0.6
"""Å on paper for 1 D, up to the size of the molecule."""


SIZE = (11.0, 5.6)
"""Inches of the picture."""
LINE = 76
"""Letters of a line below the picture."""


def draw_contributions(
    structure: Structure,
    values: np.ndarray,
    title: str,
    quantity: str,
    arrow: np.ndarray | None = None,
    figure: Figure | None = None,
) -> Figure:
    """The structure with its atoms in colors and names, and bars of the largest contributions.

    Args:
        structure: of n atoms.
        values: contributions ``[n]``; positive ones become red, negative ones blue.
        title: of the picture.
        quantity: what is contributed, with its unit.
        arrow: the dipole moment of a molecule, D, ``[3]``, drawn from the negative to the positive end.
        figure: an empty one to draw in; None: a new one.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    figure = figure or Figure(figsize=SIZE, layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2, width_ratios=[1.9, 1.0])
    span = max(float(np.abs(values).max()), LEAST)
    scale = Normalize(-span, span)
    ranking = np.argsort(-np.abs(values), kind="stable")
    _atoms(left, structure, values, ranking[:NAMED], scale)
    _bars(right, structure, values, ranking[:NAMED], scale)
    if arrow is not None and np.linalg.norm(arrow) >= SHORTEST:
        _arrow(left, structure, arrow)
    bar = figure.colorbar(ScalarMappable(scale, colormaps[PALETTE]), ax=left, location="bottom", shrink=0.6, aspect=40)
    bar.set_label(label_of(quantity), fontsize=9, parse_math=False)
    bar.ax.locator_params(nbins=7)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    figure.suptitle(title, fontsize=13, color=INK, fontweight="bold", parse_math=False)  # names may hold a $
    return figure


def label_of(quantity: str) -> str:
    """What the scale of colors says, in lines that fit below the picture."""
    return fill(f"{quantity} (red adds, blue subtracts)", LINE)


def colors_of(values: np.ndarray) -> list[str]:
    """The color of each contribution, such as ``"#b2182b"``: red adds, blue subtracts, as in :func:`draw_contributions`."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize, to_hex

    span = max(float(np.abs(values).max()), LEAST)
    return [to_hex(color) for color in colormaps[PALETTE](Normalize(-span, span)(values))]


def _atoms(axes: Axes, structure: Structure, values: np.ndarray, largest: np.ndarray, scale: Normalize) -> None:
    from matplotlib import colormaps

    turn = facing(structure)
    xyz, shown = with_faces(structure)
    flat, depth = seen(xyz, turn)
    radius = (0.36 if turn is not None else 0.5) * elements.column("covalent_radius_A")[structure.Z[shown]]
    radius = np.maximum(radius, 0.22)
    cell_edges(axes, structure)
    for segments, color, width in zip(_bonds(structure), (FAINT, INK), (1.0, 1.8), strict=True):
        for ends in segments:
            axes.plot(*seen(np.stack(ends), turn)[0].T, color=color, linewidth=width, zorder=2)
    colors = colormaps[PALETTE](scale(values))[:, :3]
    for k in np.argsort(depth):
        ball(axes, flat[k], radius[k], colors[shown[k]], depth[k])
    _names(axes, structure, values, largest, scale, (flat, depth, shown))
    _widen(axes, flat)
    count = f"{len(structure)} atoms" if len(structure) > 1 else "1 atom"
    frame(axes, flat, float(radius.max()), f"{count}, counted from 1")


def _arrow(axes: Axes, structure: Structure, dipole: np.ndarray) -> None:
    """The dipole moment, below the molecule."""
    flat = seen(structure.xyz, facing(structure))[0]
    along = seen(dipole[None], facing(structure))[0][0]
    size = float(np.linalg.norm(dipole))
    length = min(LENGTH_PER_D * size, max(float(np.ptp(flat, axis=0).max()), 2.0))
    half = 0.5 * length * along / size  # shorter where it points out of the paper
    middle = np.array([flat[:, 0].mean(), flat[:, 1].min() - 1.3 - abs(half[1])])
    style = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.8, "mutation_scale": 16}
    axes.annotate("", middle + half, middle - half, arrowprops=style, zorder=7)
    axes.update_datalim([middle - half - 0.4, middle + half + 0.4])
    axes.autoscale_view()
    told = f"μ of this geometry: {size:.2f} D, from − to +"
    axes.annotate(
        told, middle - [0.0, abs(half[1])], (0, -12), textcoords="offset points", ha="center", fontsize=8, color=INK
    )


def _names(
    axes: Axes,
    structure: Structure,
    values: np.ndarray,
    largest: np.ndarray,
    scale: Normalize,
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Names on all balls, or beside those of the largest contributions where there are many."""
    flat, depth, shown = drawn
    if len(shown) > ALL_NAMED:
        order = np.argsort(-depth)  # the copy of an atom that is nearest to the eye bears its name
        for k in order[np.unique(shown[order], return_index=True)[1]]:
            if shown[k] in largest:
                axes.annotate(
                    elements.named(structure.Z, shown[k]), flat[k], (5, 5), textcoords="offset points", fontsize=8, color=INK,
                    zorder=6, bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
                )  # fmt: skip
        return
    for k, atom in enumerate(shown):
        ink = "white" if abs(scale(values[atom]) - 0.5) > 0.3 else INK
        weight = "bold" if atom in largest else "normal"
        x, y = flat[k]
        axes.text(
            x, y, elements.named(structure.Z, atom), ha="center", va="center", fontsize=7.5, color=ink,
            fontweight=weight, zorder=3 + 1e-4 * depth[k],
        )  # fmt: skip


def _widen(axes: Axes, flat: np.ndarray) -> None:
    """Keeps the balls of a small structure from filling the paper."""
    middle = 0.5 * (flat.max(axis=0) + flat.min(axis=0))
    axes.update_datalim([middle - 0.5 * SMALLEST, middle + 0.5 * SMALLEST])


def _bonds(structure: Structure) -> tuple[list, list]:
    """Bonds that leave the cell, as stubs, and those within."""
    within, stubs = bond_segments(AtomBondGraph.from_structure(structure), inside(structure))
    return stubs, within


def _bars(axes: Axes, structure: Structure, values: np.ndarray, largest: np.ndarray, scale: Normalize) -> None:
    from matplotlib import colormaps

    place = np.arange(len(largest))
    axes.barh(place, values[largest], color=colormaps[PALETTE](scale(values[largest])), edgecolor=INK, linewidth=0.6)
    axes.set_yticks(place, [elements.named(structure.Z, atom) for atom in largest])
    axes.set_ylim(max(len(largest), 5) - 0.4, -0.6)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.set_xlim(*np.array([-1.18, 1.18]) * max(float(np.abs(values).max()), LEAST))
    for k, value in zip(place, values[largest], strict=True):
        side = "left" if value >= 0 else "right"
        axes.annotate(_spelled(value), (value, k), (3 if value >= 0 else -3, 0), textcoords="offset points",
                      ha=side, va="center", fontsize=8, color=INK)  # fmt: skip
    axes.set_title("largest contributions" if len(values) > len(largest) else "contributions", fontsize=10, color=INK)
    axes.locator_params(axis="x", nbins=6)
    axes.tick_params(length=0, labelsize=9, colors=INK)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _spelled(value: float) -> str:
    """A contribution with two digits that matter; what is zero but for rounding is 0."""
    if abs(value) < LEAST:
        return "0"
    return f"{value:+.2g}" if abs(value) < 0.1 else f"{value:+.2f}"
