"""From records to a saved, calibrated, tested model."""

from __future__ import annotations

import csv
import platform
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from andersonn.config import TrainConfig
from andersonn.data.records import Records
from andersonn.data.splits import split_by, split_digest
from andersonn.data.store import ImageStore
from andersonn.data.store import Progress as Count
from andersonn.data.tasks import Task
from andersonn.inference.calibration import Calibration
from andersonn.inference.domain import Domain
from andersonn.inference.early_exit import Anytime
from andersonn.inference.forward import Outputs, ask
from andersonn.inference.model_bundle import Artifact
from andersonn.io.files import alone_in, require_writable, write_json, write_whole
from andersonn.models import Ensemble, EquilibriumNetwork
from andersonn.models.device import pick_device
from andersonn.progress import Progress, Silent
from andersonn.sanitize import cell
from andersonn.structures import elements
from andersonn.structures.pores import BY_STRUCTURE
from andersonn.training.baselines import cut_metrics, forest_metrics, majority_metrics
from andersonn.training.calibration_fitting import fit_calibration
from andersonn.training.checkpoint import load_checkpoint, save_checkpoint, write_history
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.distributed import Team, join
from andersonn.training.domain_fitting import describe_domain, fit_domain
from andersonn.training.early_exit_fitting import fit_anytime
from andersonn.training.first_state import fit_first_state
from andersonn.training.folder import CHECKPOINT, LABELS_KEY, SPLIT_KEY, check_free, finished, is_finished
from andersonn.training.forward import ask_records
from andersonn.training.metrics import classification_metrics, estimate_metrics
from andersonn.training.trainer import Trainer


def train(
    task: Task,
    records: Records,
    config: TrainConfig,
    out: Path,
    resume: bool = False,
    progress: Progress | None = None,
) -> Artifact:
    """Trains a task's network, keeps the epoch with the lowest validation loss, calibrates it on the validation side,
    tests it once on the test side, learns what is far from the training structures, and writes ``model.safetensors``,
    ``domain.safetensors``, ``model.json``, ``metrics.json``, ``history.csv`` and, if records were unusable,
    ``unusable.csv`` to ``out``.

    Args:
        task: what to learn.
        records: with the task's quantity as a column.
        config: options.
        out: folder; made if needed.
        resume: go on with the run in ``out``: after its last whole epoch, from the start if none was finished, and not at
            all if the run was. So the same call may be repeated until it returns.
        progress: listener.

    Raises:
        UsageError: the records cannot be split, ``out`` is taken by a finished model, by another run or by a process that
            is at work there, the device is not there, or training diverges.
        OSError: ``out`` cannot be written to any more, as when the disk is full.
    """
    if config.thresholds is not None:
        task = task.with_thresholds(config.thresholds)
    with join(pick_device(config.device)) as team:  # before minutes of imaging
        progress = (progress if team.lead else None) or Silent()
        with _held(team, out, resume) as left_to_do:
            if left_to_do:
                return _trained(team, task, records, config, out, resume, progress)
        return finished(out, task, records, config, progress)


@contextmanager
def _held(team: Team, out: Path, resume: bool) -> Iterator[bool]:
    """Inside this block the output folder is this team's alone, by its first process; whether something is left to do there,
    on all processes alike.
    """
    with ExitStack() as stack:
        left = False
        with team.all_or_none():
            if team.lead and not (resume and is_finished(out)):
                require_writable(out)
                stack.enter_context(alone_in(out))
                check_free(out, resume)
                left = not is_finished(out)  # else another run has just finished it
        left = bool(team.largest(np.array([left], dtype=np.int64))[0])
        if left:
            team.require_shared(out)
        yield left


