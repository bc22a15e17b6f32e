"""Ions in xyz files without a charge: told by their groups, by distances alone."""

import numpy as np
import pytest

from andersonn.structures import elements
from andersonn.structures.electrons import doubts_of
from andersonn.structures.structure import Structure

SHAPES = {
    "tetrahedron": [(1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, 1, -1)],
    "octahedron": [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)],
    "triangle": [(1, 0, 0), (-0.5, 0.866, 0), (-0.5, -0.866, 0)],
    "pyramid": [(1, 0, -0.35), (-0.5, 0.866, -0.35), (-0.5, -0.866, -0.35)],
    "line": [(1, 0, 0), (-1, 0, 0)],
}


def _around(center, ligand, length, shape, charge=0):
    known = elements.atomic_number()
    corners = np.array(SHAPES[shape], dtype=float)
    corners *= length / np.linalg.norm(corners, axis=1)[:, None]
    return Structure([known[center], *[known[ligand]] * len(corners)], np.vstack([np.zeros(3), corners]), charge=charge)


GROUP, CROWDED = "groups look like an ion of charge {:+d}", "more halides and oxides"


@pytest.mark.parametrize(
    ("center", "ligand", "length", "shape", "charge", "text"),
    [
        ("S", "O", 1.49, "tetrahedron", -2, GROUP),
        ("Se", "O", 1.64, "tetrahedron", -2, GROUP),
        ("S", "O", 1.53, "pyramid", -2, GROUP),
        ("C", "O", 1.29, "triangle", -2, GROUP),
        ("Si", "F", 1.70, "octahedron", -2, GROUP),
        ("Ge", "F", 1.77, "octahedron", -2, GROUP),
        ("Si", "O", 1.63, "tetrahedron", -4, GROUP),
        ("Pt", "Cl", 2.32, "octahedron", -2, CROWDED),
        ("Sn", "Cl", 2.42, "octahedron", -2, CROWDED),
        ("Zn", "Cl", 2.27, "tetrahedron", -2, CROWDED),
        ("Cr", "O", 1.64, "tetrahedron", -2, CROWDED),
        ("Fe", "Cl", 2.2, "tetrahedron", -2, CROWDED),
    ],
)
def test_ions_without_their_charge_are_doubted(center, ligand, length, shape, charge, text):
    text = text.format(charge)
    assert any(text in doubt for doubt in doubts_of(_around(center, ligand, length, shape)))
    assert not any(text in doubt for doubt in doubts_of(_around(center, ligand, length, shape, charge)))


@pytest.mark.parametrize(
    ("center", "ligand", "length", "shape"),
    [
        ("S", "O", 1.42, "triangle"),
        ("S", "F", 1.56, "octahedron"),
        ("Si", "F", 1.55, "tetrahedron"),
        ("Ti", "Cl", 2.17, "tetrahedron"),
        ("Os", "O", 1.71, "tetrahedron"),
        ("W", "F", 1.83, "octahedron"),
        ("Pt", "F", 1.85, "octahedron"),
        ("Sn", "Cl", 2.28, "tetrahedron"),
        ("Zn", "Cl", 2.07, "line"),
        ("Al", "Cl", 2.06, "triangle"),
        ("U", "F", 2.0, "octahedron"),
        ("P", "H", 1.42, "pyramid"),
    ],
)
def test_neutral_molecules_are_not_doubted(center, ligand, length, shape):
    assert not doubts_of(_around(center, ligand, length, shape))


def test_cyanamide_without_its_protons():
    assert any("N2, N3 with too few bonds" in text for text in doubts_of(_around("C", "N", 1.23, "line")))
    assert not doubts_of(Structure([1, 6, 7], [[-1.07, 0, 0], [0, 0, 0], [1.156, 0, 0]]))


def test_hydroquinone_without_its_protons_is_no_quinone():
    ring = [(1.42, 0), (0.7, 1.21), (-0.7, 1.21), (-1.42, 0), (-0.7, -1.21), (0.7, -1.21)]
    for length, doubted in ((1.28, True), (1.22, False)):
        end = 1.42 + length
        rest = [(end, 0), (-end, 0), (1.24, 2.15), (-1.24, 2.15), (-1.24, -2.15), (1.24, -2.15)]
        xyz = [(x, y, 0.0) for x, y in ring + rest]
        found = doubts_of(Structure([6] * 6 + [8] * 2 + [1] * 4, xyz))
        assert any("ion of charge -2" in text for text in found) == doubted
