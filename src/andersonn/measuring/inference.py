"""Inference side by side: the same structures answered with each solver, to equal tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from andersonn.data.records import SPLITS, Records
from andersonn.data.splits import split_of
from andersonn.data.store import ImageStore, image_store
from andersonn.errors import UsageError, did_you_mean
from andersonn.inference.forward import MAX_ROWS, Outputs, forward
from andersonn.inference.predictor import Predictor
from andersonn.measuring.clock import timing, turns, waiter
from andersonn.measuring.contenders import FORWARD, contenders
from andersonn.measuring.curves import residual_curves
from andersonn.measuring.energy import Energy, meter_for
from andersonn.measuring.instrumented import InstrumentedSolver, solving_with
from andersonn.measuring.problems import problems
from andersonn.measuring.setting import setting, threads_of
from andersonn.measuring.verdict import inference_verdict
from andersonn.models import Ensemble, EquilibriumNetwork, row_batches
from andersonn.progress import Progress, Silent
from andersonn.solvers import ForwardIteration, Solver, Status
from andersonn.training.dataset import misfits

REFERENCE = ForwardIteration(rtol=1e-6, max_steps=500)
"""Tight and plain: what the network would answer if solves cost nothing."""
ENERGY_SECONDS = 5.0
"""How long passes go on for each solver when energy is measured."""


@dataclass(frozen=True)
class Plan:
    """How to compare.

    Attributes:
        limit: structures at most, drawn by ``seed``; None: all.
        side: ``"all"`` records, or one side of the model's own split.
        rtol: tolerance of all solvers; None: the model's own.
        compact: whether structures that have converged leave the batch, for all solvers.
        repeats: timed rounds, after one that does not count.
        threads: of torch, during the comparison.
        seed: of the draw.
        energy: whether to measure energy too, in passes of its own after the timed ones.
    """

    limit: int | None = None
    side: str = "all"
    rtol: float | None = None
    compact: bool = True
    repeats: int = 5
    threads: int = 1
    seed: int = 0
    energy: bool = False

    def __post_init__(self) -> None:
        if self.side not in ("all", *SPLITS):
            raise UsageError(
                "bad_side", f"there is no side {self.side!r} of a split", did_you_mean(self.side, ("all", *SPLITS))
            )
        if min(self.repeats, self.threads, 1 if self.limit is None else self.limit) < 1:
            raise UsageError("bad_count", "repeats, threads and limit are counts", "give whole numbers from 1")
        if self.rtol is not None and not 0 < self.rtol < 1:
            raise UsageError("bad_tolerance", f"rtol is {self.rtol:g}", "give a relative residual, such as 1e-3")


@dataclass(frozen=True, eq=False)
class Round:
    """One pass over all structures: answers and accounts."""

    outputs: Outputs
    accounts: InstrumentedSolver


def compare(scientist: Predictor, records: Records, plan: Plan, progress: Progress | None = None) -> dict[str, Any]:
    """Answers the structures with Anderson, with the automatic choice and with Picard iteration.

    Times are those of whole predictions from graph images in memory: batches, encoder, solve and head. Reading files
    and making images are not in them.

    Args:
        scientist: whose network; it stays as it is.
        records: structures; labels are not needed.
        plan: how.
        progress: listener.

    Returns:
        JSON-able data: ``speedup_time`` (Picard iteration's seconds ÷ Anderson's, median over the rounds), ``speedup_solve``
        (the same of solver and cell alone), ``speedup_explained`` (what that makes of a whole prediction), ``speedup_evaluations`` (mean evaluations a structure, forward ÷ Anderson),
        ``agreement`` (share of structures that both put in the same class), ``solvers`` (name → all numbers of one),
        ``curve`` (see :func:`~andersonn.measuring.curves.residual_curves`), ``recommendation``, ``pays`` (whether a
        saving of time was distinguishable from noise), ``verdict`` (words)
        and ``setting``.

    Raises:
        UsageError: no structure can be used.
    """
    progress = progress or Silent()
    with threads_of(plan.threads):
        store, made, unusable = _images(scientist, records, plan, progress)
        return _compare(scientist, store, made, plan, progress) | {
            "data": records.source,
            "side": plan.side,
            "unusable": unusable,
        }


def _compare(
    scientist: Predictor, store: ImageStore, made: np.ndarray, plan: Plan, progress: Progress
) -> dict[str, Any]:
    indices = np.flatnonzero(store.n_rows > 0)
    network = scientist.bundle.network
    solvers = contenders(scientist.bundle.config.model.solver, plan.rtol, plan.compact)
    rows = _rows(scientist, store, made[indices], solvers, plan, progress)
    first = next(row_batches(store.n_rows, indices, MAX_ROWS))
    curve = residual_curves(problems(network, store, first, MAX_ROWS)[0], solvers, plan.repeats)
    progress.finish()
    device = str(next(network.parameters()).device)
    result = {
        "measure": "inference",
        "task": scientist.task.name,
        "model": scientist.name,
        "n": len(indices),
        **{
            key: rows["anderson"][key]
            for key in ("speedup_time", "speedup_time_quartiles", "speedup_explained", "speedup_solve")
        },
        "speedup_evaluations": rows["anderson"]["speedup_evaluations"],
        "agreement": rows["anderson"]["same_class_as_forward"],
        "rtol": solvers[FORWARD].rtol,
        "max_steps": solvers[FORWARD].max_steps,
        "compact": plan.compact,
        "image_rows": int(store.n_rows[indices].sum()),
        "batches": sum(1 for _ in row_batches(store.n_rows, indices, MAX_ROWS)),
        "solvers": rows,
        "curve": curve,
        "setting": setting(device) | {"seed": plan.seed, "n": len(indices), "repeats": plan.repeats},
    }
    return result | inference_verdict(result)


def _rows(
    scientist: Predictor,
    store: ImageStore,
    made: np.ndarray,
    solvers: dict[str, Solver],
    plan: Plan,
    progress: Progress,
) -> dict[str, Any]:
    """Everything about each solver; ``made`` is of the usable structures."""
    network, indices = scientist.bundle.network, np.flatnonzero(store.n_rows > 0)
    device = next(network.parameters()).device
    done = 0

    def answer(solver: Solver) -> Round:
        nonlocal done
        with solving_with(network, solver) as accounts:
            found = Round(forward(network, store, indices), accounts)
        done += 1
        progress.update(min(done, total))  # passes for energy come on top
        return found

    def classes(found: Round) -> np.ndarray:
        return scientist.bundle.calibration.probabilities(found.outputs.scores, made).argmax(axis=1)

    total = len(solvers) * (plan.repeats + 1) + 1
    progress.start("answering with each solver", total)
    things = {name: (lambda s=solver: answer(s)) for name, solver in solvers.items()}
    rounds = turns(things, plan.repeats, synchronize=waiter(device))
    reference, plain = classes(answer(REFERENCE)), classes(rounds[FORWARD][0][1])
    rows = {}
    for name, solver in solvers.items():
        found = [classes(each) for _, each in rounds[name]]
        energy = _energy(device, rounds[name], things[name]).as_dict() if plan.energy else None
        rows[name] = _row(solver, rounds[name], rounds[FORWARD]) | {
            **_flops(network, solver, lambda: forward(network, store, indices)),
            "same_class_as_forward": _agreement(found, plain),
            "same_class_as_tight": _agreement(found, reference),
            "energy": energy,
        }
    return rows


def _images(
    scientist: Predictor, records: Records, plan: Plan, progress: Progress
) -> tuple[ImageStore, np.ndarray, int]:
    """Images of the chosen records, of which of them the geometry was made, and how many cannot be used."""
    chosen = np.arange(len(records))
    if plan.side != "all":
        chosen = split_of(records, scientist.bundle.config.split)[plan.side]
    if plan.limit is not None:
        chosen = np.random.default_rng(plan.seed).permutation(chosen)[: plan.limit]
    wrong, why = misfits(records, scientist.bundle.task)
    unusable = [f"{records.ids[i]}: {why}" for i in chosen[wrong[chosen]]]
    chosen = np.sort(chosen[~wrong[chosen]])
    part = records.take(chosen)
    if len(part):
        progress.start("graph images", len(part))
        store = image_store(part, scientist.recipe, progress=lambda done, _: progress.update(done))
        progress.finish()
        unusable += [f"{part.ids[i]}: {error['message']}" for i, error in store.rejected.items()]
    if not len(part) or not (store.n_rows > 0).any():
        first = next(iter(unusable), f"the {plan.side} side is empty")
        raise UsageError("no_records", f"no usable structure in {records.source!r}: {first}", "give other records")
    if unusable:
        progress.say(
            f"{len(unusable)} of {len(unusable) + int((store.n_rows > 0).sum())} are unusable: {unusable[0]}; …"
        )
    return store, part.is_null("positions"), len(unusable)


def _row(solver: Solver, rounds: list[tuple[float, Round]], plain: list[tuple[float, Round]]) -> dict[str, Any]:
    """What the rounds of one solver say."""
    outputs = [r.outputs for _, r in rounds]
    needed = [int(np.median(column)) for column in np.stack([found.steps + 1 for found in outputs]).T]
    mean = float(np.mean([(found.steps + 1).mean() for found in outputs]))
    other = float(np.mean([(r.outputs.steps + 1).mean() for _, r in plain]))
    unconverged = [int((found.status != Status.CONVERGED).sum()) for found in outputs]
    residual = max(float(np.nan_to_num(found.residual, nan=np.inf).max()) for found in outputs)
    times = _times(rounds, plain)
    return {
        "solver": repr(solver),
        **times,
        "speedup_evaluations": other / mean,
        "structures_per_second": len(needed) / times["seconds"],
        "evaluations_per_structure": mean,
        "most_evaluations": max(needed),
        "histogram": np.bincount(needed).tolist(),
        "cell_calls": int(np.median([r.accounts.calls for _, r in rounds])),
        "row_evaluations": int(np.median([r.accounts.rows for _, r in rounds])),
        "unconverged": max(unconverged),
        "largest_residual": residual if np.isfinite(residual) else None,
        "repeats": len(rounds),
    }


def _times(rounds: list[tuple[float, Round]], plain: list[tuple[float, Round]]) -> dict[str, Any]:
    """Seconds, and ratios to Picard iteration's in the same round.

    ``speedup_explained`` is what the solves alone make of a whole prediction, all else taking its median time: all else is
    the same work with every solver, so what the measured ratio has beyond this is noise.
    """
    seconds, solve = timing([s for s, _ in rounds]), timing([r.accounts.seconds for _, r in rounds])
    pairs = list(zip(rounds, plain, strict=True))
    faster = [p / s for (s, _), (p, _) in pairs]
    solves = [p.accounts.seconds / r.accounts.seconds for (_, r), (_, p) in pairs]
    rest = float(np.median([s - r.accounts.seconds for s, r in [*rounds, *plain]]))
    other = timing([r.accounts.seconds for _, r in plain]).median
    whole, alone = timing(faster), timing(solves)
    return {
        "speedup_time": whole.median,
        "speedup_time_quartiles": [whole.low, whole.high],
        "rounds_won": sum(ratio > 1.0 for ratio in faster),
        "rounds_lost": sum(ratio < 1.0 for ratio in faster),
        "speedup_explained": (rest + other) / (rest + solve.median),
        "speedup_solve": alone.median,
        "speedup_solve_quartiles": [alone.low, alone.high],
        "solve_rounds_won": sum(ratio > 1.0 for ratio in solves),
        "seconds": seconds.median,
        "seconds_quartiles": [seconds.low, seconds.high],
        "solve_seconds": solve.median,
        "solve_seconds_quartiles": [solve.low, solve.high],
    }


def _energy(device: torch.device, rounds: list[tuple[float, Round]], answer: Callable[[], object]) -> Energy:
    """Energy of a pass, from so many passes that a meter has something to see."""
    passes = math.ceil(ENERGY_SECONDS / min(seconds for seconds, _ in rounds))
    wait = waiter(device)

    def work() -> None:
        for _ in range(passes):
            answer()
        wait()

    return meter_for(str(device)).run(work)[1].over(passes)


def _flops(network: EquilibriumNetwork | Ensemble, solver: Solver, answer: Callable[[], object]) -> dict[str, int]:
    """Floating-point operations of a pass, in all and in its solves. Matrix products alone, which torch can count:
    products and sums by element are not among them.
    """
    with FlopCounterMode(display=False) as counter, solving_with(network, solver, counter) as accounts:
        answer()
    return {"flops": counter.get_total_flops(), "solve_flops": accounts.flops}


def _agreement(classes: list[np.ndarray], other: np.ndarray) -> float:
    """Share of structures in the same class, the least over the rounds."""
    return min(float((found == other).mean()) for found in classes)
