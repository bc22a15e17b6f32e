"""The solvers of this package side by side, on standard problems or on those that the user's own model poses."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from andersonn.errors import unknown
from andersonn.io.files import write_json, write_text, write_whole
from andersonn.measuring.clock import turns, waiter
from andersonn.measuring.plots import residual_panels
from andersonn.measuring.problems import STANDARD, FixedPointProblem, problems, relative_residual, relative_size
from andersonn.measuring.setting import machine_line, setting, threads_of
from andersonn.measuring.training_step import images_of, scientist_with_layer
from andersonn.progress import Progress, Silent
from andersonn.solvers import Anderson, Broyden, FixedPoint, ForwardIteration, NewtonKrylov, Solver, Status

FORWARD = "forward iteration"
SOLVERS: dict[str, Solver] = {
    FORWARD: ForwardIteration(),
    "Anderson m=5": Anderson(window=5),
    "Anderson m=20": Anderson(window=20),
    "Anderson m=10, period 2": Anderson(window=10, period=2),
    "Anderson auto": Anderson(window="auto"),
    "Broyden m=200": Broyden(window=200),
    "Newton-Krylov m=100": NewtonKrylov(window=100),
}
TOLERANCES = (1e-3, 1e-5)
DTYPES = {"float32": torch.float32, "float64": torch.float64}
SETS = {"quick": (("float32", 4),), "full": tuple((d, b) for d in DTYPES for b in (1, 64, 512))}
"""Name → precisions and batches of the standard problems."""
ROUNDING = 4
"""Units of rounding by which a residual computed again may miss the tolerance."""
AGREEMENT = 1e-2
"""Relative distance within which two solutions agree. At a spectral radius of 0.99 a residual of 1e-5 leaves an error of
about 1e-3."""
COLORS = ("#D55E00", "#0072B2", "#56B4E9", "#009E73", "#6A51A3", "#E69F00", "#7A7A7A")


class Case(NamedTuple):
    """A problem in one precision and batch; ``make()`` poses it."""

    problem: str
    dtype: str
    batch: int
    make: Callable[[], FixedPointProblem]

    def __str__(self) -> str:
        return f"{self.problem}, {self.dtype}, batch {self.batch}"


def standard_cases(which: str, names: Sequence[str] = (), seed: int = 0, device: str = "cpu") -> list[Case]:
    """The cases of a set.

    Args:
        which: a key of :data:`SETS`.
        names: keep these problems only; empty: all.
        seed: of the problems.
        device: of their states.

    Raises:
        UsageError: there is no such problem.
    """
    for name in names:
        if name not in STANDARD:
            raise unknown("problem", name, list(STANDARD))
    return [
        Case(name, dtype, batch, partial(make, DTYPES[dtype], batch, seed, device))
        for name, make in STANDARD.items()
        for dtype, batch in SETS[which]
        if not names or name in names
    ]


def own_cases(
    task: str, model: str | None, data: Sequence[str], batch: int, seed: int = 0, device: str = "cpu"
) -> list[Case]:
    """The one case of a model's own cell on ``batch`` structures.

    Args:
        task: name of the task, or the Python file that declares it.
        model: folder of a trained model; None: the shipped weights.
        data: files of structures; empty: those that come with the package, where it has some for the task.
        batch: structures, drawn by ``seed``.
        seed: of the draw.
        device: of the model.

    Raises:
        UsageError: the model is a stack of layers, or there are not so many usable structures.
    """
    scientist = scientist_with_layer(task, model, device)
    store, chosen = images_of(scientist, data, batch, seed)
    (problem,) = problems(scientist.bundle.network, store, chosen, max_rows=10**9)
    return [Case(f"cell of {scientist.name}", str(problem.z0.dtype).removeprefix("torch."), batch, lambda: problem)]


@torch.no_grad()
def measure(
    cases: Sequence[Case],
    max_evaluations: int = 600,
    repeats: int = 5,
    device: str = "cpu",
    threads: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Solves every case with every solver, to each of :data:`TOLERANCES`.

    Args:
        cases: at least one.
        max_evaluations: of f, for each run.
        repeats: timed rounds, after one that does not count; the solvers take turns.
        device: where the states are.
        threads: of torch.
        seed: for the report.
        progress: listener.

    Returns:
        JSON-able data: ``solvers`` (names), ``rows`` (see :func:`_row`), ``speedup_evaluations`` and ``speedup_time`` (Picard
        iteration's need ÷ the least of the others', median over the cases that both solve; None if there are none),
        ``agreement`` (share of the runs converged to 1e-5 that agree with the most accurate one of their case), ``curves``
        (largest residual of the batch after each evaluation), ``verdict`` and ``setting``.
    """
    progress = progress or Silent()
    rows: list[dict[str, Any]] = []
    curves: dict[str, Any] = {}
    progress.start("solvers side by side", len(cases))
    with threads_of(threads):
        for position, case in enumerate(cases):
            progress.update(position, str(case))
            problem = case.make()
            for rtol in TOLERANCES:
                runs = _solved(problem, rtol, max_evaluations, repeats)
                found = {name: _row(case, name, rtol, problem, runs[name]) for name in SOLVERS}
                _compare_states(found, {name: runs[name][-1][1] for name in SOLVERS}, problem)
                rows += found.values()
            curves[str(case)] = {name: _curve(runs[name][-1][1]) for name in SOLVERS}
        where = setting(device)
    progress.update(len(cases))
    progress.finish()
    result = {
        "measure": "solvers",
        "solvers": list(SOLVERS),
        **_speedups(rows),
        "rows": rows,
        "curves": curves,
        "setting": where
        | {"seed": seed, "tolerances": list(TOLERANCES), "max_evaluations": max_evaluations, "repeats": repeats},
    }
    return result | {"verdict": _verdict(result)}


