from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import andersonn as an
from andersonn import Failure, Prediction, Scientist
from andersonn.errors import UsageError
from andersonn.inference import answering, answers

NASTY = "<script>alert('x')</script>\x1b[31m"


@pytest.fixture(scope="module")
def polarity():
    return Scientist.load("polarity", geometry="one")


@pytest.fixture(scope="module")
def mixed(polarity):
    return polarity.predict(["CC#N", "C1CC", "CCCCCC", "O"])


@pytest.fixture(scope="module")
def porous():
    scientist = Scientist.load("porosity")
    return scientist, scientist.predict(["examples/frameworks/mof-5.cif", "examples/frameworks/calcium-oxalate.cif"])


class Tags(HTMLParser):
    """Which elements a page opens and closes; an element left open is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        if tag not in ("br", "hr", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_it_is_the_sequence_it_was(mixed):
    assert len(mixed) == 4
    assert [type(item) for item in mixed] == [Prediction, Failure, Prediction, Prediction]
    assert mixed[0] is next(iter(mixed))
    assert mixed[-1].id == "O"
    first, *others = mixed
    assert [first, *others] == list(mixed) == mixed
    assert mixed == [*mixed]
    assert mixed != list(mixed)[:3]
    part = mixed[1:3]
    assert type(part) is type(mixed)
    assert [item.ok for item in part] == [False, True]
    assert part.structures == mixed.structures[1:3]
    assert mixed[::-1][0].id == "O"
    assert mixed[0] in mixed
    assert mixed.index(mixed[2]) == 2
    with pytest.raises(IndexError):
        mixed[4]
    assert len(mixed.answered) == 3
    assert [item.input for item in mixed.failed] == ["C1CC"]


def test_no_answers(polarity):
    none = polarity.predict([])
    assert list(none) == []
    assert not none
    assert repr(none) == "Answers(0 to polarity)"
    assert none.to_frame().columns[0] == "input"
    Tags(none._repr_html_())


def test_a_table_of_pandas_is_flat(mixed):
    frame = mixed.to_frame()
    assert len(frame) == 4
    assert list(frame.columns[:8]) == [
        "input", "id", "formula", "class", "p", "p_weakly_polar", "p_strongly_polar", "dipole_D",
    ]  # fmt: skip
    assert list(frame.columns[-3:]) == ["notes", "warnings", "error"]
    for row, item in zip(frame.to_dict("records"), mixed, strict=True):
        assert row["input"] == item.input
        if isinstance(item, Failure):
            assert row["error"].startswith("missing_file: there is no file")
            assert pd.isna(row["dipole_D"])
            continue
        assert pd.isna(row["error"])
        assert (row["low90"], row["high90"]) == item.interval90
        assert row["p"] == row[f"p_{row['class']}"] == max(item.probabilities.values())
        assert row["dipole_D"] == item.value
        assert row["inside"] == item.domain.inside
    assert all(pd.api.types.is_scalar(value) for value in frame.to_numpy().ravel())


def test_a_table_names_what_was_measured_of_pores(porous):
    _, found = porous
    frame = found.to_frame()
    assert frame["pld_A"].tolist() == [item.pores["pld_A"] for item in found]
    assert frame["pore_width_A"].tolist() == [item.value for item in found]


def test_a_table_needs_pandas(mixed, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="to_frame needs pandas: pip install "):
        mixed.to_frame()


def test_sorting(mixed):
    rising = mixed.sort()
    assert [item.input for item in rising] == ["CCCCCC", "O", "CC#N", "C1CC"]
    assert [item.input for item in mixed.sort("p_strongly_polar", descending=True)] == ["CC#N", "O", "CCCCCC", "C1CC"]
    assert [item.input for item in mixed.sort("id")] == ["CC#N", "CCCCCC", "O", "C1CC"]
    assert [item.input for item in mixed.sort(lambda item: -item.n_atoms)] == ["CCCCCC", "CC#N", "O", "C1CC"]
    by_class = mixed.sort("class", descending=True)
    assert [item.input for item in by_class] == ["CC#N", "CCCCCC", "O", "C1CC"]  # of equal ones the earlier first
    assert [s and s.id for s in rising.structures] == ["CCCCCC", "O", "CC#N", None]
    with pytest.raises(UsageError, match="did you mean 'dipole_D'"):
        mixed.sort("dipole")


def test_thresholds_are_those_of_a_scientist_with_them(mixed, polarity, monkeypatch):
    for cuts in ([1.0], [5.0], [mixed[0].value]):
        expected = polarity.with_thresholds(cuts).predict(["CC#N", "C1CC", "CCCCCC", "O"])
        monkeypatch.setattr(answering, "forward", None)  # no solve is needed
        found = mixed.thresholds(cuts)
        monkeypatch.undo()
        assert [item.as_dict() for item in found] == [item.as_dict() for item in expected]
        assert found.task.thresholds == tuple(cuts)
        assert found.thresholds([2.5]) == mixed
    with pytest.raises(UsageError):
        mixed.thresholds([1.0, 2.0])
    with pytest.raises(UsageError, match="fixed|learned"):
        Scientist.load("polarity", geometry="none").predict(["CCO"]).thresholds([1.0])


def test_thresholds_of_crystals(structures):
    scientist = Scientist.load("conduction")
    chosen = list(structures.values())
    expected = scientist.with_thresholds((0.0, 1.5)).predict(chosen)
    found = scientist.predict(chosen).thresholds((0.0, 1.5))
    for one, other in zip(found, expected, strict=True):
        assert one.label == other.label
        np.testing.assert_allclose(list(one.probabilities.values()), list(other.probabilities.values()), rtol=1e-12)


def test_thresholds_of_pores_measure_them_again(porous):
    scientist, found = porous
    cuts = (1.0, 5.0, 12.0)
    expected = scientist.with_thresholds(cuts).predict(
        ["examples/frameworks/mof-5.cif", "examples/frameworks/calcium-oxalate.cif"]
    )
    moved = found.thresholds(cuts)
    assert [item.as_dict() for item in moved] == [item.as_dict() for item in expected]
    assert moved[1].pores["access_A"] == 1.0
    assert moved[1].label != found[1].label


def test_lines(mixed, polarity):
    lines = repr(mixed).split("\n")
    assert lines[0] == "Answers(4 to polarity: 2 weakly_polar, 1 strongly_polar, 1 not answered)"
    assert re.match(r"  CC#N    C2H3N  strongly_polar  p 0\.\d\d  dipole moment \d\.\d\d D \(", lines[1])
    assert lines[2].startswith("  C1CC    not answered: there is no file 'C1CC'")
    assert not lines[4].endswith("!")
    unlike = polarity.predict(["C[Te]C"])  # no molecule of the training has tellurium
    assert repr(unlike).split("\n")[1].endswith("  !")
    many = polarity.predict(["C"] * 14)
    assert repr(many).endswith("… and 4 more")
    assert len(repr(many).split("\n")) == 12
    assert repr(mixed[0]).startswith("Prediction('CC#N', C2H3N: strongly_polar, p = 0.")
    assert "1 warning" in repr(unlike[0])
    assert repr(mixed[1]).startswith("Failure('C1CC', missing_file: ")
    assert repr(polarity) == "Scientist('andersonn/polarity': weakly_polar < 2.5 D ≤ strongly_polar)"


def test_html(mixed, porous, polarity):
    for page, pictures in ((mixed._repr_html_(), 3), (porous[1]._repr_html_(), 2)):
        assert Tags(page).found.count("svg") == pictures
    assert "there is no file" in mixed._repr_html_()
    for thing in (*mixed, polarity, porous[0]):
        Tags(thing._repr_html_())
    assert "9,942" in polarity._repr_html_()
    many = polarity.predict(["C"] * 25)._repr_html_()
    assert Tags(many).found.count("svg") == answers.IN_HTML
    assert "and 5 more" in many


def test_html_and_lines_of_nasty_names(structures, polarity):
    silicon = structures["Si"]
    named = an.Structure(silicon.Z, silicon.xyz, silicon.cell, id=NASTY, notes=(NASTY,), warnings=(NASTY,))
    scientist = Scientist.load("conduction")
    found = scientist.predict([named, NASTY])
    assert [item.ok for item in found] == [True, False]
    (explained,) = scientist.explain([named])
    for thing in (found, *found, explained, named):
        page = thing._repr_html_()
        assert "<script" not in page
        assert "\x1b" not in page + repr(thing)
        Tags(page)


def test_a_bar_on_stderr(polarity, capsys):
    polarity.predict(["C", "CC"], progress=True)
    told = capsys.readouterr()
    assert told.out == ""
    assert "0/2" in told.err
    assert re.search(r"polarity: done in \d+\.\d s *\n$", told.err)
    polarity.predict(iter(["C", "CC"]), progress=True)
    assert "/" not in capsys.readouterr().err
    polarity.predict(["C"])
    assert capsys.readouterr().err == ""


def test_a_listener_counts_inputs(polarity, put):
    class Listener:
        def __init__(self):
            self.calls = []

        def __getattr__(self, name):
            return lambda *given: self.calls.append((name, *given))

    listener = Listener()
    polarity.predict(["C", put("two.smi", "CC\nCCC\n"), {"smiles": ["N", "O"]}], progress=listener)
    assert listener.calls[0] == ("start", "polarity", 4)
    assert listener.calls[-1] == ("finish",)
    assert [call[1] for call in listener.calls[1:-1]] == [1, 2, 3, 4]


def test_a_misspelt_scientist():
    with pytest.raises(UsageError, match=r"no scientist 'polarty'.*did you mean 'polarity'"):
        Scientist.load("polarty")
    with pytest.raises(UsageError, match="model.json"):
        Scientist.load("./polarty")


def test_columns_of_pandas():
    scientist, crystals = Scientist.load("polarity", geometry="none"), Scientist.load("conduction")
    frame = pd.DataFrame({"ligand": ["CCO", None, "C1C"], "y": [1.0, 2.0, 3.0]}, index=["a", "b", "c"])
    assert [item.ok for item in scientist.predict(frame["ligand"])] == [True, False, False]
    assert [item.input for item in scientist.predict(frame, smiles_column="ligand")] == ["row a", "row b", "row c"]
    assert [item.id for item in scientist.predict(frame["ligand"].to_numpy()[:1])] == ["CCO"]
    text = Path("examples/structures/NaCl.cif").read_text(encoding="utf-8")
    things = pd.Series(
        [text, "examples/structures/NaCl.cif", crystals.predict("examples/structures/Cu.cif").structures[0]]
    )
    assert [item.formula for item in crystals.predict(things)] == ["NaCl", "NaCl", "Cu"]
    (number,) = scientist.predict(frame["y"])
    assert number.error["kind"] == "unknown_object"


def as_kind(found, kind):
    """The same answers as of a model that answers with a number or a label alone."""
    items = [replace(item, kind=kind) if item.ok else item for item in found]
    return answers.Answers(replace(found.task, answer=kind), items, found.structures, None)


def test_answers_that_are_numbers_have_no_class(mixed):
    numbers = as_kind(mixed, "number")
    assert {"class", "p", "p_weakly_polar"}.isdisjoint(numbers.to_frame().columns)
    assert numbers.to_frame()["dipole_D"].notna().sum() == 3
    for text in (repr(numbers), numbers._repr_html_(), *(repr(item) + item._repr_html_() for item in numbers)):
        assert "polar" not in text.replace("polarity", "")
    assert Tags(numbers._repr_html_()).found.count("svg") == 3


def test_answers_that_are_labels_have_no_estimate(mixed):
    labels = as_kind(mixed, "label")
    assert {"dipole_D", "low90", "high90"}.isdisjoint(labels.to_frame().columns)
    assert labels.to_frame()["class"].notna().sum() == 3
    for text in (repr(labels), labels._repr_html_(), *(repr(item) + item._repr_html_() for item in labels)):
        assert "dipole" not in text


@pytest.mark.parametrize("cuts", [2.0, 2, np.float64(2.0), "2", [2.0], (2,), np.array([2.0])])
def test_a_single_threshold_needs_no_list(mixed, polarity, cuts):
    assert mixed.thresholds(cuts) == mixed.thresholds([2.0])
    assert polarity.with_thresholds(cuts).moved == (2.0,)


@pytest.mark.parametrize("cuts", [None, "x", ["a"], [None], [[1.0]], {"first": 1.0}, object(), b"2.", "", float("nan")])
def test_what_is_no_threshold_is_refused(mixed, polarity, porous, cuts):
    for ask in (mixed.thresholds, polarity.with_thresholds, porous[0].with_thresholds, porous[1].thresholds):
        with pytest.raises(UsageError) as caught:
            ask(cuts)
        assert caught.value.kind == "bad_thresholds"
        assert caught.value.hint


@pytest.mark.parametrize("by", [None, 1, ["value"], {"value": 1}])
def test_answers_are_sorted_by_a_column_or_a_function(mixed, by):
    with pytest.raises(UsageError, match="sorted by a column or a function"):
        mixed.sort(by)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda scientist: Scientist.load(None), "bad_option"),
        (lambda scientist: Scientist.load(3), "bad_option"),
        (lambda scientist: Scientist.load(["polarity"]), "bad_option"),
        (lambda scientist: Scientist.load("polarity", geometry=3), "unknown_geometry"),
        (lambda scientist: Scientist.load("polarity", device="gpu"), "no_device"),
        (lambda scientist: scientist.export(None), "bad_option"),
        (lambda scientist: Scientist.train("polarity", None), "no_records"),
        (lambda scientist: Scientist.train("polarity", 3), "no_records"),
        (lambda scientist: an.construct([{"SMILES": "C", "y": 1}], None), "no_target"),
        (lambda scientist: scientist.fine_tune([{"SMILES": "C", "y": 1}], target=3), "no_target"),
    ],
)
def test_arguments_of_a_wrong_kind_are_named(polarity, call, kind):
    with pytest.raises(UsageError) as caught:
        call(polarity)
    assert caught.value.kind == kind
    assert caught.value.hint


def test_an_answer_by_symmetry_needs_no_fixed_point():
    """The map of polarity's network has none for N2 that the solver finds. Its dipole moment is zero all the same."""
    scientist = an.Scientist.load("polarity")
    (answer,) = scientist.predict(["N#N"])
    assert answer.value == 0.0
    assert answer.warnings == ()
    assert answer.solver["status"] in ("converged", "max_steps")
    (other,) = scientist.predict(["B#N"])
    told = [warning for warning in other.warnings if "the fixed point was not found" in warning]
    assert bool(told) == (other.solver["status"] != "converged")
