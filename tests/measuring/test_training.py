from __future__ import annotations

import copy
import json
import re

import numpy as np
import pytest
import torch

from andersonn.config import TrainConfig
from andersonn.errors import UsageError
from andersonn.measuring import report, training
from andersonn.measuring.contenders import BUDGET
from andersonn.measuring.training import Accounts, compare, pair_of
from andersonn.measuring.verdict import training_verdict
from andersonn.scientists.conduction import CONDUCTION
from andersonn.training.dataset import prepare
from andersonn.training.trainer import Trainer

OPTIONS = ("epochs=2", "model.width=8", "limit=80", "max_images=16", "seed=3")


@pytest.fixture(scope="module")
def config():
    return TrainConfig.make(overrides=OPTIONS)


@pytest.fixture(scope="module")
def some(demo_sample):
    return demo_sample.take(np.arange(0, len(demo_sample), 12))


@pytest.fixture(scope="module")
def result(some, config):
    return compare(CONDUCTION, some, config)


def test_the_two_differ_in_the_solver_alone():
    pair = pair_of(TrainConfig.make(overrides=("model.solver.mixing=0.5", "model.solver.name=forward")))
    ours, plain = (pair[name].model_dump() for name in ("anderson", "forward"))
    assert ours["model"]["solver"].pop("name") != plain["model"]["solver"].pop("name")
    assert ours["model"]["solver"].pop("mixing") == 0.5
    assert plain["model"]["solver"].pop("mixing") == 1.0  # the baseline is not damped
    assert ours == plain
    assert plain["model"]["solver"]["max_steps"] == BUDGET


def test_both_start_alike(some, config):
    dataset = prepare(some, CONDUCTION, config)
    first, second = (Trainer(dataset, CONDUCTION, each).network for each in pair_of(config).values())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert first.equilibrium.solver.name != second.equilibrium.solver.name


def test_the_result_is_plain_and_whole(result):
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert {"speedup_time", "speedup_evaluations", "agreement", "solvers", "verdict", "recommendation"} <= result.keys()
    assert {"cpu", "versions", "seed", "n", "repeats"} <= result["setting"].keys()
    assert result["setting"]["seed"] == 3
    assert result["n"] == result["train"] + result["validation"] <= 80


def test_accounts_add_up(result):
    for row in result["solvers"].values():
        history = row["history"]
        assert len(history) == 2
        assert row["batches"] == sum(each["batches"] for each in history)
        assert row["evaluations"] == sum(each["forward_sum"] + each["adjoint_sum"] for each in history)
        for each in history:  # the trainer's own means over the batches
            assert each["forward_sum"] == pytest.approx(each["forward_evaluations"] * each["batches"])
            assert each["adjoint_sum"] == pytest.approx(each["adjoint_evaluations"] * each["batches"])
        assert row["solves"] == 2 * result["train"]
        assert row["evaluations_to_target"] <= row["evaluations"]
        assert row["seconds_to_target"] <= row["seconds"]
        assert row["forward_unconverged"] == row["adjoint_unconverged"] == 0
        assert row["best_accuracy"] >= result["target"]
    ours, plain = result["solvers"]["anderson"], result["solvers"]["forward"]
    assert result["target"] == min(ours["best_accuracy"], plain["best_accuracy"])
    assert [each["batches"] for each in ours["history"]] == [each["batches"] for each in plain["history"]]
    assert result["speedup_evaluations"] == plain["evaluations_to_target"] / ours["evaluations_to_target"]


def test_a_target_that_is_not_reached_gives_no_speed_up(some, config):
    found = compare(CONDUCTION, some, config.model_copy(update={"epochs": 1}), target=1.0)
    assert found["speedup_time"] is found["speedup_evaluations"] is None
    assert found["speedup_epoch"] > 0
    assert "Anderson and Picard iteration never reached a validation accuracy of 100.0 %" in found["verdict"]
    assert "never" in report.render(found)


def test_agreement_comes_from_the_networks(some, config, monkeypatch):
    answers = iter([np.array([0, 1, 2, 0]), np.array([0, 1, 1, 1])])
    monkeypatch.setattr(training, "_classes", lambda trainer: next(answers))
    assert compare(CONDUCTION, some, config.model_copy(update={"epochs": 1}))["agreement"] == 0.5


def test_an_unconverged_solve_is_counted(some, config):
    trainer = Trainer(prepare(some, CONDUCTION, config), CONDUCTION, config)
    cut = trainer.network.equilibrium.solver = type(trainer.network.equilibrium.solver)(rtol=1e-6, max_steps=2)
    accounts = Accounts()
    accounts.begin()
    trainer.run_epoch(lambda fraction: accounts.add(trainer))
    assert cut.max_steps + 1 == accounts.forward[0] / accounts.batches[0]
    assert accounts.forward_unconverged == accounts.solves == len(trainer.shown)


@pytest.mark.parametrize("target", [0.0, 1.5, 80.0])
def test_bad_targets(some, config, target):
    with pytest.raises(UsageError, match="give a share from 0 to 1"):
        compare(CONDUCTION, some, config, target=target)


def test_the_page_needs_nothing_else(result):
    page = report.render(result)
    assert "{{" not in page
    assert not re.findall(r'(?:src|href)="?https?://', page)
    assert page.count("<svg") == 1
    assert "undamped" in page


def test_the_verdict_says_where_it_does_not_pay(result):
    def told(won, lost=0, epochs=7, saved=1.2):
        changes = {"epochs_won": won, "epochs_lost": lost, "speedup_epoch_evaluations": saved}
        found = copy.deepcopy(result) | changes
        for row in found["solvers"].values():
            row["history"] = row["history"][:1] * epochs
        return training_verdict(found)

    slower = told(0, 7)
    assert (slower["recommendation"], slower["pays"]) == ("forward", False)
    assert "does not pay" in slower["verdict"]
    noise = told(6, 1)
    assert (noise["recommendation"], noise["pays"]) == ("forward", False)
    assert "distinguishable from noise" in noise["verdict"]
    assert (told(7)["recommendation"], told(7)["pays"]) == ("anderson", True)
    assert not told(7, saved=1.0)["pays"]
    assert "too few" in told(4, epochs=4)["verdict"]
