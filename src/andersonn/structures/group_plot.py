"""A molecule as chemists draw it, its groups in the colors of their contributions to an answer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from andersonn.structures.attribution_plot import LEAST, NAMED, PALETTE, SIZE, label_of
from andersonn.structures.group_replacement import mol_of
from andersonn.structures.molecular_graph import MolecularGraph
from andersonn.structures.picture import INK
from andersonn.structures.skeletal import Look, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

Groups = Sequence[tuple[str, Sequence[int], float]]
"""Name, atoms besides hydrogens, and contribution of each group, by falling size."""
PALE = 0.45
"""Colors are mixed with so much white, so that letters on them can be read."""
BOND_PIXELS, LINE = 50, 2.0
SHARP = 3
"""Times as many pixels in a picture of pixels."""
MOST_PIXELS, LEAST_PIXELS = (2000, 1400), (900, 600)
SVG_SIZE = (460, 320)


def draw_groups(
    graph: MolecularGraph, groups: Groups, title: str, quantity: str, figure: Figure | None = None
) -> Figure:
    """The molecule with its groups in colors, and bars of the largest contributions.

    Args:
        graph: the molecule.
        groups: positive ones become red, negative ones blue.
        title: of the picture.
        quantity: what is contributed, with its unit.
        figure: an empty one to draw in; None: a new one.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    figure = figure or Figure(figsize=SIZE, layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2, width_ratios=[1.9, 1.0])
    scale = _scale(groups)
    picture = _trimmed(imread(io.BytesIO(_drawn(graph, groups, scale, MOST_PIXELS, vector=False))))
    left.imshow(picture, interpolation="antialiased")
    middle = 0.5 * np.array(picture.shape[1::-1])
    for k, ends in enumerate((left.set_xlim, left.set_ylim)):  # small molecules do not fill the paper
        half = max(middle[k], 0.5 * LEAST_PIXELS[k])
        ends(*(middle[k] + np.array([-half, half]) * (1 if k == 0 else -1)))
    left.axis("off")
    _bars(right, groups[:NAMED], scale)
    bar = figure.colorbar(ScalarMappable(scale, _colors()), ax=left, location="bottom", shrink=0.6, aspect=40)
    bar.set_label(label_of(quantity), fontsize=9, parse_math=False)
    bar.ax.locator_params(nbins=7)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    figure.suptitle(title, fontsize=13, color=INK, fontweight="bold", parse_math=False)
    return figure


def svg_of(graph: MolecularGraph, groups: Groups) -> str:
    """The molecule with its groups in colors, as SVG."""
    return _drawn(graph, groups, _scale(groups), SVG_SIZE, vector=True).decode()


def _colors() -> Colormap:
    """The palette of contributions, paler."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap((1.0 - PALE) * colormaps[PALETTE](np.linspace(0.0, 1.0, 256))[:, :3] + PALE)


def _trimmed(picture: np.ndarray) -> np.ndarray:
    """A picture ``[h, w, 3]`` without its white margins."""
    rows, columns = (np.flatnonzero((picture[..., :3] < 0.99).any(axis=(axis, 2))) for axis in (1, 0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _scale(groups: Groups) -> Normalize:
    from matplotlib.colors import Normalize

    span = max([LEAST, *(abs(value) for _, _, value in groups)])
    return Normalize(-span, span)


def _drawn(graph: MolecularGraph, groups: Groups, scale: Normalize, size: tuple[int, int], vector: bool) -> bytes:
    """PNG, or SVG, of a molecule; RDKit takes as little of the size as it needs."""
    colors: dict[int, tuple[float, ...]] = {}
    for _, atoms, value in groups:
        colors |= dict.fromkeys(map(int, atoms), tuple(map(float, _colors()(scale(value))[:3])))
    times = 1 if vector else SHARP
    look = Look(times * BOND_PIXELS, times * LINE, 0.08, not vector, (times * 14, times * 20), black=True)
    drawer = drawing(mol_of(graph), *size, look, vector, colors)
    text = drawer.GetDrawingText()
    return text.encode() if isinstance(text, str) else text


def _bars(axes: Axes, groups: Groups, scale: Normalize) -> None:

    for k, (_name, _, value) in enumerate(groups):
        axes.barh(-k, value, color=_colors()(scale(value)), edgecolor=INK, linewidth=0.5, height=0.7)
        axes.text(
            value, -k, f" {value:+.3g} ", ha="left" if value >= 0 else "right", va="center", fontsize=8, color=INK
        )
    axes.set_yticks([-k for k in range(len(groups))], [name for name, _, _ in groups], fontsize=9)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.set_ylim(0.4 - max(len(groups), 5), 0.6)
    span = max([LEAST, *(abs(value) for _, _, value in groups)])
    axes.set_xlim(-1.3 * span, 1.3 * span)
    axes.locator_params(axis="x", nbins=6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_title("largest contributions" if groups else "nothing can be replaced", fontsize=10, color=INK)
    if not groups:
        axes.axis("off")
