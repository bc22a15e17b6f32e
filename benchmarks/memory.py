"""Peak memory of a training step against the number of solver steps, beside an explicit stack of equal depth.

    python benchmarks/memory.py [--cell tutorial|message] [--json FILE]

Each point is measured in a fresh process (growth of the peak resident size), since an allocator keeps what it once had;
glibc is told to give freed blocks back at once, since its fragments would blur the count.
The solver runs forward iteration and Anderson at tolerance 0 for exactly so many steps, forward and backward.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

DEPTHS = (1, 5, 10, 20, 50, 100, 200)
STACK_DEPTHS = (1, 5, 10, 20, 50)
EXACT = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", choices=("tutorial", "message"), default="tutorial")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.point:
        print(measure(arguments.cell, arguments.point[0], int(arguments.point[1])))
        return
    rows = {}
    for kind in ("forward", "anderson", "stack"):
        for depth in STACK_DEPTHS if kind == "stack" else DEPTHS:
            command = [sys.executable, __file__, "--cell", arguments.cell, "--point", kind, str(depth)]
            size = int(subprocess.run(command, capture_output=True, text=True, check=True, env=EXACT).stdout)
            rows.setdefault(kind, {})[depth] = size
            print(f"{kind:<9} depth {depth:>3}: {size / 1e6:8.1f} MB", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows))


def measure(cell_name: str, kind: str, depth: int) -> int:
    """Bytes at the peak of one training step (the second, so that buffers of the first are not counted)."""
    import torch

    from andersonn import Anderson, Equilibrium, ForwardIteration, ImplicitGradient
    from andersonn.measure.memory import peak_bytes

    torch.set_num_threads(1)
    cell, x, offsets = problems()[cell_name]()
    options = {"rtol": 0.0, "max_steps": depth}
    solver = Anderson(**options) if kind == "anderson" else ForwardIteration(**options)
    layer = Equilibrium(cell, solver, ImplicitGradient())

    def stack(x, offsets=None):
        z = cell.initial(x) if hasattr(cell, "initial") else torch.zeros_like(x)
        for _ in range(depth):
            z = cell(z, x)
        return z

    run = stack if kind == "stack" else layer

    def step():
        run(x, offsets=offsets).square().sum().backward()

    peak = peak_bytes(step)
    if peak is None:
        raise SystemExit("this system does not let a process reset its peak memory: not measured")
    return peak


def problems() -> dict:
    """Name → function that makes (cell, x, offsets)."""

    def tutorial():
        from andersonn.comparison.tutorial import tutorial_problem

        cell, x = tutorial_problem(batch=16)
        return cell, x, None

    def message():
        import numpy as np
        import torch

        from andersonn.data.store import ImageStore
        from andersonn.demo.experiment import demo_config, demo_records
        from andersonn.models import EquilibriumNetwork, ImageBatch

        config = demo_config(0, None, "anderson")
        store = ImageStore.build(demo_records().take(np.arange(256)), config.image.recipe(), workers=1)
        batch = ImageBatch.from_store(store, np.arange(len(store)))
        network = EquilibriumNetwork(config.model, 3)
        cell = network.equilibrium.cell
        with torch.no_grad():
            x = cell.prepare(network.encoder(batch), batch)
        x = x._replace(own=x.own.requires_grad_(), mix=x.mix.requires_grad_())
        return cell, x, cell.offsets(batch)

    return {"tutorial": tutorial, "message": message}


if __name__ == "__main__":
    main()
