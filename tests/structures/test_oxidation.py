"""Oxidation states against chemistry anyone can check, and against a search of all assignments."""

import itertools

import numpy as np
import pytest

from andersonn.structures import elements
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.oxidation import BY_STRUCTURE, UNHEARD, Oxidation, _table, assign
from andersonn.structures.structure import Structure
from tests.conftest import random_structure


def formula(**counts: int) -> np.ndarray:
    return np.concatenate([[elements.atomic_number()[symbol]] * n for symbol, n in counts.items()])


def states(**counts: int) -> dict[str, int]:
    Z = formula(**counts)
    found = Oxidation.of(Z).by_atom[:, 0]
    return {elements.symbols()[z]: int(q) for z, q in zip(Z, found, strict=True)}


def whole(**counts: int) -> dict[str, float]:
    return dict(zip(BY_STRUCTURE, Oxidation.of(formula(**counts)).by_structure.tolist(), strict=True))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"Na": 1, "Cl": 1}, {"Na": 1, "Cl": -1}),
        ({"Fe": 2, "O": 3}, {"Fe": 3, "O": -2}),
        ({"Fe": 1, "O": 1}, {"Fe": 2, "O": -2}),
        ({"Ga": 1, "As": 1}, {"Ga": 3, "As": -3}),
        ({"Sr": 1, "Ti": 1, "O": 3}, {"Sr": 2, "Ti": 4, "O": -2}),
        ({"K": 1, "Mn": 1, "O": 4}, {"K": 1, "Mn": 7, "O": -2}),
        ({"Li": 1, "Fe": 1, "P": 1, "O": 4}, {"Li": 1, "Fe": 2, "P": 5, "O": -2}),
    ],
)
def test_states_of_salts(counts, expected):
    assert states(**counts) == expected
    assert whole(**counts)["charge_left"] == 0.0


def test_what_does_not_balance():
    magnetite = whole(Fe=3, O=4)  # one state an element: Fe3+ leaves one e on seven atoms
    assert magnetite["charge_left"] == pytest.approx(1 / 7)
    assert magnetite["neutral_rarity"] == UNHEARD
    assert whole(La=1, S=1)["neutral_rarity"] > whole(La=2, S=3)["neutral_rarity"]  # a metal and a semiconductor
    assert whole(Na=1, Cl=1)["odd_electrons"] == 0.0
    assert whole(La=1, S=1)["odd_electrons"] == 1.0
    assert whole(Na=1)["usual_charge"] == 1.0


def test_no_assignment_is_missed():
    rng = np.random.default_rng(0)
    for _ in range(30):
        kinds = tuple(sorted(rng.choice(np.arange(1, 93), size=3, replace=False).tolist()))
        counts = tuple(rng.integers(1, 6, size=3).tolist())
        atoms = sum(counts)
        every = [
            (abs(sum(n * q for n, (q, _) in zip(counts, choice, strict=True))),
             sum(n * r for n, (_, r) in zip(counts, choice, strict=True)) / atoms)
            for choice in itertools.product(*(_table()[z] for z in kinds))
        ]  # fmt: skip
        by_element, by_structure = assign(kinds, counts)
        left, rarity = min(every)
        assert by_structure[0] == pytest.approx(left / atoms)
        assert np.dot(counts, by_element[:, 1]) / atoms == pytest.approx(rarity, abs=1e-5)
        if left == 0:
            assert by_structure[1] == pytest.approx(min(rarity, UNHEARD), abs=1e-5)
            assert by_structure[2] == pytest.approx(by_structure[1] - min(r for _, r in every), abs=1e-5)


def test_multiples_and_order_do_not_matter():
    Z = formula(Li=1, Fe=1, P=1, O=4)
    once, thrice = Oxidation.of(Z), Oxidation.of(np.tile(Z, 3)[::-1])
    assert np.array_equal(once.by_structure, thrice.by_structure)
    assert np.array_equal(once.by_atom, thrice.by_atom[:7][::-1])


def test_every_element_has_states():
    assert all(_table()[z] for z in range(1, elements.MAX_Z + 1))
    assert Oxidation.of(np.array([2])).by_atom.tolist() == [[0.0, 0.0]]  # helium


def test_images_carry_them():
    recipe = ImageRecipe(columns=8, oxidation=True)
    salt = Structure(np.array([11, 17]), np.array([[0, 0, 0], [2.8, 2.8, 2.8]]), 5.6 * (1 - np.eye(3)) / 2)
    image = NodeNeighborImage.from_structure(salt, recipe)
    assert dict(zip(image.Z.tolist(), image.of_row[:, 0].tolist(), strict=True)) == {11: 1.0, 17: -1.0}
    assert image.channels()["atom_oxidation_state"].shape == image.mask.shape
    assert image.channels()["whole_charge_left"].max() == 0.0
    assert recipe.key != ImageRecipe(columns=8).key


def test_voids_come_after_them():
    structure = random_structure(np.random.default_rng(1), 6)
    both = NodeNeighborImage.from_structure(structure, ImageRecipe(columns=8, oxidation=True, voids=True))
    alone = NodeNeighborImage.from_structure(structure, ImageRecipe(columns=8, voids=True))
    counted = len(BY_STRUCTURE)
    assert np.array_equal(both.of_whole[:counted], Oxidation.of(structure.Z).by_structure)
    assert np.array_equal(both.of_whole[counted:], alone.of_whole)
    assert np.allclose(both.of_row[:, 2:], alone.of_row)
