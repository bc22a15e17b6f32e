"""The pores of a framework for the page to draw: the largest cavity, the narrowest window, channels, and what stands in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from andersonn.structures.guests import Groups
from andersonn.structures.pores.bottleneck import Bottleneck, around
from andersonn.structures.pores.diagram import PowerDiagram, Tied
from andersonn.structures.pores.geometry import PoreOptions, widths
from andersonn.structures.pores.probe import compact, doubled
from andersonn.structures.structure import Structure

MOST_SPHERES = 160
"""Spheres that channels are drawn with."""
COVERED = 0.6
"""Of a sphere's radius: centers nearer to a larger sphere are left out, since they would be drawn within it."""


def pore_view(structure: Structure, options: PoreOptions) -> dict[str, Any]:
    """Spheres that fit, in the frame of the structure, their centers within its cell.

    Args:
        structure: a crystal.
        options: how its pores are measured.

    Returns:
        ``cavity``: ``center`` (Å) and ``diameter`` (Å) of the largest sphere that fits, None if there is no room; ``window``: the same
        of the largest sphere that gets through, at its narrowest place, and ``atoms`` that it touches there, None if none gets
        through; ``channels``: ``[x, y, z, radius]`` of spheres of at least the width for access, the largest first; ``guests``: atoms
        of parts that end, in a framework that goes on from cell to cell.
    """
    assert structure.cell is not None  # pores are those of crystals
    radius = options.of_atoms(structure.Z)
    try:
        way, cavity, spheres = _measured(structure, structure.xyz, structure.cell, radius, options)
    except Tied:
        xyz, cell, copies = doubled(structure.xyz, structure.cell)
        way, cavity, spheres = _measured(structure, xyz, cell, np.tile(radius, copies), options)
    found = Bottleneck.of(structure, radius)
    window = None
    if found is not None and way > 0.0:
        atoms = sorted(set(found.atoms.tolist()))
        window = {"center": _rounded(_inside(found.center, structure)), "diameter": round(2.0 * way, 3), "atoms": atoms}
    return {"cavity": cavity, "window": window, "channels": spheres, "guests": _guests(structure)}


def _measured(
    structure: Structure, xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray, options: PoreOptions
) -> tuple[float, dict[str, Any] | None, list[list[float]]]:
    """The radius of the widest way in Å, the largest cavity, and spheres along the channels."""
    cell = compact(cell)
    plain = PowerDiagram.of(xyz, cell, radius)
    way, size = widths(plain, xyz, cell, radius, options.convention)
    if size <= 0.0:
        return way, None, []
    exact = PowerDiagram.of(xyz, cell, radius + size)
    widest = int(exact.clearance.argmax())
    cavity = {
        "center": _rounded(_inside(exact.center[widest] - _origin(exact, xyz), structure)),
        "diameter": round(2 * size, 3),
    }
    wide = np.flatnonzero(plain.clearance >= options.access_A / 2.0)
    wide = wide[np.argsort(-plain.clearance[wide])]
    kept: list[int] = []
    places = _inside(plain.center[wide] - _origin(plain, xyz), structure)
    for k in range(len(wide)):
        apart = np.linalg.norm(places[kept] - places[k], axis=1)
        if len(kept) < MOST_SPHERES and (apart > COVERED * plain.clearance[wide[kept]]).all():
            kept.append(k)
    found = [[*_rounded(places[k]), _room(places[k], structure, radius, float(plain.clearance[wide[k]]))] for k in kept]
    return way, cavity, [sphere for sphere in found if sphere[3] >= options.access_A / 2.0]


def _room(place: np.ndarray, structure: Structure, radius: np.ndarray, most: float) -> float:
    """Distance in Å from a place to the nearest surface of an atom, which is at most ``most``: that of the power diagram is up to
    about 0.5 Å too large.
    """
    sizes = radius[: len(structure)]  # of a doubled cell, those of the first copy
    atoms, distance = around(place, structure, most + float(sizes.max()) + 1e-3)
    return round(float((distance - sizes[atoms]).min()), 2)


def _origin(diagram: PowerDiagram, xyz: np.ndarray) -> np.ndarray:
    """Where the structure's origin is in a diagram, up to a lattice vector."""
    return diagram.corners[0, 0] - xyz[diagram.atoms[0, 0]]


def _inside(places: np.ndarray, structure: Structure) -> np.ndarray:
    """The same places within the cell."""
    assert structure.cell is not None
    return (places @ np.linalg.inv(structure.cell)) % 1.0 @ structure.cell


def _guests(structure: Structure) -> list[int]:
    groups = Groups.of(structure)
    ends = ~groups.endless[groups.part]
    return np.flatnonzero(ends).tolist() if groups.endless.any() else []


def _rounded(place: np.ndarray) -> list[float]:
    return np.round(place, 3).tolist()
