"""Columns of labels, and numbers that are labels or are cut into classes."""

import pytest

from andersonn.constructing.understanding import understand
from andersonn.errors import UsageError
from tests.constructing.tables import LOG_S, table_of


def understood(values, **options):
    return understand(table_of(values, "y"), "y", **{"split": "random"} | options)


def refusal(values, **options):
    with pytest.raises(UsageError) as raised:
        understood(values, **options)
    assert raised.value.hint
    return raised.value


SOLUBLE = [y > -3 for y in LOG_S]


@pytest.mark.parametrize(
    ("words", "classes"),
    [
        ((False, True), ("false", "true")), ((0, 1), ("0", "1")), (("0", "1"), ("0", "1")), ((0.0, 1.0), ("0", "1")), ((-1, 1), ("-1", "1")),
        (("no", "yes"), ("no", "yes")), (("inactive", "Active"), ("inactive", "Active")), (("b", "a"), ("a", "b")),
        (("phase 10", "phase 2"), ("phase 2", "phase 10")), (("high", "low"), ("low", "high")),
    ],
)  # fmt: skip
def test_two_labels(words, classes):
    found = understood([words[good] for good in SOLUBLE])
    assert (found.kind, found.unit, found.classes) == ("labels", "", classes)
    upper = [found.classes[int(k)] for k in found.values]
    assert [word.lower() for word in upper] == [
        str(int(words[g]) if isinstance(words[g], float) else words[g]).lower() for g in SOLUBLE
    ]
    assert any(told.endswith("read as labels") or "read as labels, not as numbers" in told for told in found.findings)


def test_zero_and_one_as_numbers():
    found = understood([int(good) for good in SOLUBLE], thresholds=[0.5], classes=["insoluble", "soluble"])
    assert (found.kind, found.classes, found.thresholds) == ("number", ("insoluble", "soluble"), (0.5,))
    assert found.values.tolist() == [float(good) for good in SOLUBLE]


def test_new_names_for_labels():
    found = understood([int(good) for good in SOLUBLE], classes=["insoluble", "soluble"])
    assert (found.kind, found.classes) == ("labels", ("insoluble", "soluble"))
    assert found.values.tolist() == [float(good) for good in SOLUBLE]


def test_few_whole_numbers_are_numbers_unless_classes_are_named():
    found = understood([k % 3 for k in range(60)])
    assert found.kind == "number"
    assert any("3 different whole numbers, read as numbers" in told for told in found.findings)
    assert understood([k % 3 for k in range(60)], classes=["a", "b", "c"]).classes == ("a", "b", "c")


def test_spellings_are_one_class():
    found = understood([("Yes", "yes ", "No")[k % 3] for k in range(60)])
    assert found.classes == ("No", "Yes")
    assert "'Yes', 'yes' were taken for one class, 'Yes'" in found.findings


def test_a_class_of_one_row():
    values = ["a", "b"] * 29 + ["a", "c"]
    error = refusal(values)
    assert error.kind == "rare_class"
    assert error.message == "class 'c' of column 'y' has one row, and 3 are needed, one for each side"
    assert error.hint.endswith("--classes a,b")
    found = understood(values, classes=["b", "a"])
    assert (found.classes, found.unusable) == (("b", "a"), {"row 59": "'c' is not among --classes"})


def test_classes_that_do_not_fit():
    error = refusal(["aba", "bob"] * 30, classes=["bub", "aba"])
    assert error.hint.startswith("did you mean 'bob'?")
    assert refusal(["aba", "bob"] * 30, classes=["aba", "aba"]).kind == "bad_classes"
    assert refusal(LOG_S, classes=["a", "b"]).kind in ("bad_classes", "too_many_labels")


def test_names_are_no_labels():
    assert refusal([f"sample of {k // 2}" for k in range(60)]).kind == "too_many_labels"


def test_thresholds():
    found = understood(LOG_S, thresholds=[-4, -2])
    assert found.classes == ("low", "medium", "high")
    assert "classes     low" in found.as_text()
    assert found.as_dict()["class_counts"] == {
        "low": sum(y < -4 for y in LOG_S), "medium": sum(-4 <= y < -2 for y in LOG_S), "high": sum(y >= -2 for y in LOG_S),
    }  # fmt: skip
    assert not any(told.startswith("--thresholds") for told in found.findings)


@pytest.mark.parametrize(
    ("cuts", "classes", "kind"),
    [([5], None, "rare_class"), ([-2, -4], None, "bad_thresholds"), ([-3], ["a"], "bad_thresholds"), ([-3], ["a", "a"], "bad_classes"),
     ([float("nan")], None, "bad_thresholds")],
)  # fmt: skip
def test_thresholds_that_do_not_fit(cuts, classes, kind):
    assert refusal(LOG_S, thresholds=cuts, classes=classes).kind == kind


def test_thresholds_do_not_cut_words():
    assert refusal(["a", "b"] * 30, thresholds=[0.5]).kind == "not_numbers"
    assert refusal([True, False] * 30, thresholds=[0.5]).kind == "not_numbers"


def test_every_class_is_on_every_side():
    found = understood(["rare" if k in (3, 17, 40, 41) else "usual" for k in range(60)])
    for rows in found.sides.values():
        assert set(found.values[rows].tolist()) == {0.0, 1.0}
