"""Bonds to hydrogen tell molecules whose lengths are all too short or too long."""

import numpy as np
import pytest
from ase.build import molecule
from ase.collections import g2

from andersonn import Scientist
from andersonn.structures.hydrogen_lengths import doubt_of_lengths
from andersonn.structures.readers import from_smiles
from andersonn.structures.structure import Structure


def scaled(name, factor):
    atoms = molecule(name)
    return Structure(atoms.numbers, atoms.positions * factor)


def test_no_sound_molecule_is_doubted():
    assert [name for name in g2.names if doubt_of_lengths(scaled(name, 1.0))] == []


@pytest.mark.parametrize(
    ("factor", "words"), [(0.92, "shorter than usual, as X-rays"), (1.1, "longer"), (0.8, "20 % shorter")]
)
def test_scaled_molecules_are_told(factor, words):
    for name in ("H2O", "NH3", "CH3CH2OH", "C6H6", "CH3SH", "SiH4", "HCl"):
        assert words in doubt_of_lengths(scaled(name, factor)), name


def test_molecules_without_hydrogen_generated_ones_and_crystals_are_not_measured():
    assert doubt_of_lengths(scaled("CO2", 0.9)) == ""
    assert doubt_of_lengths(from_smiles("CCO")) == ""
    crystal = molecule("H2O")
    assert doubt_of_lengths(Structure(crystal.numbers, crystal.positions * 0.9, 10.0 * np.eye(3))) == ""
    assert doubt_of_lengths(Structure([1], np.zeros((1, 3)))) == ""
    assert doubt_of_lengths(Structure([1, 1], np.array([[0.0, 0, 0], [0.74, 0, 0]]))) == ""


def test_the_answer_brings_the_warning():
    sound, short = Scientist.load("polarity").predict([scaled("CH3CH2OH", 1.0), scaled("CH3CH2OH", 0.92)])
    assert not any("bonds to hydrogen" in warning for warning in sound.warnings)
    assert any("bonds to hydrogen are 8 % shorter" in warning for warning in short.warnings)
