"""Guests in pores, damaged frameworks, and alternatives of disorder."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from andersonn import Scientist
from andersonn.inference.by_geometry import PoreQuestion
from andersonn.scientists.porosity import SCIENTIST
from andersonn.structures.distance_bonds import Bonds
from andersonn.structures.frameworks import read_frameworks
from andersonn.structures.guests import crowded_atoms, doubts_of_framework, without_guests
from andersonn.structures.readers import as_structure
from andersonn.structures.structure import Structure
from tests.structures.known_frameworks import COORDINATES, framework

MIDDLE = {"FAU": (1.0, 1.0, 1.0), "LTA": (0.5, 0.5, 0.5), "HKUST-1": (0.5, 0.5, 0.5), "MIL-47": (0.25, 0.25, 0.24)}
"""Fractional coordinates of the middle of a pore."""


def filled(name: str, guest: str, turn: float = 20.0) -> Atoms:
    """A framework with a molecule in a pore."""
    atoms, other = framework(name).copy(), molecule(guest)
    other.rotate(turn, "z")
    other.translate(np.array(MIDDLE[name]) @ atoms.cell.array - other.get_center_of_mass())
    return atoms + other


def lacking(name: str, element: int, count: int) -> Structure:
    atoms = framework(name).copy()
    del atoms[np.flatnonzero(atoms.numbers == element)[:count].tolist()]
    return as_structure(atoms)


@pytest.mark.parametrize("name", COORDINATES)
def test_sound_frameworks_are_not_doubted(name):
    structure = as_structure(framework(name))
    assert doubts_of_framework(structure) == ()
    assert without_guests(structure) is structure


@pytest.mark.parametrize(
    ("name", "guest", "formula"), [("LTA", "H2O", "H2O"), ("HKUST-1", "CO2", "CO2"), ("MIL-47", "CH4", "CH4")]
)
def test_guests_are_named_and_removed(name, guest, formula):
    crystal = as_structure(filled(name, guest))
    (told,) = [warning for warning in doubts_of_framework(crystal) if "guests" in warning]
    assert f" {formula} (" in told
    empty = without_guests(crystal)
    assert empty.formula == as_structure(framework(name)).formula
    assert formula in empty.notes[-1]
    assert doubts_of_framework(empty) == ()


def test_frameworks_through_each_other_are_no_guests():
    """Two nets of silicon, neither bonded to the other."""
    cell, net = 9.0 * np.eye(3), np.array([[0, 0, 0], [2.25, 0, 0], [4.5, 0, 0], [6.75, 0, 0]])
    both = np.concatenate([net, net + np.array([0, 4.5, 4.5])])
    told = doubts_of_framework(Structure([14] * 8, both, cell))
    assert not any("guest" in warning or "connected" in warning for warning in told)
    (gap,) = told  # the nets are chains, with empty planes between them
    assert "vacuum" in gap


@pytest.mark.parametrize(
    ("name", "element", "count", "words"),
    [
        ("MIL-47", 23, 4, ("no atoms form a connected framework", "carboxylates bind neither", "O alone")),
        ("MIL-47", 23, 1, ("metals may be missing",)),
        ("HKUST-1", 29, 1, ("metals may be missing",)),
        ("HKUST-1", 29, 48, ("no atoms form a connected framework",)),
    ],
)
def test_missing_metals_are_told(name, element, count, words):
    told = " | ".join(doubts_of_framework(lacking(name, element, count)))
    for word in words:
        assert word in told


def test_methyl_groups_in_two_places_are_resolved():
    """The hydrogen atoms of ZIF-8 do not overlap, but each methyl group has six."""
    disordered = as_structure(framework("ZIF-8"))
    assert any("alternatives" in told for told in doubts_of_framework(disordered))
    (cleaned,) = read_frameworks(lambda: [as_structure(framework("ZIF-8"))], False, True)
    assert cleaned.formula == "C8H10ZnN4"
    assert doubts_of_framework(cleaned) == ()
    assert "72 of 348 atoms were left out" in cleaned.notes[-1]


def test_only_what_is_crowded_is_cleaned():
    """Of several structures in one file the sound ones stay, also those that would lose atoms."""
    wet = filled("LTA", "H2O")
    sound = as_structure(wet)
    (found, cleaned) = read_frameworks(lambda: [as_structure(wet), as_structure(framework("ZIF-8"))], False, True)
    assert found.formula == sound.formula
    assert not found.notes
    assert cleaned.notes


def test_what_only_looks_crowded_is_not_doubted():
    """A carborane's carbon has five neighbors of boron; hydrogen between two oxygens has two of oxygen."""
    cage = np.array(
        [
            [0, 0, 1.45],
            [0, 0, -1.45],
            *[
                [1.45 * np.cos(a), 1.45 * np.sin(a), 0.72 * s]
                for s in (1, -1)
                for a in np.arange(5) * 2 * np.pi / 5 + (s < 0) * np.pi / 5
            ],
        ]
    )
    carborane = Structure([6, 6] + [5] * 10, cage + 10.0, 20.0 * np.eye(3))
    shared = Structure([8, 1, 8], [[5, 5, 5], [5, 5, 6.1], [5, 5, 7.45]], 12.0 * np.eye(3))
    three = Structure([8, 1, 1], [[5, 5, 5], [5, 5, 5.96], [5, 5.8, 5.96]], 12.0 * np.eye(3))
    for structure, count in ((carborane, 0), (shared, 0), (three, 2)):
        assert len(crowded_atoms(Bonds.of(structure))) == count


@pytest.mark.parametrize(("length", "told"), [(1.7, False), (2.6, True)])
def test_a_carboxylate_in_a_salt_bridge_is_held(length, told):
    """A formate ion beside a row of silicon atoms, and the N-H of a cation at its oxygen."""
    row = [[0.0, 0.0, z] for z in (0.0, 2.25, 4.5, 6.75)]
    ion = np.array([[6, 6, 3], [6, 7.1, 3.65], [6, 4.9, 3.65], [6, 6, 1.9]])
    cation = np.array([[6, 7.1 + length, 3.65], [6, 8.12 + length, 3.65]])
    crystal = Structure([14] * 4 + [6, 8, 8, 1] + [1, 7], np.vstack([row, ion, cation]), np.diag([14.0, 14.0, 9.0]))
    assert any("carboxylate" in text for text in doubts_of_framework(crystal)) is told


def test_porosity_answers_for_the_cleaned_and_stripped():
    porosity = Scientist.load("porosity")
    wet, twice = filled("LTA", "H2O"), framework("LTA").copy()
    twice += Atoms("O", positions=[twice.positions[30] + [0.25, 0, 0]])
    ((found, refused), (dry, cleaned)) = (
        scientist.predict([wet, twice])
        for scientist in (porosity, porosity.about_pores(PoreQuestion.of(SCIENTIST, strip_guests=True, clean=True)))
    )
    assert any("guests" in warning for warning in found.warnings)
    assert refused.error["kind"] == "overlapping_atoms"
    assert not dry.warnings
    assert dry.value > found.value + 1.0
    assert dry.pores["lcd_A"] == pytest.approx(cleaned.pores["lcd_A"], abs=0.01)
    assert any("one was kept: 1 of 73" in note for note in cleaned.notes)
