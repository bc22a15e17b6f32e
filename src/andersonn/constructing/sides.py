"""Rows divided into training, validation and test, so that what belongs together stays together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from andersonn.data.records import SPLITS
from andersonn.errors import UsageError

SHARE = 0.1
"""Of the rows, for validation and as many for the test."""
TRIES = 50
"""Divisions that are tried until every class is on every side."""
WORDS = {
    "train": "train", "training": "train", "tr": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test", "holdout": "test", "te": "test",
}  # fmt: skip
Sides = dict[str, np.ndarray]


def joined(groups: Sequence[str], same: Sequence[str]) -> list[str]:
    """The group of each row after groups that hold the same structure have become one, named as the first in the alphabet."""
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while (above := parent.get(group, group)) != group:
            group = above
        return group

    owner: dict[str, str] = {}
    for group, key in zip(groups, same, strict=True):
        first, second = sorted((root(owner.setdefault(key, group)), root(group)))
        parent[second] = first
    return [root(group) for group in groups]


def divided(groups: Sequence[str], seed: int, classes: np.ndarray | None, what: str) -> Sides:
    """Rows of each side, 80/10/10; a group is never divided, and large groups go to training.

    Args:
        groups: of each row.
        seed: another one gives another division.
        classes: index of each row's class, int ``[rows]``; every class should be on every side. None for numbers.
        what: the groups are, for messages.

    Raises:
        UsageError: there are too few groups.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for k, group in enumerate(groups):
        members[group].append(k)
    best, fewest = None, np.inf
    for attempt in range(TRIES if classes is not None else 1):
        found = _once(list(members.values()), len(groups), np.random.default_rng([seed, attempt]))
        if found is None:
            break
        lacking = 0 if classes is None else sum(len(set(classes) - set(classes[found[side]])) for side in SPLITS)
        if lacking < fewest:
            best, fewest = found, lacking
        if not lacking:
            break
    if best is None:
        raise UsageError(
            "few_groups", f"there are too few {what} ({len(members)}) to divide {len(groups)} rows into training, validation and test",
            "choose --split random, which divides within them, or add rows of others",
        )  # fmt: skip
    return best


def _once(groups: list[list[int]], count: int, random: np.random.Generator) -> Sides | None:
    wanted = max(1, round(SHARE * count))
    order = [groups[k] for k in random.permutation(len(groups))]
    small = [group for group in order if 2 * len(group) <= max(wanted, 2)]
    queue = small + sorted((group for group in order if 2 * len(group) > max(wanted, 2)), key=len)
    sides: dict[str, list[int]] = {side: [] for side in SPLITS}
    for side in ("test", "validation"):
        left: list[list[int]] = []
        for group in queue:
            room = wanted - len(sides[side])
            fits = room > 0 and (len(group) <= room or not sides[side])
            if fits:
                sides[side] += group
            else:
                left.append(group)
        queue = left
    sides["train"] = [k for group in queue for k in group]
    if 2 * len(sides["train"]) < count or not all(sides.values()):
        return None
    return {side: np.array(sorted(rows), dtype=np.int64) for side, rows in sides.items()}


def said(words: Sequence[object], name: str) -> np.ndarray:
    """The sides that a column names, as strings ``[rows]``: ``train``, ``validation`` or ``test``.

    Raises:
        UsageError: a word is not known.
    """
    sides = np.array([WORDS.get(" ".join(str(word).lower().split()), "") for word in words])
    odd = sorted({repr(str(word)) for word, side in zip(words, sides, strict=True) if not side})
    if odd:
        raise UsageError(
            "bad_split",
            f"column {name!r} holds {', '.join(odd[:4])}",
            f"write {', '.join(SPLITS)} in it, or choose another --split",
        )
    return sides


def refuse_leaks(sides: np.ndarray, name: str, exact: Sequence[str], names: Sequence[str]) -> None:
    """Refuses a column that puts the same structure on two sides.

    Args:
        sides: of each row.
        name: of the column.
        exact: key of each row; equal ones are the same structure.
        names: of the rows.

    Raises:
        UsageError: it does.
    """
    first: dict[str, int] = {}
    leaks = [(at, k) for k, key in enumerate(exact) if sides[at := first.setdefault(key, k)] != sides[k]]
    if leaks:
        a, b = leaks[0]
        n = "a structure" if len(leaks) == 1 else f"{len(leaks)} structures"
        raise UsageError(
            "leaking_split",
            f"column {name!r} puts {n} on two sides, such as {names[a]} ({sides[a]}) and {names[b]} ({sides[b]})",
            "leave each on one side, or choose --split random, scaffold or group",
        )


def by_column(
    sides: np.ndarray, name: str, same: Sequence[str], groups: Sequence[str], seed: int
) -> tuple[Sides, list[str]]:
    """Rows of each side as a column says, and findings. Where it has no validation, some groups of training become it.

    Args:
        sides: of each row.
        name: of the column.
        same: key of each row; equal ones are the same molecule, stereochemistry aside.
        groups: of the rows.
        seed: of the choice of a validation.

    Raises:
        UsageError: a side is empty.
    """
    for side in ("train", "test"):
        if side not in sides:
            raise UsageError(
                "bad_split", f"column {name!r} puts no usable row into {side}", "add some, or choose another --split"
            )
    told = []
    of_same: dict[str, set[str]] = defaultdict(set)
    for key, side in zip(same, sides.tolist(), strict=True):
        of_same[key].add(side)
    if crossing := sum(len(found) > 1 for found in of_same.values()):
        told.append(
            f"column {name!r} puts stereo isomers of {crossing} molecules on two sides: the test is easier than it should be"
        )
    if "validation" not in sides:
        train = np.flatnonzero(sides == "train")
        inner = divided([groups[k] for k in train.tolist()], seed, None, "groups")
        sides = sides.astype("U10")
        sides[train[inner["validation"]]] = "validation"
        told.append(f"column {name!r} has no validation: {len(inner['validation'])} rows of its training were taken")
    return {side: np.flatnonzero(sides == side) for side in SPLITS}, told
