"""Training side by side: one network trained with Anderson in both passes, its twin with Picard iteration in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from andersonn.config import SolvingConfig, TrainConfig
from andersonn.data.records import Records
from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.implicit import Equilibrium
from andersonn.inference.forward import forward
from andersonn.measuring.clock import timing
from andersonn.measuring.contenders import BUDGET, FORWARD
from andersonn.measuring.energy import Energy, Meter, meter_for, total
from andersonn.measuring.instrumented import require_equilibrium
from andersonn.measuring.setting import setting, threads_of
from andersonn.measuring.verdict import training_verdict
from andersonn.progress import Progress, Silent
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.trainer import Trainer

PAIR = ("anderson", FORWARD)


def pair_of(config: TrainConfig) -> dict[str, TrainConfig]:
    """The two configurations: they differ in the solver, at the same final tolerances, and in the options ``solving``, which
    are the first one's alone.

    Both may take enough steps to reach the tolerance: one that is cut off before it would look faster than it is. Picard
    iteration is undamped: damping slows it down wherever it converges without.
    """
    solver, pair = config.model.solver, {}
    for name in PAIR:
        changes = {"name": name, "max_steps": max(BUDGET, solver.max_steps)} | (
            {"mixing": 1.0} if name == FORWARD else {}
        )
        own = solver.model_copy(update=changes)
        model = config.model.model_copy(update={"solver": own})
        solving = config.solving if name == "anderson" else SolvingConfig()
        pair[name] = config.model_copy(update={"model": model, "solving": solving})
    return pair


@dataclass
class Accounts:
    """Calls of the cell in the training batches of each epoch, counted at each batch.

    Attributes:
        batches, forward, adjoint: by epoch: batches, calls of the cell in the forward pass, and in the backward pass.
        forward_unconverged, adjoint_unconverged: solves of structures that did not reach the tolerance, over all epochs.
        solves: structures solved for, over all epochs.
        energies: of each epoch, validation included, if there was a meter.
    """

    batches: list[int] = field(default_factory=list)
    forward: list[int] = field(default_factory=list)
    adjoint: list[int] = field(default_factory=list)
    forward_unconverged: int = 0
    adjoint_unconverged: int = 0
    solves: int = 0
    energies: list[Energy] = field(default_factory=list)

    def begin(self) -> None:
        """A new epoch."""
        for column in (self.batches, self.forward, self.adjoint):
            column.append(0)

    def add(self, trainer: Trainer) -> None:
        """The batch that was trained on just now."""
        layer = trainer.network.equilibrium
        assert isinstance(layer, Equilibrium)  # stacks are refused
        assert layer.last is not None
        self.batches[-1] += 1
        self.forward[-1] += layer.last.evaluations
        self.forward_unconverged += int((~layer.last.converged).sum())
        if layer.last_adjoint is not None:  # a gradient of one step solves nothing
            self.adjoint[-1] += layer.last_adjoint.evaluations
            self.adjoint_unconverged += int((~layer.last_adjoint.converged).sum())
        self.solves += len(layer.last.status)


def train_in_turn(
    trainers: Mapping[str, Trainer], progress: Progress, meter: Meter | None = None
) -> dict[str, Accounts]:
    """Trains networks in turn, an epoch each, so that drift of the machine's speed hits all alike; each ends with the
    parameters of its best epoch. A meter is read around each epoch.
    """
    accounts = {name: Accounts() for name in trainers}
    epochs = next(iter(trainers.values())).config.epochs
    progress.start(f"training with {' and '.join(trainers)}", len(trainers) * epochs)
    for epoch in range(epochs):
        for position, (name, trainer) in enumerate(trainers.items()):
            done = len(trainers) * epoch + position
            accounts[name].begin()

            def told(fraction: float, name: str = name, done: int = done) -> None:  # called after each batch
                accounts[name].add(trainers[name])
                progress.update(done + fraction)

            if meter is None:
                row = trainer.run_epoch(told)
            else:
                row, energy = meter.run(partial(trainer.run_epoch, told))
                accounts[name].energies.append(energy)
            progress.update(done + 1, f"validation accuracy {row['validation_accuracy']:.3f}")
    progress.finish()
    for trainer in trainers.values():
        trainer.use_best()
    return accounts


def compare(
    task: Task,
    records: Records,
    config: TrainConfig,
    target: float | None = None,
    threads: int = 1,
    energy: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Trains the same network twice: same data, batches, first weights, dropout and tolerances.

    Args:
        task: what to learn.
        records: with the task's quantity as a column.
        config: of both runs; the solver's name in it does not matter.
        target: validation accuracy to race to; None: the lower one of the two best.
        threads: of torch, during the comparison.
        energy: whether to measure energy too, epoch by epoch.
        progress: listener.

    Returns:
        JSON-able data: ``speedup_time`` and ``speedup_evaluations`` (seconds and calls of the cell to the target, forward
        ÷ Anderson; None if either never reached it), ``speedup_epoch`` (seconds of an epoch, forward ÷ Anderson, median over the
        epochs), ``speedup_epoch_evaluations`` (calls of the cell over all epochs), ``agreement`` (share of validation structures
        that both put in the same class at their best epoch), ``solvers`` (name → all numbers of one), ``verdict`` (words) and
        ``setting``.

    Raises:
        UsageError: the target is no share, the network an explicit stack, the records cannot be trained on, or a training diverges.
    """
    progress = progress or Silent()
    if target is not None and not 0 < target <= 1:
        raise UsageError("bad_target", f"the target accuracy is {target:g}", "give a share from 0 to 1, such as 0.8")
    require_equilibrium(config.model)
    if config.thresholds is not None:
        task = task.with_thresholds(config.thresholds)
    with threads_of(threads):
        dataset = _dataset(task, records, config, progress)
        trainers = {name: Trainer(dataset, task, each) for name, each in pair_of(config).items()}
        device = str(next(iter(trainers.values())).device)
        accounts = train_in_turn(trainers, progress, meter_for(device) if energy else None)
        where = setting(device)
        classes = {name: _classes(trainer) for name, trainer in trainers.items()}
    if target is None:
        target = min(_best(trainer) for trainer in trainers.values())
    rows = {name: _row(trainers[name], accounts[name], target) for name in PAIR}
    result = {
        "measure": "training",
        "task": task.name,
        **_of(dataset),
        "target": target,
        **_speedups(rows),
        "agreement": float((classes["anderson"] == classes[FORWARD]).mean()),
        "solvers": rows,
        "config": trainers["anderson"].config.model_dump(mode="json"),
        "setting": where | {"seed": config.seed, "n": len(dataset.sides["train"]), "repeats": config.epochs},
    }
    return result | training_verdict(result)


