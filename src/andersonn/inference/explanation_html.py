"""An explanation as HTML for a notebook: the structure with its atoms colored, and the largest contributions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from andersonn.inference import html
from andersonn.inference.prediction import Prediction
from andersonn.structures.attribution_plot import colors_of
from andersonn.structures.molecular_graph import MolecularGraph
from andersonn.structures.small_picture import balls_svg, small_picture
from andersonn.structures.structure import Structure

ROWS = 8
"""Contributions that are listed."""
WIDEST = 70
"""Pixels of the bar of the largest one, to either side."""


def card(
    prediction: Prediction,
    structure: Structure,
    values: np.ndarray,
    parts: Sequence[tuple[str, float]],
    sentences: Sequence[str],
    warnings: Sequence[str],
) -> str:
    """The card of an explanation.

    Args:
        prediction: what is explained.
        structure: of n atoms.
        values: contribution of each, ``[n]``.
        parts: names and contributions of what is listed, the largest first.
        sentences: what the contributions say, in words.
        warnings: reasons to trust them less.
    """
    span = max((abs(value) for _, value in parts), default=0.0)
    rows = [
        (html.text(name), f"{value:+.2f}" if abs(value) >= 0.1 else f"{value:+.2g}", _bar(value, span))
        for name, value in parts[:ROWS]
    ]
    more = f"<small>… and {len(parts) - ROWS} smaller ones</small>" if len(parts) > ROWS else ""
    bonds_alone = isinstance(structure, MolecularGraph)
    drawn = (
        small_picture(structure, 260, 200) if bonds_alone else balls_svg(structure, colors_of(values), 260, 200, 0.42)
    )
    label = prediction.label if prediction.has_class else ""
    title = html.answer_title(label, prediction.formula, prediction.id or prediction.input)
    title += f" <small>{html.text(', '.join(prediction.in_words))}</small>"
    listed = f"<div>{html.table(('', '', 'contribution'), rows)}{more}</div>"
    told = f"{html.lines(sentences)}{html.lines(warnings, '! ')}"
    return f'<div>{title}<div style="display:flex;gap:16px;align-items:center">{html.picture(drawn)}{listed}</div>{told}</div>'


def _bar(value: float, span: float) -> str:
    """A bar from the middle to the right where the contribution adds, to the left where it subtracts."""
    width = WIDEST * abs(value) / max(span, 1e-12)
    left, color = (WIDEST, "#b2182b") if value >= 0 else (WIDEST - width, "#2166ac")
    block = f"position:absolute;left:{left:.1f}px;width:{width:.1f}px;height:10px;background:{color}"
    return f'<div style="position:relative;width:{2 * WIDEST}px;height:10px"><div style="{block}"></div></div>'
