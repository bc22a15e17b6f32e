"""Cells in the comment of an xyz frame in another form than ``Lattice="…"``."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import NamedTuple

import numpy as np

from andersonn.structures.readers.words import NUMBER, decimal
from andersonn.structures.readers.xyz.length_units import ANGSTROM, LONGEST, unit_in_braces

ANNOUNCED = re.compile(
    r"\b(unit[ _]?cell|cell|crystal|lattice|cell[ _]parameters|lattice[ _]parameters)[\"']?"
    r"(?:[({\[](abcabc|h|genh)[)}\]])? {0,4}[=:] {0,4}[\"'\[({]{0,3}(?= {0,4}[\d.+-])",
    re.IGNORECASE,
)
"""``cell="…"``, ``Cell: …``, and ``CELL(abcABC): …`` of i-PI."""
FEWEST = 3
"""Numbers that announce a cell; fewer are a lattice constant, or something else."""


class CommentCell(NamedTuple):
    """A cell in a comment.

    Attributes:
        vectors: lattice vectors as rows ``[3, 3]``; None if a cell is announced whose numbers are not understood.
        words: that announce it.
        angstrom: whether the vectors are in Å for certain; else in the unit of the coordinates.
    """

    vectors: np.ndarray | None
    words: str
    angstrom: bool = False


def cell_in(comment: str) -> CommentCell | None:
    """The cell of a comment: nine numbers are lattice vectors one after the other (in i-PI's ``CELL{H}``, columns), six are
    lengths and angles in degrees. None if no cell is announced.
    """
    for found in ANNOUNCED.finditer(comment[:LONGEST]):
        behind = re.sub(r"[,;\[\](){}\"']", " ", comment[found.end() : found.end() + LONGEST]).split()
        numbers = [float(decimal(word)) for word in takewhile(lambda word: NUMBER.fullmatch(decimal(word)), behind)]
        if len(numbers) < FEWEST:
            continue
        kind = (found[2] or "").lower()
        vectors = _vectors(numbers, kind)
        unit = unit_in_braces(comment, "cell")
        if vectors is not None and unit is not None:
            vectors = vectors * ANGSTROM[unit]
        return CommentCell(vectors, found[1], unit is not None)
    return None


def _vectors(numbers: list[float], kind: str) -> np.ndarray | None:
    from ase.geometry import cellpar_to_cell

    if len(numbers) == 9 and kind != "abcabc":
        rows = np.array(numbers).reshape(3, 3)
        return rows.T if kind else rows
    if len(numbers) != 6 or kind not in ("", "abcabc"):
        return None
    if min(numbers[:3]) <= 0.0 or not all(20.0 <= angle <= 160.0 for angle in numbers[3:]):
        return None
    vectors = cellpar_to_cell(numbers)
    return vectors if np.isfinite(vectors).all() else None
