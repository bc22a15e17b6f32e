"""Small states: what a solve costs with and without ``compile=True``, beside torchdeq and jaxopt.

    python benchmarks/compiled.py [--dtype float32] [--repeats 100] [--json FILE]

f(z) = tanh(z W + x), W 0.95 times a random orthogonal matrix, from zeros to a relative residual of 1e-3, 50 steps at most.
Processor time of whole solves, in turn in one process, one thread: medians [quartiles] in microseconds, and ours divided by
each. Compiling is timed apart, and is not in the solves. torchdeq and jaxopt are measured where they are installed (`pip install
torchdeq jax jaxopt`); jaxopt runs the same formula compiled by jax, and is not stopped by samples but by the whole state.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from andersonn import Anderson, ForwardIteration, fixed_point
from andersonn.measuring.clock import Timing, timing
from andersonn.measuring.problems import normal

CASES = ((1, 10), (64, 10), (1, 100))
RTOL, STEPS = 1e-3, 50
BASE = "Anderson m=5"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    rows = []
    with torch.no_grad():
        for batch, width in CASES:
            rows += measured(batch, width, getattr(torch, arguments.dtype), arguments.repeats)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows))


def measured(batch: int, width: int, dtype: torch.dtype, repeats: int) -> list[dict[str, Any]]:
    weight = (0.95 * torch.linalg.qr(normal(0, width, width))[0]).to(dtype)
    shift = normal(1, batch, width).to(dtype)
    runs = ours(weight, shift) | torchdeq_runs(weight, shift) | jaxopt_runs(weight, shift)
    evaluations, rows = {}, []
    for name, run in runs.items():
        begin = time.perf_counter(), time.process_time()
        evaluations[name] = run()
        if "compile" in name or "jaxopt" in name:
            wall, cpu = time.perf_counter() - begin[0], time.process_time() - begin[1]
            print(f"{name}: first call {wall:.1f} s, of them {cpu:.1f} s of this process's processor time")
    times = in_turn(runs, repeats)
    print(f"state {batch} × {width}, {dtype}")
    for name, found in times.items():
        ratio = times[BASE].median / found.median
        print(
            f"  {name:<26} {found.median:7.0f} [{found.low:.0f}–{found.high:.0f}] µs a solve, {evaluations[name]} "
            f"evaluations, {BASE} / this {ratio:.1f}"
        )
        rows.append({"state": [batch, width], "name": name, "us": found.median, "ratio": ratio})
    return rows


def in_turn(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Microseconds of processor time."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            begin = time.process_time()
            run()
            found[name].append(1e6 * (time.process_time() - begin))
    return {name: timing(each) for name, each in found.items()}


def ours(weight: torch.Tensor, shift: torch.Tensor) -> dict[str, Callable[[], int]]:
    def f(z):
        return torch.tanh(z @ weight + shift)

    z0 = torch.zeros_like(shift)
    same = {"rtol": RTOL, "max_steps": STEPS}
    solvers = {
        "forward": ForwardIteration(**same),
        BASE: Anderson(window=5, **same),
        "Anderson auto": Anderson("auto", **same),
    }
    runs = {name: (lambda s=s: fixed_point(f, z0, s).evaluations) for name, s in solvers.items()}
    for name in ("forward", BASE):
        runs[f"{name}, compile"] = lambda s=solvers[name]: fixed_point(f, z0, s, compile=True).evaluations
    return runs


def torchdeq_runs(weight: torch.Tensor, shift: torch.Tensor) -> dict[str, Callable[[], int]]:
    """Torchdeq's Anderson, or nothing where it is not installed."""
    try:
        from torchdeq.solver.anderson import anderson_solver
    except ImportError:
        print("torchdeq is not installed: not measured")
        return {}
    z0 = torch.zeros_like(shift)

    def run():
        found = anderson_solver(
            lambda z: torch.tanh(z @ weight + shift), z0, max_iter=STEPS, tol=RTOL, stop_mode="rel", m=5
        )
        return int(found[2]["nstep"].max())

    return {"torchdeq Anderson m=5": run}


def jaxopt_runs(weight: torch.Tensor, shift: torch.Tensor) -> dict[str, Callable[[], int]]:
    """Jaxopt's solvers, or nothing where it is not installed."""
    try:
        import jax
        import jaxopt
    except ImportError:
        print("jaxopt is not installed: not measured")
        return {}
    jax.config.update("jax_enable_x64", weight.dtype == torch.float64)
    w, x = jax.numpy.asarray(weight.numpy()), jax.numpy.asarray(shift.numpy())
    kinds = {
        "forward": (jaxopt.FixedPointIteration, {}),
        "Anderson m=5": (jaxopt.AndersonAcceleration, {"history_size": 5}),
    }
    runs = {}
    for name, (kind, more) in kinds.items():
        # Its tolerance is absolute: that of ours at the solution, for the whole state.
        size = float(torch.linalg.vector_norm(fixed_point(lambda z: torch.tanh(z @ weight + shift), shift).z))
        solver = kind(lambda z: jax.numpy.tanh(z @ w + x), maxiter=STEPS, tol=RTOL * size, implicit_diff=False, **more)
        solve, z0 = jax.jit(lambda z, solver=solver: solver.run(z)), jax.numpy.zeros_like(x)

        def run(solve=solve, z0=z0):
            found = jax.block_until_ready(solve(z0))
            return int(found.state.iter_num)

        runs[f"jaxopt {name}"] = run
    return runs


if __name__ == "__main__":
    main()
