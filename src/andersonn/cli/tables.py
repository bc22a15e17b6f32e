"""Tables of metrics for the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from andersonn.data.tasks import Task
from andersonn.sanitize import visible

BASELINES = {"random_forest": "random forest on composition", "majority": "majority class"}


def print_metrics(metrics: dict[str, Any], task: Task) -> None:
    """Accuracy beside the baselines, and the confusion matrix; of a number, its errors beside those of the baselines."""
    console = Console()
    if task.has_class:
        _print_classes(console, metrics, task)
    else:
        _print_errors(console, metrics, task)
    line = f"n = {metrics['n']}"
    if metrics.get("left_out"):
        line += f" ({metrics['left_out']} of {metrics['records']} records left out)"
    if "mae" in metrics:
        told = f"estimate: mean absolute error {metrics['mae']:.3f}, " if task.has_class else ""
        line += f", {told}90 % interval covers {100 * metrics['interval90_coverage']:.1f} %"
    console.print(line, style="dim", highlight=False)


def _print_errors(console: Console, metrics: dict[str, Any], task: Task) -> None:
    unit = f" / {task.unit}" if task.unit else ""
    heads = (f"RMSE{unit}", f"mean absolute error{unit}", "R²")
    table = Table("", *(escape(visible(head)) for head in heads), box=None, header_style="bold", pad_edge=False)
    named = {"random_forest": BASELINES["random_forest"], "mean": "mean of the values"}
    rows = {"this model": metrics} | _beside(metrics, named)
    for name, row in rows.items():
        table.add_row(name, *(f"{row[key]:.4g}" for key in ("rmse", "mae")), f"{row['r2']:.3f}")
    console.print(table)
    console.print()


def _beside(metrics: dict[str, Any], named: dict[str, str]) -> dict[str, Any]:
    """Title → metrics of the baselines that there are."""
    found = metrics.get("baselines", {})
    return {title: found[name] for name, title in named.items() if found.get(name)}


def _print_classes(console: Console, metrics: dict[str, Any], task: Task) -> None:
    table = Table("", "accuracy", "balanced", "ROC-AUC", "ECE", box=None, header_style="bold", pad_edge=False)
    rows = {"this model": metrics}
    named = {f"cut_{name}": title for name, title in task.geometric_baselines.items()} | BASELINES
    rows |= _beside(metrics, named)
    for name, row in rows.items():
        table.add_row(
            escape(visible(name)), *(_number(row[key]) for key in ("accuracy", "balanced_accuracy", "roc_auc", "ece"))
        )
    console.print(table)
    confusion = Table(
        "true \\ predicted",
        *(escape(visible(name)) for name in task.classes),
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    for name, counts in zip(task.classes, metrics["confusion"], strict=True):
        confusion.add_row(escape(visible(name)), *(str(count) for count in counts))
    console.print()
    console.print(confusion)


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
