"""Pores as the page draws them."""

from __future__ import annotations

import numpy as np
import pytest

from andersonn.structures.pores.bottleneck import around
from andersonn.structures.pores.geometry import PoreGeometry, PoreOptions
from andersonn.structures.pores.view import MOST_SPHERES, pore_view
from andersonn.structures.readers import read_file
from andersonn.structures.structure import Structure
from tests.web.conftest import EXAMPLES

FRAMEWORKS = EXAMPLES / "frameworks"


def room(structure, place):
    """Distance in Å from a place to the nearest surface of an atom."""
    atoms, distance = around(np.array(place), structure, 15.0)
    return float((distance - PoreOptions().of_atoms(structure.Z)[atoms]).min())


@pytest.mark.parametrize("name", ["mof-5.cif", "zinc-ultramicroporous.cif"])
def test_spheres_fit_where_they_are_drawn(name):
    structure = read_file(FRAMEWORKS / name)[0]
    found, measured = pore_view(structure, PoreOptions()), PoreGeometry.of(structure)
    assert found["cavity"]["diameter"] == pytest.approx(measured.lcd_A, abs=2e-3)
    assert 2 * room(structure, found["cavity"]["center"]) == pytest.approx(measured.lcd_A, abs=5e-3)
    assert found["window"]["diameter"] == pytest.approx(measured.pld_A, abs=2e-3)
    assert 2 * room(structure, found["window"]["center"]) == pytest.approx(measured.pld_A, abs=0.1)
    assert found["window"]["atoms"]
    assert 0 < len(found["channels"]) <= MOST_SPHERES
    inverse = np.linalg.inv(structure.cell)
    for *place, radius in found["channels"]:
        assert radius >= 1.2
        assert room(structure, place) == pytest.approx(radius, abs=0.01)
        assert ((np.array(place) @ inverse > -1e-3) & (np.array(place) @ inverse < 1 + 1e-3)).all()
    assert found["guests"] == []


def test_a_dense_crystal_has_no_way_through():
    salt = read_file(EXAMPLES / "structures/NaCl.cif")[0]
    found = pore_view(salt, PoreOptions())
    assert found["window"] is None
    assert found["channels"] == []
    assert found["cavity"]["diameter"] < 1.0


def test_what_stands_in_pores_is_a_guest():
    framework = read_file(FRAMEWORKS / "mof-5.cif")[0]
    middle = np.array(pore_view(framework, PoreOptions())["cavity"]["center"])
    water = middle + np.array([[0, 0, 0], [0.76, 0, 0.59], [-0.76, 0, 0.59]])
    filled = Structure(np.append(framework.Z, [8, 1, 1]), np.vstack([framework.xyz, water]), framework.cell)
    assert pore_view(filled, PoreOptions())["guests"] == [106, 107, 108]


def test_a_look_at_a_framework_has_pores(server):
    found = server.ask("inspect", "porosity", FRAMEWORKS / "zinc-ultramicroporous.cif").json()
    assert found["pores"]["cavity"]["diameter"] == pytest.approx(found["answer"]["pores"]["lcd_A"], abs=2e-3)
    assert server.ask("inspect", "conduction", EXAMPLES / "structures/quartz.cif").json()["pores"] is None