def _trained(
    team: Team, task: Task, records: Records, config: TrainConfig, out: Path, resume: bool, progress: Progress
) -> Artifact:
    """:func:`train` as one process of a team that has the folder for itself; the first process alone writes."""
    progress.start("graph images", len(records))
    dataset = prepare(records, task, config, lambda done, _: progress.update(done), team)
    progress.finish()
    team.require_same(f"{config.model_dump_json()} {task} {dataset.digest} {_versions()}")
    with team.all_or_none():
        if team.lead:
            _report_unusable(dataset, out, progress)
            if dataset.doubt:
                progress.say(f"warning: {dataset.doubt}")
        dataset.require_trainable(task)
        trainer = Trainer(dataset, task, config, team)
        if resume and (out / CHECKPOINT).exists():
            load_checkpoint(out / CHECKPOINT, trainer)
            progress.say(f"resumed after epoch {trainer.epoch}")
            if team.lead:
                write_history(
                    out / "history.csv", trainer.history
                )  # a kill may have come between checkpoint and history
        elif resume:
            progress.say(f"{out} holds no whole epoch yet: training starts anew")
    run_epochs(trainer, out, progress)
    trainer.use_best()
    with team.all_or_none():
        if team.lead:
            artifact = finish(trainer, progress, records)
            artifact.save(out)
            write_json(out / "metrics.json", artifact.provenance["metrics"])
            (out / CHECKPOINT).unlink(missing_ok=True)
    return artifact if team.lead else Artifact.load(out, str(trainer.device))


def run_epochs(trainer: Trainer, out: Path, progress: Progress) -> None:
    """Runs the epochs still to do, with a checkpoint and a history row after each."""
    progress.start("training", trainer.config.epochs)
    progress.update(trainer.epoch)
    while not trainer.done:
        before = trainer.epoch
        row = trainer.run_epoch(lambda fraction, before=before: progress.update(before + fraction))
        with trainer.team.all_or_none():
            if trainer.team.lead:
                save_checkpoint(out / CHECKPOINT, trainer)
                write_history(out / "history.csv", trainer.history)
        progress.update(trainer.epoch, f"validation accuracy {row['validation_accuracy']:.3f}")
        if row.get("radius_max", 0.0) >= 1.0:
            progress.say(
                f"epoch {trainer.epoch}: spectral radius {row['radius_max']:.2f} ≥ 1 on some structure, so forward "
                "iteration diverges there; lower model.gain"
            )
    progress.finish()


def finish(trainer: Trainer, progress: Progress, records: Records) -> Artifact:
    """Calibrates and tests a trained network, and learns its domain."""
    network, config = trainer.network.eval(), trainer.config
    fit_first_state(network, trainer.dataset.store, trainer.dataset.sides["train"], config.seed)
    found = judge(network, trainer.dataset, trainer.task, config, trainer.scale, progress)
    provenance = _provenance(trainer, records, found.metrics) | found.notes()
    return Artifact(network, trainer.task, config, found.calibration, provenance, found.domain)


class Judgment(NamedTuple):
    """What is learned of a network after its training.

    Attributes:
        calibration: by the validation side.
        metrics: of the validation and the test side.
        domain: what tells structures unlike the training.
        told: see :func:`~andersonn.training.domain_fitting.describe_domain`.
        anytime: when a loose solve settles the class, if that saves work.
    """

    calibration: Calibration
    metrics: dict[str, Any]
    domain: Domain
    told: dict[str, Any]
    anytime: Anytime | None

    def notes(self) -> dict[str, Any]:
        """What goes into the model card besides the calibration and the metrics."""
        return {"domain": self.told, "anytime": None if self.anytime is None else self.anytime.as_dict()}


