"""Folders of models that answer with a number alone or a label alone, as Python uses them."""

from __future__ import annotations

import pytest

import andersonn as an
from andersonn.errors import UsageError
from andersonn.training.self_test import failures_of, write_self_test
from tests.constructed_models import LABEL, NUMBER


def test_predictions_show_what_is_true_of_their_kind(constructed):
    (number,), (label,) = (an.Scientist.load(folder).predict(["CCO"]) for folder in constructed)
    assert number.has_estimate
    assert not number.has_class
    assert "lower_half" not in repr(number)
    assert "boiling_C = " in repr(number)
    assert "middle" in repr(label)
    assert "boiling_C" not in repr(label)
    assert not any("contradict" in warning for warning in label.warnings)


def test_cuts_make_classes_of_a_number_only():
    assert NUMBER.cut_at((1.0, 2.0)).classes == ("below_1", "from_1_to_2", "from_2")
    assert NUMBER.cut_at((1.0,)).answer == "class"
    with pytest.raises(UsageError, match="rising"):
        NUMBER.cut_at((2.0, 1.0))
    with pytest.raises(UsageError, match="rising"):
        LABEL.cut_at((0.5,))


def test_exports_keep_the_construction(constructed, tmp_path):
    for folder in constructed:
        out = tmp_path / folder.name
        an.Scientist.load(folder).export(out)
        readme = (out / "README.md").read_text(encoding="utf-8")
        assert "lower_half" not in readme
        assert "random forest" in readme
        (before,), (after,) = (an.Scientist.load(place).predict(["CCO"]) for place in (folder, out))
        assert before.as_dict() | {"model": ""} == after.as_dict() | {"model": ""}


def test_a_self_test_compares_what_is_answered(constructed, tmp_path):
    for folder in constructed:
        copy = tmp_path / folder.name
        an.Scientist.load(folder).bundle.save(copy)
        content = write_self_test(copy, {"ethanol": "CCO"})
        assert "lower_half" not in str(content)
        assert failures_of(copy) == (1, [])
        (case,) = content["cases"]
        text = (copy / "self_test.json").read_text(encoding="utf-8")
        kept = case.get("estimate", case.get("probabilities", {}).get(case.get("class")))
        (copy / "self_test.json").write_text(text.replace(repr(kept), repr(kept + 40.0)), encoding="utf-8")
        assert failures_of(copy)[1]


def test_a_charge_of_an_ion_says_nothing_of_dipoles(constructed):
    (answer,) = an.Scientist.load(constructed[0]).predict(["C[N+](C)(C)C"])
    assert any("charge" in warning for warning in answer.warnings)
    assert not any("dipole" in warning for warning in answer.warnings)
