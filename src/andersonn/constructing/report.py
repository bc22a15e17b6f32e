"""The report of a construction: one HTML page that needs nothing else, drawn from ``construction.json`` alone."""

from __future__ import annotations

import shlex
from importlib import resources
from pathlib import Path
from typing import Any

from andersonn.constructing.drawing import picture
from andersonn.constructing.figures import (
    MOST_DRAWN,
    distance_figure,
    learning_figure,
    parity_figure,
    reliability_figure,
)
from andersonn.constructing.slices import slices_of
from andersonn.constructing.verdict import (
    answered,
    best_baseline,
    chosen,
    how_split,
    percent,
    ruling,
    short,
    three,
    verdict,
)
from andersonn.io.files import write_text
from andersonn.measuring.report import templates
from andersonn.sanitize import harmless, lines_of

__all__ = ["FILE", "verdict", "write_report"]

FILE = "report.html"
WORST = 10
LONGEST_LABEL = 40
"""Letters of a target's name in a figure."""
PARTS = (
    *(
        "command",
        "name",
        "source",
        "unit",
        "periodic",
        "classes",
        "thresholds",
        "understanding",
        "split",
        "seconds",
        "cpu_seconds",
    ),
    *("candidates", "test", "points", "reliability", "learning_curve", "twice", "applicability"),
)
POINT = ("id", "smiles", "formula", "n_atoms", "true", "estimate", "low", "high", "p", "distance", "inside")
CANDIDATE = ("name", "what", "baseline", "chosen", "n", "validation", "cpu_seconds", "note")
UNDERSTOOD = ("values", "findings", "rows", "usable", "unusable")
HEADS = {
    "rmse": "RMSE", "mae": "MAE", "r2": "R²", "coverage90": "inside the 90 % interval", "mean_width90": "mean width of it",
    "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "roc_auc": "ROC-AUC", "log_loss": "log loss",
    "ece": "calibration error",
}  # fmt: skip
"""Metric → head of its column, in their order."""
IN_UNITS = ("rmse", "mae", "mean_width90")
SHARES = ("coverage90",)


def write_report(content: dict[str, Any], folder: Path) -> Path:
    """Writes ``report.html`` and returns its path. What the content lacks is left out of the page.

    Args:
        content: as in ``construction.json``.
        folder: of the constructed model.

    Raises:
        OSError: the file cannot be written.
    """
    path = folder / FILE
    write_text(path, render(content, folder.resolve().name))
    return path


def render(content: dict[str, Any], folder_name: str) -> str:
    """The whole page.

    Args:
        content: as in ``construction.json``.
        folder_name: of the constructed model, for the commands that the page shows.
    """
    c = _whole(_safe(content))
    text = resources.files("andersonn.constructing").joinpath("pages/report.html").read_text(encoding="utf-8")
    views: dict[str, Any] = {
        "c": c,
        "title": f"{c.get('name') or 'Scientist'}: {c['target']}",
        "verdict": verdict(c),
        "cards": _cards(c),
        "understood": _understood(c),
        "candidates": _candidates(c),
        "baselines": _baselines(c),
        "confusions": _confusions(c),
        "sampled": MOST_DRAWN if len(answered(c)) > MOST_DRAWN else None,
        "slices": slices_of(answered(c), c["kind"], bool(c.get("periodic"))),
        "worst": _worst(c),
        "applicability": _applicability(c),
        "use": _use(c, harmless(folder_name)),
    } | _figures(c)
    functions = {"short": short, "percent": percent, "picture": picture}
    return templates().from_string(text, functions).render(views)


def _safe(value: Any) -> Any:
    """The content with all text as anybody may see it; missing parts may be None."""
    if isinstance(value, str):
        return "\n".join(map(harmless, lines_of(value)))
    if isinstance(value, dict):
        return {_safe(key): _safe(each) for key, each in value.items()}
    return [_safe(each) for each in value] if isinstance(value, (list, tuple)) else value


def _whole(content: dict[str, Any]) -> dict[str, Any]:
    """The content with None for what it lacks."""
    c = dict.fromkeys(PARTS) | content
    c["points"] = [dict.fromkeys(POINT) | each for each in c["points"] or []]
    c["candidates"] = [dict.fromkeys(CANDIDATE) | each for each in c["candidates"] or []]
    c["understanding"] = dict.fromkeys(UNDERSTOOD) | (c["understanding"] or {})
    c["applicability"] = {"limit": None} | (c["applicability"] or {})
    return c | {"test": c["test"] or {}}


