"""What fits in a budget of memory: the deepest training step, by size of structure, of the equilibrium layer and of explicit
stacks of the same cell.

Nothing is extrapolated. A fresh process for each size and kind holds itself to what it has after a step of depth 1, and the
budget; a depth fits if its step ends, and does not if the system refuses it memory. Depths are bisected, so the deepest that
fits and the next one that does not have both been seen.
"""

from __future__ import annotations

import gc
import json
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from andersonn.data.merging import read_records
from andersonn.data.records import Records
from andersonn.data.store import image_store
from andersonn.errors import UsageError
from andersonn.inference.predictor import Predictor
from andersonn.measuring.by_rows import ByRows
from andersonn.measuring.memory import NO_RESET, Plan, in_process, plan_of
from andersonn.measuring.peak_memory import limited, out_of_memory, peak_bytes
from andersonn.measuring.setting import setting
from andersonn.measuring.training_step import (
    LAYERS,
    StepInput,
    kinds,
    scientist_with_layer,
    step,
    step_input,
    steps_needed,
)
from andersonn.measuring.verdict import budget_verdict
from andersonn.progress import Progress, Silent


def measure(plan: Plan, progress: Progress | None = None) -> dict[str, Any]:
    """Finds the frontier.

    Returns:
        JSON-able data: ``sizes`` by rows (``rows``, and ``atoms``, ``ids`` of the structures; ``needed``: steps to the model's
        own tolerance with either solver, None if it is not reached; ``kinds``: kind → ``deepest`` step that fits, 0 if none,
        None if unknown and ``why``; ``refused``, the least depth that does not fit, None if the deepest tried fits;
        ``bytes``: depth → peak of the steps that fit; ``growth``: the peak of the deepest in units of that of depth 1),
        ``verdict`` and ``setting``.

    Raises:
        UsageError: the structures, the model or the device cannot be used.
    """
    progress = progress or Silent()
    scientist = _scientist(plan)
    records = read_records(plan.data)
    by_rows = ByRows(records, scientist.recipe)
    seen: dict[tuple[int, ...], int] = {}
    for size in sorted(set(plan.rows)):
        chosen = by_rows.find(size, plan.batch)
        if len(chosen) < plan.batch:
            raise UsageError("no_records", f"{records.source!r} has {len(chosen)} usable structures", "lower --batch")
        seen.setdefault(tuple(sorted(chosen)), size)
    measured = kinds(plan.variants)
    progress.start("what fits in the budget", len(seen) * len(measured))
    sizes: list[dict[str, Any]] = []
    for drawn in sorted(seen, key=lambda them: sum(map(by_rows.rows, them))):
        part = records.take(np.array(drawn))
        found = _described(_posed(plan, part)) | {
            "atoms": [int(by_rows.atoms[i]) for i in drawn],
            "ids": list(part.ids),
        }
        found["kinds"] = kinds_found = {}
        for kind in measured:
            kinds_found[kind] = _frontier(plan, part, kind)
            progress.update(len(sizes) * len(measured) + len(kinds_found), f"{kind}, {found['rows']} rows")
        sizes.append(found)
    progress.finish()
    result = {
        "measure": "budget",
        "task": plan.task,
        "data": records.source,
        "budget": plan.budget,
        "deepest": plan.deepest,
        "batch": plan.batch,
        "sizes": sizes,
        "setting": setting(plan.device) | {"threads": plan.threads, "n": plan.batch, "repeats": 1},
    }
    return result | budget_verdict(result)


def _described(posed: StepInput) -> dict[str, Any]:
    """What is known of a size before any step is tried."""
    rows, width = posed.state.shape
    return {"rows": rows, "width": width, "needed": {name: steps_needed(posed, name) for name in LAYERS}}


def _scientist(plan: Plan) -> Predictor:
    assert plan.task is not None  # a plan with a budget has data, and with data a task
    return scientist_with_layer(plan.task, plan.model, plan.device)


def _posed(plan: Plan, records: Records) -> StepInput:
    """The cell on these structures; their images are kept for the processes."""
    scientist = _scientist(plan)
    store = image_store(records, scientist.recipe)
    return step_input(scientist, store, np.arange(len(records)), plan.device)


def _frontier(plan: Plan, part: Records, kind: str) -> dict[str, Any]:
    """What a process of its own found out about a kind on these structures."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "part.parquet"  # so that it need not read all structures again
        pq.write_table(part.table, file)
        found, why = in_process("andersonn.measuring.budget", replace(plan, data=(str(file),)), kind)
    frontier = frontier_of(found)
    return frontier if why is None else frontier | {"deepest": None, "refused": None, "why": why}


def frontier_of(probes: list[dict[str, Any]]) -> dict[str, Any]:
    """What probes of single depths (``depth``, ``fits``, ``bytes``) come to; see :func:`measure`."""
    fitting = [probe for probe in probes if probe["fits"]]
    sizes = {probe["depth"]: probe["bytes"] for probe in sorted(fitting, key=lambda probe: probe["depth"])}
    known = [size for size in sizes.values() if size is not None]
    return {
        "deepest": max(sizes, default=0),
        "refused": min((probe["depth"] for probe in probes if not probe["fits"]), default=None),
        "bytes": {str(depth): size for depth, size in sizes.items()},
        "growth": max(known) / known[0] if known and known[0] and 1 in sizes else None,
        "why": NO_RESET if len(known) < len(sizes) else None,
    }


def bisected(fits: Any, deepest: int) -> None:
    """Asks ``fits(depth)`` until the deepest fitting depth up to ``deepest`` is known, given that none fits beyond one that
    does not.
    """
    if not fits(1) or deepest == 1 or fits(deepest):
        return
    low, high = 1, deepest
    while high - low > 1:
        middle = round((low * high) ** 0.5) if high > 2 * low else (low + high) // 2
        middle = min(max(middle, low + 1), high - 1)
        low, high = (middle, high) if fits(middle) else (low, middle)


def probe(posed: StepInput, kind: str, depth: int, plan: Plan) -> dict[str, Any]:
    """One step of a depth under the limit: whether it ended, and its peak if it did."""
    assert plan.budget is not None  # else peaks are measured, by :mod:`andersonn.measuring.memory`
    posed, found = posed.without_gradients(), {"depth": depth, "fits": True, "bytes": None}
    try:
        with limited(plan.budget, plan.device):
            found["bytes"] = peak_bytes(lambda: step(posed, kind, depth), plan.device)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        found["fits"] = False
    gc.collect()  # of a step that was broken off, before the next one
    return found


def main() -> None:
    """A process that probes depths; its plan and kind are the words it is started with. It prints each finding at once, so that
    none is lost if it ends over the next.
    """
    plan, kind = plan_of(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(plan.threads)
    posed = _posed(plan, read_records(plan.data))
    step(posed, kind, 1)  # loads code that is loaded when it is first needed
    gc.collect()
    gc.freeze()  # what is there stays: collecting garbage between probes would look through all of it each time

    def fits(depth: int) -> bool:
        found = probe(posed, kind, depth, plan)
        print(json.dumps(found), flush=True)
        return found["fits"]

    bisected(fits, plan.deepest)


if __name__ == "__main__":
    main()
