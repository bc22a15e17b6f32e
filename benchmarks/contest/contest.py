"""Runs the contest: every solver on every case, watched once for its evaluations, then timed side by side.

A run that fails, raises or overflows is a row with that status; it ends nothing but itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from andersonn.measuring.problems import FixedPointProblem, relative_residual, relative_size
from andersonn.measuring.setting import setting, threads_of
from andersonn.progress import Progress, Silent
from andersonn.sanitize import first_line
from andersonn.solvers import FixedPoint, Status
from contest.claims import claims, speedups
from contest.contestants import Contestant, reference
from contest.peers import everyone
from contest.problems import Case
from contest.recorder import Record

SLACK = 1.0001
"""A tolerance is met at so many times its value: norms are rounded differently from solver to solver."""
ROUNDING = 4
"""Units of rounding by which a residual computed again may miss the tolerance."""
REFERENCE_WINDOW, REFERENCE_RTOL, REFERENCE_MEMORY = 200, 1e-6, 2 * 2**30


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes:
        cases: see :mod:`~contest.problems`.
        tolerances: relative residuals to reach.
        max_evaluations: of f, for each run.
        repeats: timed runs; the median counts.
        seconds: a solver that has taken so long in the timed runs of a case is not repeated further; a run longer than
            this is timed once.
        seed: of the problems.
        device: where states live.
        threads: of torch, during the contest. One by default: with more, torch's waiting threads can share a core with each
            other once jax has started its own (seen: products 80 times slower).
    """

    cases: Sequence[Case]
    tolerances: tuple[float, ...] = (1e-3, 1e-5)
    max_evaluations: int = 600
    repeats: int = 5
    seconds: float = 10.0
    seed: int = 0
    device: str = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        if not self.cases:
            raise ValueError("no cases to run; take quick_cases() or full_cases()")
        if self.repeats < 1 or self.threads < 1 or self.max_evaluations < 2:
            raise ValueError("repeats and threads must be at least 1 and max_evaluations at least 2")


Timed = tuple[float, Any]
"""Seconds of a run, and what it returned."""


@dataclass
class Attempt:
    """One solver on one case to one tolerance.

    Attributes:
        status: ``"converged"`` or why not.
        evaluations: until the tolerance was met; None where it was not.
        calls: evaluations of the whole watched run.
        timed_calls: those of the timed runs, for ours.
        ended: for ours, how many samples ended how.
        residual: for ours, the largest one of the state returned, computed again.
        finite, honest: for ours, whether all numbers returned are finite, and all statuses true.
        distance: for ours, from the reference solution, relative, worst sample.
        curve: worst residual so far after each evaluation.
    """

    status: str
    evaluations: int | None = None
    calls: int = 0
    timed_calls: int | None = None
    ended: str | None = None
    residual: float | None = None
    finite: bool | None = None
    honest: bool | None = None
    distance: float | None = None
    curve: list[float] = field(default_factory=list, repr=False)


