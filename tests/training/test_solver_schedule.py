"""Solves of a training run get looser, cheaper or exact as its options say, and the network ends with its own solver."""

import numpy as np
import pytest
import torch

from andersonn.config import TrainConfig
from andersonn.errors import UsageError
from andersonn.implicit import ImplicitGradient, OneStepGradient
from andersonn.scientists.conduction import CONDUCTION
from andersonn.training.dataset import prepare
from andersonn.training.trainer import Trainer

SMALL = ["epochs=2", "model.width=12", "columns=8", "radial=8", "max_rows=400"]


@pytest.fixture(scope="module")
def records(demo_sample):
    return demo_sample.take(np.arange(0, len(demo_sample), 12))


def trainer_of(records, *options):
    config = TrainConfig.make(overrides=[*SMALL, *options])
    return Trainer(prepare(records, CONDUCTION, config), CONDUCTION, config)


def watched(trainer):
    """Tolerance and gradient rule of each solve in training."""
    seen, layer = [], trainer.network.equilibrium
    solve = layer.solve

    def watching(*args, **kwargs):
        seen.append((layer.solver.rtol, type(layer.gradient)))
        return solve(*args, **kwargs)

    layer.solve = watching
    return seen


def test_tolerances_tighten_over_the_run_and_the_network_ends_with_its_own(records):
    trainer = trainer_of(records, "start_rtol=0.1", "tightened=0.5")
    seen = watched(trainer)
    own = trainer.network.equilibrium.solver
    while not trainer.done:
        trainer.run_epoch()
    rtols = [rtol for rtol, _ in seen]
    assert rtols[0] == 0.1
    assert rtols == sorted(rtols, reverse=True)
    half = len(rtols) // 2
    assert rtols[half - 1] > own.rtol == rtols[half + 1] == rtols[-1]
    assert trainer.average.module.equilibrium.solver == own  # validation never was loose
    trainer.use_best()
    assert trainer.network.equilibrium.solver == own


def test_gradients_of_one_step_first_exact_ones_later(records):
    trainer = trainer_of(records, "one_step=0.5")
    seen = watched(trainer)
    first, second = trainer.run_epoch(), trainer.run_epoch()
    rules = [rule for _, rule in seen]
    assert rules == sorted(rules, key=lambda rule: rule is ImplicitGradient)
    assert {*rules} == {OneStepGradient, ImplicitGradient}
    assert first["adjoint_evaluations"] == 0 < second["adjoint_evaluations"]


def test_the_second_epoch_begins_where_the_first_ended(records):
    options = ("strain=0", "embedding_dropout=0", "learning_rate=1e-6")  # so that solutions stay where they are
    warm, cold = trainer_of(records, "warm_starts=true", *options), trainer_of(records, *options)
    rows = [[trainer.run_epoch() for _ in range(2)] for trainer in (warm, cold)]
    assert rows[0][0]["forward_evaluations"] == rows[1][0]["forward_evaluations"]
    assert rows[0][1]["forward_evaluations"] <= rows[1][1]["forward_evaluations"] - 2
    shown = len(warm.shown)
    assert warm.network.equilibrium.warm_starts.hits == 2 * shown  # states and adjoints
    warm.use_best()
    assert warm.network.equilibrium.warm_starts is None


def test_half_precision_trains_nearly_alike(records):
    half, full = trainer_of(records, "bfloat16=true"), trainer_of(records)
    losses = [[trainer.run_epoch()["train_loss"] for _ in range(2)] for trainer in (half, full)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]
    assert all(p.dtype is torch.float32 for p in half.network.parameters())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["start_rtol=1e-4"], "tighter than model.solver.rtol"),
        (["model.layers=3", "one_step=0.5"], "leave solving"),
        (["solving.one_stepp=1"], "did you mean"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, words):
    with pytest.raises(UsageError) as caught:
        TrainConfig.make(overrides=options)
    assert words in f"{caught.value.message} {caught.value.hint}"
