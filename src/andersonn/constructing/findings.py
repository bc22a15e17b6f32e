"""What a person should know of a table's values: outliers, orders of magnitude, columns that repeat the target, thresholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from andersonn.constructing.cells import Commas, cell_of
from andersonn.constructing.duplicates import spread_of
from andersonn.constructing.sheets import Sheet
from andersonn.errors import UsageError
from andersonn.structures.readers.molecules.largest_part import Part

OUTLYING = 6.0
"""Standard deviations of the bulk beyond which a value is named."""
REPEATED = 0.9999
"""Correlation from which a column repeats the target."""
SHOWN = 3


def outliers(values: np.ndarray, names: Sequence[str]) -> list[str]:
    """Values far from all others; they stay."""
    spread, median = spread_of(values), float(np.median(values))
    if spread <= 0.0:
        return []
    far = np.abs(values - median) / spread
    found = np.flatnonzero(far > OUTLYING)
    told = []
    positive = bool((values > 0).all())
    if positive and values.max() / max(values.min(), 1e-300) > 1e3 and values.max() / median > 30:
        orders = np.log10(values.max() / values.min())
        told.append(f"values go over {orders:.0f} orders of magnitude: their logarithm may be the better target")
    if len(found) and len(found) <= max(5, 0.02 * len(values)):
        worst = found[np.argsort(-far[found])][:SHOWN]
        shown = ", ".join(f"{names[k]}: {values[k]:.6g}" for k in worst)
        n = len(found)
        told.append(
            f"{n} {'value lies' if n == 1 else 'values lie'} far from the others (median {median:.4g}): check {shown}"
        )
    elif len(found) and not told:
        told.append(f"{len(found)} values lie far above or below the bulk: the distribution has long tails")
    return told


def mixtures(cut: Mapping[int, Part], names: Sequence[str]) -> list[str]:
    """Rows that hold a salt or a mixture: one part of each is read.

    Args:
        cut: row → part.
        names: of all rows.
    """
    if not cut:
        return []
    first = min(cut)
    left = cut[first]
    rows = "1 row holds" if len(cut) == 1 else f"{len(cut):,} rows hold"
    others = Counter(other for part in cut.values() for other in part.others)
    most = ", ".join(f"{other[:30]} {n:,} ×" for other, n in others.most_common(SHOWN))
    return [
        f"{rows} a salt or a mixture: the largest organic part is read, as neutral as it can be, and so it is in predictions; "
        f"{names[first]} is read as {left.smiles[:60]}. Left out: {most}. --refuse-mixtures leaves out such rows"
    ]


def repeated(sheet: Sheet, column: int, rows: Sequence[int], values: np.ndarray, mass: np.ndarray) -> list[str]:
    """Columns that hold the target once more, and a target that mass or size alone give.

    Args:
        sheet: the table.
        column: of the target.
        rows: usable ones, ``[n]``.
        values: of the target, ``[n]``.
        mass: and the number of atoms besides hydrogen, ``[n, 2]``.
    """
    told = []
    for k, name in enumerate(sheet.names):
        if k == column:
            continue
        numbers = np.array(
            [
                cell_of(sheet.rows[row][1][k], Commas()).value if _single(sheet.rows[row][1][k]) else np.nan
                for row in rows
            ]
        )
        r = _correlation(values, numbers)
        if abs(r) > REPEATED:
            told.append(
                f"column {name!r} repeats the target (r = {r:.4f}): it is not given to the model, since new structures do not have it"
            )
    for k, what in enumerate(("molar mass", "number of atoms besides hydrogen")):
        r = _correlation(values, mass[:, k])
        if abs(r) > 0.999:
            told.append(f"the target follows from the {what} alone (r = {r:.4f}): no model is needed for it")
    return told


def _single(value: object) -> bool:
    return isinstance(value, (str, int, float, np.number)) and len(str(value)) < 60


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < max(10, 0.5 * len(first)) or np.ptp(first[both]) == 0 or np.ptp(second[both]) == 0:
        return 0.0
    return float(np.corrcoef(first[both], second[both])[0, 1])


def refuse_row_numbers(name: str, values: np.ndarray, is_id: bool) -> None:
    """Refuses a target that only numbers the rows.

    Raises:
        UsageError: it does.
    """
    steps = np.diff(values)
    counts = len(values) > 10 and len(steps) and bool((steps == 1).all())
    if is_id or counts:
        raise UsageError("target_is_id", f"column {name!r} only names or numbers the rows: {values[0]:g}, {values[1]:g}, {values[2]:g} …",
                         "name a column of values")  # fmt: skip


def suggested(values: np.ndarray) -> str:
    """Thresholds that would make classes of numbers: one that halves them, two that make thirds."""
    half, low, high = (_short(float(np.quantile(values, q))) for q in (0.5, 1 / 3, 2 / 3))
    words = f"--thresholds {half} would make two classes of about equal size"
    return words + (f", --thresholds {low},{high} three" if float(low) < float(high) else "")


def _short(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 100 else f"{value:.3g}" if abs(value) < 1e4 else f"{value:.6g}"
