"""The card of a constructed model: what was tried, and how the chosen one answers what it has not seen, beside simple baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from andersonn.errors import UsageError
from andersonn.inference.model_bundle import task_of
from andersonn.io.files import from_json
from andersonn.sanitize import first_line

CONSTRUCTION = "construction.json"
"""What a construction leaves beside the model."""
NUMBERS = {"rmse": "RMSE", "mae": "mean absolute error", "r2": "R²"}
CLASSES = {"accuracy": "accuracy", "balanced_accuracy": "balanced", "roc_auc": "ROC-AUC", "ece": "calibration error"}


def construction_of(folder: Path) -> dict[str, Any] | None:
    """What was written of a model's construction, or None if it was not constructed.

    Raises:
        UsageError: it cannot be read.
    """
    path = folder / CONSTRUCTION
    try:
        content = from_json(path.read_text(encoding="utf-8"))
        for name in ("candidates", "test", "split", "understanding", "kind"):
            if name not in content:
                raise ValueError(f"it has no {name}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        told = f"cannot read {CONSTRUCTION} in {str(folder)!r}: {first_line(error)}"
        raise UsageError("bad_model", told, "copy the whole model folder again") from None
    return content


def content_of_constructed(card: dict[str, Any], built: dict[str, Any], notes: str) -> dict[str, Any]:
    """The card as one JSON object.

    Args:
        card: content of ``model.json``.
        built: of ``construction.json``.
        notes: on the model.
    """
    task = task_of(card)
    return {
        "task": card["task"],
        "answers_with": task.answer,
        "classes": card["classes"] if task.has_class else [],
        "thresholds": card["thresholds"] if task.answer == "class" else [],
        "quantity": card["quantity"],
        "unit": card["unit"],
        "parameters": card["parameters"],
        "trained": card["trained"],
        "versions": card["versions"],
        "data": card["data"],
        "split": built["split"],
        "candidates": built["candidates"],
        "metrics": built["test"],
        "applicability": built.get("applicability"),
        "started_from": card.get("started_from"),
        "command": built.get("command", ""),
        "notes": notes,
    }


def page_of_constructed(card: dict[str, Any], built: dict[str, Any], notes: str) -> str:
    """The card in Markdown; arguments as of :func:`content_of_constructed`."""
    task, split, data = task_of(card), built["split"], card["data"]
    unit = f" in {task.unit}" if task.unit else ""
    cuts = ", ".join(f"{cut:g}" for cut in task.thresholds)
    answers = {
        "number": f"Answers with a number: {task.quantity_words}{unit}, with a 90 % interval.",
        "label": f"Answers with a class of {task.quantity_words}: {', '.join(task.classes)}.",
        "class": f"Classes by {task.quantity_words}: {', '.join(task.classes)}, cut at {cuts} {task.unit}.",
    }[task.answer]
    versions = card["versions"]
    parts = [
        f"# Model card: {card['task']}",
        f"{answers} Constructed {card['trained']} with andersonn {versions['andersonn']}, torch {versions['torch']}; "
        f"{card['parameters']:,} numbers in its last layer or network.",
        f"## Test ({built['test']['n']} structures that took no part in training or choice)",
        _table(built, {"this model": built["test"]} | built["test"].get("beside", {}), task.unit),
        _intervals(built["test"], task.unit),
        f"## What was tried (chosen by {_judged(built)} structures, each answered without its fold)",
        _table(built, {_named(row): row["validation"] for row in built["candidates"]}, task.unit),
        "## Data",
        f"`{data['file']}`: {built['understanding'].get('usable', data['records']):,} structures could be used; "
        f"{split['train']:,} for training, {split['validation']:,} for the choice and calibration, {split['test']:,} for the test; "
        f"divided by {split['by']}. Licence of the data: not known to this program.",
        *_applicability(built, task.unit),
        *(["## Make it again", f"```sh\n{built['command']}\n```"] if built.get("command") else []),
        notes,
    ]
    return "\n\n".join(part for part in parts if part).rstrip() + "\n"


def _named(row: dict[str, Any]) -> str:
    return f"{row['name']} (chosen)" if row.get("chosen") else str(row["name"])


def _judged(built: dict[str, Any]) -> str:
    return f"{max((row.get('n', 0) for row in built['candidates']), default=0):,}"


def _table(built: dict[str, Any], rows: dict[str, dict[str, Any]], unit: str) -> str:
    """A table of the measures that each row has."""
    titles = NUMBERS if built["kind"] == "number" else CLASSES
    titles = {key: title for key, title in titles.items() if any(row.get(key) is not None for row in rows.values())}
    per = {key: f" / {unit}" if unit and key in ("rmse", "mae") else "" for key in titles}
    lines = ["|  | " + " | ".join(f"{title}{per[key]}" for key, title in titles.items()) + " |"]
    lines.append("|---" * (len(titles) + 1) + "|")
    for name, row in rows.items():
        numbers = ("n/a" if row.get(key) is None else f"{row[key]:.4g}" for key in titles)
        lines.append(f"| {name} | " + " | ".join(numbers) + " |")
    return "\n".join(lines)


def _intervals(test: dict[str, Any], unit: str) -> str:
    if test.get("coverage90") is None:
        return ""
    width = f"{test['mean_width90']:.3g} {unit}".rstrip()
    return f"The 90 % interval covers {100 * test['coverage90']:.1f} % and is {width} wide on average."


def _applicability(built: dict[str, Any], unit: str) -> list[str]:
    """How well it answers structures inside and outside its domain."""
    found = built.get("applicability")
    if not found:
        return []
    told = []
    for where in ("inside", "outside"):
        part = found[where]
        error = part.get("rmse") if built["kind"] == "number" else None  # of classes it is no error
        told.append(f"{part['n']} {where}" + (f" (RMSE {error:.3g} {unit}".rstrip() + ")" if error is not None else ""))
    return [
        "## Inputs unlike the training",
        f"Answers warn beyond a distance of {found['limit']:.2f}; of the test structures {', '.join(told)}.",
    ]
