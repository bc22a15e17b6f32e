import json
import re

import numpy as np
import pytest

from andersonn.demo import experiment, report
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
    for name in ("anderson", "forward"):
        assert found["training"][name]["unconverged"] == 0.0
        assert [row["converged"] for row in found["inference"][name]] == [1.0] * 4
        assert len(found["training"][name]["history"]) == 1
    assert len(found["examples"]) == 6


def test_both_runs_differ_in_the_solver_alone():
    a, b = (experiment.demo_config(0, None, name).model_dump() for name in ("anderson", "forward"))
    assert a["model"]["solver"].pop("name") != b["model"]["solver"].pop("name")
    assert a == b


def test_page_needs_nothing_else(result):
    _, page = result
    assert "{{" not in page
    assert not re.findall(r'(?:src|href)="?https?://', page)
    assert page.count("<article>") == 6
    assert page.count("<img") == 6
    assert page.count("<svg") == 3
    for words in ("random forest on composition", "majority class", "crossover", "Materials Project", "CC BY 4.0"):
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
