"""An understanding of a table in words, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from andersonn.constructing.checks import common_reasons
from andersonn.sanitize import harmless

if TYPE_CHECKING:
    from andersonn.constructing.understanding import Understanding

MOST_REASONS = 6
MOST_NAMES = 4


def as_text(found: Understanding) -> str:
    """Some lines for people."""
    unit = f" in {found.unit}" if found.unit else ""
    lines = [
        f"{found.source}, column {found.target!r}",
        f"  scientist   {found.name}: predicts {_kind(found)}",
        f"  structures  {len(found.records):,} {'crystals' if found.periodic else 'molecules'}{_how(found)}, in {found.rows:,} rows",
    ]
    if found.kind == "number":
        low, median, high = (f"{v:.4g}" for v in np.quantile(found.values, [0, 0.5, 1]))
        lines.append(f"  values      {low} to {high}{unit}, median {median}")
    if found.classes:
        counts = np.bincount(_index(found), minlength=len(found.classes))
        lines.append(
            "  classes     " + ", ".join(f"{name} {n:,}" for name, n in zip(found.classes, counts, strict=True))
        )
    shown = ", ".join(f"{len(rows):,} {side}" for side, rows in found.sides.items())
    lines.append(f"  split       {_split(found)}: {shown} (seed {found.seed})")
    if found.unusable:
        lines += ["", f"{_rows(len(found.unusable))} not used:"]
        reasons = common_reasons(found.unusable)
        for reason, rows in reasons[:MOST_REASONS]:
            alike = "" if all(found.unusable[row] == reason for row in rows) else ", and alike"
            more = ", …" if len(rows) > MOST_NAMES else ""
            lines.append(f"  {len(rows)} × {reason}{alike} ({', '.join(rows[:MOST_NAMES])}{more})")
        rest = sum(len(rows) for _, rows in reasons[MOST_REASONS:])
        lines += [f"  {rest} for other reasons"] if rest else []
    if found.findings:
        lines += ["", "found:", *(f"  - {told}" for told in found.findings)]
    return "\n".join(map(harmless, lines))


def as_dict(found: Understanding) -> dict[str, Any]:
    """As JSON."""
    index = _index(found) if found.classes else None
    content: dict[str, Any] = {
        "source": found.source, "target": found.target, "name": found.name, "kind": found.kind, "unit": found.unit,
        "periodic": found.periodic, "rows": found.rows, "n": len(found.records),
        "quantity": found.quantity, "classes": list(found.classes), "thresholds": list(found.thresholds),
        "split": found.split, "seed": found.seed, "sides": {side: len(rows) for side, rows in found.sides.items()},
        "unusable": dict(found.unusable), "findings": list(found.findings),
    }  # fmt: skip
    if found.kind == "number":
        names, at = ("lowest", "median", "highest"), (0.0, 0.5, 1.0)
        content["values"] = {name: float(np.quantile(found.values, q)) for name, q in zip(names, at, strict=True)}
    if index is not None:
        counts = np.bincount(index, minlength=len(found.classes)).tolist()
        content["class_counts"] = dict(zip(found.classes, counts, strict=True))
    return content


def _index(found: Understanding) -> np.ndarray:
    if found.kind == "labels":
        return found.values.astype(np.int64)
    return np.searchsorted(np.array(found.thresholds), found.values, side="right")


def _kind(found: Understanding) -> str:
    if found.kind == "labels":
        return f"one of {len(found.classes)} labels"
    unit = f" in {found.unit}" if found.unit else ""
    cut = f", cut at {', '.join(f'{cut:g}' for cut in found.thresholds)} into classes" if found.thresholds else ""
    return f"a number{unit}{cut}"


def _how(found: Understanding) -> str:
    has_geometry = ~found.records.is_null("positions")
    if "smiles" not in found.records.table.column_names:
        return ", from their coordinates"
    return ", from SMILES" if not has_geometry.any() else ", from SMILES and coordinates"


def _split(found: Understanding) -> str:
    if found.split.startswith("column "):
        return f"by column {found.split.removeprefix('column ')!r}"
    return {"random": "at random", "scaffold": "by scaffold", "group": "by group"}[found.split]


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"
