"""Small pictures of structures as SVG, for tables and cards in a notebook: a molecule as its skeletal formula; what has none, and
crystals, as balls, bonds and the edges of the cell.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from andersonn.structures import elements
from andersonn.structures.graph import AtomBondGraph
from andersonn.structures.molecular_graph import MolecularGraph
from andersonn.structures.picture import FAINT, INK, bond_segments, facing, inside, seen, with_faces
from andersonn.structures.skeletal import molecule_of, skeletal_svg
from andersonn.structures.structure import Structure

WIDTH, HEIGHT = 150, 110
"""Pixels."""
MOST_BONDED = 400
"""Of a larger structure only the balls are drawn: they hide the bonds."""
MOST_BALLS = 2500
"""At most so many balls are drawn, those nearest to the eye."""
MARGIN = 6.0
SMALLEST_SPAN = 3.0
"""Å that the picture spans at least, so that one atom does not fill it."""


def small_picture(structure: Structure, width: int = WIDTH, height: int = HEIGHT) -> str:
    """A structure as an SVG element, a few kilobytes long; it holds nothing of the structure's name.

    Args:
        structure: molecule or crystal.
        width: pixels.
        height: pixels.
    """
    mol = molecule_of(structure)
    if mol is not None:
        return skeletal_svg(mol, width, height)
    return balls_svg(structure, None, width, height)


def balls_svg(
    structure: Structure, colors: list[str] | None = None, width: int = WIDTH, height: int = HEIGHT, large: float = 0.5
) -> str:
    """Balls in the colors of the elements or in others, bonds and the edges of the cell, as an SVG element.

    Args:
        structure: with positions; one without (:class:`~andersonn.structures.molecular_graph.MolecularGraph`) gives its formula.
        colors: of each atom, such as ``"#cc0000"``, ``[n]``; None: those of the elements.
        width: pixels.
        height: pixels.
        large: radius of balls over the covalent radius.
    """
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" style="min-width:{width}px"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    if isinstance(structure, MolecularGraph):
        text = f'<text x="{width / 2}" y="{height / 2}" text-anchor="middle" font-size="14" fill="{INK}">'
        return f"{head}{text}{structure.formula}</text></svg>"
    colors = colors or [elements.colors()[z] for z in structure.Z]
    turn = facing(structure)
    xyz, shown = with_faces(structure)
    flat, depth = seen(xyz, turn)
    radius = large * elements.column("covalent_radius_A")[structure.Z[shown]]
    corners = _corners(structure, turn)
    to_page, scale = _scaled(np.concatenate([flat, corners.reshape(-1, 2)]), float(radius.max()), width, height)
    parts = [_line(to_page(edge), FAINT, 0.8) for edge in corners]
    if len(structure) <= MOST_BONDED:
        whole, _ = bond_segments(AtomBondGraph.from_structure(structure), inside(structure))
        thick = float(np.clip(0.12 * scale, 0.8, 3.0))
        parts += [_line(to_page(seen(np.stack(ends), turn)[0]), "#7b8794", thick) for ends in whole]
    shades = "".join(_shade(f"ball{color[1:]}", color) for color in sorted({colors[atom] for atom in shown}))
    page = to_page(flat)
    for k in np.argsort(depth)[-MOST_BALLS:]:
        x, y = page[k]
        fill = f"url(#ball{colors[shown[k]][1:]})"  # in all pictures of a page a color has the same shade
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius[k] * scale:.1f}" fill="{fill}"/>')
    ring = f'<g stroke="{INK}" stroke-opacity=".45" stroke-width=".5">'
    return f"{head}<defs>{shades}</defs>{ring}{''.join(parts)}</g></svg>"


def _shade(name: str, color: str) -> str:
    """A gradient that makes a disk of a color look like a ball."""
    base = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)])
    light, dark = (np.clip(part, 0, 255).astype(int) for part in (base + 0.65 * (255 - base), 0.86 * base))
    stops = zip((0, 45, 100), (light, base, dark), strict=True)
    body = "".join(f'<stop offset="{at}%" stop-color="rgb({r},{g},{b})"/>' for at, (r, g, b) in stops)
    return f'<radialGradient id="{name}" cx=".35" cy=".3" r=".75">{body}</radialGradient>'


def _line(ends: np.ndarray, color: str, thick: float) -> str:
    (x1, y1), (x2, y2) = ends
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="{color}" stroke-opacity="1" stroke-width="{thick:.1f}" stroke-linecap="round"/>'


def _corners(structure: Structure, turn: np.ndarray | None) -> np.ndarray:
    """Ends of the twelve edges of the cell on paper, ``[12, 2, 2]``; none of a molecule."""
    if structure.cell is None:
        return np.zeros((0, 2, 2))
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    flat, _ = seen(corners @ structure.cell, turn)
    pairs = [(a, b) for a in range(8) for b in range(a + 1, 8) if np.abs(corners[a] - corners[b]).sum() == 1]
    return np.array([[flat[a], flat[b]] for a, b in pairs])


def _scaled(
    flat: np.ndarray, radius: float, width: int, height: int
) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
    """The map from Å on paper to pixels, y downward, that fits the points with their balls into the picture; pixels of an Å."""
    low, high = flat.min(axis=0) - radius, flat.max(axis=0) + radius
    span = np.maximum(high - low, SMALLEST_SPAN)
    scale = float(min((width - 2 * MARGIN) / span[0], (height - 2 * MARGIN) / span[1]))
    middle = 0.5 * (low + high)

    def to_page(points: np.ndarray) -> np.ndarray:
        return np.array([width / 2, height / 2]) + (points - middle) * np.array([scale, -scale])

    return to_page, scale
