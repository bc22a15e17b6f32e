"""The weights that come with the package."""

import json

import pytest

from andersonn import Scientist
from andersonn.errors import UsageError
from andersonn.scientists.shipped import shipped_folder
from tests.conftest import TEXTBOOK


@pytest.fixture(scope="module")
def conduction() -> Scientist:
    return Scientist.load("conduction")


@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_cases(conduction, structures, name):
    (answer,) = conduction.predict([structures[name]])
    assert answer.label == TEXTBOOK[name]
    assert answer.calibrated
    assert answer.solver["status"] == "converged"
    assert answer.model == "andersonn/conduction"


def test_supercells_get_the_same_answer(conduction, atoms):
    for name in ("NaCl", "SrTiO3"):
        small, large = conduction.predict([atoms[name], atoms[name].repeat((2, 2, 2))])
        assert large.n_atoms == 8 * small.n_atoms
        assert large.probabilities == pytest.approx(small.probabilities, abs=1e-3)


def test_card():
    folder = shipped_folder("conduction")
    card = json.loads((folder / "model.json").read_text())
    assert card["data"]["records"] > 30_000
    test = card["metrics"]["test"]
    assert test["accuracy"] > test["baselines"]["random_forest"]["accuracy"] > test["baselines"]["majority"]["accuracy"]
    assert test["ece"] < 0.05
    assert 0.87 < test["interval90_coverage"] < 0.93
    assert (folder / "model.safetensors").stat().st_size < 5_000_000


def test_unknown_task():
    with pytest.raises(UsageError, match="no task"):
        shipped_folder("pores")
