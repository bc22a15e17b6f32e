"""Pages and tables of the measurements of memory."""

from __future__ import annotations

import html
from typing import Any

from andersonn.comparison.own.contenders import FORWARD
from andersonn.comparison.own.page import items, machine_line, table
from andersonn.comparison.own.plots import frontier_figure, memory_figure
from andersonn.comparison.own.step import LABELS


def memory_page(result: dict[str, Any]) -> tuple[str, list[str]]:
    """Title and parts of the page of peaks by depth."""
    parts = [
        f"<p class=lead>{html.escape(result['verdict'])}</p>",
        memory_figure(result["rows"]),
        table(*memory_rows(result)),
        "<h2>What was done</h2>",
        items(_memory_method(result)),
    ]
    return f"Memory of a training step against depth: {result['cell']}", parts


def memory_rows(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of depths, in MB."""
    rows, growth = result["rows"], result["growth"]
    depths = sorted({row["depth"] for row in rows})
    body = []
    for kind, name in LABELS.items():
        sizes = {row["depth"]: row["bytes"] for row in rows if row["kind"] == kind}
        if sizes:
            body.append([name, *(megabytes(sizes[depth]) for depth in depths), times(growth[kind])])
    return ["peak in MB, by depth", *(str(depth) for depth in depths), f"most, in units of {depths[0]}"], body


def _memory_method(result: dict[str, Any]) -> list[str]:
    whose = (
        "the implicit-layers tutorial's cell on noise" if result["task"] is None else f"the cell of {result['task']}"
    )
    where = (
        "the allocator's own count"
        if result["setting"]["gpu"]
        else "growth of the peak resident size in a fresh process"
    )
    lines = [
        f"One training step (forward, sum of squares, backward) of {whose}, batch {result['batch']}, state "
        f"{' × '.join(map(str, result['state']))}: {where}, beyond what cell and input hold, after a step of depth 1 that "
        "does not count. Measured once a point.",
        "The layer's solver runs at tolerance 0 for exactly so many steps in each of the two passes; in use it stops when it "
        "has converged, after far fewer.",
        "The stack is the same cell, so many times. Layers with weights of their own would take their weights and gradients "
        "on top. Checkpointing, which trades memory for a second forward pass, is not measured.",
        "Encoder, head, optimizer and data are not in it: they are the same for both.",
        machine_line(result["setting"]),
    ]
    reasons = dict.fromkeys(f"{row['kind']} {row['depth']}: {row['why']}." for row in result["rows"] if row["why"])
    return [*lines, *reasons]


def budget_page(result: dict[str, Any]) -> tuple[str, list[str]]:
    """Title and parts of the page of what fits in a budget."""
    parts = [
        f"<p class=lead>{html.escape(result['verdict'])}</p>",
        frontier_figure(result),
        table(*budget_rows(result)),
        "<h2>What was done</h2>",
        items(_budget_method(result)),
    ]
    return f"What fits in {megabytes(result['budget'])} MB: a training step of {result['task']}'s cell", parts


def budget_rows(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of sizes: the deepest step that fits, and its peak in MB."""
    body = []
    for row in result["sizes"]:
        needed = row["needed"][FORWARD]
        structures = row["ids"][0] if len(row["ids"]) == 1 else f"{len(row['ids'])} structures"
        cells = [
            structures,
            f"{sum(row['atoms']):,}",
            f"{row['rows']:,}",
            "not reached" if needed is None else str(needed),
        ]
        body.append([*cells, *(_deepest(found) for found in row["kinds"].values())])
    head = ["", "atoms", "rows", "steps needed", *(LABELS[kind] for kind in result["sizes"][0]["kinds"])]
    return head, body


def _deepest(found: dict[str, Any]) -> str:
    if found["deepest"] is None:
        return "not measured"
    if not found["deepest"]:
        return "none"
    least = "" if found["refused"] else "≥ "
    peak = found["bytes"][str(found["deepest"])]
    return f"{least}{found['deepest']} ({megabytes(peak)} MB, {times(found['growth'])})"


def _budget_method(result: dict[str, Any]) -> list[str]:
    where = "the allocator's share of the GPU" if result["setting"]["gpu"] else "RLIMIT_DATA, which the kernel enforces"
    lines = [
        f"Structures of {result['data']}, {result['batch']} in a step, chosen by the rows of their images (equal atoms share a "
        f"row, on which a step's memory depends, not on atoms); state of {result['sizes'][0]['width']} numbers a row.",
        "One training step (forward, sum of squares, backward) of the cell. A process of its own for each size and kind may take "
        f"the budget, {megabytes(result['budget'])} MB, beyond what cell and input hold after a step of depth 1 that does not "
        f"count: {where}. A depth fits if its step ends, and does not if memory is refused: nothing is extrapolated.",
        f"Depths are bisected up to {result['deepest']}; ≥ marks that the deepest tried fits. In brackets the peak of that step, "
        "and how many times that of depth 1 it is.",
        "The solver runs at tolerance 0 for exactly so many steps in each pass. Steps needed: of forward iteration, to the "
        "model's own tolerance for the worst structure; a stack so deep says what the layer says.",
        "The stack is the same cell, so many times. Layers with weights of their own would take those more. Checkpointing, which "
        "trades memory for a second forward pass, is not measured; encoder, head, optimizer and data are not in it.",
        machine_line(result["setting"]),
    ]
    reasons = [
        f"{LABELS[kind]}, {row['rows']} rows: {found['why']}."
        for row in result["sizes"]
        for kind, found in row["kinds"].items()
        if found["why"]
    ]
    return [*lines, *dict.fromkeys(reasons)]


def megabytes(size: int | None) -> str:
    """A number of MB."""
    return "not measured" if size is None else f"{size / 1e6:,.1f}"


def times(ratio: float | None) -> str:
    """A multiple."""
    return "not measured" if ratio is None else f"{ratio:.2f}×"
