"""The picture of an explanation: atoms or groups in the colors of their contributions, and bars of the largest ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from andersonn.sanitize import harmless
from andersonn.structures.attribution_plot import SIZE, draw_contributions
from andersonn.structures.group_plot import draw_groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST_NAME = 48
"""Characters of a structure's name in the title of its picture."""


def plot(explanation: Any, name: str, figure: Figure | None) -> Axes:
    """Draws an :class:`~andersonn.inference.explanation.Explanation`, which stands on this file; see its method of that name."""
    if figure is None:
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=SIZE, layout="constrained", facecolor="white")
    found = explanation.prediction
    name = harmless(name or found.id or found.input)
    name = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    title = f"{name}, {found.formula}: {found.in_words[0].replace('_', ' ')}"
    words = explanation.quantity_words
    if explanation.groups is not None:
        draw_groups(explanation.structure, explanation.groups.shown, title, words, figure)
    else:
        arrow = None if explanation.dipole is None else explanation.dipole.vector
        draw_contributions(explanation.structure, explanation.values, title, words, arrow, figure)
    return figure.axes[0]
