from __future__ import annotations

import copy
import json
import re

import numpy as np
import pytest
import torch

from andersonn import Scientist
from andersonn.errors import UsageError
from andersonn.inference.forward import forward
from andersonn.measuring import inference, report
from andersonn.measuring.contenders import BUDGET, contenders
from andersonn.measuring.inference import Plan, compare
from andersonn.measuring.instrumented import solving_with
from andersonn.measuring.verdict import crossover_sentence, inference_verdict
from andersonn.models import SolverConfig
from andersonn.solvers import Anderson, ForwardIteration

CRYSTALS = 20


@pytest.fixture(scope="module")
def conduction():
    return Scientist.load("conduction")


@pytest.fixture(scope="module")
def few(demo_sample):
    return demo_sample.take(np.arange(0, len(demo_sample), len(demo_sample) // CRYSTALS)[:CRYSTALS])


@pytest.fixture(scope="module")
def result(conduction, few):
    return compare(conduction, few, Plan(repeats=3))


def test_all_contenders_have_the_same_tolerance_and_freedom():
    found = contenders(SolverConfig(name="forward", mixing=0.5, rtol=1e-2, window=3))
    assert {(s.rtol, s.atol, s.max_steps, s.compact) for s in found.values()} == {(1e-2, 0.0, BUDGET, 0.7)}
    assert (found["anderson"].window, found["anderson"].mixing) == (3, 0.5)
    assert found["auto"].window == "auto"
    assert found["forward"].mixing == 1.0  # the baseline is not damped
    assert {s.compact for s in contenders(SolverConfig(), compact=False).values()} == {0.0}
    assert {s.rtol for s in contenders(SolverConfig(), rtol=1e-5).values()} == {1e-5}


def test_the_result_is_plain_and_whole(result):
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert {"speedup_time", "speedup_evaluations", "agreement", "solvers", "verdict"} <= result.keys()
    assert list(result["solvers"]) == ["anderson", "auto", "forward"]
    assert result["n"] == CRYSTALS
    assert {"cpu", "versions", "seed", "n", "repeats"} <= result["setting"].keys()


def test_accounts_add_up(result):
    rows = result["solvers"]
    for row in rows.values():
        assert sum(row["histogram"]) == CRYSTALS
        assert len(row["histogram"]) == row["most_evaluations"] + 1
        assert 0 < row["solve_seconds"] < row["seconds"]
        assert 0 < row["solve_flops"] < row["flops"]
        assert row["row_evaluations"] <= row["cell_calls"] * result["image_rows"]
        assert row["largest_residual"] <= result["rtol"]
        assert row["unconverged"] == 0
        assert row["rounds_won"] + row["rounds_lost"] <= row["repeats"] == 3
        assert row["structures_per_second"] == pytest.approx(CRYSTALS / row["seconds"])
    plain, ours = rows["forward"], rows["anderson"]
    assert plain["rounds_won"] == plain["rounds_lost"] == 0
    assert (
        plain["speedup_explained"]
        == plain["speedup_time"]
        == plain["speedup_evaluations"]
        == plain["same_class_as_forward"]
        == 1.0
    )
    mean = np.average(np.arange(len(ours["histogram"])), weights=ours["histogram"])
    assert ours["evaluations_per_structure"] == pytest.approx(mean)
    assert result["speedup_evaluations"] == pytest.approx(
        plain["evaluations_per_structure"] / ours["evaluations_per_structure"]
    )
    # fewer evaluations of the cell are fewer products of matrices, whatever mixing adds
    assert ours["row_evaluations"] < plain["row_evaluations"]
    assert ours["solve_flops"] < plain["solve_flops"]


def test_without_leaving_every_call_is_for_all_rows(conduction, few):
    found = compare(conduction, few, Plan(repeats=1, compact=False))
    for row in found["solvers"].values():
        assert row["row_evaluations"] == row["cell_calls"] * found["image_rows"]
        assert row["cell_calls"] >= row["most_evaluations"]


def test_agreement_comes_from_the_answers(conduction, few, monkeypatch):
    """A quarter of Picard iteration's scores turned round must show, and only there."""

    def lying(network, store, indices, *rest):
        outputs = forward(network, store, indices, *rest)
        if isinstance(network.equilibrium.solver.solver, ForwardIteration):
            outputs.scores[: CRYSTALS // 4] *= -1.0
        return outputs

    monkeypatch.setattr(inference, "forward", lying)
    found = compare(conduction, few, Plan(repeats=1))
    assert found["agreement"] == 0.75
    assert found["solvers"]["auto"]["same_class_as_forward"] == 0.75
    assert "5 of 20 structures get another class" in found["verdict"]


def test_the_network_is_left_as_it_was(conduction, few):
    own = conduction.bundle.network.equilibrium.solver
    compare(conduction, few, Plan(repeats=1, limit=3))
    assert conduction.bundle.network.equilibrium.solver is own
    with pytest.raises(ZeroDivisionError), solving_with(conduction.bundle.network, Anderson()):
        raise ZeroDivisionError
    assert conduction.bundle.network.equilibrium.solver is own
    threads = torch.get_num_threads()
    compare(conduction, few, Plan(repeats=1, limit=3, threads=threads + 1))
    assert torch.get_num_threads() == threads


def test_limit_and_side_choose(conduction, few, demo_sample):
    assert compare(conduction, few, Plan(repeats=1, limit=4))["n"] == 4
    test = compare(conduction, demo_sample.take(np.arange(60)), Plan(repeats=1, side="test"))
    assert 0 < test["n"] < 60


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"side": "tset"}, "did you mean 'test'"),
        ({"rtol": 0.0}, "relative residual"),
        ({"repeats": 0}, "whole numbers from 1"),
        ({"limit": 0}, "whole numbers from 1"),
    ],
)
def test_bad_plans(options, cause):
    with pytest.raises(UsageError, match=cause):
        Plan(**options)


