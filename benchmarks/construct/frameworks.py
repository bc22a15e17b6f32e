"""``andersonn construct`` and gradient boosting on composition: the band gap of QMOF's frameworks from few of them.

python benchmarks/construct/frameworks.py FRAMEWORKS.parquet [--sizes 200:3 1000:1 4000:1] [--tested 1000] [--start conduction]
    [--out runs/construct_frameworks]
python benchmarks/construct/frameworks.py --show [--out runs/construct_frameworks]

FRAMEWORKS.parquet is QMOF as the data command writes it: structures, ``group`` (the reduced formula) and ``band_gap_eV``. Rows are
divided by group with :class:`andersonn.data.splits.SplitRule`, as in the training of the shipped networks. Both methods learn from the
same rows of the training side and answer the same rows of the test side. ``200:3`` means 200 rows, three draws. ``ours`` is
``--budget 0``: no network is trained. Gradient boosting is scikit-learn's HistGradientBoostingRegressor with its defaults, once with
squared and once with absolute error as loss, on the descriptors that construct has itself: statistics of the composition, fractions of
elements, volume per atom.

The shipped conduction network has learned the gaps of QMOF's training side. The porosity network has never seen a gap: ``--start
porosity`` begins with it alone. Runs end up in OUT.jsonl; those that are there are not repeated.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from sklearn.ensemble import HistGradientBoostingRegressor

from andersonn.constructing.material import Start
from andersonn.constructing.run import construct
from andersonn.constructing.understanding import Understanding, understand
from andersonn.data.splits import SplitRule
from andersonn.scientists.registry import registered, weights_folder
from andersonn.structures.descriptors import descriptors_of

GAP = "band_gap_eV"
LOSSES = ("squared_error", "absolute_error")
STARTS = ("conduction", "porosity")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frameworks", type=Path, nargs="?")
    parser.add_argument("--sizes", nargs="+", default=["200:3", "1000:1", "4000:1"], help="rows:draws")
    parser.add_argument("--tested", type=int, default=1000, help="rows of the test side")
    parser.add_argument("--start", choices=STARTS, default="conduction", help="the shipped network")
    parser.add_argument("--out", type=Path, default=Path("runs/construct_frameworks"))
    parser.add_argument("--show", action="store_true", help="only print the table of what has run")
    arguments = parser.parse_args()
    out = arguments.out.with_suffix(".jsonl")
    if not arguments.show:
        if arguments.frameworks is None:
            parser.error("the file of frameworks is needed, to run")
        torch.set_num_threads(1)
        run_all(arguments, out)
    print(shown([json.loads(line) for line in out.read_text().splitlines()]))


def run_all(arguments: argparse.Namespace, out: Path) -> None:
    """All runs that are not there yet."""
    table = pq.read_table(arguments.frameworks)
    table = table.filter(pc.is_valid(table[GAP]))
    sides = SplitRule().sides(table["group"].to_pylist())
    out.parent.mkdir(parents=True, exist_ok=True)
    for size, seeds in (map(int, each.split(":")) for each in arguments.sizes):
        for seed in range(seeds):
            key = {"start": arguments.start, "size": size, "seed": seed, "tested": arguments.tested}
            there = out.read_text().splitlines() if out.exists() else []
            if any(key.items() <= json.loads(line).items() for line in there):
                continue
            found = key | run_one(drawn(table, sides, size, arguments.tested, seed), arguments.start, seed)
            with out.open("a") as file:
                file.write(json.dumps(found) + "\n")
            print(found, flush=True)


def drawn(table: pa.Table, sides: np.ndarray, size: int, tested: int, seed: int) -> pa.Table:
    """Rows of the training side, and always the same ones of the test side, with a column ``split``."""
    train = np.random.default_rng(seed).permutation(np.flatnonzero(sides == "train"))[:size]
    test = np.random.default_rng(0).permutation(np.flatnonzero(sides == "test"))[:tested]
    part = table.select(["id", "group", "atomic_numbers", "positions", "cell", GAP]).take(np.concatenate([train, test]))
    return part.append_column("split", pa.array(["train"] * len(train) + ["test"] * len(test)))


def run_one(rows: pa.Table, start: str, seed: int) -> dict[str, Any]:
    """Errors in eV and processor seconds of construct and of gradient boosting, on the rows that construct uses."""
    began = time.process_time()
    understood = understand(rows, GAP, split="split", seed=seed)
    spec = registered()[start]
    given = Start(start, weights_folder(spec), bool(spec.preset.get("image.voids")))
    with tempfile.TemporaryDirectory() as scratch:
        content = construct(understood, Path(scratch) / "model", budget_s=0, seed=seed, start=given).content
    spent = time.process_time() - began
    test, chosen = content["test"], next(each["name"] for each in content["candidates"] if each["chosen"])
    counts = {side: content["split"][side] for side in ("train", "validation", "test")}
    own = {"mae": test["mae"], "coverage": test["coverage90"], "cpu_seconds": spent, "chosen": chosen}
    return counts | own | {"boosting": boosted(understood, seed)} | {"beside": test["beside"]}


def boosted(understood: Understanding, seed: int) -> dict[str, float]:
    """Mean absolute error in eV of gradient boosting with each loss; it learns from training and validation together."""
    records, sides = understood.records, understood.sides
    fitted, tested = np.concatenate([sides["train"], sides["validation"]]), sides["test"]
    x = np.stack([descriptors_of(records[i], "composition") for i in range(len(records))])
    found = {}
    for loss in LOSSES:
        model = HistGradientBoostingRegressor(loss=loss, random_state=seed).fit(x[fitted], understood.values[fitted])
        found[loss] = float(np.abs(model.predict(x[tested]) - understood.values[tested]).mean())
    return found


def shown(runs: list[dict[str, Any]]) -> str:
    """Markdown: one row for each network and size."""
    cells = defaultdict(list)
    for run in runs:
        cells[run["start"], run["size"]].append(run)
    head = ["network", "learned from", "draws", "ours", *(f"boosting, {loss.replace('_', ' ')}" for loss in LOSSES),
            "random forest", "in the 90 % interval", "CPU-s, ours", "chosen"]  # fmt: skip
    lines = [head, ["---"] * len(head)]
    for (start, size), members in sorted(cells.items()):
        errors = [[run["mae"] for run in members], *([run["boosting"][loss] for run in members] for loss in LOSSES)]
        errors.append([run["beside"]["random forest"]["mae"] for run in members])
        rest = [f"{mean(run['coverage'] for run in members):.0%}", f"{mean(run['cpu_seconds'] for run in members):.0f}"]
        chosen = "; ".join(sorted({run["chosen"] for run in members}))
        lines.append([start, str(size), str(len(members)), *(f"{mean(each):.3f}" for each in errors), *rest, chosen])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
