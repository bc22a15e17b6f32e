"""A scientist as HTML for a notebook: what it answers, what it learned from, and what its test says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from andersonn.data.tasks import Task
from andersonn.inference import html
from andersonn.inference.model_bundle import ModelBundle

IN_PERCENT = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "interval90_coverage": "90 % interval covers",
}


def scale_of(task: Task) -> str:
    """The classes of a task between their thresholds: ``"weakly_polar < 2.5 D ≤ strongly_polar"``."""
    if not task.has_class:
        return f"{task.quantity_words}{f' in {task.unit}' if task.unit else ''}"
    if not task.has_estimate:
        return " or ".join(task.classes)
    first, *others = task.classes
    told = first
    for cut, name in zip(task.thresholds, others, strict=True):
        unit = f" {task.unit}" if task.unit else ""
        at_zero = cut == 0.0 and task.zero_is_class and name == others[0]
        told += f" = 0{unit} < {name}" if at_zero else f" < {cut:g}{unit} ≤ {name}"
    return told


def scientist_html(name: str, task: Task, bundle: ModelBundle) -> str:
    """The card of a scientist.

    Args:
        name: of the model.
        task: what it answers.
        bundle: the model.
    """
    card = bundle.provenance
    title = f"<b>{html.text(name)}</b> {html.text(task.summary)}"
    scale = f"{html.text(task.quantity_words)}: {html.text(scale_of(task))}"
    lines = [scale, _made_of(card), _tested(card, bundle.task)]
    return "".join(f"<div>{line}</div>" for line in (title, *filter(None, lines)))


def _made_of(card: Mapping[str, Any]) -> str:
    data, parameters = card.get("data", {}), card.get("parameters")
    told = [f"{parameters:,} parameters"] if isinstance(parameters, int) else []
    if isinstance(data.get("train"), int):
        told.append(f"trained on {data['train']:,} structures of {html.text(data.get('file', ''))}")
    return ", ".join(told)


def _tested(card: Mapping[str, Any], task: Task) -> str:
    test = card.get("metrics", {}).get("test", {})
    told = [f"{words} {100 * test[key]:.1f} %" for key, words in IN_PERCENT.items() if isinstance(test.get(key), float)]
    if isinstance(test.get("mae"), float):
        told.insert(
            -1, f"mean absolute error of the {html.text(task.quantity_words)} {test['mae']:.2g} {html.text(task.unit)}"
        )
    return f"test of the network, n = {test['n']:,}: {', '.join(told)}" if told and "n" in test else ""
