"""Vacuum between slabs and layers is not taken for a pore."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, graphene, molecule, mx2

from andersonn import Scientist
from andersonn.structures.guests import doubts_of_framework
from andersonn.structures.readers import as_structure
from andersonn.structures.vacuum import LEAST, is_alone, widest_gap
from tests.structures.known_frameworks import COORDINATES, framework


def in_cell(atoms: Atoms) -> Atoms:
    atoms.pbc = True
    return atoms


def gap(atoms: Atoms) -> float:
    return widest_gap(atoms.positions, np.array(atoms.cell))


@pytest.mark.parametrize(
    ("atoms", "width"),
    [
        (in_cell(fcc111("Cu", (1, 1, 4), vacuum=8.0)), 16.0),
        (in_cell(mx2(vacuum=8.0)), 16.0),
        (in_cell(graphene(vacuum=5.0).repeat((3, 2, 1))), 10.0),
        (bulk("Cu", cubic=True), 2.55 * np.sqrt(2.0 / 3.0)),
        (bulk("C", "diamond", a=3.567), 1.545),
    ],
)
def test_its_width(atoms, width):
    assert gap(atoms) == pytest.approx(width, abs=0.01)
    skew = atoms.cell.array.copy()
    skew[2] += 2 * skew[0] - skew[1]
    assert widest_gap(atoms.positions, skew) == pytest.approx(width, abs=0.01)


@pytest.mark.parametrize("name", COORDINATES)
def test_frameworks_have_none(name):
    assert gap(framework(name)) < 0.7 * LEAST


def test_porosity_tells_it():
    box = molecule("CH4", cell=[12.0] * 3, pbc=True)
    for atoms in (in_cell(fcc111("Cu", (1, 1, 4), vacuum=8.0)), box):
        (answer,) = Scientist.load("porosity").predict([atoms])
        assert any("goes through the whole crystal" in text for text in answer.warnings)
    assert not any("whole crystal" in text for text in doubts_of_framework(as_structure(bulk("Si"))))


@pytest.mark.parametrize(("atoms", "alone"), [("box", True), ("slab", False), ("bulk", False), ("chain", False)])
def test_what_stands_alone_in_its_cell_is_told_by_a_network(atoms, alone):
    water = molecule("H2O")
    water.center(vacuum=6.0)
    made = {
        "box": in_cell(water),
        "slab": in_cell(mx2(vacuum=8.0)),
        "bulk": bulk("NaCl", "rocksalt", a=5.64),
        "chain": in_cell(Atoms("C2", [[0, 0, 0], [1.3, 0, 0]], cell=[2.6, 12.0, 12.0])),
    }[atoms]
    assert is_alone(made.positions, np.array(made.cell)) is alone
    (answer,) = Scientist.load("conduction").predict([as_structure(made)])
    assert any("vacuum on all sides" in warning for warning in answer.warnings) is alone