def test_structures_of_another_kind_are_refused(few):
    with pytest.raises(UsageError, match="molecules without a cell"):
        compare(Scientist.load("polarity"), few, Plan(repeats=1))


def test_the_page_needs_nothing_else_and_has_the_numbers(result):
    page = report.render(result)
    assert "{{" not in page
    assert not re.findall(r'(?:src|href)="?https?://', page)
    assert page.count("<svg") == 2
    assert f"{result['speedup_evaluations']:.2f}×" in page
    assert "undamped" in page
    assert result["setting"]["cpu"] in page


def altered(result, won, lost=0, **changes):
    """A result whose other solvers have other numbers, of seven rounds, and its verdict."""
    found = copy.deepcopy(result)
    found["agreement"] = 1.0
    for name in ("anderson", "auto"):
        numbers = {"repeats": 7, "unconverged": 0, "rounds_won": won, "solve_rounds_won": won, "rounds_lost": lost}
        found["solvers"][name] |= numbers | {"speedup_evaluations": 1.3} | changes
    return inference_verdict(found)


def test_the_verdict_says_where_it_does_not_pay(result):
    slower = altered(result, won=0, lost=7)
    assert (slower["recommendation"], slower["pays"]) == ("forward", False)
    assert "does not pay" in slower["verdict"]
    noise = altered(result, won=6, lost=1)
    assert (noise["recommendation"], noise["pays"]) == ("forward", False)
    assert "distinguishable from noise" in noise["verdict"]
    faster = altered(result, won=7)
    assert faster["recommendation"] in ("anderson", "auto")
    assert faster["pays"]
    assert " pays: " in faster["verdict"]
    few = altered(result, won=4, repeats=4)
    assert few["recommendation"] == "forward"
    assert "too few" in few["verdict"]
    unsolved = altered(result, won=7, unconverged=3)
    assert unsolved["recommendation"] == "forward"
    assert "left 3 structures unsolved" in unsolved["verdict"]


def test_a_gain_of_time_without_fewer_evaluations_or_a_faster_solve_is_noise(result):
    assert not altered(result, won=7, speedup_evaluations=1.0)["pays"]
    assert not altered(result, won=7, solve_rounds_won=4)["pays"]


def test_where_forward_iteration_fails_the_speed_up_is_not_called_one(result):
    found = copy.deepcopy(result)
    found["solvers"]["forward"]["unconverged"] = 7
    words = inference_verdict(found)
    assert words["recommendation"] != "forward"
    assert "unequal work" in words["verdict"]


def test_one_evaluation_has_no_penalty():
    curve = {"mixing_penalties": {}, "crossovers": {"anderson": None}}
    assert "nothing to extrapolate" in crossover_sentence(curve)
