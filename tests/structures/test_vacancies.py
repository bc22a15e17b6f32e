"""Atoms that lack a neighbor which like atoms have."""

import numpy as np
import pytest

from andersonn.structures.guests import doubts_of_framework
from andersonn.structures.readers import as_structure
from andersonn.structures.structure import Structure, without
from andersonn.structures.vacancies import REACH, Lacking
from tests.structures.known_frameworks import COORDINATES, framework


def lacking(structure: Structure) -> Lacking:
    return Lacking.of(structure.Z, structure.xyz, structure.cell)


def rock_salt(times: int) -> Structure:
    """NaCl in a cell of so many cubes each way."""
    corner = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    fractional = np.vstack([corner, corner + np.array([0.5, 0, 0])])
    steps = np.indices((times,) * 3).reshape(3, -1).T
    xyz = 5.64 * (fractional[None] + steps[:, None]).reshape(-1, 3)
    return Structure(np.tile([11] * 4 + [17] * 4, len(steps)), xyz, 5.64 * times * np.eye(3))


@pytest.mark.parametrize("name", COORDINATES)
def test_whole_frameworks_lack_nothing(name):
    assert not len(lacking(as_structure(framework(name))).atoms)


@pytest.mark.parametrize(
    ("name", "element"), [(n, 14) for n in ("SOD", "LTA", "FAU", "CHA")] + [("HKUST-1", 29), ("MIL-47", 23)]
)
def test_one_missing_atom_is_named_by_its_neighbors(name, element):
    whole = as_structure(framework(name))
    gone = int(np.flatnonzero(element == whole.Z)[0])
    found = lacking(without(whole, [gone]))
    assert set(found.missing.tolist()) == {element}
    place, cell = whole.xyz[gone], whole.cell
    left = without(whole, [gone])
    apart = (left.xyz[found.atoms] - place) @ np.linalg.inv(cell)
    distance = np.linalg.norm((apart - np.round(apart)) @ cell, axis=1)
    assert (distance < REACH).all()
    assert found.distance == pytest.approx(distance, abs=0.03)
    assert any("lack" in text and "metals may be missing" in text for text in doubts_of_framework(left)) == (
        element != 14
    )


def test_a_vacancy_in_rock_salt_and_none_without_it():
    whole = rock_salt(2)
    assert not len(lacking(whole).atoms)
    found = lacking(without(whole, [0]))
    assert set(found.missing.tolist()) == {11}
    assert found.distance.min() == pytest.approx(2.82)
    assert found.told(without(whole, [0]).Z).endswith("lack Na that like atoms have at 2.82 Å")


def test_noise_beyond_the_tolerance_hides_it_and_makes_none():
    rng, whole = np.random.default_rng(0), rock_salt(2)
    for sigma, some in ((0.001, True), (0.1, False)):
        for structure in (whole, without(whole, [5])):
            moved = Structure(structure.Z, structure.xyz + rng.normal(0, sigma, structure.xyz.shape), structure.cell)
            assert bool(len(lacking(moved).atoms)) == (some and structure is not whole)


def test_order_and_origin_do_not_matter():
    cut, rng = without(rock_salt(2), [9]), np.random.default_rng(1)
    order = rng.permutation(len(cut))
    moved = Structure(cut.Z[order], cut.xyz[order] + [1.1, 2.2, 3.3], cut.cell)
    first, second = lacking(cut), lacking(moved)
    assert sorted(order[second.atoms].tolist()) == first.atoms.tolist()
    assert sorted(second.distance) == pytest.approx(sorted(first.distance))
