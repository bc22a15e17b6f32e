"""Answers about crystals whose atoms are a little beside where exact symmetry puts them, as in any measured or relaxed structure."""

import numpy as np
import pytest
from ase.spacegroup import crystal

from andersonn import Scientist


def half_heusler(first, second, third, a):
    places = [(0, 0, 0), (0.25, 0.25, 0.25), (0.5, 0.5, 0.5)]
    return crystal([first, second, third], places, spacegroup=216, cellpar=[a, a, a, 90, 90, 90], primitive_cell=True)


def antifluorite(metal, anion, a):
    places = [(0.25, 0.25, 0.25), (0, 0, 0)]
    return crystal([metal, anion], places, spacegroup=225, cellpar=[a, a, a, 90, 90, 90], primitive_cell=True)


CRYSTALS = {
    "TiNiSn": half_heusler("Ti", "Ni", "Sn", 5.92),
    "TiCoSb": half_heusler("Ti", "Co", "Sb", 5.88),
    "NbCoSn": half_heusler("Nb", "Co", "Sn", 5.95),
    "Mg2Si": antifluorite("Mg", "Si", 6.35),
    "Mg2Ge": antifluorite("Mg", "Ge", 6.39),
}


@pytest.fixture(scope="module")
def conduction():
    return Scientist.load("conduction")


@pytest.mark.parametrize("name", CRYSTALS)
def test_a_small_break_of_symmetry_changes_little(conduction, name):
    exact, generator, moved = CRYSTALS[name], np.random.default_rng(0), []
    for far in (2e-5, 5e-5, 1e-4, 1e-3):
        stretched, shaken = exact.copy(), exact.copy()
        stretched.set_cell(exact.cell.array @ np.diag([1.0, 1.0, 1.0 + far]), scale_atoms=True)
        shaken.positions += generator.normal(0.0, far, shaken.positions.shape)
        moved += [stretched, shaken]
    first, *others = conduction.predict([exact, *moved])
    assert first.label == "semiconductor"
    for other in others:
        assert other.label == first.label
        assert other.probabilities["metal"] == pytest.approx(first.probabilities["metal"], abs=0.1)
