"""Splits by group: all records of a group (a formula, a scaffold, a refcode family) stand on one side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from andersonn.data.records import SPLITS, Records


@dataclass(frozen=True)
class SplitRule:
    """Sends each group to a side by a hash of its name and the seed, so that a group keeps its side when records are
    added, removed or reordered.

    Attributes:
        seed: another seed gives another split.
        validation, test: expected fractions.
    """

    seed: int = 0
    validation: float = 0.1
    test: float = 0.1

    def side(self, group: str) -> str:
        """``"train"``, ``"validation"`` or ``"test"``."""
        digest = hashlib.blake2b(f"{self.seed}:{group}".encode(), digest_size=8).digest()
        position = int.from_bytes(digest, "big") / 2**64
        if position < self.test:
            return "test"
        return "validation" if position < self.test + self.validation else "train"

    def sides(self, groups: Sequence[str]) -> np.ndarray:
        """The side of each group, as strings."""
        known = {group: self.side(group) for group in set(groups)}
        return np.array([known[group] for group in groups])


def split_of(records: Records, rule: SplitRule) -> dict[str, np.ndarray]:
    """Indices of the records of each side: by the file's ``split`` column if it has one, else by the rule."""
    sides = records.split_column if records.split_column is not None else rule.sides(records.groups)
    return {side: np.flatnonzero(sides == side) for side in SPLITS}
