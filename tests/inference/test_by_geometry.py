"""Answers by the geometry of pores: one distribution, options, the network beside it."""

import json
from pathlib import Path

import numpy as np
import pytest

from andersonn import Scientist
from andersonn.cli.pores import question
from andersonn.cli.verbs import app
from andersonn.errors import UsageError
from andersonn.inference.by_geometry import LEFT, LEVELS, PoreQuestion
from andersonn.scientists.porosity import POROSITY, SCIENTIST, WIDTH
from andersonn.scientists.registry import find, weights_folder
from andersonn.structures.pores.geometry import CONVENTIONS
from tests.structures.known_frameworks import framework

FRAMEWORKS = Path(__file__).parents[2] / "examples/frameworks"


@pytest.fixture(scope="module")
def porosity() -> Scientist:
    return Scientist.load("porosity")


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("classes", ["iupac", "pld"])
def test_class_estimate_and_interval_agree(convention, classes):
    """Around all cuts: the estimate lies in its class and in its interval, and no likely class lies outside."""
    question, rng = PoreQuestion.of(SCIENTIST, classes, convention=convention), np.random.default_rng(0)
    centers = np.array([2.4, 7.0, 20.0, 2.4, 5.0])
    for _ in range(1000):
        pld = rng.choice(centers) + rng.normal() * rng.choice([0.003, 0.02, 0.3])
        lcd = max(pld, rng.choice(centers) + rng.normal() * rng.choice([0.003, 0.02, 0.3]))
        p, value, (low, high) = question.distribution(pld, lcd)
        assert p.sum() == pytest.approx(1.0)
        assert (p >= 0.0).all()
        assert low <= value <= high
        assert low < high or p[0] >= 0.95
        top = int(p.argmax())
        if p[top] > 0.5:
            assert question.task.class_of(np.array([value]))[0] == top
        ends = question.task.class_of(np.array([low, high]))
        for k in np.flatnonzero(p > 0.051):
            assert ends[0] <= k <= ends[1]


@pytest.mark.parametrize("classes", ["iupac", "pld"])
def test_moved_cuts_have_the_mass_above_them(classes):
    question = PoreQuestion.of(SCIENTIST, classes)
    cuts = np.array(question.task.thresholds)
    for pld, lcd in ((2.39, 6.98), (2.41, 20.0), (6.99, 7.01), (1.0, 3.0)):
        p, _, _ = question.distribution(pld, lcd)
        assert question.above({"pld_A": pld, "lcd_A": lcd}, cuts) == pytest.approx(p[::-1].cumsum()[::-1][1:])


def test_quantiles_are_in_order():
    for convention in CONVENTIONS:
        for left in LEFT[convention].values():
            assert len(left) == len(LEVELS)
            assert list(left) == sorted(left)


@pytest.mark.parametrize(
    ("name", "label", "width"),
    [
        ("HKUST-1", "supermicroporous", 13.2), ("FAU", "supermicroporous", 10.6), ("SOD", "nonporous", 0.0),
        ("ZIF-8", "supermicroporous", 11.4), ("MIL-47", "supermicroporous", 7.7), ("MFI", "ultramicroporous", 6.2),
    ],
)  # fmt: skip
def test_well_known_frameworks(porosity, name, label, width):
    (answer,) = porosity.predict([framework(name)])
    assert any("closed cavities" in note for note in answer.notes) == (name == "SOD")
    assert answer.label == label
    assert answer.value == pytest.approx(width, abs=0.3)
    assert answer.interval90[0] <= answer.value <= answer.interval90[1]


def test_the_network_stands_beside_it(porosity):
    (answer,) = porosity.predict([FRAMEWORKS / "mof-5.cif"])
    content = answer.as_dict()
    assert json.loads(json.dumps(content)) == content
    assert (answer.quantity, answer.thresholds) == (WIDTH.quantity, WIDTH.thresholds)
    assert content["pores"]["convention"] == "zeo++-high"
    assert content["pores"]["channel_dimensions"] == 3
    assert content["pores"]["lcd_A"] == pytest.approx(15.23, abs=0.01)
    beside = content["network"]
    assert tuple(beside["probabilities"]) == POROSITY.classes
    assert beside["estimate"]["quantity"] == POROSITY.quantity
    alone = Scientist.load(weights_folder("porosity"))
    (by_network,) = alone.predict([FRAMEWORKS / "mof-5.cif"])
    assert beside["probabilities"] == by_network.probabilities
    assert not by_network.pores
    assert tuple(by_network.probabilities) == POROSITY.classes


def test_other_classes_cuts_and_radii(porosity):
    narrow = FRAMEWORKS / "zinc-ultramicroporous.cif"
    by_window = porosity.about_pores(PoreQuestion.of(SCIENTIST, "pld", convention="zeo++-default"))
    (answer,) = by_window.predict([narrow])
    assert (by_window.task, answer.quantity) == (POROSITY, "pld_A")
    assert answer.value == pytest.approx(answer.voids["pld_A"], abs=1e-3)
    moved = porosity.about_pores(PoreQuestion.of(SCIENTIST, radii={"O": 1.4})).with_thresholds((4.8, 7.0, 20.0))
    (answer,) = moved.predict([narrow])
    assert (answer.label, answer.value, answer.pores["access_A"]) == ("nonporous", 0.0, 4.8)
    assert any("radii" in note for note in answer.notes)


