"""One of several processes that train together: ``python -m tests.training.distributed_worker FOLDER CHECK…``, with its place in
the environment as torchrun sets it. Writes what each check found to ``FOLDER/CHECK.RANK.json``.
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
from andersonn.inference.forward import ask
from andersonn.models import ImageBatch
from andersonn.scientists.conduction import CONDUCTION
from andersonn.training.checkpoint import load_checkpoint, save_checkpoint
from andersonn.training.dataset import prepare
from andersonn.training.distributed import ALONE, join
from andersonn.training.forward import ask_together
from andersonn.training.trainer import Trainer

SMALL = ("epochs=3", "model.width=12", "columns=8", "radial=8", "max_rows=200")


def some_records(every=36):
    records = demo_records()
    return records.take(np.arange(0, len(records), every))


def trainer_of(team, *overrides):
    config = TrainConfig.make(overrides=[*SMALL, *overrides])
    return Trainer(prepare(some_records(), CONDUCTION, config, team=team), CONDUCTION, config, team)


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


def trained(team, *overrides, double=False):
    trainer = trainer_of(team, *overrides)
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


def same_weights(team, folder):
    found = {}
    for name, overrides, double in (
        ("message, float64", ("cell=message",), True),
        ("convolution, float64", ("cell=convolution",), True),
        ("message, float32", ("cell=message",), False),
    ):
        together = trained(team, *overrides, double=double)
        alone = trained(ALONE, *overrides, double=double)
        found[name] = {
            "apart": apart(together, alone),
            "moved": apart(together, trainer_of(ALONE, *overrides)),
            "losses": [[row["validation_loss"] for row in t.history] for t in (together, alone)],
            "evaluations": [[row["forward_evaluations"] for row in t.history] for t in (together, alone)],
            "waiting": [row["waiting"] for row in together.history],
            "digest": float(sum(p.detach().double().sum() for p in together.network.parameters())),
        }
    return found


def resumed(team, folder):
    """A run of one epoch with all processes, then two alone; and the other way round; against one undisturbed."""
    undisturbed = trained(ALONE)
    found = {}
    for name, first, then in (("fewer", team, ALONE), ("more", ALONE, team)):
        begun = trainer_of(first)
        begun.run_epoch()
        with team.all_or_none():
            if team.lead:
                save_checkpoint(folder / f"{name}.safetensors", begun)
        going = trainer_of(then)
        load_checkpoint(folder / f"{name}.safetensors", going)
        while not going.done:
            going.run_epoch()
        found[name] = {"apart": apart(going, undisturbed), "epochs": len(going.history)}
    return found


def few_structures(team, folder):
    """Batches of one or two structures, so that some processes have none; validation of one."""
    trainer = trainer_of(team, "max_images=3", "limit=20", "epochs=1", "averaging=0", "cell=convolution")
    few = trainer.dataset.sides["validation"][:1]
    trainer.dataset.sides["validation"] = few
    alone = trainer_of(ALONE, "max_images=3", "limit=20", "epochs=1", "averaging=0", "cell=convolution")
    alone.dataset.sides["validation"] = few
    weights = []
    loss = trainer._loss
    trainer._loss = lambda share: (weights.append(share.weight), loss(share))[1]
    rows = [each.run_epoch() for each in (trainer, alone)]
    together, one = (
        ask_together(trainer.network, trainer.dataset.store, few, team),
        ask(trainer.network, trainer.dataset.store, few),
    )
    return {
        "apart": apart(trainer, alone),
        "weights": weights,
        "train_loss": [row["train_loss"] for row in rows],
        "same_answers": bool(
            np.array_equal(together.scores, one.scores) and np.array_equal(together.status, one.status)
        ),
    }


def divergence(team, folder):
    """The loss of the last process alone is not a number."""
    trainer = trainer_of(team)
    loss = trainer._loss
    if team.rank == team.size - 1:
        trainer._loss = lambda share: loss(share) * torch.nan
    return told(trainer.run_epoch)


def failure(team, folder):
    """The last process alone fails: first while others wait for it, then in the midst of an epoch."""

    def fail(*_):
        raise UsageError("own", "this process failed")

    def section():
        with team.all_or_none():
            if team.rank == team.size - 1:
                fail()

    found = {"section": told(section)}
    found["unlike"] = told(lambda: team.require_same(f"{team.rank}"))
    found["alike"] = told(lambda: team.require_same("all"))
    trainer = trainer_of(team)
    if team.rank == team.size - 1:
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
    with join(torch.device("cpu")) as team:
        for check in checks:
            found = globals()[check](team, folder)
            (folder / f"{check}.{team.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
