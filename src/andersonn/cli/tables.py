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
    """Accuracy beside the baselines, and the confusion matrix."""
    console = Console()
    table = Table("", "accuracy", "balanced", "ROC-AUC", "ECE", box=None, header_style="bold", pad_edge=False)
    rows = {"this model": metrics}
    named = {f"cut_{name}": title for name, title in task.geometric_baselines.items()} | BASELINES
    rows |= {named[name]: metrics["baselines"][name] for name in named if metrics.get("baselines", {}).get(name)}
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
    line = f"n = {metrics['n']}"
    if metrics.get("left_out"):
        line += f" ({metrics['left_out']} of {metrics['records']} records left out)"
    if "mae" in metrics:
        line += f", estimate: mean absolute error {metrics['mae']:.3f}, 90 % interval covers "
        line += f"{100 * metrics['interval90_coverage']:.1f} %"
    console.print(line, style="dim", highlight=False)


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
