"""Splits by group: all records of a group (a formula, a scaffold, a refcode family) belong to the same split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import ConfigDict, Field

from andersonn.data.records import SPLITS, Records


@dataclass(frozen=True)
class SplitRule:
    """Assigns each group to a split by a hash of its name and the seed: a group keeps its split when records are added, removed
    or reordered. These are also the options ``split`` of a training run.

    Attributes:
        split_seed: another seed gives another split.
        validation, test: expected fractions.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    split_seed: Annotated[int, Field(description="another seed gives another split")] = 0
    validation: Annotated[float, Field(gt=0, lt=0.5, description="fraction of groups for tuning and calibration")] = 0.1
    test: Annotated[float, Field(gt=0, lt=0.5, description="fraction of groups kept for the final test")] = 0.1

    def side(self, group: str) -> str:
        """``"train"``, ``"validation"`` or ``"test"``."""
        digest = hashlib.blake2b(f"{self.split_seed}:{group}".encode(), digest_size=8).digest()
        position = int.from_bytes(digest, "big") / 2**64
        if position < self.test:
            return "test"
        return "validation" if position < self.test + self.validation else "train"

    def sides(self, groups: Sequence[str]) -> np.ndarray:
        """The split of each group, as strings."""
        known = {group: self.side(group) for group in set(groups)}
        return np.array([known[group] for group in groups])


def split_of(records: Records, rule: SplitRule) -> dict[str, np.ndarray]:
    """Indices of the records of each split: by the file's ``split`` column if it has one, else by the rule."""
    sides = _sides(records, rule)
    return {side: np.flatnonzero(sides == side) for side in SPLITS}


def split_by(records: Records) -> str:
    """What :func:`split_of` splits these records by, for the model card."""
    return "split column" if records.split_column is not None else "hash of group"


def split_digest(records: Records, rule: SplitRule) -> str:
    """SHA-256 of the structures in their order and of the split of each; labels do not enter.

    It is stored with a model, so that its training file and splits can be recognized later.

    Args:
        records: to be split.
        rule: used unless the records have a ``split`` column.
    """
    sides = "\n".join(_sides(records, rule).tolist())
    return hashlib.sha256(f"{records.digest}\n{sides}".encode()).hexdigest()


def _sides(records: Records, rule: SplitRule) -> np.ndarray:
    """The split of each record, as strings ``[N]``."""
    return records.split_column if records.split_column is not None else rule.sides(records.groups)
