"""Answers by the geometry of pores: one distribution, options, the network beside it."""

import json
from pathlib import Path

import numpy as np
import pytest

from andersonn import Scientist
from andersonn.errors import UsageError
from andersonn.inference.by_geometry import LEFT, LEVELS, PoreQuestion
from andersonn.scientists.porosity import POROSITY, SCIENTIST, WIDTH
from andersonn.scientists.registry import find, weights_folder
from andersonn.structures.pores.geometry import CONVENTIONS, PoreGeometry
from tests.forked import run
from tests.structures.known_frameworks import framework

FRAMEWORKS = Path(__file__).parents[2] / "examples/frameworks"


@pytest.fixture(scope="module")
def porosity() -> Scientist:
    return Scientist.load("porosity")


def pores(convention: str, pld: float, lcd: float) -> PoreGeometry:
    return PoreGeometry(convention, pld, lcd, 2.4, 3, 1.86, 1.0, 1.0, 1.0, 1.0, 0.5, 1.0)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("classes", ["iupac", "pld"])
def test_class_estimate_and_interval_agree(convention, classes):
    """Around all cuts: the estimate lies in its class and in its interval, and no likely class lies outside."""
    question, rng = PoreQuestion.of(SCIENTIST, classes, convention=convention), np.random.default_rng(0)
    centers = np.array([2.4, 7.0, 20.0, 2.4, 5.0])
    for _ in range(1000):
        pld = rng.choice(centers) + rng.normal() * rng.choice([0.003, 0.02, 0.3])
        lcd = max(pld, rng.choice(centers) + rng.normal() * rng.choice([0.003, 0.02, 0.3]))
        p, value, (low, high) = question._distribution(pores(convention, pld, lcd))
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


def test_quantiles_are_in_order():
    for convention in CONVENTIONS:
        for left in LEFT[convention].values():
            assert len(left) == len(LEVELS)
            assert list(left) == sorted(left)


@pytest.mark.parametrize(
    ("name", "label", "width"),
    [("HKUST-1", "supermicroporous", 13.2), ("FAU", "supermicroporous", 10.6), ("SOD", "nonporous", 0.0)],
)
def test_well_known_frameworks(porosity, name, label, width):
    (answer,) = porosity.predict([framework(name)])
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


def test_options_of_the_command_line():
    words = ["predict", "porosity", FRAMEWORKS / "zinc-ultramicroporous.cif", "--format", "json"]
    usual, network_like, moved = (
        json.loads(run(*words, *more).stdout)
        for more in (
            (),
            ("--classes", "pld", "--convention", "zeo++-default"),
            ("--cuts", "4.6,7,20", "--radii", "O=1.4"),
        )
    )
    assert usual["class"] == "ultramicroporous"
    assert network_like["estimate"]["quantity"] == "pld_A"
    assert network_like["estimate"]["value"] == pytest.approx(network_like["voids"]["pld_A"], abs=1e-3)
    assert moved["class"] == "nonporous"
    assert moved["pores"]["access_A"] == 4.6
    assert any("radii" in note for note in moved["notes"])


@pytest.mark.parametrize(
    "more",
    [
        ("--cuts", "7,2"),
        ("--cuts", "a"),
        ("--radii", "O"),
        ("--radii", "Zz=1"),
        ("--convention", "zeo++-default", "--model", "."),
    ],
)
def test_wrong_options_are_told(more):
    done = run("predict", "porosity", FRAMEWORKS / "mof-5.cif", *more)
    assert done.returncode == 2
    assert "error" in done.stderr


def test_tables_have_their_columns():
    done = run("predict", "porosity", FRAMEWORKS / "mof-5.cif", "--format", "csv").stdout.splitlines()
    assert done[0].endswith(
        "error,pld_A,lcd_A,channel_dimensions,surface_m2_g,accessible_surface_m2_g,void_fraction,convention"
    )
    assert done[1].endswith(",zeo++-high")


def test_other_tasks_do_not_answer_so():
    with pytest.raises(UsageError, match="not answered by the geometry"):
        PoreQuestion.of(find("conduction"))
    question = PoreQuestion.of(SCIENTIST, cuts=(3.0, 8.0, 25.0), radii={"O": 1.3})
    assert PoreQuestion.from_dict(json.loads(json.dumps(question.as_dict()))) == question