def judge(
    network: EquilibriumNetwork | Ensemble,
    dataset: Dataset,
    task: Task,
    config: TrainConfig,
    scale: float,
    progress: Progress,
) -> Judgment:
    """Calibration and domain by the validation side, and metrics of that side and of the test side.

    Args:
        network: trained, in evaluation mode.
        dataset: all records.
        task: gives the classes.
        config: says over how many conformers answers are averaged.
        scale: see :class:`~andersonn.inference.calibration.Calibration`.
        progress: listener.
    """
    progress.start("calibration, test, domain and baselines", 4)
    side, test = dataset.sides["validation"], dataset.sides["test"]
    validation = ask_records(network, dataset, side, config.conformers, _part(progress, 0))
    values, made = dataset.values[side], dataset.made[side]
    calibration = fit_calibration(validation.scores, validation.quantiles, values, task, scale, made)
    negative = task.lowest < 0.0 and bool((dataset.values[dataset.usable] < 0.0).any())
    calibration = replace(calibration, signed=negative)
    progress.update(1)
    metrics = {"validation": metrics_by_file(validation, calibration, dataset, side, task)}
    tested = ask_records(network, dataset, test, config.conformers, _part(progress, 1))
    progress.update(2)
    domain = fit_domain(network, dataset, validation, config.seed)
    alone = validation if config.conformers == 1 else ask(network, dataset.store, side)
    anytime = fit_anytime(network, dataset.store, side, alone)
    progress.update(3)
    beside = baselines(dataset, task)
    metrics["test"] = metrics_by_file(tested, calibration, dataset, test, task, beside)
    metrics["test"]["baselines"] = beside(test)
    progress.finish()
    told = describe_domain(domain, tested, dataset.labels[test])
    return Judgment(calibration, metrics, domain, told, anytime)


def _part(progress: Progress, done: int) -> Count:
    """Progress within the part after ``done`` parts, while conformers are made."""
    return lambda made, of: progress.update(done + made / of, f"conformers of {made} of {of} molecules")


def answer_metrics(
    outputs: Outputs, calibration: Calibration, values: np.ndarray, task: Task, made: np.ndarray | None = None
) -> dict[str, Any]:
    """Class and estimate metrics of calibrated outputs against the true values; ``made`` as in
    :meth:`~andersonn.inference.calibration.Calibration.probabilities`.
    """
    estimates, intervals = calibration.estimates(outputs.quantiles, made)
    probabilities = calibration.probabilities(outputs.scores, made)
    return {
        **classification_metrics(task.class_of(values), probabilities, task.classes),
        **estimate_metrics(values, intervals, estimates),
    }


