"""Decides whether a crystal looks sound, by trees over its numbers, and says why not."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from andersonn.structures import elements
from andersonn.structures.plausibility.surroundings import NAMES, Surroundings, Tables
from andersonn.structures.structure import Structure, expects_bonds
from andersonn.structures.vacancies import Lacking

KINDS = ("sound", "exchanged", "compressed", "stretched", "lacking")
"""What a crystal can look like."""
WORDS = {
    "exchanged": "elements seem to be wrong, or at each other's places",
    "compressed": "the crystal seems to be compressed",
    "stretched": "lengths seem to be too long",
    "lacking": "an atom seems to be missing",
}
LARGEST = 2000
"""Atoms. Larger crystals are not examined: none was learned from."""
NOTABLE = 0.1
"""Logarithm of the volume over the usual one from which on it is told."""


class Trees(NamedTuple):
    """Decision trees of equal numbers of nodes, whose leaves are added up for each of :data:`KINDS`.

    Attributes:
        kind: which of them a tree adds to, ``[T]``.
        feature: number of :data:`~andersonn.structures.plausibility.surroundings.NAMES` that a node asks for; -1 of a leaf, ``[T, N]``.
        threshold: a number up to it goes left, ``[T, N]``.
        left, right: nodes that follow, each later than its parent, ``[T, N]``.
        value: of leaves, ``[T, N]``.
        start: sum of each kind before any tree, ``[5]``.
    """

    kind: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    start: np.ndarray

    def probabilities(self, numbers: np.ndarray) -> np.ndarray:
        """Of :data:`KINDS`, ``[5]``.

        Args:
            numbers: of a crystal, as :attr:`Surroundings.numbers` are.
        """
        tree, node = np.arange(len(self.kind)), np.zeros(len(self.kind), dtype=np.int64)
        while (inner := self.feature[tree, node] >= 0).any():
            goes_left = numbers[self.feature[tree, node]] <= self.threshold[tree, node]
            node = np.where(inner, np.where(goes_left, self.left[tree, node], self.right[tree, node]), node)
        scores = self.start + np.bincount(self.kind, self.value[tree, node], minlength=len(KINDS))
        p = np.exp(scores - scores.max())
        return p / p.sum()

    def require_sound(self, count: int) -> None:
        """Checks that every walk ends.

        Args:
            count: of numbers that nodes may ask for.

        Raises:
            ValueError: the trees are damaged.
        """
        inner = self.feature >= 0
        own = np.arange(self.feature.shape[1])
        shapes = {part.shape for part in (self.feature, self.threshold, self.left, self.right, self.value)}
        later = np.minimum(self.left, self.right) > own
        known = (self.feature >= -1) & (self.feature < count) & (np.maximum(self.left, self.right) < len(own))
        whole = len(shapes) == 1 and self.kind.shape == self.feature.shape[:1] and self.start.shape == (len(KINDS),)
        if not (whole and (later & known)[inner].all() and self.kind.max(initial=0) < len(KINDS)):
            raise ValueError("its trees do not fit together")


@dataclass(frozen=True, eq=False)
class Plausibility:
    """What was learned of sound crystals and of corrupted ones.

    Attributes:
        tables: of elements and pairs of them.
        trees: that tell them apart.
        limit: probability of being sound below which a crystal is doubted.
        rate: share of sound validation crystals below it.
    """

    tables: Tables
    trees: Trees
    limit: float
    rate: float

    def probabilities(self, structure: Structure) -> np.ndarray:
        """Of :data:`KINDS`, ``[5]``; a priori four of five are corrupted, as in the training."""
        return self.trees.probabilities(Surroundings.of(structure, self.tables).numbers)

    def doubt(self, structure: Structure) -> str:
        """A warning that a crystal looks corrupted, and how; empty if it looks sound.

        Also empty where nothing is examined: molecules, the largest crystals, and crystals of one element or of noble gases alone. The
        training has too few of the latter two.
        """
        few_learned = len(np.unique(structure.Z)) == 1 or not expects_bonds(structure.Z)
        if structure.cell is None or len(structure) > LARGEST or few_learned:
            return ""
        around = Surroundings.of(structure, self.tables)
        p = self.trees.probabilities(around.numbers)
        if p[0] >= self.limit:
            return ""
        kind = KINDS[1 + int(p[1:].argmax())]
        return f"{WORDS[kind]}: {_evidence(kind, around)}; of sound crystals {100 * self.rate:.2g} % look so"

    def save(self, path: str | Path) -> None:
        """Writes a file."""
        from safetensors.numpy import save_file

        arrays = {f"tables.{part.name}": getattr(self.tables, part.name) for part in fields(Tables)}
        arrays |= {f"trees.{name}": part for name, part in self.trees._asdict().items()}
        small = {"f": np.float32, "i": np.int16}
        kept = {name: np.ascontiguousarray(part.astype(small[part.dtype.kind])) for name, part in arrays.items()}
        save_file(kept | {"limits": np.array([self.limit, self.rate])}, path, {"names": " ".join(NAMES)})

    @classmethod
    def load(cls, path: Path) -> Plausibility:
        """Reads a file that :meth:`save` wrote.

        Raises:
            OSError, SafetensorError, KeyError, ValueError: it is none, or damaged, or of other numbers.
        """
        from safetensors import safe_open

        with safe_open(path, "np") as file:
            names = (file.metadata() or {}).get("names", "")
            arrays: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        if not names or not set(names.split()) <= set(NAMES):
            raise ValueError("it is of other numbers than are computed here")
        if not all(np.isfinite(part).all() for part in arrays.values() if part.dtype.kind == "f"):
            raise ValueError("it holds numbers that are not finite")
        found = {name: part.astype(np.float64 if part.dtype.kind == "f" else np.int64) for name, part in arrays.items()}
        needed = {
            part.name for part in fields(Tables) if part.default_factory is MISSING or f"tables.{part.name}" in found
        }
        tables = Tables(**{name: found[f"tables.{name}"] for name in needed})
        trees = Trees(**{name: found[f"trees.{name}"] for name in Trees._fields})
        trees.require_sound(len(names.split()))
        trees = trees._replace(feature=np.append([NAMES.index(name) for name in names.split()], -1)[trees.feature])
        square = (elements.MAX_Z + 1,) * 2
        if not all(getattr(tables, part.name).shape in (square, square[:1]) for part in fields(Tables)):
            raise ValueError("its tables are not of all elements")
        limit, rate = found["limits"].tolist()
        return cls(tables, trees, limit, rate)


def _evidence(kind: str, around: Surroundings) -> str:
    """What speaks for a kind, in words."""
    structure = around.structure
    if kind == "lacking":
        found = Lacking.of(structure.Z, structure.xyz, structure.cell, around.pairs)
        if len(found.atoms):
            return found.told(structure.Z)
    part = around.volume_left
    if abs(part) >= NOTABLE and ((kind == "compressed") == (part < 0.0)) and kind != "exchanged":
        side = "below" if part < 0.0 else "above"
        return f"the volume is {100 * abs(np.expm1(part)):.0f} % {side} what its elements usually take"
    if kind == "lacking" or not len(around.pairs[0]):
        atom = int(np.abs(around.unusual).argmax())
        few = "few" if around.unusual[atom] < 0.0 else "many"
        return f"{elements.named(structure.Z, atom)} has unusually {few} or {'long' if few == 'few' else 'short'} bonds"
    pair = int(around.shortness.argmin())
    i, j = int(around.pairs[0][pair]), int(around.pairs[1][pair])
    usual = around.tables.lengths[structure.Z[i], structure.Z[j]]
    names = [elements.named(structure.Z, atom) for atom in (i, j)]
    return f"{names[0]} and {names[1]} are {around.pairs[2][pair]:.2f} Å apart, usually {usual:.2f} Å at the least"
