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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from andersonn import launch
from andersonn.data.merging import read_records
from andersonn.data.records import Records
from andersonn.data.store import image_store
from andersonn.errors import UsageError
from andersonn.measuring.by_rows import ByRows
from andersonn.measuring.memory import EXACT, NO_RESET
from andersonn.measuring.peak_memory import limited, out_of_memory, peak_bytes
from andersonn.measuring.setting import setting
from andersonn.measuring.training_step import LAYERS, Posed, kinds, posed_on, scientist_with_layer, step, steps_needed
from andersonn.measuring.verdict import budget_verdict
from andersonn.progress import Progress, Silent
from andersonn.sanitize import lines_of

ROWS = (300, 1000, 3000, 10000)
DEEPEST = 200


@dataclass(frozen=True)
class BudgetPlan:
    """What to measure.

    Attributes:
        task: whose cell.
        data: files of structures.
        budget: bytes that a step may take beyond what cell and input hold.
        rows: of the images, a size each; one larger than all structures is met by the largest.
        deepest: solver steps, or layers, above which none is tried.
        batch: structures of each size in a step.
        model: folder of a trained model; None: the weights that come along.
        device: where.
        threads: of torch.
        variants: whether thriftier forms of the layer with Anderson are tried, too.
    """

    task: str
    data: tuple[str, ...]
    budget: int
    rows: tuple[int, ...] = ROWS
    deepest: int = DEEPEST
    batch: int = 1
    model: str | None = None
    device: str = "cpu"
    threads: int = 1
    variants: bool = False

    def __post_init__(self) -> None:
        if not self.rows or min((*self.rows, self.deepest, self.batch, self.threads, self.budget)) < 1:
            raise UsageError(
                "bad_sizes", "budget, rows, depth, batch and threads are counts", "write --budget 1GB --rows 300,3000"
            )
        if not self.data:
            raise UsageError("no_data", "a budget is asked about structures of many sizes", "give --data FILE.parquet")


def measure(plan: BudgetPlan, progress: Progress | None = None) -> dict[str, Any]:
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
    scientist = scientist_with_layer(plan.task, plan.model, plan.device)
    records = read_records(plan.data)
    by_rows, seen = ByRows(records, scientist.recipe), {}
    for size in sorted(set(plan.rows)):
        chosen = by_rows.find(size, plan.batch)
        if len(chosen) < plan.batch:
            raise UsageError("no_records", f"{records.source!r} has {len(chosen)} usable structures", "lower --batch")
        seen.setdefault(tuple(sorted(chosen)), size)
    measured = kinds(plan.variants)
    progress.start("what fits in the budget", len(seen) * len(measured))
    sizes: list[dict[str, Any]] = []
    for chosen in sorted(seen, key=lambda them: sum(map(by_rows.rows, them))):
        part = records.take(np.array(chosen))
        found = _described(_posed(plan, part)) | {
            "atoms": [int(by_rows.atoms[i]) for i in chosen],
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


def _described(posed: Posed) -> dict[str, Any]:
    """What is known of a size before any step is tried."""
    rows, width = posed.state.shape
    return {"rows": rows, "width": width, "needed": {name: steps_needed(posed, name) for name in LAYERS}}


def _posed(plan: BudgetPlan, records: Records) -> Posed:
    """The cell on these structures; their images are kept for the processes."""
    scientist = scientist_with_layer(plan.task, plan.model, plan.device)
    store = image_store(records, scientist.recipe)
    return posed_on(scientist, store, np.arange(len(records)), plan.device)


def _frontier(plan: BudgetPlan, part: Records, kind: str) -> dict[str, Any]:
    """What a process of its own found out about a kind on these structures."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "part.parquet"  # so that it need not read all structures again
        pq.write_table(part.table, file)
        task = json.dumps(asdict(replace(plan, data=(str(file),))))
        module = "andersonn.measuring.budget"
        done = launch.run(
            module, task, kind, capture_output=True, encoding="utf-8", errors="replace", check=False, env=EXACT
        )
    found = frontier_of([json.loads(line) for line in lines_of(done.stdout)])
    if done.returncode == 0:
        return found
    reason = (lines_of(done.stderr.strip()) or ["no message; perhaps it was killed for its memory"])[-1]
    why = f"not measured: the process ended with status {done.returncode}: {reason}"
    return found | {"deepest": None, "refused": None, "why": why}


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


def probe(posed: Posed, kind: str, depth: int, plan: BudgetPlan) -> dict[str, Any]:
    """One step of a depth under the limit: whether it ended, and its peak if it did."""
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


def _walk(plan: BudgetPlan, kind: str) -> None:
    """Probes depths, and prints each finding at once, so that none is lost if the process ends over the next."""
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


def _plan_of(text: str) -> BudgetPlan:
    values = json.loads(text)
    return BudgetPlan(**values | {name: tuple(values[name]) for name in ("data", "rows")})


if __name__ == "__main__":
    _walk(_plan_of(sys.argv[1]), sys.argv[2])
