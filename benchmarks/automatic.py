"""The automatic choice beside forward iteration, on the published cases of the solver contest.

    python benchmarks/automatic.py [--problem NAME …] [--repeats 9] [--evaluations 400] [--json FILE]

Both in turn in one process, one thread; for each case the median of the ratios of times, and the ratio of the least times,
which other work on the machine disturbs less. A case is repeated for --seconds at most, but three times at least.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from andersonn import Anderson, ForwardIteration
from andersonn.io.files import write_json
from contest import problems

TOLERANCES = (1e-3, 1e-5)
BOUNDS = (0.5, 0.95, 1.05, 1.1, 1.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", action="append", help="only this one; may be given again")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--evaluations", type=int, default=400)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = problems.published_cases()
    if arguments.problem:
        cases = problems.only(cases, arguments.problem)
    rows = []
    with torch.no_grad():
        for case in cases:
            posed = case.pose(0)
            for rtol in TOLERANCES:
                rows.append(compared(posed, rtol, arguments) | {"case": str(case), "rtol": rtol})
                print(line(rows[-1]), flush=True)
    print(summary(rows))
    if arguments.json:
        write_json(arguments.json, rows)


def compared(posed, rtol: float, arguments: argparse.Namespace) -> dict:
    budget = {"rtol": rtol, "max_steps": arguments.evaluations}
    solvers = {"forward": ForwardIteration(**budget), "auto": Anderson("auto", **budget)}
    times, found = {name: [] for name in solvers}, {name: [] for name in solvers}
    for repeat in range(arguments.repeats + 1):
        for name in list(solvers) if repeat % 2 else reversed(solvers):
            begin = time.perf_counter()
            solution = solvers[name].solve(posed.f, posed.z0, posed.offsets)
            if repeat:  # the first round warms up
                times[name].append(time.perf_counter() - begin)
                found[name].append((solution.evaluations, solution.all_converged))
        if repeat > 3 and sum(map(sum, times.values())) > arguments.seconds:
            break
    return {
        "ratio": float(np.median([a / f for f, a in zip(times["forward"], times["auto"])])),
        "ratio_of_least": min(times["auto"]) / min(times["forward"]),
        "seconds": {name: float(np.median(t)) for name, t in times.items()},
        "evaluations": {name: sorted(n for n, _ in f) for name, f in found.items()},
        "solved": {name: all(done for _, done in f) for name, f in found.items()},
    }


def line(row: dict) -> str:
    calls = {name: f"{n[0]}" if n[0] == n[-1] else f"{n[0]}–{n[-1]}" for name, n in row["evaluations"].items()}
    seconds = {name: f"{1e3 * s:.2f} ms" for name, s in row["seconds"].items()}
    words = "" if row["solved"]["forward"] else "  forward does not arrive"
    words += "" if row["solved"]["auto"] else "  auto does not always arrive"
    return (
        f"{row['case']:45s} {row['rtol']:.0e}  forward {calls['forward']:>4} {seconds['forward']:>10}  "
        f"auto {calls['auto']:>9} {seconds['auto']:>10}  ratio {row['ratio']:.3f}, of least {row['ratio_of_least']:.3f}{words}"
    )


def summary(rows: list[dict]) -> str:
    lines = []
    for key in ("ratio", "ratio_of_least"):
        ratios = np.array([row[key] for row in rows if row["solved"]["forward"]])
        if len(ratios):
            counts = np.diff([0, *(np.count_nonzero(ratios <= bound) for bound in BOUNDS), len(ratios)])
            bins = ", ".join(f"{n} to {b}" for n, b in zip(counts, (*BOUNDS, f"{ratios.max():.3f}")))
            lines.append(
                f"{key}: {len(ratios)} cases, median {np.median(ratios):.3f}, least {ratios.min():.3f}; {bins}"
            )
    hard = [row for row in rows if not row["solved"]["forward"]]
    lines.append(
        f"{sum(row['solved']['auto'] for row in hard)} of {len(hard)} cases solved that forward iteration does not solve"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