def _solved(
    problem: FixedPointProblem, rtol: float, max_evaluations: int, repeats: int
) -> dict[str, list[tuple[float, FixedPoint]]]:
    """Seconds and results of each solver's rounds."""
    solvers = {n: replace(s, rtol=rtol, max_steps=max_evaluations - 1) for n, s in SOLVERS.items()}
    things = {name: (lambda solver=solver: problem.solve(solver)) for name, solver in solvers.items()}
    return turns(things, repeats, synchronize=waiter(problem.z0.device))


def _curve(found: FixedPoint) -> list[float | None]:
    """Largest residual of the batch after each evaluation."""
    return [_finite(r) for r in found.trace.residual.amax(dim=1).tolist()]


def _row(
    case: Case, solver: str, rtol: float, problem: FixedPointProblem, rounds: list[tuple[float, FixedPoint]]
) -> dict[str, Any]:
    """One solver on one case: ``status``, ``evaluations`` and ``seconds`` (medians with the extremes; None unless every run
    converged), and ``residual``, the largest of the last state returned, computed again. A status that this residual
    contradicts is ``"not as it says"``.
    """
    runs = [found for _, found in rounds]
    residual = relative_residual(runs[-1].z, problem.f(runs[-1].z), problem.lengths).max().item()
    counts = {status: int((runs[-1].status == status).sum()) for status in Status}
    status = ", ".join(f"{n} {s.name.lower()}" for s, n in counts.items() if n)
    if all(run.all_converged for run in runs):
        room = ROUNDING * torch.finfo(problem.z0.dtype).eps
        status = "converged" if residual <= 1.0001 * rtol + room else "not as it says"
    solved = status == "converged"
    seconds = [took for took, _ in rounds]
    return {
        "problem": case.problem,
        "dtype": case.dtype,
        "batch": case.batch,
        "rtol": rtol,
        "solver": solver,
        "status": status,
        "evaluations": int(np.median([run.evaluations for run in runs])) if solved else None,
        "residual": _finite(residual),
        "seconds": float(np.median(seconds)) if solved else None,
        "seconds_least": min(seconds) if solved else None,
        "seconds_most": max(seconds) if solved else None,
        "repeats": len(rounds),
    }


