"""The skeletal formula of a molecule as strokes for the page, which colors them by its theme and links atoms to other views."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from andersonn.structures.molecular_graph import MolecularGraph
from andersonn.structures.skeletal import NUMBER, Look, drawing, molecule_of
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from rdkit.Chem import Mol

WIDTH, HEIGHT = 460, 340
LOOK = Look(bond=42.0, line=2.0, padding=0.08)
MOST_ATOMS = 400
"""Atoms of a molecule that is drawn: on the page it can be looked at closely."""
STYLE = re.compile(r"(?<![\w-])([\w-]++):([^;]+)")


def skeletal(structure: Structure) -> dict[str, Any] | None:
    """The skeletal formula of a molecule; None of a crystal, of a large molecule, and where the bonds cannot be told.

    Returns:
        ``width`` and ``height``; ``strokes``: each with ``d`` (a path of SVG), ``fill``, ``stroke`` and ``width``; ``atoms``: those
        that are drawn, ``[atom, x, y]``; ``shown_by``: for each atom of the structure the drawn one that stands for it, which of
        a hydrogen is its neighbor; ``smiles``: canonical, without the hydrogens.
    """
    from rdkit import Chem

    mol = molecule_of(structure, MOST_ATOMS)
    if mol is None or not _belongs(mol, structure):
        return None
    drawer = drawing(mol, WIDTH, HEIGHT, LOOK)
    numbers = _numbers(mol)
    places = [drawer.GetDrawCoords(index) for index in range(len(numbers))]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "strokes": _strokes(drawer.GetDrawingText()),
        "atoms": [[n, round(p.x, 1), round(p.y, 1)] for n, p in zip(numbers, places, strict=True)],
        "shown_by": _shown_by(structure, numbers),
        "smiles": Chem.MolToSmiles(mol),
    }


def _numbers(mol: Mol) -> list[int]:
    """Which atoms of the structure those of the drawing are."""
    return [atom.GetIntProp(NUMBER) for atom in mol.GetAtoms()]


def _belongs(mol: Mol, structure: Structure) -> bool:
    """Whether the atoms of a drawing are those of the structure, so that they can be pointed at."""
    numbers = _numbers(mol)
    elements = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    return max(numbers) < len(structure) and structure.Z[numbers].tolist() == elements


def _shown_by(structure: Structure, numbers: list[int]) -> list[int]:
    """The drawn atom of each; of a hydrogen that of its node, or the nearest."""
    if isinstance(structure, MolecularGraph):
        return structure.node_of_atom.tolist()
    apart = np.linalg.norm(structure.xyz[:, None] - structure.xyz[numbers], axis=2)
    return np.array(numbers)[apart.argmin(axis=1)].tolist()


def _strokes(svg: str) -> list[dict[str, Any]]:
    """The paths of a drawing, their styles as attributes: the page forbids styles in its text."""
    found = []
    for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path"):
        style = dict(STYLE.findall(element.get("style", "")))
        fill = style.get("fill", element.get("fill", "none"))
        width = float(style.get("stroke-width", "0").removesuffix("px"))
        stroke = style.get("stroke", "none") if width else "none"
        found.append({"d": element.get("d"), "fill": fill, "stroke": stroke, "width": width})
    return found
