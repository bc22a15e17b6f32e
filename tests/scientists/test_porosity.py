"""The porosity scientist that comes with the package."""

import json
from pathlib import Path

import numpy as np
import pytest

from andersonn import Scientist
from andersonn.config import TrainConfig
from andersonn.scientists.registry import weights_folder
from tests.conftest import random_structure

FRAMEWORKS = Path(__file__).parents[2] / "examples/frameworks"
ZEO = {  # pore-limiting and largest-cavity diameter, Å
    "mof-5": ("supermicroporous", 8.12144, 15.22605),
    "zinc-ultramicroporous": ("ultramicroporous", 4.19622, 5.49222),
    "calcium-oxalate": ("nonporous", 0.94083, 1.45619),
}


@pytest.fixture(scope="module")
def porosity() -> Scientist:
    return Scientist.load("porosity")


def test_frameworks(porosity):
    answers = {Path(answer.input).stem: answer for answer in porosity.predict([FRAMEWORKS])}
    assert set(answers) == set(ZEO)
    for name, (label, pld, lcd) in ZEO.items():
        answer = answers[name]
        assert answer.label == label
        assert answer.calibrated
        assert answer.quantity == "pore_width_A"
        assert answer.value == pytest.approx(0.0 if label == "nonporous" else lcd, abs=0.1)
        assert answer.interval90[0] <= answer.value <= answer.interval90[1]
        assert answer.solver["status"] == "converged"
        assert answer.voids["pld_A"] == pytest.approx(pld, abs=0.01)
        assert answer.voids["lcd_A"] == pytest.approx(lcd, abs=0.01)
        assert answer.as_dict()["voids"] == answer.voids


def test_the_network_alone_answers_as_it_was_trained():
    answers = Scientist.load(weights_folder("porosity")).predict([FRAMEWORKS])
    for answer in answers:
        label, pld, _ = ZEO[Path(answer.input).stem]
        assert (answer.label, answer.quantity) == (label, "pld_A")
        assert answer.value == pytest.approx(pld, abs=0.8)
        assert not answer.pores


def test_a_supercell_gets_the_same_answer(porosity):
    from ase.io import read

    atoms = read(FRAMEWORKS / "zinc-ultramicroporous.cif")
    small, large = porosity.predict([atoms, atoms.repeat((1, 2, 1))])
    assert large.n_atoms == 2 * small.n_atoms
    assert large.probabilities == pytest.approx(small.probabilities, abs=5e-3)
    assert large.value == pytest.approx(small.value, abs=0.02)


def test_a_framework_of_a_thousand_atoms(porosity):
    from ase.io import read

    (answer,) = porosity.predict([read(FRAMEWORKS / "mof-5.cif").repeat((3, 2, 2))])
    assert answer.n_atoms == 1272
    assert answer.label == "supermicroporous"


def test_inputs_out_of_domain_are_flagged(porosity, structures):
    (metal,) = porosity.predict([structures["W"]])
    assert any("outside" in warning for warning in metal.network["warnings"])
    assert metal.label == "nonporous"
    (molecule,) = porosity.predict([random_structure(np.random.default_rng(0), 4, periodic=False)])
    assert molecule.error["kind"] == "not_periodic"


def test_card():
    folder = weights_folder("porosity")
    card = json.loads((folder / "model.json").read_text())
    test = card["metrics"]["test"]
    baselines = test["baselines"]
    assert test["accuracy"] > baselines["random_forest"]["accuracy"] > baselines["majority"]["accuracy"]
    assert {"cut_pld_A", "cut_pld_touching_A"} < set(baselines)
    assert TrainConfig.make(card["config"]).image.voids
    assert (folder / "model.safetensors").stat().st_size < 5_000_000
