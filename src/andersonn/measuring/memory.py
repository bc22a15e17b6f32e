"""Peak memory of a training step against depth: the equilibrium layer beside explicit stacks of the same cell.

On a CPU each point is measured in a fresh process (growth of the peak resident size), since an allocator keeps what it once
had; glibc is told to give freed blocks back at once, since its fragments would blur the count. On a GPU the allocator counts.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from andersonn import launch
from andersonn.errors import UsageError
from andersonn.measuring.peak_memory import peak_bytes
from andersonn.measuring.setting import setting
from andersonn.measuring.training_step import STACK, StepInput, images_of, kinds, scientist_with_layer, step, step_input
from andersonn.measuring.tutorial_cell import tutorial_problem
from andersonn.measuring.verdict import memory_verdict
from andersonn.models import SolverConfig
from andersonn.progress import Progress, Silent
from andersonn.sanitize import lines_of

EXACT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
ROOM = 0.6
"""Share of the free memory that a stack may be expected to take; a deeper one is not tried."""
NO_RESET = "not measured: this system does not let a process reset its peak memory"


@dataclass(frozen=True)
class Plan:
    """What to measure: peaks by depth, or what fits in a budget (:mod:`andersonn.measuring.budget`).

    Attributes:
        task: whose cell; None: the convolutional cell of the implicit-layers tutorial on images of noise.
        model: folder of a trained model; None: the shipped weights.
        data: files of structures; empty: the embedded crystals.
        batch: structures, or images, in the step; within a budget, of each size.
        depths: solver steps in each of the two passes, or layers of a stack.
        device: where.
        threads: of torch.
        seed: of the structures, or of the images.
        variants: whether forms of the layer with Anderson that need less memory are measured, too.
        budget: bytes that a step may take beyond what cell and input hold; None: peaks are measured.
        rows: of the images, a size each; one larger than all structures is met by the largest. Within a budget only.
        deepest: solver steps, or layers, above which none is tried. Within a budget only.
    """

    task: str | None = None
    model: str | None = None
    data: tuple[str, ...] = ()
    batch: int = 16
    depths: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 100, 200)
    device: str = "cpu"
    threads: int = 1
    seed: int = 0
    variants: bool = False
    budget: int | None = None
    rows: tuple[int, ...] = (300, 1000, 3000, 10000)
    deepest: int = 200

    def __post_init__(self) -> None:
        counts = (self.batch, self.threads, self.deepest, 1 if self.budget is None else self.budget)
        if not self.depths or not self.rows or min(*self.depths, *self.rows, *counts) < 1:
            raise UsageError(
                "bad_counts", "depths, batch, threads, budget and rows are counts", "write --depths 1,10 or --rows 300"
            )
        if self.task is None and (self.data or self.model):
            raise UsageError("no_task", "data and model belong to a task, and none is named", "name one: conduction")
        if self.budget is not None and not self.data:
            raise UsageError("no_data", "a budget is asked about structures of many sizes", "give --data FILE.parquet")


def measure(plan: Plan, progress: Progress | None = None) -> dict[str, Any]:
    """Measures every point.

    Returns:
        JSON-able data: ``rows`` (kind, depth, bytes or None with the reason in ``why``, evaluations of the cell in either
        pass), ``break_even`` (the least depth measured from which on the stack takes more than the layer with Anderson; None
        if there is none), ``growth`` (kind → largest peak in units of its own at the least depth; None where not measured),
        ``verdict`` and ``setting``.

    Raises:
        UsageError: the structures, the model or the device cannot be used.
    """
    progress = progress or Silent()
    posed = _posed(plan)  # so that what is wrong with the inputs is told once, and images are kept for the processes
    measured = kinds(plan.variants)
    progress.start("memory of a training step", len(measured) * len(plan.depths))
    rows: list[dict[str, Any]] = []
    for kind in measured:
        for depth in sorted(set(plan.depths)):
            row = {"kind": kind, "depth": depth, "bytes": None, "why": None}
            refusal = _too_large(rows, depth, plan.device) if kind == STACK else None
            row |= {"why": refusal} if refusal else _point(plan, kind, depth)
            rows.append(row)
            progress.update(len(rows), f"{kind} {depth}")
    progress.finish()
    result = {
        "measure": "memory",
        "task": plan.task,
        "cell": type(posed.cell).__name__,
        "state": list(posed.state.shape),
        "depths": sorted(set(plan.depths)),
        "batch": plan.batch,
        "rows": rows,
        "break_even": _break_even(rows),
        "growth": {kind: growth(rows, kind) for kind in measured},
        "setting": setting(plan.device) | {"threads": plan.threads, "seed": plan.seed, "n": plan.batch, "repeats": 1},
    }
    return result | memory_verdict(result)


def _posed(plan: Plan) -> StepInput:
    if plan.task is None:
        cell, x = tutorial_problem(batch=plan.batch, seed=plan.seed)
        return StepInput(cell.to(plan.device), x.to(plan.device).requires_grad_(), None, SolverConfig())
    scientist = scientist_with_layer(plan.task, plan.model, plan.device)
    return step_input(scientist, *images_of(scientist, plan.data, plan.batch, plan.seed), plan.device)


def step_peak(plan: Plan, kind: str, depth: int) -> dict[str, Any]:
    """Bytes at the peak of one training step in this process, beyond what cell and input hold, and evaluations.

    The solver runs at tolerance 0 for exactly ``depth`` steps, forward and backward. A step of depth 1 comes first and does
    not count: code that is loaded when it is first needed would, tens of megabytes of it.
    """
    torch.set_num_threads(plan.threads)
    posed = _posed(plan)
    step(posed, kind, 1)
    posed = posed.without_gradients()
    found: dict[str, Any] = {}
    found["bytes"] = peak_bytes(lambda: found.update(step(posed, kind, depth)), plan.device)
    if found["bytes"] is None:
        found["why"] = NO_RESET
    return found


def _point(plan: Plan, kind: str, depth: int) -> dict[str, Any]:
    """One point, in a process of its own unless the device's allocator can count."""
    if torch.device(plan.device).type == "cuda":
        return step_peak(plan, kind, depth)
    found, why = in_process("andersonn.measuring.memory", plan, kind, str(depth))
    return found[-1] if why is None else {"why": why}


