"""From records to a saved, calibrated, tested model: the order of the steps, each of which has its own file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from andersonn.config import TrainConfig
from andersonn.data.records import Records
from andersonn.data.tasks import Task
from andersonn.inference.model_bundle import ModelBundle
from andersonn.io.files import alone_in, require_writable, write_json
from andersonn.models.device import pick_device
from andersonn.progress import Progress, Silent
from andersonn.training.calibrate_and_test import calibrate_and_test
from andersonn.training.checkpoint import load_checkpoint, save_checkpoint, write_history
from andersonn.training.dataset import prepare, with_conformers
from andersonn.training.distributed import init_processes
from andersonn.training.fine_tuning import origin_of, require_startable
from andersonn.training.first_state import fit_first_state
from andersonn.training.folder import CHECKPOINT, check_free, finished, is_finished
from andersonn.training.process_group import ProcessGroup
from andersonn.training.provenance import provenance_of, versions
from andersonn.training.trainer import Trainer
from andersonn.training.unusable import report_unusable


def train(
    task: Task,
    records: Records,
    config: TrainConfig,
    out: Path,
    resume: bool = False,
    progress: Progress | None = None,
    start: ModelBundle | None = None,
) -> ModelBundle:
    """Trains a task's network, keeps the epoch with the lowest validation loss, calibrates it on the validation split, tests it
    once on the test split, fits its applicability domain, and writes ``model.safetensors``, ``domain.safetensors``,
    ``model.json``, ``metrics.json``, ``history.csv`` and, if records were unusable, ``unusable.csv`` to ``out``.

    Args:
        task: what to learn.
        records: with the task's quantity as a column.
        config: options.
        out: folder; made if needed.
        resume: go on with the run in ``out``: after its last whole epoch, from the start if none was finished, and not at
            all if the run was. So the same call may be repeated until it returns.
        progress: listener.
        start: a trained model to start from, whose network has the same options but for the head (fine-tuning).

    Raises:
        UsageError: the records cannot be split, ``out`` is taken by a finished model, by another run or by a process that
            is at work there, the device is not there, or training diverges.
        OSError: ``out`` cannot be written to any more, as when the disk is full.
    """
    if start is not None:
        require_startable(start, config)  # before minutes of imaging
    if config.thresholds is not None:
        task = task.with_thresholds(config.thresholds)
    with init_processes(pick_device(config.device)) as processes:  # before minutes of imaging
        progress = (progress if processes.is_rank0 else None) or Silent()
        with _claimed(out, processes, resume) as unfinished:
            if unfinished:
                return _train(task, records, config, out, resume, progress, processes, start)
        return finished(out, task, records, config, progress)


@contextmanager
def _claimed(out: Path, processes: ProcessGroup, resume: bool) -> Iterator[bool]:
    """Inside this block no other run writes to the output folder. Gives, on all ranks alike, whether there is work left."""
    with ExitStack() as stack:
        unfinished = False
        with processes.all_or_none():
            if processes.is_rank0 and not (resume and is_finished(out)):
                require_writable(out)
                stack.enter_context(alone_in(out))
                check_free(out, resume)
                unfinished = not is_finished(out)  # else another run has just finished it
        unfinished = bool(processes.max(np.array([unfinished], dtype=np.int64))[0])
        if unfinished:
            processes.require_shared(out)
        yield unfinished


def _train(
    task: Task,
    records: Records,
    config: TrainConfig,
    out: Path,
    resume: bool,
    progress: Progress,
    processes: ProcessGroup,
    start: ModelBundle | None,
) -> ModelBundle:
    """:func:`train` as one of the processes, in a folder that is theirs; rank 0 alone writes."""
    progress.start("graph images", len(records))
    dataset = prepare(records, task, config, lambda done, _: progress.update(done), processes)
    progress.finish()
    if config.shown_conformers > 1:
        progress.start("conformers to show", int(dataset.made[dataset.sides["train"]].sum()))
        dataset = with_conformers(
            dataset, config.shown_conformers - 1, lambda done, _: progress.update(done), processes
        )
        progress.finish()
    processes.require_same(f"{config.model_dump_json()} {task} {dataset.digest} {versions()}")
    with processes.all_or_none():
        if processes.is_rank0:
            report_unusable(dataset, out, progress)
            if dataset.doubt:
                progress.say(f"warning: {dataset.doubt}")
        dataset.require_trainable(task)
        trainer = Trainer(dataset, task, config, processes, start)
        if resume:
            _resume(trainer, out, progress)
    run_epochs(trainer, out, progress)
    trainer.use_best()
    with processes.all_or_none():
        if processes.is_rank0:
            bundle = finish(trainer, progress, records)
            if start is not None:
                bundle = replace(bundle, provenance=bundle.provenance | {"started_from": origin_of(start)})
            bundle.save(out)
            write_json(out / "metrics.json", bundle.provenance["metrics"])
            (out / CHECKPOINT).unlink(missing_ok=True)
    return bundle if processes.is_rank0 else ModelBundle.load(out, str(trainer.device))


def _resume(trainer: Trainer, out: Path, progress: Progress) -> None:
    """Puts a trainer where the checkpoint in a folder left off, if there is one."""
    if not (out / CHECKPOINT).exists():
        progress.say(f"{out} holds no whole epoch yet: training starts anew")
        return
    load_checkpoint(out / CHECKPOINT, trainer)
    progress.say(f"resumed after epoch {trainer.epoch}")
    if trainer.processes.is_rank0:
        write_history(out / "history.csv", trainer.history)  # the run may have been killed after the checkpoint


def run_epochs(trainer: Trainer, out: Path, progress: Progress) -> None:
    """Runs the epochs still to do, with a checkpoint and a history row after each."""
    progress.start("training", trainer.config.epochs)
    progress.update(trainer.epoch)
    while not trainer.done:

        def listener(fraction: float, before: int = trainer.epoch) -> None:
            progress.update(before + fraction)

        row = trainer.run_epoch(listener)
        with trainer.processes.all_or_none():
            if trainer.processes.is_rank0:
                save_checkpoint(out / CHECKPOINT, trainer)
                write_history(out / "history.csv", trainer.history)
        progress.update(trainer.epoch, f"validation accuracy {row['validation_accuracy']:.3f}")
        if row.get("radius_max", 0.0) >= 1.0:
            progress.say(
                f"epoch {trainer.epoch}: spectral radius {row['radius_max']:.2f} ≥ 1 on some structure, so Picard "
                "iteration diverges there; lower model.gain"
            )
    progress.finish()


def finish(trainer: Trainer, progress: Progress, records: Records) -> ModelBundle:
    """Calibrates and tests a trained network, and fits its applicability domain."""
    network, config = trainer.network.eval(), trainer.config
    fit_first_state(network, trainer.dataset.store, trainer.dataset.sides["train"], config.seed)
    report = calibrate_and_test(network, trainer.dataset, trainer.task, config, trainer.raw_calibration, progress)
    provenance = provenance_of(trainer, records, report.metrics) | report.for_card()
    return ModelBundle(network, trainer.task, config, report.calibration, provenance, report.domain)
