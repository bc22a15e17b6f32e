"""What the contest's rows say about each number that the solvers are to reach: the measured figure, met or not.

Claims that compare "ours" are made for the best of our solvers on each case, as peers are taken at their best, for the
default, which is what a user gets who chooses nothing, and for the automatic choice. Time is compared with the peers that
evaluate the very same f, and once more with those that evaluate a compiled twin of it. Where one side never meets a tolerance the other wins; where
both fail, a case says nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from contest.contestants import AUTO, DEFAULT, FORWARD, LARGEST_WINDOW
from contest.peers import RIVALS

Row = dict[str, Any]
TIGHT = 1e-5
HARD_RADIUS = 0.95
AGREEMENT = 1e-2
"""Relative distance from the reference solution within which a state agrees with it. At a radius of 0.99 a residual of
1e-5 leaves an error of about 1e-3.
"""


@dataclass(frozen=True)
class Case:
    """The rows of one problem in one precision, batch and tolerance."""

    rows: tuple[Row, ...]

    def __str__(self) -> str:
        row = self.rows[0]
        return f"{row['problem']}, {row['dtype']}, batch {row['batch']}, to {power(row['rtol'])}"

    def least(self, field: str, keep: Callable[[Row], bool]) -> float:
        """Smallest value among the rows to keep; infinity if none of them has one."""
        return min((row[field] for row in self.rows if keep(row) and row[field] is not None), default=math.inf)


def power(rtol: float) -> str:
    """A tolerance as in ``1e-3``."""
    return f"{rtol:.0e}".replace("e-0", "e-")


def cases(rows: Iterable[Row]) -> list[Case]:
    """Rows by case."""
    found: dict[tuple, list[Row]] = {}
    for row in rows:
        found.setdefault((row["problem"], row["dtype"], row["batch"], row["rtol"]), []).append(row)
    return [Case(tuple(group)) for group in found.values()]


def claims(rows: list[Row], limit: int) -> list[dict[str, Any]]:
    """The issue's numbers, one entry each: ``key``, ``claim``, ``target``, ``whose``, ``value``, ``measured`` (in words) and
    ``met`` (None: not measured).

    Args:
        rows: of the contest.
        limit: evaluations that each run was allowed; a peer that never arrived is taken to need that many.
    """
    found = []
    for whose, keep in (("best of ours", _ours), (DEFAULT, _named(DEFAULT)), (AUTO, _named(AUTO))):
        found += [claim | {"whose": whose} for claim in _compared(cases(rows), keep, limit)]
    found.append(_optimal(cases(rows), _ours) | {"whose": "best of ours"})
    found.append(_auto(cases(rows)) | {"whose": AUTO})
    found += [claim | {"whose": "all of ours"} for claim in _honesty(rows)]
    return found


def speedups(rows: list[Row]) -> dict[str, float | None]:
    """``speedup_evaluations`` and ``speedup_time``: the median, over cases that both meet, of the best peer's need divided by
    the best of ours'; Anderson and Broyden methods, in time those that evaluate the same f. ``speedup_time_compiled``: with
    those that evaluate a compiled twin of f as well. ``agreement``: share of our converged runs to 1e-5 that end within 1e-2
    of the reference solution.
    """
    compared = {
        "speedup_evaluations": ("evaluations", _accelerated_peer),
        "speedup_time": ("seconds", _accelerated_peer_on_f),
        "speedup_time_compiled": ("seconds", _accelerated_peer),
    }
    found: dict[str, float | None] = {}
    for name, (field, rival) in compared.items():
        pairs = [(case.least(field, _ours), case.least(field, rival)) for case in cases(rows)]
        found[name] = _median([peers / ours for ours, peers in pairs if math.isfinite(ours) and math.isfinite(peers)])
    near = [row["distance"] <= AGREEMENT for row in rows if row["rtol"] == TIGHT and row["distance"] is not None]
    return found | {"agreement": sum(near) / len(near) if near else None}


def _compared(found: list[Case], keep: Callable[[Row], bool], limit: int) -> Iterator[dict[str, Any]]:
    yield _excess(found, keep)
    for rival in RIVALS:
        yield _halved(found, keep, rival, limit)
    yield from _ahead(found, keep, _accelerated_peer_on_f, "")
    yield from _ahead(found, keep, _accelerated_peer, ", jaxopt's compiled f included")


def _excess(found: list[Case], keep: Callable[[Row], bool]) -> dict[str, Any]:
    values = []
    for case in found:
        ours, peers = case.least("evaluations", keep), case.least("evaluations", _peer)
        if math.isfinite(peers):
            values.append((ours - peers, case))
    over = [value for value, _ in values if value > 2]
    words = f"{_worst(values, '{:+.0f}')}; above +2 in {len(over)} of {len(values)} cases that a peer solves"
    return _claim("evaluations", "evaluations beyond the best peer's, at most", "≤ 2", values, words, lambda v: v <= 2)


def _halved(found: list[Case], keep: Callable[[Row], bool], rival: str, limit: int) -> dict[str, Any]:
    values = []
    for case in found:
        first = case.rows[0]
        if first["rtol"] != TIGHT or first["radius"] is None or first["radius"] < HARD_RADIUS:
            continue
        entered = [row for row in case.rows if row["solver"] == rival and row["calls"]]
        ours, theirs = case.least("evaluations", keep), case.least("evaluations", _named(rival))
        if entered and (math.isfinite(ours) or math.isfinite(theirs)):
            values.append((ours / min(theirs, limit), case))
    words = f"{_worst(values, '{:.2f}')}; {_typical(values, '{:.2f}')} over {len(values)} cases"
    claim = f"evaluations to 1e-5, radius ≥ {HARD_RADIUS}, as a share of {rival}'s"
    return _claim("halved", claim, "≤ 0.5", values, words, lambda v: v <= 0.5)


def _optimal(found: list[Case], keep: Callable[[Row], bool]) -> dict[str, Any]:
    values, within = [], []
    for case in found:
        best = case.rows[0]["optimal_evaluations"]
        if best is None:
            continue
        values.append((case.least("evaluations", keep) / best, case))
        if best <= LARGEST_WINDOW + 1:
            within.append(values[-1])
    words = (
        f"{_worst(within, '{:.2f}')} where the optimal method needs at most {LARGEST_WINDOW + 1} ({len(within)} cases); "
        f"over all {len(values)} cases {_typical(values, '{:.2f}')}"
    )
    claim = "evaluations ÷ those of a full-window method in float64, where the window allows"
    return _claim("optimal", claim, "≤ 1.15", within, words, lambda v: v <= 1.15)


def _ahead(
    found: list[Case], keep: Callable[[Row], bool], rival: Callable[[Row], bool], words: str
) -> Iterator[dict[str, Any]]:
    values, alone, among = [], 0, words
    for case in found:
        ours, peers = case.least("seconds", keep), case.least("seconds", rival)
        if math.isfinite(ours) and math.isinf(peers):
            alone += 1
        if math.isfinite(ours) or math.isfinite(peers):
            values.append((0.0 if math.isinf(ours) else peers / ours, case))
    share = sum(value >= 2 for value, _ in values) / len(values) if values else None
    words = f"{100 * (share or 0):.0f} % of {len(values)} cases ({_typical(values, '{:.1f} ×')}); in {alone} no peer arrives"
    yield {
        "key": "time" if not among else "time_compiled",
        "claim": f"time at least 2 × ahead of the best peer's Anderson or Broyden{among}",
        "target": "≥ 75 % of cases",
        "value": share,
        "measured": "not measured" if share is None else words,
        "met": None if share is None else share >= 0.75,
    }
    behind = [case for value, case in values if value < 1]
    least = min(values, key=lambda pair: pair[0], default=None)
    words = (
        "" if least is None else f"behind in {len(behind)} of {len(values)} cases; least {least[0]:.2f} × ({least[1]})"
    )
    yield {
        "key": "never_behind" if not among else "never_behind_compiled",
        "claim": f"and never behind it{among}",
        "target": "≥ 1 ×",
        "value": None if least is None else _finite(least[0]),
        "measured": words or "not measured",
        "met": None if least is None else not behind,
    }


def _auto(found: list[Case]) -> dict[str, Any]:
    values = []
    for case in found:
        auto = case.least("seconds", _named(AUTO))
        forward = case.least("seconds", _named(FORWARD))
        if math.isfinite(forward) and any(row["solver"] == AUTO for row in case.rows):
            values.append((auto / forward - 1, case))
    losses = [value for value, _ in values if value > 0.05]
    words = (
        f"{_worst(values, '{:+.1%}')}; above 5 % in {len(losses)} of {len(values)} cases that forward iteration solves"
    )
    return _claim(
        "auto", "time of the automatic choice beyond forward iteration's", "≤ 5 %", values, words, lambda v: v <= 0.05
    )


def _honesty(rows: list[Row]) -> Iterator[dict[str, Any]]:
    runs = [row for row in rows if row["ours"] and row["honest"] is not None]
    honest = [row for row in runs if row["honest"]]
    spoilt = [row for row in runs if row["finite"] is False]
    share = len(honest) / len(runs) if runs else None
    yield {
        "key": "honest",
        "claim": "runs that end in “converged” or an honest status",
        "target": "100 %",
        "value": share,
        "measured": "not measured" if share is None else f"{len(honest)} of {len(runs)}",
        "met": None if share is None else len(honest) == len(runs),
    }
    yield {
        "key": "finite",
        "claim": "runs that return NaN or infinity",
        "target": "0",
        "value": len(spoilt) if runs else None,
        "measured": f"{len(spoilt)} of {len(runs)}" if runs else "not measured",
        "met": not spoilt if runs else None,
    }


def _claim(
    key: str, claim: str, target: str, values: list[tuple[float, Case]], words: str, good: Callable[[float], bool]
) -> dict[str, Any]:
    worst = max((value for value, _ in values), default=None)
    return {
        "key": key,
        "claim": claim,
        "target": target,
        "value": None if worst is None else _finite(worst),
        "measured": words if values else "not measured",
        "met": None if worst is None else good(worst),
    }


def _worst(values: list[tuple[float, Case]], form: str) -> str:
    if not values:
        return "no case"
    value, case = max(values, key=lambda pair: pair[0])
    return f"worst {form.format(value) if math.isfinite(value) else '∞, not reached'} ({case})"


def _typical(values: list[tuple[float, Case]], form: str) -> str:
    middle = _median([value for value, _ in values])
    return "no median" if middle is None else f"median {form.format(middle)}"


def _median(values: list[float]) -> float | None:
    return _finite(statistics.median(values)) if values else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _ours(row: Row) -> bool:
    return row["ours"]


def _named(name: str) -> Callable[[Row], bool]:
    return lambda row: row["solver"] == name


def _peer(row: Row) -> bool:
    return not row["ours"]


def _accelerated_peer(row: Row) -> bool:
    return not row["ours"] and row["kind"] in ("anderson", "broyden")


def _accelerated_peer_on_f(row: Row) -> bool:
    return _accelerated_peer(row) and row["same_map"]
