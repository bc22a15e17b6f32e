"""The cage of a framework as a picture: the largest sphere that fits in, the atoms around it, and the window that leads out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.graph import AtomBondGraph
from andersonn.structures.pores.bottleneck import images_around
from andersonn.structures.pores.geometry import PoreOptions
from andersonn.structures.pores.view import pore_view
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_CAVITY = 4.0
"""Å: narrower cavities are in dense crystals too, and are not drawn."""
MOST_ATOMS = 1000
"""Of larger crystals no pore is looked for, and no cage is drawn of more atoms."""
WALL = 6.0
"""Å: atoms whose centers are so near to the sphere are drawn."""
CAVITY, RIM, WINDOW = "#f6c945", "#b8860b", "#7c2d12"
"""Colors of the sphere, of its edge and of the ring in the window."""
INK = (0.12, 0.16, 0.2)
FOG = 0.6
"""Share of white in the color of the farthest atom."""


def pore_of(structure: Structure) -> dict[str, Any] | None:
    """The pores of a crystal whose largest cavity is at least 4 Å wide, as :func:`pore_view` has them; None of other structures,
    and where they cannot be measured.
    """
    if structure.cell is None or len(structure) > MOST_ATOMS:
        return None
    try:
        found = pore_view(structure, PoreOptions())
    except InputError:
        return None
    cavity = found["cavity"]
    return found if cavity and cavity["diameter"] >= LEAST_CAVITY else None


def draw_cage(axes: Axes, structure: Structure, pores: dict[str, Any], project: Any) -> str:
    """Draws the largest cavity as a sphere, the atoms around it with their bonds, paler behind it, and the window as a ring.

    Args:
        axes: to draw in.
        structure: a crystal.
        pores: of it, from :func:`pore_of`.
        project: points ``[n, 3]`` in Å to places ``[n, 2]`` on paper and depths ``[n]``.

    Returns:
        What is to be seen, with both diameters.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgb

    middle, width = np.array(pores["cavity"]["center"]), pores["cavity"]["diameter"]
    xyz, atoms = around(structure, middle, 0.5 * width + WALL)
    flat, depth = project(xyz - middle)
    pale = _fog(depth)
    colors = np.array([to_rgb(elements.colors()[z]) for z in structure.Z])
    starts, halves = half_bonds(structure, xyz, atoms)
    places, _ = project(halves - middle)
    order = np.argsort(depth[starts])
    for behind in (True, False):
        chosen = order[(depth[starts[order]] < 0.0) == behind]
        tones = _mixed(colors[atoms[starts[chosen]]], pale[starts[chosen]])
        lines = np.stack([flat[starts[chosen]], places[chosen]], axis=1)
        axes.add_collection(
            LineCollection(list(lines), colors=tones, linewidths=2.2, capstyle="round", zorder=2 if behind else 6)
        )
        kept = np.flatnonzero((depth < 0.0) == behind)
        kept = kept[np.argsort(depth[kept])]
        sizes = 90.0 * elements.column("covalent_radius_A")[structure.Z[atoms[kept]]] ** 2
        edges = _mixed(np.tile(INK, (len(kept), 1)), pale[kept])
        tones = _mixed(colors[atoms[kept]], pale[kept])
        x, y = flat[kept].T
        axes.scatter(x, y, s=sizes, c=tones, edgecolors=list(edges), linewidths=0.4, zorder=3 if behind else 7)
    told = f"sphere: largest cavity, {width:.1f} Å"
    _sphere(axes, 0.5 * width)
    if pores["window"] is not None:
        told += f"; ring: window, {pores['window']['diameter']:.1f} Å"
        _ring(axes, pores["window"], middle, structure, project)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.margins(0.02)
    axes.autoscale_view()
    return told


def around(structure: Structure, middle: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions in Å, ``[k, 3]``, and numbers of all atoms within reach of a place, periodic images counted, fewer than
    :data:`MOST_ATOMS`, the nearest first.
    """
    atoms, vectors, distance = images_around(middle, structure, reach)
    nearest = np.argsort(distance, kind="stable")[:MOST_ATOMS]
    return vectors[nearest] + middle, atoms[nearest]


def half_bonds(structure: Structure, xyz: np.ndarray, atoms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each bond of each drawn atom, which of them it belongs to, ``[m]``, and the bond's middle in Å, ``[m, 3]``."""
    graph = AtomBondGraph.from_structure(structure)
    owner, vector = graph.i[graph.bonded], graph.vector[graph.bonded]
    first, after = np.searchsorted(owner, atoms), np.searchsorted(owner, atoms, side="right")
    starts = np.repeat(np.arange(len(atoms)), after - first)
    bonds = np.concatenate([np.arange(a, b) for a, b in zip(first, after, strict=True)]) if len(starts) else starts
    return starts, xyz[starts] + 0.5 * vector[bonds]


def _fog(depth: np.ndarray) -> np.ndarray:
    """Share of white by depth: none before the middle, :data:`FOG` at the back."""
    return FOG * np.clip(-depth / max(float(-depth.min()), 1e-6), 0.0, 1.0)


def _mixed(colors: np.ndarray, white: np.ndarray) -> np.ndarray:
    return colors + white[:, None] * (1.0 - colors)


def _sphere(axes: Axes, radius: float) -> None:
    """The largest cavity in the middle, shaded."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Circle

    base = np.array(to_rgb(CAVITY))
    for k, shrink in enumerate(np.linspace(1.0, 0.1, 24)):
        light = 0.75 * (1.0 - shrink) ** 1.5
        shift = (1.0 - shrink) * 0.35 * radius * np.array([-1.0, 1.0])
        edge = {"edgecolor": RIM, "linewidth": 0.8} if k == 0 else {"linewidth": 0}
        axes.add_patch(Circle(tuple(shift), shrink * radius, facecolor=base + light * (1.0 - base), zorder=5, **edge))


def _ring(axes: Axes, window: dict[str, Any], middle: np.ndarray, structure: Structure, project: Any) -> None:
    """The window, at its copy that is nearest to the eye of those nearest to the cavity."""
    from matplotlib.patches import Circle

    assert structure.cell is not None
    reach = np.linalg.norm(structure.cell, axis=1).max()
    shifts = np.array(list(np.ndindex(3, 3, 3))) - 1
    places = np.array(window["center"]) - middle + shifts @ structure.cell
    distance = np.linalg.norm(places, axis=1)
    near = places[distance <= distance.min() + 1e-2 * reach]
    flat, depth = project(near)
    ring = {"facecolor": "none", "edgecolor": WINDOW, "linewidth": 1.8, "linestyle": (0, (3, 2)), "zorder": 8}
    axes.add_patch(Circle(tuple(flat[int(depth.argmax())]), 0.5 * window["diameter"], **ring))
