"""How a structure shows itself in Python and in a notebook: a line, a card with a picture, a plot."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from andersonn.sanitize import harmless
from andersonn.structures.picture import draw_structure
from andersonn.structures.small_picture import small_picture
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_NAME = 60
PAPER = "display:inline-block;background:#fff;border:1px solid #d9dde2;border-radius:4px;padding:2px;line-height:0"
"""Style of the ground of pictures, which are drawn for white paper, also in a dark notebook."""


def line_of(structure: Structure) -> str:
    """A structure in one line, such as ``Structure(NaCl, 2 atoms in 44.9 Å³)``."""
    return f"{type(structure).__name__}({', '.join(_facts(structure))})"


def html_of(structure: Structure) -> str:
    """A structure as HTML: a picture beside what is known of it."""
    told = [*_facts(structure)[1:], *structure.notes, *(f"! {warning}" for warning in structure.warnings)]
    lines = "<br>".join(escape(harmless(line)) for line in told)
    picture = f'<div style="{PAPER}">{small_picture(structure, 220, 160)}</div>'
    words = f'<div style="font-size:90%"><b>{escape(structure.formula)}</b><br>{lines}</div>'
    return f'<div style="display:flex;gap:12px;align-items:center;max-width:640px">{picture}{words}</div>'


def plot(structure: Structure, ax: Axes | None) -> Axes:
    """Draws a structure; see :meth:`andersonn.structures.structure.Structure.plot`."""
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.figure(figsize=(4.2, 4.0), layout="constrained").subplots()
    draw_structure(ax, structure)
    return ax


def _facts(structure: Structure) -> list[str]:
    count = f"{len(structure)} atom{'s' * (len(structure) > 1)}"
    if structure.cell is not None:
        count += f" in {structure.volume:.4g} Å³"
    name = harmless(structure.id) if structure.id and structure.id != structure.formula else ""
    name = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    charge = f"charge {structure.charge:+d}" if structure.charge else ""
    bonds_alone = "by its bonds alone" if np.isnan(structure.xyz).any() else ""
    conformers = 0 if structure.further_xyz is None else 1 + len(structure.further_xyz)
    several = f"{conformers} conformers" if conformers else ""
    return [structure.formula, count, *filter(None, (bonds_alone, several, charge, name and repr(name)))]
