"""Real structures by the number of rows of their images: what a step's memory goes with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from andersonn.data.records import Records
from andersonn.errors import InputError, UsageError
from andersonn.structures.image import ImageRecipe, NodeNeighborImage

NEAR = 1.2
"""A structure is of a size if its image has at least so many rows, and at most so many times as many."""
LOOKS = 60
"""Images that are made to find a size; equal atoms are one row, so the number of atoms is only a bound."""


class ByRows:
    """Finds structures of given sizes, making as few images as it can.

    Args:
        records: the structures.
        recipe: of the images.

    Raises:
        UsageError: the records do not say how many atoms each has.
    """

    def __init__(self, records: Records, recipe: ImageRecipe) -> None:
        self.records = records
        self.recipe = replace(recipe, voids=False, filling=False)  # what is read of these adds no rows and takes long
        self.atoms = pc.list_value_length(records.table["atomic_numbers"]).fill_null(0).to_numpy()
        if not self.atoms.max(initial=0):
            raise UsageError("no_atoms", f"{records.source!r} holds no lists of atoms", "give structures, not SMILES")
        self._rows: dict[int, int] = {}

    def rows(self, index: int) -> int:
        """Rows of the image of a record; 0 of an unsound one."""
        if index not in self._rows:
            try:
                self._rows[index] = len(NodeNeighborImage.from_structure(self.records[index], self.recipe))
            except InputError:
                self._rows[index] = 0
        return self._rows[index]

    def find(self, size: int, count: int) -> list[int]:
        """Records of so many rows or up to :data:`NEAR` times as many, those with fewest atoms first; where there are not
        enough among the first :data:`LOOKS` looked at, the nearest of those seen, and where no structure has so many atoms,
        the largest.
        """
        if size > self.atoms.max():
            return self.largest(count)
        order = np.argsort(self.atoms, kind="stable")
        candidates = order[np.searchsorted(self.atoms[order], size) :][:LOOKS]
        found = []
        for index in map(int, candidates):
            if size <= self.rows(index) <= NEAR * size:
                found.append(index)
            if len(found) == count:
                return found
        seen = [index for index in self._rows if self._rows[index] and index not in found]
        return found + sorted(seen, key=lambda index: abs(self._rows[index] - size))[: count - len(found)]

    def largest(self, count: int) -> list[int]:
        """The records of most rows. No other has more: rows are at most as many as atoms."""
        best: list[int] = []
        for index in self._by_atoms():
            if len(best) == count and self.atoms[index] <= self.rows(best[-1]):
                break
            best = sorted([*best, index], key=self.rows, reverse=True)[:count]
        return [index for index in best if self.rows(index)]

    def _by_atoms(self) -> Iterator[int]:
        return map(int, np.argsort(-self.atoms, kind="stable"))