@torch.no_grad()
def run(
    plan: Plan, contestants: Sequence[Contestant] | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """The whole contest.

    Args:
        plan: what to run.
        contestants: default :func:`~contest.peers.everyone`.
        progress: listener.

    Returns:
        JSON-able data: ``solvers`` (names), ``speedup_time``, ``speedup_time_compiled``, ``speedup_evaluations``, ``agreement`` (see
        :func:`~contest.claims.speedups`), ``claims``, ``rows``, ``curves`` (worst residual of each evaluation, to
        the tightest tolerance, of the first case of each problem) and ``setting``.
    """
    with threads_of(plan.threads):
        return _run(plan, everyone() if contestants is None else contestants, progress or Silent())


def _run(plan: Plan, contestants: Sequence[Contestant], progress: Progress) -> dict[str, Any]:
    begin = time.perf_counter()
    rows: list[dict[str, Any]] = []
    curves: dict[str, Any] = {}
    progress.start("solver contest", len(plan.cases))
    for position, case in enumerate(plan.cases):
        progress.update(position, str(case))
        found, lines = _run_case(case, plan, contestants)
        rows.extend(found)
        curves.setdefault(case.problem.name, {"case": str(case), "residual": lines})
    progress.update(len(plan.cases))
    progress.finish()
    return {
        "solvers": [contestant.name for contestant in contestants],
        **speedups(rows),
        "claims": claims(rows, plan.max_evaluations),
        "rows": rows,
        "curves": curves,
        "setting": setting(plan.device)
        | {
            "seed": plan.seed,
            "tolerances": list(plan.tolerances),
            "max_evaluations": plan.max_evaluations,
            "repeats": plan.repeats,
            "seconds": time.perf_counter() - begin,
        },
    }


def _run_case(
    case: Case, plan: Plan, contestants: Sequence[Contestant]
) -> tuple[list[dict[str, Any]], dict[str, list[float]]]:
    posed = case.pose(plan.seed, plan.device)
    best = _reference(case, plan)
    attempts = {contestant.name: _attempts(contestant, posed, best, plan) for contestant in contestants}
    rows = []
    for rtol in plan.tolerances:
        runs: dict[str, Callable[[], Any]] = {}
        for contestant in contestants:
            needed = attempts[contestant.name][rtol].evaluations
            if needed is not None:
                budget = plan.max_evaluations if contestant.ours else needed
                runs[contestant.name] = contestant.prepare(posed, rtol, budget)
        times = timed(runs, plan.repeats, plan.seconds, _wait(plan.device))
        for contestant in contestants:
            _compare_runs(attempts[contestant.name][rtol], times.get(contestant.name, []))
            rows.append(_row(case, contestant, rtol, attempts[contestant.name][rtol], times, best))
    tightest = min(plan.tolerances)
    lines = {name: [_digits(r) for r in found[tightest].curve] for name, found in attempts.items()}
    return rows, {name: line for name, line in lines.items() if line}


def _row(
    case: Case, contestant: Contestant, rtol: float, attempt: Attempt, times: Mapping[str, list[Timed]], best: Best
) -> dict[str, Any]:
    seconds = [] if attempt.evaluations is None else [took for took, _ in times.get(contestant.name, [])]
    return {
        "problem": case.problem.name,
        "group": case.problem.group,
        "radius": case.problem.radius,
        "dtype": case.dtype,
        "batch": case.batch,
        "rtol": rtol,
        "solver": contestant.name,
        "ours": contestant.ours,
        "same_map": contestant.same_map,
        "kind": contestant.kind,
        **{k: v for k, v in vars(attempt).items() if k != "curve"},
        "seconds": float(np.median(seconds)) if seconds else None,
        "seconds_least": min(seconds, default=None),
        "seconds_most": max(seconds, default=None),
        "repeats": len(seconds),
        "optimal_evaluations": best.record.evaluations(rtol * SLACK),
    }


@dataclass(frozen=True, eq=False)
class Best:
    """The reference run: what it needed, and its solution where it got to one."""

    record: Record
    z: Tensor | None


def _reference(case: Case, plan: Plan) -> Best:
    twin = case.pose(plan.seed, plan.device, "float64")
    window = max(1, min(REFERENCE_WINDOW, REFERENCE_MEMORY // (2 * 8 * twin.z0.numel())))
    record = Record(twin.samples)
    solver = reference(window, REFERENCE_RTOL)
    found = solver.watch(twin, record, REFERENCE_RTOL, plan.max_evaluations)
    return Best(record, found.z if found.all_converged else None)


def _attempts(contestant: Contestant, posed: FixedPointProblem, best: Best, plan: Plan) -> dict[float, Attempt]:
    """Ours run to each tolerance, which may change what they do; a peer once, to the tightest."""
    refusal = contestant.refusal(posed)
    if refusal is not None:
        return {rtol: Attempt(refusal) for rtol in plan.tolerances}
    if contestant.ours:
        return {rtol: _ours(contestant, posed, rtol, best, plan.max_evaluations) for rtol in plan.tolerances}
    record = Record(posed.samples, min(plan.tolerances), plan.max_evaluations)
    ending = _watch(contestant, posed, record, min(plan.tolerances), plan.max_evaluations)[1]
    ending = ending or ("overflow" if record.overflow else f"not in {record.calls}")
    found = {}
    for rtol in plan.tolerances:
        needed = record.evaluations(rtol * SLACK)
        found[rtol] = Attempt(ending if needed is None else "converged", needed, record.calls, curve=record.curve)
    return found


def _ours(contestant: Contestant, posed: FixedPointProblem, rtol: float, best: Best, limit: int) -> Attempt:
    record = Record(posed.samples)
    found, error = _watch(contestant, posed, record, rtol, limit)
    if found is None:
        return Attempt(error or "error", calls=record.calls, honest=False, curve=record.curve)
    needed = record.evaluations(rtol * SLACK)
    if not found.all_converged or (needed or 0) > limit:
        needed = None
    attempt = Attempt("converged", needed, record.calls, ended=_ended(found), curve=record.curve)
    _inspect(attempt, found, posed, rtol)
    if needed is None:
        attempt.status = "overflow" if (found.status == Status.NONFINITE).any() else f"not in {record.calls}"
    elif best.z is not None:
        attempt.distance = _digits(relative_size(found.z.double() - best.z, best.z, posed.lengths).max().item())
    return attempt


def _compare_runs(attempt: Attempt, runs: list[Timed]) -> None:
    """Timed runs of ours must have ended as the watched one did, or their times mean nothing."""
    found = [result for _, result in runs if isinstance(result, FixedPoint)]
    if not found:
        return
    attempt.timed_calls = int(np.median([result.evaluations for result in found]))
    if not all(result.all_converged for result in found):
        attempt.status, attempt.evaluations = "not each time", None


def _inspect(attempt: Attempt, found: FixedPoint, posed: FixedPointProblem, rtol: float) -> None:
    """Whether statuses are true, and all states finite."""
    attempt.finite = bool(found.z.isfinite().all())
    residual, true = inspect(found, posed, rtol)
    attempt.residual = _digits(residual.max().item())
    attempt.honest = attempt.finite and bool(true.all())


def inspect(found: FixedPoint, posed: FixedPointProblem, rtol: float) -> tuple[Tensor, Tensor]:
    """Relative residuals ``[B]`` of the state returned, computed again, and bool ``[B]``, whether a sample's status is true:
    exactly the converged ones are solved, but for rounding.
    """
    residual = relative_residual(found.z, posed.f(found.z), posed.lengths)
    room = ROUNDING * torch.finfo(found.z.dtype).eps
    solved = torch.where(found.converged, residual <= rtol * SLACK + room, residual > rtol / SLACK - room)
    return residual, solved


def _ended(found: FixedPoint) -> str:
    counts = {status.name.lower(): int((found.status == status).sum()) for status in Status}
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n)


def _watch(
    contestant: Contestant, posed: FixedPointProblem, record: Record, rtol: float, limit: int
) -> tuple[FixedPoint | Any, str | None]:
    """What the run returned, and the error that ended it."""
    try:
        return contestant.watch(posed, record, rtol, limit), None
    except Exception as error:  # of any library: it is a result, not the end of the contest
        return (
            None,
            f"error: {type(error).__name__.lstrip('_')}: {first_line(error)[:120] if str(error).strip() else ''}",
        )


def timed(
    runs: Mapping[str, Callable[[], Any]], repeats: int, seconds: float, wait: Callable[[], None]
) -> dict[str, list[Timed]]:
    """Seconds and results of runs in turn, A B A B …, after one round that does not count, except for runs longer than ``seconds``: they
    need no warming up and are not run again. One that raises has no times.
    """
    found: dict[str, list[Timed]] = {name: [] for name in runs}
    for round_ in range(1 + repeats):
        for name, do in runs.items():
            if name not in found or sum(took for took, _ in found[name]) > seconds:
                continue
            wait()
            begin = time.perf_counter()
            try:
                result = do()
            except Exception:
                del found[name]
                continue
            wait()
            took = time.perf_counter() - begin
            if round_ or took > seconds:
                found[name].append((took, result))
    return found


def _wait(device: str) -> Callable[[], None]:
    return torch.cuda.synchronize if torch.device(device).type == "cuda" else (lambda: None)


def _digits(value: float) -> float | None:
    """Three digits, enough for tables and plots; None for what JSON cannot hold."""
    return float(f"{value:.3g}") if np.isfinite(value) else None
