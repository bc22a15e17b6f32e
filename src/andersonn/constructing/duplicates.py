"""Structures that stand in several rows: merged where their values agree, left out where they contradict each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

AGREE = 0.25
"""Values of one structure agree if they differ by at most this many standard deviations of the whole column."""
FAR_APART = 1.0
"""Beyond so many they contradict each other, and neither is believed."""
SHOWN = 3


@dataclass
class Merged:
    """Rows after merging.

    Attributes:
        kept: rows that stay, in their order.
        values: of all rows; of those that stay the merged value.
        problems: row → why it was left out because of a contradiction; rows that were merged into another are not among them.
        told: findings, as sentences.
    """

    kept: list[int]
    values: np.ndarray
    problems: dict[int, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


def spread_of(values: np.ndarray) -> float:
    """Standard deviation of the bulk of some values, by their quartiles; of all, where these are equal."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float((high - low) / 1.349) or float(values.std())


def merged(
    rows: Sequence[int], values: np.ndarray, same: Sequence[str], exact: Sequence[str], names: Sequence[str],
    classes: Sequence[str],
) -> Merged:  # fmt: skip
    """Merges rows of the same structure.

    Numbers that agree become their median; labels that contradict each other are settled by a majority of two to one, else left
    out. Stereo isomers with values that differ stay rows of their own.

    Args:
        rows: usable ones.
        values: float64 of all rows.
        same: key of each row, without stereochemistry.
        exact: the same with it.
        names: of all rows, for messages.
        classes: names of labels; empty for numbers.
    """
    found = Merged([], values.copy())
    scale = 0.0 if classes else spread_of(values[list(rows)])
    together: dict[str, list[int]] = defaultdict(list)
    for k in rows:
        together[same[k]].append(k)
    agreed = 0
    differing: list[list[int]] = []
    isomers: list[list[int]] = []
    apart: list[list[int]] = []
    for members in together.values():
        if len(members) == 1:
            found.kept += members
            continue
        parts: dict[str, list[int]] = defaultdict(list)
        for k in members:
            parts[exact[k]].append(k)
        if (
            len(parts) > 1
            and (bool(classes) or np.ptp(values[members]) > AGREE * scale)
            and len(set(values[members])) > 1
        ):
            isomers.append(members)
            groups = list(parts.values())
        else:
            groups = [members]
        for group in groups:
            outcome = _one(group, found, scale, classes)
            agreed += outcome == "agreed"
            if outcome in ("differing", "apart"):
                (differing if outcome == "differing" else apart).append(group)
    found.kept.sort()
    found.told += _sentences(agreed, differing, isomers, apart, values, names, classes)
    for group in apart:
        shown = " and ".join(_shown(values[k], classes) for k in group[:SHOWN])
        found.problems |= dict.fromkeys(group, f"contradicting values {shown} of the same structure")
    return found


def _one(group: list[int], found: Merged, scale: float, classes: Sequence[str]) -> str:
    """Merges rows of one structure; tells whether they ``agreed``, were ``differing``, or ``apart`` and so are left out."""
    if len(group) == 1:
        found.kept += group
        return ""
    values = found.values[group]
    if classes:
        (winner, count), *others = Counter(values.tolist()).most_common()
        if others and count < 2 * (len(group) - count):
            return "apart"
        found.kept.append(group[int(np.flatnonzero(values == winner)[0])])
        return "differing" if others else "agreed"
    width = float(np.ptp(values))
    if width > FAR_APART * scale:
        return "apart"
    found.kept.append(group[0])
    found.values[group[0]] = np.median(values)
    return "agreed" if width <= AGREE * scale else "differing"


def _sentences(
    agreed: int, differing: list[list[int]], isomers: list[list[int]], apart: list[list[int]], values: np.ndarray,
    names: Sequence[str], classes: Sequence[str],
) -> list[str]:  # fmt: skip
    def example(groups: list[list[int]]) -> str:
        widest = max(groups, key=lambda group: float(np.ptp(values[group])))[:SHOWN]
        return ", ".join(f"{names[k]}: {_shown(values[k], classes)}" for k in widest)

    how = "the label of the majority" if classes else "their median"
    told = []
    if agreed:
        told.append(
            f"{agreed} {_structures(agreed)} in several rows with values that agree: merged"
            + ("" if classes else ", by their median")
        )
    if differing:
        told.append(
            f"{len(differing)} {_structures(len(differing))} in several rows with values that differ somewhat: {how} was taken ({example(differing)})"
        )
    if apart:
        told.append(
            f"{len(apart)} {_structures(len(apart))} in several rows with values that contradict each other: left out ({example(apart)})"
        )
    if isomers:
        told.append(
            f"{len(isomers)} molecules have stereo isomers with different values, kept on one side of the split ({example(isomers)}): a model that reads bonds alone gives them one answer"
        )
    return told


def _structures(count: int) -> str:
    return "structure stands" if count == 1 else "structures stand"


def _shown(value: float, classes: Sequence[str]) -> str:
    return repr(classes[int(value)]) if classes else f"{value:.6g}"
