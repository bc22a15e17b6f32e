"""What mixing costs: the solver's own time a step beside the cell's, on the tutorial's 64 × 48 × 32 × 32 cell.

    python benchmarks/mixing.py [--threads 1] [--repeats 5] [--keep-memory] [--json FILE]

Compares Anderson and forward iteration with, if it is installed, torchdeq's Anderson (`pip install torchdeq`). All run
the same number of steps at tolerance 0 in one process, in turn; the cell's own time is subtracted. Medians.

With --keep-memory, glibc keeps freed memory, as most allocators do. By default it gives large blocks back to the system
at once and must fetch them again, page by page, which costs every solver and the cell itself time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import torch

from andersonn import Anderson, ForwardIteration
from andersonn.measuring.clock import interleaved
from andersonn.measuring.tutorial_cell import tutorial_problem

STEPS = 12
KEEP = {"MALLOC_TRIM_THRESHOLD_": "8000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep-memory", action="store_true")
    arguments = parser.parse_args()
    if arguments.keep_memory and not KEEP.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | KEEP)  # glibc reads them at the start
    torch.set_num_threads(arguments.threads)
    cell, x = tutorial_problem()
    z0 = torch.zeros_like(x)

    def f(z):
        return cell(z, x)

    def evaluations_alone():
        z = z0
        for _ in range(STEPS + 1):
            z = f(z)

    exact = {"rtol": 0.0, "max_steps": STEPS}
    solvers = {"forward": ForwardIteration(**exact)} | {
        f"anderson m={m}": Anderson(window=m, **exact) for m in (3, 5, 10)
    }
    solvers |= {f"anderson m=5, period {p}": Anderson(window=5, period=p, **exact) for p in (2, 3)}
    solvers["anderson m=5, period 2, sketch 8"] = Anderson(window=5, period=2, sketch=8, **exact)
    things = {"the cell alone": evaluations_alone}
    things |= {name: (lambda solver=solver: solver.solve(f, z0)) for name, solver in solvers.items()}
    things |= torchdeq_runs(f, z0)
    with torch.no_grad():
        times = interleaved(things, arguments.repeats)
    cell_time = times["the cell alone"].median / (STEPS + 1)
    rows = {
        name: {"own_ms_a_step": 1e3 * (t.median - times["the cell alone"].median) / STEPS} for name, t in times.items()
    }
    print(
        f"threads {arguments.threads}, {STEPS} steps, {arguments.repeats} repeats, cell {1e3 * cell_time:.1f} ms, "
        f"memory {'kept' if arguments.keep_memory else 'given back'}"
    )
    for name, row in rows.items():
        row["share_of_cell"] = row["own_ms_a_step"] / (1e3 * cell_time)
        print(f"{name:<34} {row['own_ms_a_step']:7.1f} ms a step   {100 * row['share_of_cell']:6.1f} % of the cell")
    if arguments.json:
        arguments.json.write_text(json.dumps({"cell_ms": 1e3 * cell_time, "threads": arguments.threads, "rows": rows}))


def torchdeq_runs(f, z0) -> dict:
    """Torchdeq's Anderson, or nothing where it is not installed."""
    try:
        from torchdeq.solver.anderson import anderson_solver
    except ImportError:
        print("torchdeq is not installed: not measured")
        return {}
    return {"torchdeq anderson m=6": lambda: anderson_solver(f, z0, max_iter=STEPS + 1, tol=0.0, stop_mode="rel")}


if __name__ == "__main__":
    main()
