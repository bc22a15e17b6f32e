import numpy as np
import pytest

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.structure import Structure

CUBE = 4.0 * np.eye(3)


def kind_of(**changes):
    values = {"Z": [11, 17], "xyz": [[0, 0, 0], [2, 2, 2]], "cell": CUBE} | changes
    with pytest.raises(InputError) as caught:
        Structure(**values)
    assert caught.value.message
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value.kind


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"Z": [11]}, "length_mismatch"),
        ({"Z": [0, 17]}, "unknown_element"),
        ({"Z": [11, 104]}, "unknown_element"),
        ({"Z": [], "xyz": np.zeros((0, 3))}, "no_atoms"),
        ({"xyz": [[0, 0, 0], [np.nan, 0, 0]]}, "not_finite"),
        ({"xyz": [[0, 0, 0], [np.inf, 0, 0]]}, "not_finite"),
        ({"xyz": [[0, 0], [1, 1]]}, "bad_positions"),
        ({"cell": np.zeros((3, 3))}, "singular_cell"),
        ({"cell": [[4, 0, 0], [4, 0, 0], [0, 0, 4]]}, "singular_cell"),
        ({"cell": 1e-30 * np.eye(3)}, "singular_cell"),
        ({"cell": [[4, 0, 0], [0, 4, 0], [0, 4, 1e-4]]}, "singular_cell"),
        ({"cell": np.full((3, 3), np.nan)}, "bad_cell"),
        ({"cell": np.diag([4.0, 4.0, 1e6])}, "too_large"),  # the neighbor search dies of it
        ({"xyz": [[0, 0, 0], [1e9, 0, 0]]}, "too_large"),
        ({"xyz": [[0, 0, 0], [1e9, 0, 0]], "cell": None}, "too_large"),
        ({"xyz": [[0, 0, 0], [0.4, 0, 0]]}, "overlapping_atoms"),
        ({"xyz": [[0, 0, 0], [3.9, 0, 0]]}, "overlapping_atoms"),  # across the cell's border
        ({"Z": [29, 29], "xyz": [[0, 0, 0], [1.0, 0, 0]]}, "overlapping_atoms"),  # far for hydrogen, not for copper
    ],
)
def test_unsound_structures_are_refused(changes, kind):
    assert kind_of(**changes) == kind


def test_real_short_bonds_are_accepted():
    Structure([1, 1], [[0, 0, 0], [0, 0, 0.74]])
    Structure([7, 7], [[0, 0, 0], [0, 0, 1.098]])


def test_it_cannot_be_changed():
    structure = Structure([11, 17], [[0, 0, 0], [2, 2, 2]], CUBE)
    with pytest.raises(ValueError, match="read-only"):
        structure.xyz[0, 0] = 1.0
    with pytest.raises(AttributeError):
        structure.id = "other"


def test_properties():
    structure = Structure([17, 11], [[0, 0, 0], [2, 2, 2]], CUBE)
    assert structure.formula == "NaCl"
    assert structure.volume == pytest.approx(64.0)
    assert structure.periodic
    assert Structure([6, 1, 1, 1, 1], np.random.default_rng(0).normal(size=(5, 3)) * 3).formula == "CH4"


def test_element_table_against_ase():
    from ase.data import chemical_symbols, covalent_radii

    assert elements.symbols()[1:] == tuple(chemical_symbols[1:104])
    assert np.allclose(elements.column("covalent_radius_A")[1:], covalent_radii[1:104], atol=1e-3)
    assert np.isfinite(elements.feature_table()).all()
    counts = sum(elements.column(f"valence_{s}") for s in "spdf")
    assert counts[11] == 1
    assert counts[17] == 7
    assert counts[26] == 8


@pytest.mark.parametrize(
    ("Z", "molecule", "crystal"),
    [
        ([6] * 6 + [1] * 6, "C6H6", "CH"), ([8, 1, 1], "H2O", "H2O"), ([1, 17], "ClH", "HCl"), ([6, 1, 1, 8], "CH2O", "CH2O"),
        ([6] * 6 + [1] * 12 + [8] * 6, "C6H12O6", "CH2O"), ([11] * 2 + [17] * 2, "Cl2Na2", "NaCl"), ([7, 7], "N2", "N"),
        ([1, 1, 16] + [8] * 4, "H2O4S", "H2SO4"), ([6, 35, 1, 1, 1], "CH3Br", "CH3Br"),
    ],
)  # fmt: skip
def test_formulas_of_molecules_and_crystals(Z, molecule, crystal):
    xyz = 3.0 * np.arange(3 * len(Z)).reshape(-1, 3)
    assert Structure(Z, xyz).formula == molecule
    cell = 3.0 * (3 * len(Z)) * np.eye(3)
    assert Structure(Z, xyz, cell).formula == crystal


@pytest.mark.parametrize("numbers", [(), (1,), (8, 16, 34), frozenset(range(1, 104)), frozenset((11, 103))])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_which_atoms_are_among_some_elements(numbers, dtype):
    Z = np.random.default_rng(0).integers(1, 104, (7, 30)).astype(dtype)
    assert np.array_equal(elements.are_among(Z, numbers), np.isin(Z, list(numbers)))
    assert elements.are_among(Z[:0], numbers).shape == (0, 30)