def _compare_states(rows: dict[str, dict[str, Any]], found: dict[str, FixedPoint], problem: FixedPointProblem) -> None:
    """Adds ``distance``: relative, of the worst sample, from the most accurate converged state; None if not converged."""
    solved = [name for name in rows if rows[name]["status"] == "converged"]
    best = found[min(solved, key=lambda name: rows[name]["residual"])].z if solved else None
    for name, row in rows.items():
        if best is None or name not in solved:
            row["distance"] = None
        else:
            row["distance"] = relative_size(found[name].z - best, best, problem.lengths).max().item()


def _speedups(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    pairs = [(case[FORWARD], best) for case in by_case(rows) if (best := _best(case)) and case[FORWARD]["seconds"]]
    found: dict[str, float | None] = {}
    for name, key in (("speedup_evaluations", "evaluations"), ("speedup_time", "seconds")):
        found[name] = statistics.median(plain[key] / best[key] for plain, best in pairs) if pairs else None
    far = [row["distance"] for row in rows if row["rtol"] == TOLERANCES[-1] and row["distance"] is not None]
    return found | {"agreement": sum(distance <= AGREEMENT for distance in far) / len(far) if far else None}


def by_case(rows: list[dict[str, Any]]) -> list[dict[str, dict[str, Any]]]:
    """Rows by solver, of each case and tolerance."""
    found: dict[tuple, dict[str, dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["problem"], row["dtype"], row["batch"], row["rtol"]), {})[row["solver"]] = row
    return list(found.values())


def _best(case: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The fastest converged row that is not fixed-point iteration's."""
    solved = [row for name, row in case.items() if name != FORWARD and row["seconds"] is not None]
    return min(solved, key=lambda row: row["seconds"], default=None)


def _verdict(result: dict[str, Any]) -> str:
    cases = by_case(result["rows"])
    alone = sum(_best(case) is not None and case[FORWARD]["seconds"] is None for case in cases)
    words = f"Of {len(cases)} cases (problem and tolerance) {alone} are solved by others and not by Picard iteration. "
    if result["speedup_time"] is None:
        return words + "There is none that both solve."
    return words + (
        f"Where both solve, the fastest of the others needs {result['speedup_evaluations']:.2f} times fewer evaluations and "
        f"{result['speedup_time']:.2f} times less time (medians)."
    )


def solver_rows(result: dict[str, Any], rtol: float) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of one tolerance: evaluations and time, or the status of what did not converge."""
    body = []
    for case in by_case([row for row in result["rows"] if row["rtol"] == rtol]):
        first = case[FORWARD]
        cells = [f"{first['problem']}, {first['dtype']}, {first['batch']}"]
        body.append(cells + [_cell(row) for row in case.values()])
    return ["", *result["solvers"]], body


def _cell(row: dict[str, Any]) -> str:
    if row["seconds"] is None:
        return row["status"]
    return f"{row['evaluations']} · {spell(row['seconds'])}"


def spell(seconds: float) -> str:
    """Seconds with three digits and a unit."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def save(result: dict[str, Any], folder: Path, command: str) -> None:
    """Writes ``report.json``, ``report.md`` and ``residuals.png``; ``command`` is what reproduces them."""
    parts = ["# Solvers side by side", f"Written by `{command}`.", result["verdict"], "![Residuals](residuals.png)"]
    for rtol in TOLERANCES:
        head, body = solver_rows(result, rtol)
        lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body)]
        parts += [f"## Evaluations and time to a relative residual of {rtol:.0e}", "\n".join(lines)]
    looks = {name: (color, "-") for name, color in zip(SOLVERS, COLORS, strict=True)}
    picture = residual_panels(result["curves"], looks, floor=TOLERANCES[-1] / 3)
    write_whole(folder / "residuals.png", lambda name: Path(name).write_bytes(picture))
    write_json(folder / "report.json", result)
    write_text(folder / "report.md", "\n\n".join([*parts, machine_line(result["setting"])]) + "\n")


def _finite(value: float) -> float | None:
    """Three digits; None for what JSON cannot hold."""
    return float(f"{value:.3g}") if np.isfinite(value) else None
