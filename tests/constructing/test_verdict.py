"""What is said of a construction first."""

from __future__ import annotations

import pytest

from andersonn.constructing.verdict import best_baseline, chance, verdict
from tests.constructing.contents import of_labels, of_numbers


def numbers(**test):
    content = of_numbers()
    return content | {"test": content["test"] | test}


def test_the_model_is_better():
    said = verdict(of_numbers())
    rmse = of_numbers()["test"]["rmse"]
    assert said.startswith(f"The scientist mine estimates logS with a typical error (RMSE) of {rmse:.3f} log(mol/L)")
    assert "on 60 test rows that took no part in fitting or choosing (split by scaffold)" in said
    assert (
        f"The best simple baseline, ridge, has an RMSE of 0.987: the model has {100 * (1 - rmse / 0.987):.0f} % less error."
        in said
    )
    assert "contain 90 % of the true values, as they should" in said
    assert "10 of the test rows are unlike the training data; for them the RMSE is 0.741." in said
    assert "\n" not in said


def test_a_baseline_is_better():
    said = verdict(numbers(rmse=0.95, beside={"ridge": {"rmse": 0.31}, "mean": {"rmse": 2.0}}))
    assert "A simple baseline is better: ridge has an RMSE of 0.310 against 0.950." in said
    assert "less error" not in said


def test_a_difference_that_may_be_chance():
    content = of_numbers()
    rmse = content["test"]["rmse"]
    low, high = chance(content)
    assert low < rmse < high
    assert "may be chance" in verdict(numbers(beside={"ridge": {"rmse": 1.02 * rmse}}))
    assert "may be chance" in verdict(numbers(beside={"ridge": {"rmse": 0.98 * rmse}}))
    assert "may be chance" not in verdict(numbers(beside={"ridge": {"rmse": 2 * high}}))
    assert chance(content | {"points": content["points"][:5]}) is None


def test_a_baseline_was_chosen():
    content = of_numbers()
    content["candidates"][0] |= {"baseline": True, "name": "mean"}
    content["candidates"].append(content["candidates"][1] | {"name": "network", "baseline": False})
    said = verdict(content)
    assert "No network was better in validation than mean, a simple method, so that is what was chosen here." in said
    assert best_baseline(content) == ("ridge", 0.987)
    assert "The next simple baseline, ridge" in said
    content["candidates"].pop()
    assert "Only simple methods were tried; the best in validation was mean" in verdict(content)


@pytest.mark.parametrize(
    ("covered", "words"),
    [(0.7, "70 % of the true values: they are too narrow"), (1.0, "wider than need be"), (0.85, "as they should")],
)
def test_intervals(covered, words):
    assert words in verdict(numbers(coverage90=covered))


def test_hardly_better_than_the_mean():
    assert "An R² of 0.040 means that this is hardly better" in verdict(numbers(r2=0.04))
    assert "An R² of -0.500 means that this is worse than to answer the mean" in verdict(numbers(r2=-0.5))
    assert "An R² of -87,313 means that this is worse" in verdict(numbers(r2=-87313.2))
    assert "hardly" not in verdict(numbers(r2=0.4))


def test_twice_the_data():
    content = of_numbers()
    now, then = content["learning_curve"][-1]["error"], content["twice"]["error"]
    told = f"With twice the data (2,100 rows) the validation error of {now:.3f} is expected to fall to {then:.3f}, 14 % less."
    assert told in verdict(content)
    content["twice"]["error"] = 0.99 * now
    assert "would hardly fall" in verdict(content)
    assert "twice" not in verdict(content | {"twice": None})


def test_labels():
    content = of_labels()
    said = verdict(content)
    share = f"{100 * content['test']['accuracy']:.0f} %"
    assert f"is right about stability for {share} (balanced accuracy 0.571, ROC-AUC 0.731) of 60 test rows" in said
    assert "The best simple baseline, majority, has a balanced accuracy of 0.333: the model has 0.238 more" in said
    assert "off by 0.041 on average" in said
    content["test"]["beside"]["majority"]["balanced_accuracy"] = 0.9
    assert "A simple baseline is better: majority has a balanced accuracy of 0.900 against 0.571." in verdict(content)


def test_names_cannot_steer_a_terminal():
    content = of_numbers() | {"name": "a\x1b[31m", "target": "b\u202e"}
    content["test"]["beside"] = {"c\x07": {"rmse": 0.2}}
    assert verdict(content).isprintable()


def test_nothing_was_measured():
    assert "nobody has measured" in verdict({"kind": "number", "target": "x"})


def test_few_rows_say_little_of_intervals():
    said = verdict(numbers(n=4, coverage90=0.75))
    assert "4 rows are too few to tell" in said
    assert "on 1 test row that" in verdict(numbers(n=1))
    assert "1 row is too few to tell" in verdict(numbers(n=1, coverage90=0.0))
    assert "as they should" not in said
