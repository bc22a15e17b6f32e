"""Crystals of noble gases are insulators, whatever a network says that has next to none of them in its training."""

import numpy as np
import pytest
from ase.build import bulk

from andersonn import Scientist
from andersonn.inference.distribution import Distributions
from andersonn.inference.laws import FULL_SHELLS, STILL_A_GAP, laws_on
from andersonn.structures.readers import as_structure

LENGTHS = {"He": 4.24, "Ne": 4.46, "Ar": 5.26, "Kr": 5.72, "Xe": 6.20, "Rn": 6.6}
"""Å, of the cubic cell of the face-centered crystal."""


@pytest.fixture(scope="module")
def conduction():
    return Scientist.load("conduction")


@pytest.mark.parametrize("symbol", LENGTHS)
def test_alone_they_are_insulators(conduction, symbol):
    (answer,) = conduction.predict([bulk(symbol, "fcc", LENGTHS[symbol])])
    assert answer.label == "insulator"
    assert answer.probabilities["insulator"] == pytest.approx(1.0)
    assert conduction.task.full_shells_above <= answer.interval90[0] < answer.value < answer.interval90[1]
    assert FULL_SHELLS in answer.notes
    assert any("noble gases alone" in warning for warning in answer.warnings)


@pytest.mark.parametrize(("symbol", "length"), [("Xe", 5.06), ("Xe", 4.75), ("Ar", 4.4)])
def test_pressed_together_they_keep_a_gap(conduction, symbol, length):
    (answer,) = conduction.predict([bulk(symbol, "fcc", length)])
    assert STILL_A_GAP in answer.notes
    assert FULL_SHELLS not in answer.notes
    assert answer.probabilities["metal"] < 0.1
    (moved,) = conduction.with_thresholds((0.05, 7.0)).predict([bulk(symbol, "fcc", length)])
    assert moved.value == pytest.approx(answer.value)


def test_pressed_to_a_metal_the_law_says_nothing(conduction):
    (answer,) = conduction.predict([bulk("Xe", "fcc", 0.7 * LENGTHS["Xe"])])
    assert not {FULL_SHELLS, STILL_A_GAP} & set(answer.notes)
    assert answer.probabilities["insulator"] < 0.9


def test_two_noble_gases_and_several_atoms_in_the_cell(conduction):
    mixed = bulk("Xe", "fcc", LENGTHS["Xe"], cubic=True)
    mixed.numbers[0] = 36
    (answer,) = conduction.predict([mixed])
    assert answer.label == "insulator"


def test_thresholds_can_be_moved(conduction):
    (answer,) = conduction.with_thresholds((0.05, 7.0)).predict([bulk("Kr", "fcc", LENGTHS["Kr"])])
    assert answer.probabilities["metal"] == 0.0
    assert 0.0 < answer.probabilities["semiconductor"] < 1.0


def test_answers_of_others_do_not_depend_on_their_neighbors_in_the_batch(conduction):
    silicon = bulk("Si")
    (alone,) = conduction.predict([silicon])
    _, beside = conduction.predict([bulk("Xe", "fcc", LENGTHS["Xe"]), silicon])
    assert beside.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
    assert FULL_SHELLS not in beside.notes


def test_a_distribution_given_that_its_value_lies_above_a_cut():
    edges, usual = np.array([0.0, 1.0, 2.0, 4.0]), np.array([0.2, 0.4, 0.6, 1.0])
    cdf = np.array([[0.8, 0.9, 1.0, 1.0], [0.8, 0.9, 1.0, 1.0]])
    found = Distributions(edges, cdf).above(1.5, np.array([True, False]), usual)
    # Half of each is 0.8 up to the edge 2, and all that is left lies above.
    assert found.cdf.tolist() == [[0.0, 0.0, 0.0, 1.0], [0.8, 0.9, 1.0, 1.0]]
    assert found.quantile(0.5)[0] == pytest.approx(3.0)


def test_where_no_training_label_lies_above_the_cut_the_rest_is_spread_to_the_last_edge():
    edges = np.array([0.0, 1.0, 5.5, 6.0])
    found = Distributions(edges, np.array([[0.8, 0.9, 1.0, 1.0]])).above(
        5.0, np.array([True]), np.array([0.2, 0.4, 1.0, 1.0])
    )
    assert found.cdf.tolist() == [[0.0, 0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("edges", "holds"), [((0.0, 3.0, 4.5, 7.7), False), ((0.0, 3.0, 5.0, 7.7), True), ((0.0, 3.0, 4.0), False)]
)
def test_models_that_know_no_such_gaps_are_not_overruled(conduction, edges, holds):
    xenon = [as_structure(bulk("Xe", "fcc", LENGTHS["Xe"]))]
    assert laws_on(conduction.task, True, edges, xenon) == [FULL_SHELLS if holds else ""]


def test_the_explanation_is_of_the_network_and_says_so(conduction):
    (found,) = conduction.explain([bulk("Xe", "fcc", LENGTHS["Xe"])])
    assert found.summary[0] == FULL_SHELLS
    assert found.summary[1].startswith("of the network's answer, insulator: ")
    assert found.quantity_words.startswith("decrease of the network's log-odds of insulator")


def test_mixed_crystals_of_noble_gases_are_not_called_corrupted(conduction):
    mixed = bulk("Xe", "fcc", LENGTHS["Xe"], cubic=True)
    mixed.numbers[0] = 36
    (answer,) = conduction.predict([mixed])
    assert not any("elements seem" in warning for warning in answer.warnings)
