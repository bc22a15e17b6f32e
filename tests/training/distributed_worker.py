"""One of several processes that train together, forked with the words ``FOLDER CHECK…`` and its place in the environment as
torchrun sets it. Writes what each check found to ``FOLDER/CHECK.RANK.json``.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch

from andersonn.config import TrainConfig
from andersonn.demo.experiment import demo_records
from andersonn.errors import UsageError
from andersonn.inference.forward import forward
from andersonn.models import ImageBatch
from andersonn.scientists.conduction import CONDUCTION
from andersonn.training.checkpoint import load_checkpoint, save_checkpoint
from andersonn.training.dataset import prepare
from andersonn.training.distributed import init_processes
from andersonn.training.forward import forward_distributed
from andersonn.training.process_group import SINGLE
from andersonn.training.trainer import Trainer

SMALL = ("epochs=3", "model.width=12", "columns=8", "radial=8", "max_rows=200")


def some_records(every=36):
    records = demo_records()
    return records.take(np.arange(0, len(records), every))


def trainer_of(processes, *overrides):
    config = TrainConfig.make(overrides=[*SMALL, *overrides])
    return Trainer(prepare(some_records(), CONDUCTION, config, processes=processes), CONDUCTION, config, processes)


@contextmanager
def doubled(trainer):
    """The trainer computes in float64 inside."""
    trainer.network.double()
    trainer.average.double()
    single = ImageBatch.from_store

    def double(store, indices):
        batch = single(store, indices)
        values = {field.name: getattr(batch, field.name) for field in fields(batch)}
        wide = {k: v.double() for k, v in values.items() if isinstance(v, torch.Tensor) and v.is_floating_point()}
        return replace(batch, **wide)

    ImageBatch.from_store = double
    try:
        yield trainer
    finally:
        ImageBatch.from_store = single


def trained(processes, *overrides, double=False):
    trainer = trainer_of(processes, *overrides)
    if double:
        with doubled(trainer):
            while not trainer.done:
                trainer.run_epoch()
    while not trainer.done:
        trainer.run_epoch()
    return trainer


def apart(one, other):
    """Largest difference between the weights of two trainers, and between their averages."""
    pairs = [(one.network, other.network), (one.average.module, other.average.module)]
    return max(
        float((a - b).abs().max())
        for first, second in pairs
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def same_weights(processes, folder):
    found = {}
    for name, overrides, double in (
        ("message, float64", ("cell=message",), True),
        ("convolution, float64", ("cell=convolution",), True),
        ("message, float32", ("cell=message",), False),
    ):
        together = trained(processes, *overrides, double=double)
        alone = trained(SINGLE, *overrides, double=double)
        found[name] = {
            "apart": apart(together, alone),
            "moved": apart(together, trainer_of(SINGLE, *overrides)),
            "losses": [[row["validation_loss"] for row in t.history] for t in (together, alone)],
            "evaluations": [[row["forward_evaluations"] for row in t.history] for t in (together, alone)],
            "waiting": [row["waiting"] for row in together.history],
            "digest": float(sum(p.detach().double().sum() for p in together.network.parameters())),
        }
    return found


def resumed(processes, folder):
    """A run of one epoch with all processes, then two alone; and the other way round; against one undisturbed."""
    undisturbed = trained(SINGLE)
    found = {}
    for name, first, then in (("fewer", processes, SINGLE), ("more", SINGLE, processes)):
        begun = trainer_of(first)
        begun.run_epoch()
        with processes.all_or_none():
            if processes.is_rank0:
                save_checkpoint(folder / f"{name}.safetensors", begun)
        going = trainer_of(then)
        load_checkpoint(folder / f"{name}.safetensors", going)
        while not going.done:
            going.run_epoch()
        found[name] = {"apart": apart(going, undisturbed), "epochs": len(going.history)}
    return found


def few_structures(processes, folder):
    """Batches of one or two structures, so that some processes have none; validation of one."""
    trainer = trainer_of(processes, "max_images=3", "limit=20", "epochs=1", "averaging=0", "cell=convolution")
    few = trainer.dataset.sides["validation"][:1]
    trainer.dataset.sides["validation"] = few
    alone = trainer_of(SINGLE, "max_images=3", "limit=20", "epochs=1", "averaging=0", "cell=convolution")
    alone.dataset.sides["validation"] = few
    weights = []
    loss = trainer._loss
    trainer._loss = lambda shard: (weights.append(shard.weight), loss(shard))[1]
    rows = [each.run_epoch() for each in (trainer, alone)]
    together, one = (
        forward_distributed(trainer.network, trainer.dataset.store, few, processes),
        forward(trainer.network, trainer.dataset.store, few),
    )
    return {
        "apart": apart(trainer, alone),
        "weights": weights,
        "train_loss": [row["train_loss"] for row in rows],
        "same_answers": bool(
            np.array_equal(together.scores, one.scores) and np.array_equal(together.status, one.status)
        ),
    }


def divergence(processes, folder):
    """The loss of the last process alone is not a number."""
    trainer = trainer_of(processes)
    loss = trainer._loss
    if processes.rank == processes.size - 1:
        trainer._loss = lambda shard: loss(shard) * torch.nan
    return told(trainer.run_epoch)


def failure(processes, folder):
    """The last process alone fails: first while others wait for it, then in the midst of an epoch."""

    def fail(*_):
        raise UsageError("own", "this process failed")

    def section():
        with processes.all_or_none():
            if processes.rank == processes.size - 1:
                fail()

    found = {"section": told(section)}
    found["unlike"] = told(lambda: processes.require_same(f"{processes.rank}"))
    found["alike"] = told(lambda: processes.require_same("all"))
    trainer = trainer_of(processes)
    if processes.rank == processes.size - 1:
        trainer._loss = fail
    try:
        trainer.run_epoch()
    except UsageError as error:
        if error.kind == "own":
            raise  # ends this process, as it would in earnest
        found["epoch"] = error.kind
    return found


def told(work):
    try:
        work()
    except UsageError as error:
        return error.kind
    return "nothing"


def main(folder: Path, *checks: str) -> None:
    torch.set_num_threads(1)
    with init_processes(torch.device("cpu")) as processes:
        for check in checks:
            found = globals()[check](processes, folder)
            (folder / f"{check}.{processes.rank}.json").write_text(json.dumps(found))


def of_words() -> None:
    """:func:`main` with the words of the command."""
    main(Path(sys.argv[1]), *sys.argv[2:])
