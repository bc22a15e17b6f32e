"""Our solvers with few options on every problem of the contest: evaluations, steps, failures, and whether statuses are true.

    python benchmarks/defaults.py [--problem NAME]... [--seeds 0 1 2] [--steps 400] [--json FILE]
    python benchmarks/defaults.py --held-back report --seeds 0 1

The quick case of each problem to 1e-3 in float32 and to 1e-6 in float64; a tolerance that f's own rounding does not allow is
replaced by the least that it does. A cell holds evaluations of the batch, then in brackets the most steps that a sample took to
the state it returned; then "!n" for n samples not solved, "?n" for n false statuses (the residual is computed again). All are
sums over the seeds, but for the most steps. Less than three minutes on one core; only the whole is timed.

``--held-back`` takes random maps instead (:mod:`contest.held_back`): ``tune`` is the half to change solvers by, ``report`` the half to
check a change by; ``--first-seed`` draws others. ``--solver`` leaves the other solvers out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from andersonn.io.files import write_json
from andersonn.measuring.problems import FixedPointProblem
from andersonn.solvers import Anderson, Broyden, FixedPointIteration, NewtonKrylov, Solver
from contest.contest import inspect
from contest.held_back import FIRST_SEED, draws
from contest.problems import PROBLEMS, Case, only

SOLVERS: dict[str, Solver] = {
    "Picard": FixedPointIteration(),
    "Picard 0.7": FixedPointIteration(mixing=0.7),
    "Picard 0.5": FixedPointIteration(mixing=0.5),
    "Anderson 5": Anderson(window=5),
    "Anderson 10": Anderson(window=10),
    "Anderson 20": Anderson(window=20),
    "Anderson auto": Anderson("auto"),
    "Broyden": Broyden(),
    "NewtonKrylov": NewtonKrylov(),
}
TOLERANCES = {"float32": 1e-3, "float64": 1e-6}
SINGLE_ONLY = {"tutorial cell, random"}
"""Problems that take too long in float64."""


@dataclass
class Cell:
    """One solver on one case, over all seeds."""

    evaluations: int = 0
    worst_steps: int = 0
    unsolved: int = 0
    false: int = 0

    def add(self, posed: FixedPointProblem, solver: Solver) -> None:
        found = posed.solve(solver)
        true = inspect(found, posed, solver.rtol)[1] & found.z.isfinite().all().item()
        self.evaluations += found.evaluations
        self.worst_steps = max(self.worst_steps, int(found.steps.max()))
        self.unsolved += int((~found.converged).sum())
        self.false += int((~true).sum())

    def __str__(self) -> str:
        text = f"{self.evaluations} ({self.worst_steps})"
        return text + (f" !{self.unsolved}" if self.unsolved else "") + (f" ?{self.false}" if self.false else "")


def cases() -> Iterator[Case]:
    for problem in PROBLEMS:
        for _, batch in problem.quick:
            yield Case(problem, "float32", batch)
            if problem.name not in SINGLE_ONLY:
                yield Case(problem, "float64", batch)


@torch.no_grad()
def compared(case: Case, seeds: list[int], steps: int, solvers: dict[str, Solver] | None = None) -> dict[str, Cell]:
    rtol = max(TOLERANCES[case.dtype], case.problem.least_rtol)
    solvers = SOLVERS if solvers is None else solvers
    cells = {name: Cell() for name in solvers}
    for seed in seeds:
        posed = case.pose(seed)
        for name, solver in solvers.items():
            cells[name].add(posed, replace(solver, rtol=rtol, max_steps=steps))
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", action="append", help="only this one; may be given again")
    parser.add_argument("--held-back", choices=["tune", "report"])
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="of the maps held back")
    parser.add_argument("--solver", action="append", choices=SOLVERS, help="only this one; may be given again")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.held_back and arguments.problem:
        parser.error("--problem names problems of the contest; leave out --held-back")
    torch.set_num_threads(1)
    begin = time.perf_counter()
    available = draws(arguments.held_back, arguments.first_seed) if arguments.held_back else cases()
    chosen = list(only(available, arguments.problem) if arguments.problem else available)
    solvers = {name: SOLVERS[name] for name in arguments.solver or SOLVERS}
    print(f"{'':44s}" + "".join(f"{name:>19s}" for name in solvers))
    rows = []
    for case in chosen:
        cells = compared(case, arguments.seeds, arguments.steps, solvers)
        print(f"{case!s:44s}" + "".join(f"{cell!s:>19s}" for cell in cells.values()), flush=True)
        rows += [{"case": str(case), "solver": name, **vars(cell)} for name, cell in cells.items()]
    for name in solvers:
        own = [row for row in rows if row["solver"] == name]
        totals = {key: sum(row[key] for row in own) for key in ("evaluations", "unsolved", "false")}
        print(f"{name}: " + ", ".join(f"{count} {key}" for key, count in totals.items()))
    print(f"{len(chosen)} cases, {time.perf_counter() - begin:.0f} s")
    if arguments.json:
        write_json(arguments.json, rows)


if __name__ == "__main__":
    main()