def _label(c: dict[str, Any]) -> str:
    """Quantity and unit, for the axes of figures."""
    target = c["target"] if len(c["target"]) <= LONGEST_LABEL else f"{c['target'][: LONGEST_LABEL - 1]}…"
    return f"{target} / {c['unit']}" if c.get("unit") else target


def _figures(c: dict[str, Any]) -> dict[str, str | None]:
    """Figures of the page by name; None where there is nothing to draw."""
    points, number = answered(c), c["kind"] == "number"
    rows, curve = c.get("reliability") or [], c.get("learning_curve") or []
    far = [point for point in points if point.get("distance") is not None]
    limit = (c.get("applicability") or {}).get("limit")
    error = f"validation RMSE, {_label(c)}" if number else "validation error"
    return {
        "parity": parity_figure(points, _label(c)) if number and points else None,
        "distance": distance_figure(far, limit, _label(c)) if number and far else None,
        "reliability": reliability_figure(rows, (c.get("test") or {}).get("n")) if rows else None,
        "learning": learning_figure(curve, c.get("twice"), error) if len(curve) > 1 else None,
    }


def _cards(c: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Number, unit and words of the cards at the top."""
    test, key = c.get("test"), ruling(c)
    shown, unit = (short, c.get("unit") or "") if key == "rmse" else (three, "")
    if not test:
        return []
    cards: list[tuple[str, str, str]] = []
    best, winner, twice = best_baseline(c), chosen(c), c.get("twice")
    own = test.get(key)
    if own is not None:
        name = "typical error (RMSE)" if key == "rmse" else "balanced accuracy"
        by = f", {winner['name']}" if winner else ""
        cards.append((shown(own), unit, f"{name} on {test['n']:,} test rows{by}"))
    if best:
        cards.append((shown(best[1]), unit, f"the best baseline: {best[0]}"))
    if test.get("coverage90") is not None:
        cards.append((percent(test["coverage90"]), "", "of the true values inside the 90 % intervals"))
    elif test.get("ece") is not None:
        cards.append((three(test["ece"]), "", "calibration error of the probabilities"))
    if twice and twice.get("error") is not None:
        cards.append(
            (short(twice["error"]), unit, f"expected validation error with {twice['n']:,} rows, twice the data")
        )
    return cards


def _understood(c: dict[str, Any]) -> list[tuple[str, str]]:
    """What the table was taken for, as pairs of a term and its description."""
    found, split = c.get("understanding") or {}, c.get("split") or {}
    kind = "numbers" if c["kind"] == "number" else "labels"
    rows = [("table", c.get("source")), ("target", f"{_label(c)}, {kind}")]
    rows.append(("structures", "crystals" if c.get("periodic") else "molecules"))
    if c.get("classes"):
        cuts = c.get("thresholds")
        rows.append(
            ("classes", f"{', '.join(map(str, c['classes']))}{', cut at ' + ', '.join(map(str, cuts)) if cuts else ''}")
        )
    rows.append(("values", found.get("values")))
    if found.get("rows") is not None:
        rows.append(("rows", f"{found['rows']:,}, {found.get('usable', 0):,} of them usable"))
    if split:
        sides = [f"{name} {split[name]:,}" for name in ("train", "validation", "test") if split.get(name) is not None]
        by = f", {how_split(split['by'])}" if split.get("by") else ""
        rows.append(("split", f"{', '.join(sides)}{by}"))
    if c.get("seconds") is not None:
        cpu = f", {c['cpu_seconds']:,.0f} CPU seconds" if c.get("cpu_seconds") is not None else ""
        rows.append(("time", f"{c['seconds']:,.0f} s{cpu}"))
    return [(term, text) for term, text in rows if text]


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    """Metrics that any of the rows has, in the order of :data:`HEADS`."""
    return [key for key in HEADS if any(row.get(key) is not None for row in rows)]


def _head(key: str, c: dict[str, Any]) -> str:
    return f"{HEADS[key]}, {c['unit']}" if key in IN_UNITS and c.get("unit") else HEADS[key]


def _cell(key: str, value: float | None) -> str:
    if key in SHARES:
        return "n/a" if value is None else percent(value)
    return short(value) if key in IN_UNITS else three(value)


def _candidates(c: dict[str, Any]) -> dict[str, Any] | None:
    """Heads and rows of the table of what was tried."""
    tried = c.get("candidates") or []
    if not tried:
        return None
    keys = _columns([each.get("validation") or {} for each in tried])
    timed = any(each.get("cpu_seconds") is not None for each in tried)
    rows = []
    for each in tried:
        cells = [_cell(key, (each.get("validation") or {}).get(key)) for key in keys]
        if timed:
            seconds = each.get("cpu_seconds")
            cells.append("n/a" if seconds is None else f"{seconds:,.{int(seconds < 100)}f}")
        rows.append(each | {"cells": cells})
    return {"heads": [*(_head(key, c) for key in keys), *(["CPU s"] if timed else [])], "rows": rows}


def _baselines(c: dict[str, Any]) -> dict[str, Any] | None:
    """Heads and rows of the table of test metrics: the model's, then those of the baselines."""
    test = c.get("test")
    if not test:
        return None
    winner = chosen(c)
    own = winner["name"] if winner else "the model"
    named = [(own, test), *((name, row) for name, row in (test.get("beside") or {}).items() if name != own)]
    keys = _columns([row for _, row in named])
    rows = [(name, [_cell(key, row.get(key)) for key in keys]) for name, row in named]
    return {"heads": [_head(key, c) for key in keys], "rows": rows}


def _confusions(c: dict[str, Any]) -> dict[str, Any] | None:
    """Counts of true and estimated classes; of numbers, by the thresholds."""
    points, classes = answered(c), [str(name) for name in c.get("classes") or []]
    cuts = c.get("thresholds") or []
    if not points:
        return None
    if c["kind"] == "number":
        if not classes or len(cuts) != len(classes) - 1:
            return None
        pairs = [
            tuple(classes[sum(point[key] >= cut for cut in cuts)] for key in ("true", "estimate")) for point in points
        ]
    else:
        pairs = [(str(point["true"]), str(point["estimate"])) for point in points]
        classes += sorted({name for pair in pairs for name in pair} - set(classes))
    counts = [[sum(pair == (true, said) for pair in pairs) for said in classes] for true in classes]
    return {
        "classes": classes,
        "rows": [(name, row, max(sum(row), 1)) for name, row in zip(classes, counts, strict=True)],
    }


def _worst(c: dict[str, Any]) -> list[dict[str, Any]]:
    """The test points with the largest errors; of labels, the wrong answers with the highest probability."""
    points = answered(c)
    if c["kind"] == "number":
        return sorted(points, key=lambda point: -abs(point["estimate"] - point["true"]))[:WORST]
    wrong = [point for point in points if point["true"] != point["estimate"]]
    return sorted(wrong, key=lambda point: -((point.get("p") or {}).get(str(point["estimate"])) or 0.0))[:WORST]


def _applicability(c: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, number and error of the test rows inside and outside the applicability domain."""
    found, key = c.get("applicability") or {}, "rmse" if c["kind"] == "number" else "accuracy"
    sides = [("inside", found.get("inside")), ("outside", found.get("outside"))]
    return [
        (name, f"{side['n']:,}", short(side.get(key)) if key == "rmse" else three(side.get(key)))
        for name, side in sides
        if side
    ]


def _use(c: dict[str, Any], folder: str) -> dict[str, str]:
    """Commands and a program that use the model."""
    name, place = shlex.quote(c.get("name") or folder), shlex.quote(folder)
    said = "answer.value, answer.interval90" if c["kind"] == "number" else "answer.label, answer.probabilities"
    given = "NaCl.cif" if c.get("periodic") else "CCO"
    one = "NaCl.cif" if c.get("periodic") else "--smiles CCO"
    shell = [
        f"andersonn predict {name} new.csv --model {place}", f"andersonn predict {name} {one} --model {place} --format json",
        f"andersonn serve --model {place}",
    ]  # fmt: skip
    program = [
        "import andersonn as an", "", f"scientist = an.Scientist.load({folder!r})",
        f"for answer in scientist.predict([{given!r}]):", f"    print({said})",
    ]  # fmt: skip
    return {"shell": "\n".join(shell), "python": "\n".join(program)}
