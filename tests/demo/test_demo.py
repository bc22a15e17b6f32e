import json
import re

import numpy as np
import pytest

from andersonn.cli import demo as verb
from andersonn.demo import experiment, report
from andersonn.demo.compare import SOLVERS, TOLERANCES
from andersonn.measuring.plots import residual_figure
from andersonn.measuring.verdict import crossover_sentence
from andersonn.progress import Silent


@pytest.fixture(scope="module")
def result(demo_sample):
    with pytest.MonkeyPatch.context() as patch:
        small = demo_sample.take(np.arange(0, len(demo_sample), 10))
        patch.setattr(experiment, "demo_records", lambda: small)
        patch.setattr(report, "demo_records", lambda: small)
        found = experiment.run(seed=0, epochs=1, progress=Silent())
        page = report.render(found)
    return found, page


def test_result_is_plain_data(result):
    found, _ = result
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["training"].keys() == found["test"].keys() == SOLVERS.keys() == {"anderson", "forward", "damped"}
    for name in SOLVERS:
        assert found["training"][name]["unconverged"] == 0.0
        assert [row["converged"] for row in found["inference"][name]] == [1.0] * len(TOLERANCES)
        assert len(found["training"][name]["history"]) == 1
    assert len(found["examples"]) == 6


def test_evaluations_are_those_of_a_crystal(result):
    found, _ = result
    for name in SOLVERS:
        summary = found["training"][name]
        calls = summary["cell_calls"]
        assert 2 < summary["forward_evaluations"] + summary["adjoint_evaluations"] <= calls
        for row in found["inference"][name]:
            assert 1 < row["evaluations"] <= row["most_evaluations"] <= row["cell_calls"]


def test_ratios_compare_with_the_better_baseline():
    rows = {"anderson": 2.0, "forward": 8.0, "damped": 6.0}
    training = {
        name: {"forward_evaluations": value, "adjoint_evaluations": 0.0, "cell_calls": value, "seconds": 9 - value}
        for name, value in rows.items()
    }
    inference = {name: [{"evaluations": v, "cell_calls": v, "seconds": v}] for name, v in rows.items()}
    found = report.verdict({"training": training, "inference": {"tolerances": [1e-2], **inference}})
    assert found["training_evaluations"] == found["evaluations_to_1e-02"] == 3.0
    assert found["training_seconds"] == pytest.approx(1 / 7)  # a loss is told as one


def test_the_terminal_shows_the_same_table(result, capsys):
    from rich.console import Console

    found, _ = result
    verb._print_solvers(Console(width=80), found)
    shown = capsys.readouterr().out
    assert "damped 0.8" in shown
    evaluations = found["inference"]["anderson"][0]["evaluations"]
    assert re.search(rf"to 1e-02: evaluations a crystal +{evaluations:.1f} ", shown)


def test_runs_differ_in_the_solver_alone():
    every = [experiment.demo_config(0, None, name).model_dump() for name in SOLVERS]
    chosen = [each["model"].pop("solver") for each in every]
    assert every[0] == every[1] == every[2]
    assert [(each.pop("name"), each.pop("mixing")) for each in chosen] == [
        ("anderson", 1.0), ("forward", 1.0), ("forward", 0.8),
    ]  # fmt: skip
    assert chosen[0] == chosen[1] == chosen[2]


def test_page_needs_nothing_else(result):
    _, page = result
    assert "{{" not in page
    assert not re.findall(r'(?:src|href)="?https?://', page)
    assert page.count("<article>") == 6
    assert page.count("<img") == 6
    assert page.count("<svg") == 3
    for words in (
        "damped Picard iteration",
        "random forest on composition",
        "majority class",
        "crossover",
        "Materials Project",
        "CC BY 4.0",
    ):
        assert words in page


def test_crossover_is_told_either_way():
    curve = {
        "curves": {n: {"seconds": [0.1, 0.2], "residual": [1.0, 0.1]} for n in ("anderson", "forward")},
        "crossovers": {"anderson": None},
        "mixing_penalties": {"anderson": 0.2},
    }
    assert "Picard iteration is first at the lowest residual" in crossover_sentence(curve)
    assert "not paid back for good" in residual_figure(curve)
    curve["crossovers"]["anderson"] = {"residual": 1e-3, "seconds": 0.01}
    assert "took 20 % longer than a step of Picard iteration. From 10.0 ms on it leads" in crossover_sentence(curve)
    for penalty, words in ((-0.17, "took 17 % less than"), (0.001, "took no longer than")):
        curve["mixing_penalties"]["anderson"] = penalty
        assert words in crossover_sentence(curve)