def test_options_of_the_command_line(capsys):
    words = [
        "--convention",
        "zeo++-default",
        "--thresholds",
        "4,7,20",
        "--radii",
        "O=1.5,Zn=1.4",
        "--classes",
        "iupac",
        "--clean",
        "--strip-guests",
    ]
    app(["predict", "porosity", str(FRAMEWORKS / "mof-5.cif"), "--format", "json", *words], standalone_mode=False)
    answer = json.loads(capsys.readouterr().out)
    assert (answer["pores"]["access_A"], answer["pores"]["convention"]) == (4.0, "zeo++-default")


@pytest.mark.parametrize(
    "given",
    [
        {"radii": "O"}, {"radii": "Zz=1"}, {"clean": True, "model": "."},
        {"clean": True, "task": "conduction"},
    ],
)  # fmt: skip
def test_wrong_options_are_told(given):
    usual = dict.fromkeys(("model", "convention", "radii", "classes"))
    with pytest.raises(UsageError):
        question(**usual | {"task": "porosity", "strip_guests": False, "clean": False} | given)


@pytest.mark.parametrize("cuts", [(7.0, 2.0, 20.0), (2.4, 7.0), (0.0, 7.0, 20.0), (2.4, 2.4, 20.0)])
def test_wrong_cuts_are_told(cuts):
    with pytest.raises(UsageError, match="cannot be cut"):
        PoreQuestion.of(SCIENTIST).cut(cuts)


def test_tables_have_their_columns(capsys):
    app(["predict", "porosity", str(FRAMEWORKS / "mof-5.cif"), "--format", "csv"], standalone_mode=False)
    head, row = capsys.readouterr().out.splitlines()
    assert head.endswith("accessible_surface_m2_g,void_fraction,convention")
    assert row.endswith(",zeo++-high")


def test_other_tasks_do_not_answer_so():
    with pytest.raises(UsageError, match="not answered by the geometry"):
        PoreQuestion.of(find("conduction"))
    question = PoreQuestion.of(SCIENTIST, radii={"O": 1.3}).cut((3.0, 8.0, 25.0))
    assert PoreQuestion.from_dict(json.loads(json.dumps(question.as_dict()))) == question


def test_explanations_are_of_the_same_answer(porosity):
    """The bottleneck by the radii in use, and contributions to the network's answer."""
    file = FRAMEWORKS / "zinc-ultramicroporous.cif"
    for radii in ({}, {"O": 1.9, "H": 1.3}):
        asked = porosity.about_pores(PoreQuestion.of(SCIENTIST, radii=radii))
        (answer,), (found,) = asked.predict([file]), asked.explain([file])
        content = found.as_dict()
        assert content["class"] == answer.label
        assert content["pores"] == answer.pores
        assert content["bottleneck"]["diameter_A"] == pytest.approx(answer.pores["pld_A"], abs=2e-3)
        assert found.summary[0].startswith(f"the bottleneck, {answer.pores['pld_A']:.2f} Å wide, is bounded by ")
        assert found.summary[1].startswith(f"of the network's answer, {answer.network['class']}: ")
        assert content["quantity"] == f"log_odds_of_{answer.network['class']}"
        assert tuple(content["warnings"]) == answer.warnings
        touching = {atom["element"] for atom in content["bottleneck"]["touching"]}
        assert ("C" in touching) != bool(radii)


def test_where_nothing_gets_through_the_explanation_says_so(porosity):
    shut = porosity.about_pores(PoreQuestion.of(SCIENTIST, radii={"Si": 2.1, "O": 2.9}))
    (found,) = shut.explain([framework("SOD")])
    assert found.bottleneck is None
    assert found.summary[0] == "nothing gets through the crystal: there is no bottleneck"


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_only_the_sphere_moves_the_estimate(convention):
    """Cuts between widths divide the distribution, and leave it as it is; a width is nothing, or lets the sphere in."""
    usual = PoreQuestion.of(SCIENTIST, convention=convention)
    for pld, lcd in ((2.38, 6.9), (2.39, 2.41), (2.41, 6.99), (3.0, 30.0)):
        _, value, interval = usual.distribution(pld, lcd)
        for cuts in ((2.4, 5.0, 6.0), (2.4, 6.95, 40.0)):
            assert usual.cut(cuts).distribution(pld, lcd)[1:] == (value, interval)
        for end in (value, *interval):
            assert end == 0.0 or end >= 2.4
        assert usual.cut((3.5, 7.0, 20.0)).distribution(pld, lcd)[1:] == (0.0, (0.0, 0.0))


def test_a_diameter_on_a_threshold_reaches_it():
    """Of ``zeo++-default`` four fifths of the published diameters are the computed ones: at the cut they belong above it."""
    by_window = PoreQuestion.of(SCIENTIST, "pld", convention="zeo++-default")
    p, value, _ = by_window.cut((3.0, 7.0)).distribution(3.0, 5.0)
    assert (value, p.argmax()) == (3.0, by_window.task.class_of(np.array([3.0]))[0])
    by_width = PoreQuestion.of(SCIENTIST, convention="zeo++-default")
    assert by_width.cut((3.0, 5.0, 20.0)).distribution(3.0, 5.0)[0].argmax() == 2
    assert by_width.cut((3.0, 7.0, 20.0)).distribution(3.0, 3.0)[0].argmax() == 1