def _dataset(task: Task, records: Records, config: TrainConfig, progress: Progress) -> Dataset:
    progress.start("graph images", len(records))
    dataset = prepare(records, task, config, lambda done, _: progress.update(done))
    progress.finish()
    dataset.require_trainable(task)
    return dataset


def _of(dataset: Dataset) -> dict[str, Any]:
    """What was learned from."""
    train, validation = (len(dataset.sides[side]) for side in ("train", "validation"))
    return {
        "data": dataset.records.source,
        "n": train + validation,
        "train": train,
        "validation": validation,
        "unusable": len(dataset.unusable),
    }


def _classes(trainer: Trainer) -> np.ndarray:
    """Class of each validation structure at the best epoch."""
    outputs = forward(trainer.network, trainer.dataset.store, trainer.dataset.sides["validation"])
    return trainer.raw_calibration.probabilities(outputs.scores).argmax(axis=1)


def _best(trainer: Trainer) -> float:
    return max(row["validation_accuracy"] for row in trainer.history)


def _row(trainer: Trainer, accounts: Accounts, target: float) -> dict[str, Any]:
    """Everything about one run."""
    history = trainer.history
    seconds = np.cumsum([row["train_seconds"] for row in history])
    evaluations = np.cumsum(np.add(accounts.forward, accounts.adjoint))
    reached = next((k for k, row in enumerate(history) if row["validation_accuracy"] >= target), None)
    batches = sum(accounts.batches)
    return {
        "epochs_to_target": None if reached is None else reached + 1,
        "seconds_to_target": None if reached is None else float(seconds[reached]),
        "evaluations_to_target": None if reached is None else int(evaluations[reached]),
        "seconds": float(seconds[-1]),
        "evaluations": int(evaluations[-1]),
        "forward_evaluations_per_batch": sum(accounts.forward) / batches,
        "adjoint_evaluations_per_batch": sum(accounts.adjoint) / batches,
        **{
            key: float(np.mean([row[key] for row in history]))
            for key in ("forward_evaluations_per_structure", "adjoint_evaluations_per_structure")
        },
        "batches": batches,
        "forward_unconverged": accounts.forward_unconverged,
        "adjoint_unconverged": accounts.adjoint_unconverged,
        "solves": accounts.solves,
        "best_accuracy": _best(trainer),
        "last_accuracy": history[-1]["validation_accuracy"],
        "least_loss": min(row["validation_loss"] for row in history),
        "radius_max": max(row["radius_max"] for row in history),
        "energy": total(accounts.energies).as_dict() if accounts.energies else None,
        "history": [
            row | {"batches": b, "forward_sum": f, "adjoint_sum": a}
            for row, b, f, a in zip(history, accounts.batches, accounts.forward, accounts.adjoint, strict=True)
        ],
    }


def _speedups(rows: dict[str, Any]) -> dict[str, Any]:
    ours, plain = rows["anderson"], rows[FORWARD]
    epochs = [p["train_seconds"] / o["train_seconds"] for o, p in zip(ours["history"], plain["history"], strict=True)]
    per_epoch = timing(epochs)

    def ratio(key: str) -> float | None:
        if ours[key] is None or plain[key] is None:
            return None
        return plain[key] / ours[key]

    return {
        "speedup_time": ratio("seconds_to_target"),
        "speedup_evaluations": ratio("evaluations_to_target"),
        "speedup_epoch": per_epoch.median,
        "speedup_epoch_quartiles": [per_epoch.low, per_epoch.high],
        "epochs_won": sum(each > 1.0 for each in epochs),
        "epochs_lost": sum(each < 1.0 for each in epochs),
        "speedup_epoch_evaluations": ratio("evaluations"),
    }