def metrics_by_file(
    outputs: Outputs,
    calibration: Calibration,
    dataset: Dataset,
    chosen: np.ndarray,
    task: Task,
    beside: Callable[[np.ndarray], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """:func:`answer_metrics` of the records at ``chosen``; if they come from several files, also of each file's, under
    ``by_file``.

    Args:
        outputs: of the records at ``chosen``.
        calibration: of the outputs.
        dataset: all records.
        chosen: indices of the records that are tested.
        task: gives the classes.
        beside: what :func:`baselines` returns, to be set beside each file's metrics.
    """
    values, made, files = dataset.values[chosen], dataset.made[chosen], dataset.records.files
    metrics = answer_metrics(outputs, calibration, values, task, made)
    if files is None:
        return metrics
    metrics["by_file"] = {}
    for name in dict.fromkeys(files[chosen].tolist()):
        part = np.flatnonzero(files[chosen] == name)
        found = answer_metrics(outputs.part(part), calibration, values[part], task, made[part])
        metrics["by_file"][name] = found | ({"baselines": beside(chosen[part])} if beside else {})
    return metrics


def baselines(dataset: Dataset, task: Task) -> Callable[[np.ndarray], dict[str, Any]]:
    """Majority class and random forest on composition, learned on the training side, and what geometry alone says: their
    metrics on the records at given indices.
    """
    train = dataset.sides["train"]
    forest = forest_metrics(dataset.composition(train), dataset.labels[train], task.classes)
    majority = int(np.bincount(dataset.labels[train]).argmax())

    def metrics(chosen: np.ndarray) -> dict[str, Any]:
        labels = dataset.labels[chosen]
        found = forest(dataset.composition(chosen), labels)
        return {
            "majority": majority_metrics(labels, majority, task.classes),
            "random_forest": {"protocol": f"{dataset.features} features, grown on the training side", **found},
            **geometric_rules(dataset, chosen, task),
        }

    return metrics


def geometric_rules(dataset: Dataset, indices: np.ndarray, task: Task) -> dict[str, Any]:
    """Metrics of cutting what geometry alone says of the quantity, by name of the channel; empty if it says nothing."""
    return {
        f"cut_{name}": {
            "protocol": f"computed {name}, cut at the thresholds",
            **cut_metrics(values, dataset.values[indices], task),
        }
        for name, values in dataset.computed(indices, task).items()
    }


def _provenance(trainer: Trainer, records: Records, metrics: dict[str, Any]) -> dict[str, Any]:
    dataset = trainer.dataset
    return {
        "data": {
            "file": Path(records.source).name,
            "sha256_of_structures": records.digest,
            "records": len(records),
            "unusable": len(dataset.unusable),
            **{side: len(indices) for side, indices in dataset.sides.items()},
            "split_by": split_by(records),
            SPLIT_KEY: split_digest(records, trainer.config.split.rule()),
            LABELS_KEY: records.label_digest(trainer.task.quantity),
        },
        **about(trainer),
        "metrics": metrics,
    }


def about(trainer: Trainer) -> dict[str, Any]:
    """What a model's provenance says of its training besides the data's origin and the metrics."""
    dataset = trainer.dataset
    store, train = dataset.store, dataset.sides["train"]
    counts = Counter(z for i in train for z in set(store.Z[store.offsets[i] : store.offsets[i + 1]].tolist()))
    majority = int(np.bincount(dataset.labels[train]).argmax())
    return {
        "majority_class": trainer.task.classes[majority],
        "elements": {elements.symbols()[z]: counts[z] for z in sorted(counts)},
        "largest_image_rows": int(store.n_rows[train].max()),
        "charged_or_open_shell": _unusual_electrons(store, train),
        **_range_of_voids(dataset, train),
        "parameters": sum(p.numel() for p in trainer.network.parameters()),
        "best_epoch": 1 + int(np.argmin([row["validation_loss"] for row in trainer.history])),
        "processes": trainer.team.size,
        "versions": _versions(),
        "trained": datetime.now(UTC).date().isoformat(),
    }


def _unusual_electrons(store: ImageStore, train: np.ndarray) -> int:
    """How many training structures have a charge or an odd number of electrons."""
    before = np.concatenate([[0], np.cumsum(store.Z.astype(np.int64) * store.multiplicity)])
    electrons = np.diff(before[store.offsets])[train]
    charge = np.zeros(len(train), dtype=np.int64) if store.charge is None else store.charge[train].astype(np.int64)
    return int(((charge != 0) | ((electrons - charge) % 2 == 1)).sum())


def _range_of_voids(dataset: Dataset, train: np.ndarray) -> dict[str, Any]:
    """Least and greatest of each channel of a structure in training, by which predictions far outside are flagged."""
    if not dataset.store.recipe.voids:
        return {}
    columns = [dataset.store.recipe.whole_channels.index(name) for name in BY_STRUCTURE]
    values = dataset.store.of_whole[np.ix_(train, columns)].astype(float)
    ends = zip(values.min(axis=0).tolist(), values.max(axis=0).tolist(), strict=True)
    return {"range_of_voids": {name: list(pair) for name, pair in zip(BY_STRUCTURE, ends, strict=True)}}


def _versions() -> dict[str, str]:
    try:
        own = metadata.version("deep-andersonn")
    except metadata.PackageNotFoundError:
        own = "not installed"
    return {"andersonn": own, "torch": metadata.version("torch"), "python": platform.python_version()}


def _report_unusable(dataset: Dataset, out: Path, progress: Progress) -> None:
    if not dataset.unusable:
        return

    def write(name: str) -> None:
        with open(name, "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["record", "id", "reason"])
            writer.writerows(
                [i, cell(dataset.records.ids[i]), cell(why)] for i, why in sorted(dataset.unusable.items())
            )

    write_whole(out / "unusable.csv", write)
    progress.say(f"{len(dataset.unusable)} of {len(dataset.records)} records are unusable: see unusable.csv")
