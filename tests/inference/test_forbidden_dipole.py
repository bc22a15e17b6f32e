"""A molecule whose symmetry forbids a dipole moment has none, however unlike the training it is."""

import pytest
from ase.build import molecule

from andersonn import Scientist


@pytest.fixture(scope="module")
def polarity():
    return Scientist.load("polarity")


def test_the_answer_is_a_sure_zero(polarity):
    for answer in polarity.predict(["[Na+]", "O=O", "[NH4+]", "Cl[Ti](Cl)(Cl)Cl", "FS(F)(F)(F)(F)F", molecule("C2H6")]):
        assert (answer.value, answer.interval90, answer.label) == (0.0, (0.0, 0.0), "weakly_polar")
        assert answer.probabilities["weakly_polar"] == 1.0
        assert "its symmetry forbids a dipole moment" in answer.notes
        assert answer.as_dict()["estimate"]["value"] == 0.0


def test_the_thresholds_can_still_be_moved(polarity):
    (answer,) = polarity.with_thresholds((0.5,)).predict(["FB(F)F"])
    assert answer.probabilities[answer.label] == 1.0
    assert answer.label == "weakly_polar"


def test_others_keep_their_interval(polarity):
    for answer in polarity.predict(["CO", molecule("H2O"), "NN"]):
        assert answer.interval90[1] > answer.interval90[0]
        assert "its symmetry forbids a dipole moment" not in answer.notes