def in_process(module: str, plan: Plan, *words: str) -> tuple[list[dict[str, Any]], str | None]:
    """What ``python -m module PLAN WORDS…`` prints, JSON by line, and why it did not end well; None if it did."""
    done = launch.run(
        module,
        json.dumps(asdict(plan)),
        *words,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env=EXACT,
    )
    found = [json.loads(line) for line in lines_of(done.stdout)]
    if done.returncode == 0:
        return found, None
    reason = (lines_of(done.stderr.strip()) or ["no message; perhaps it was killed for its memory"])[-1]
    return found, f"not measured: the process ended with status {done.returncode}: {reason}"


def _too_large(rows: list[dict[str, Any]], depth: int, device: str) -> str | None:
    """Why a stack so deep is not tried, by a straight line through the two deepest ones measured; None if it is."""
    known = [(row["depth"], row["bytes"]) for row in rows if row["kind"] == STACK and row["bytes"] is not None][-2:]
    free = _free_bytes(device)
    if len(known) < 2 or free is None:
        return None
    (d0, b0), (d1, b1) = known
    expected = b1 + (b1 - b0) / (d1 - d0) * (depth - d1)
    if expected <= ROOM * free:
        return None
    return f"not measured: it would take about {expected / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"


def _free_bytes(device: str) -> int | None:
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    lines = lines_of(meminfo.read_text(encoding="utf-8")) if meminfo.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), None)


def _break_even(rows: list[dict[str, Any]]) -> int | None:
    by_kind = {
        kind: {r["depth"]: r["bytes"] for r in rows if r["kind"] == kind and r["bytes"]} for kind in ("anderson", STACK)
    }
    both = sorted(by_kind[STACK].keys() & by_kind["anderson"].keys())
    behind = [depth for depth in both if by_kind[STACK][depth] <= by_kind["anderson"][depth]]
    return next((depth for depth in both if depth > max(behind, default=0)), None)


def growth(rows: list[dict[str, Any]], kind: str) -> float | None:
    """The largest peak of a kind, in units of that at its least depth."""
    sizes = {row["depth"]: row["bytes"] for row in rows if row["kind"] == kind and row["bytes"]}
    return max(sizes.values()) / sizes[min(sizes)] if sizes else None


def plan_of(text: str) -> Plan:
    """The plan that :func:`in_process` wrote."""
    values: dict[str, Any] = json.loads(text)
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Plan(**values | lists)


def main() -> None:
    """A process that measures one point: its plan, kind and depth are the words it is started with."""
    print(json.dumps(step_peak(plan_of(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))


if __name__ == "__main__":
    main()
