"""What a step costs on small states: microseconds that a solver adds to an evaluation of f.

    python benchmarks/steps.py [--repeats 25]

A state of 1 × 1000 and of 16 × 1000 numbers, float32, one thread; 60 evaluations at tolerance 0, f's own time subtracted,
least of so many interleaved repeats. torchdeq and the tutorial's Anderson beside ours.
"""

from __future__ import annotations

import argparse
import time

import torch

from andersonn import Anderson, Broyden, ForwardIteration
from andersonn.measuring.problems import normal
from contest.tutorial import tutorial_anderson

EVALUATIONS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=25)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with torch.no_grad():
        for batch in (1, 16):
            shift = normal(0, batch, 1000).float()
            slopes = torch.linspace(-0.9, 0.99, 1000)
            added = measure(
                lambda z, shift=shift, slopes=slopes: slopes * z + shift, torch.zeros(batch, 1000), arguments
            )
            print(f"{batch} × 1000: " + ", ".join(f"{name} {1e6 * s:.0f} µs" for name, s in added.items()))


def measure(f, z0, arguments: argparse.Namespace) -> dict[str, float]:
    exact = {"rtol": 0.0, "max_steps": EVALUATIONS - 1}
    solvers = {
        "forward iteration": ForwardIteration(**exact),
        "Anderson m=5": Anderson(**exact),
        "m=20": Anderson(window=20, **exact),
        "m=10, period 2": Anderson(window=10, period=2, **exact),
        "Broyden": Broyden(window=EVALUATIONS, **exact),
    }

    def alone():
        z = z0
        for _ in range(EVALUATIONS):
            z = f(z)

    runs = {"f": alone} | {name: (lambda s=s: s.solve(f, z0)) for name, s in solvers.items()}
    runs["tutorial Anderson m=5"] = lambda: tutorial_anderson(f, z0, max_iter=EVALUATIONS, tol=0.0)
    try:
        from torchdeq.solver.anderson import anderson_solver

        runs["torchdeq Anderson m=6"] = lambda: anderson_solver(f, z0, max_iter=EVALUATIONS, tol=0.0, stop_mode="rel")
    except ImportError:
        print("torchdeq is not installed: not measured")
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(arguments.repeats + 1):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            least[name] = min(least[name], time.perf_counter() - begin)
    return {name: (s - least["f"]) / EVALUATIONS for name, s in least.items() if name != "f"} | {
        "f": least["f"] / EVALUATIONS
    }


if __name__ == "__main__":
    main()
