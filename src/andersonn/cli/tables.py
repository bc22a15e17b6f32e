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
    """Accuracy beside the baselines, and the confusion matrix; of a number, its errors beside those of the baselines; of answers by
    geometry, the network's metrics beside them.

    Args:
        metrics: as :func:`andersonn.training.evaluate.evaluate` returns them.
        task: the network's.
    """
    console = Console()
    if task.has_class:
        _print_classes(console, metrics, task)
    else:
        _print_errors(console, metrics, task)
    console.print(_line(metrics, task), style="dim", highlight=False)


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
    table = Table("", "accuracy", "balanced", "ROC-AUC", "ECE", "n", box=None, header_style="bold", pad_edge=False)
    by_geometry = "network" in metrics
    for name, row in (_by_geometry if by_geometry else _by_network)(metrics, task).items():
        cells = (_number(row[key]) for key in ("accuracy", "balanced_accuracy", "roc_auc", "ece"))
        table.add_row(escape(visible(name)), *cells, str(row.get("n", "")))
    console.print(table)
    console.print()
    console.print(_confusion(metrics, tuple(metrics["classes"]) if by_geometry else task.classes))


def _by_network(metrics: dict[str, Any], task: Task) -> dict[str, dict[str, Any]]:
    """Title → metrics of the model and of its baselines."""
    named = {f"cut_{name}": title for name, title in task.geometric_baselines.items()} | BASELINES
    return {"this model": metrics} | _beside(metrics, named)


def _by_geometry(metrics: dict[str, Any], task: Task) -> dict[str, dict[str, Any]]:
    """Title → metrics of the geometry and of the network, of all records and of each file, and of baselines."""
    rows = _side_by_side(metrics, task, metrics)
    rows |= _beside(metrics, BASELINES)
    for file, own in metrics.get("by_file", {}).items():
        rows |= {f"{file}: {name}": row for name, row in _side_by_side(own, task, metrics).items()}
    return rows


def _side_by_side(own: dict[str, Any], task: Task, whole: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rows = {f"geometry, by {whole['quantity_words']}": own}
    rows |= {f"geometry, by {task.quantity_words}": own["by_window"]} if "by_window" in own else {}
    return rows | {f"network, by {task.quantity_words}": own["network"]}


def _confusion(metrics: dict[str, Any], classes: tuple[str, ...]) -> Table:
    named = [escape(visible(name)) for name in classes]
    table = Table("true \\ predicted", *named, box=None, header_style="bold", pad_edge=False)
    for name, counts in zip(named, metrics["confusion"], strict=True):
        table.add_row(name, *(str(count) for count in counts))
    return table


def _line(metrics: dict[str, Any], task: Task) -> str:
    line = f"n = {metrics['n']}"
    line += f", geometry by {metrics['convention']}" if "convention" in metrics else ""
    if metrics.get("left_out"):
        line += f" ({metrics['left_out']} of {metrics['records']} records left out)"
    if metrics.get("refused"):
        line += f", {len(metrics['refused'])} without a measured geometry"
    if "mae" in metrics:
        told = f"estimate: mean absolute error {metrics['mae']:.3f}, " if task.has_class else ""
        line += f", {told}90 % interval covers {100 * metrics['interval90_coverage']:.1f} %"
    return line


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
