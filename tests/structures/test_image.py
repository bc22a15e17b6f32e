import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andersonn.structures import elements
from andersonn.structures.graph import AtomBondGraph, dense_ranks, tied_ranks
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.structure import Structure
from tests.conftest import random_structure, rotation

WHOLE = ImageRecipe(columns=12, fold=False)
FOLDED = ImageRecipe(columns=12)


def assert_same_image(a: NodeNeighborImage, b: NodeNeighborImage, atol: float = 1e-4):
    """Equal channels, and neighbors of equal surroundings: which of two equal atoms is meant may differ."""
    assert a.Z.tolist() == b.Z.tolist()
    assert a.color.tolist() == b.color.tolist()
    assert a.multiplicity.tolist() == b.multiplicity.tolist()
    for name, plane in a.channels().items():
        assert np.allclose(plane, b.channels()[name], atol=atol), name
    assert np.array_equal(a.color[a.neighbor_index] * a.mask, b.color[b.neighbor_index] * b.mask)


def moved(structure: Structure, rng: np.random.Generator) -> Structure:
    """The same structure with atoms renumbered, turned, shifted, and wrapped into other cells."""
    order, turn = rng.permutation(len(structure)), rotation(rng)
    xyz = structure.xyz[order] + rng.normal(size=3)
    cell = structure.cell
    if cell is not None:
        xyz = xyz + rng.integers(-2, 3, size=xyz.shape) @ cell
        cell = cell @ turn
    return Structure(structure.Z[order], xyz @ turn, cell)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10_000), st.booleans())
def test_image_depends_on_the_structure_alone(n, seed, periodic):
    rng = np.random.default_rng(seed)
    structure = random_structure(rng, n, periodic)
    other = moved(structure, rng)
    for recipe in (WHOLE, FOLDED):
        assert_same_image(
            NodeNeighborImage.from_structure(structure, recipe), NodeNeighborImage.from_structure(other, recipe)
        )


@pytest.mark.parametrize("name", ["Cu", "W", "Si", "GaAs", "NaCl", "SrTiO3", "SiO2"])
def test_symmetric_crystals(structures, name):
    rng = np.random.default_rng(1)
    structure = structures[name]
    image = NodeNeighborImage.from_structure(structure, FOLDED)
    for _ in range(5):
        assert_same_image(image, NodeNeighborImage.from_structure(moved(structure, rng), FOLDED))


@pytest.mark.parametrize("name", ["Cu", "NaCl", "SrTiO3", "SiO2"])
def test_supercell_folds_to_its_primitive_cell(atoms, name):
    from andersonn.structures.readers import as_structure

    small = NodeNeighborImage.from_structure(as_structure(atoms[name]), FOLDED)
    large = NodeNeighborImage.from_structure(as_structure(atoms[name].repeat((2, 1, 3))), FOLDED)
    assert large.n_atoms == 6 * small.n_atoms
    assert large.multiplicity.tolist() == (6 * small.multiplicity).tolist()
    assert np.allclose(small.distance, large.distance, atol=1e-4)
    assert np.array_equal(small.neighbor_index, large.neighbor_index)


def test_rows_and_columns(structures):
    image = NodeNeighborImage.from_structure(structures["SrTiO3"], ImageRecipe(columns=24))
    symbols = [elements.symbols()[z] for z in image.Z]
    assert symbols == ["Sr", "Ti", "O"]  # by electronegativity
    assert image.multiplicity.tolist() == [1, 1, 3]
    titanium = image.neighbor_index[1][image.mask[1]]
    assert [symbols[r] for r in titanium[:14]] == ["O"] * 6 + ["Sr"] * 8
    assert np.allclose(image.distance[1][:6], 1.95)
    assert image.bonded[1][:6].all()
    assert np.allclose(np.linalg.norm(image.neighbor_vector, axis=2), image.distance, atol=1e-5)
    for distances, shown in zip(image.distance, image.mask, strict=True):
        assert (np.diff(distances[shown]) >= -1e-6).all()


def test_a_shell_is_never_cut(structures):
    # In copper 12 neighbors are nearest, then 6: sixteen columns have room for 12 alone.
    image = NodeNeighborImage.from_structure(structures["Cu"], ImageRecipe(columns=16))
    assert image.mask.sum(axis=1).tolist() == [12]
    assert NodeNeighborImage.from_structure(structures["Cu"], ImageRecipe(columns=18)).mask.sum() == 18


def test_a_single_shell_too_large_for_the_image_shows_a_part():
    turns = np.arange(20) * 2.399963
    height = 1 - 2 * (np.arange(20) + 0.5) / 20
    cage = 6.0 * np.stack([np.sqrt(1 - height**2) * np.cos(turns), np.sqrt(1 - height**2) * np.sin(turns), height], 1)
    structure = Structure([11, *[6] * 10, *[7] * 10], np.concatenate([[[0, 0, 0]], cage]))
    image = NodeNeighborImage.from_structure(structure, ImageRecipe(columns=8, fold=False))
    sodium = image.Z.tolist().index(11)
    assert image.mask[sodium].all()
    assert set(image.Z[image.neighbor_index[sodium]].tolist()) == {6}  # the less electronegative first


def test_it_is_continuous():
    """Moving an atom by a hair moves weights and distances by a hair, also where neighbors trade places."""
    rng = np.random.default_rng(3)
    structure = random_structure(rng, 8)
    recipe = ImageRecipe(columns=6, fold=False)

    def environment(shift: float) -> np.ndarray:
        xyz = structure.xyz.copy()
        xyz[0, 0] += shift
        image = NodeNeighborImage.from_structure(Structure(structure.Z, xyz, structure.cell), recipe)
        row = image.atom_row[0]
        radial = np.exp(-((image.distance[row][:, None] - np.linspace(2, 8, 30)) ** 2))
        return (image.weight[row][:, None] * radial).sum(axis=0)

    steps = np.linspace(0, 0.6, 601)
    values = np.array([environment(s) for s in steps])
    assert np.abs(np.diff(values, axis=0)).max() < 0.02
    assert np.abs(values[-1] - values[0]).max() > 0.1


@pytest.mark.parametrize("structure", [Structure([2], [[0, 0, 0]]), Structure([2], [[0, 0, 0]], 50 * np.eye(3))])
def test_a_lone_atom_has_an_empty_image(structure):
    image = NodeNeighborImage.from_structure(structure)
    assert not image.mask.any()
    assert np.isfinite(np.stack(list(image.channels().values()))).all()


def test_atoms_find_their_rows(structures):
    structure = structures["SiO2"]
    image = NodeNeighborImage.from_structure(structure, FOLDED)
    assert np.array_equal(image.Z[image.atom_row], structure.Z)
    assert np.array_equal(np.bincount(image.atom_row), image.multiplicity)


def test_large_structures_do_not_merge_unequal_atoms():
    """Thousands of distances lie closer than the tie tolerance to each other; they must not chain into one."""
    rng = np.random.default_rng(0)
    structure = random_structure(rng, 400)
    image = NodeNeighborImage.from_structure(structure, FOLDED)
    assert len(image) == 400
    ranks = tied_ranks(np.sort(rng.uniform(1.0, 5.0, 100_000)))
    assert ranks.max() > 4.0 / 1e-3


def test_ranks():
    assert dense_ranks(np.array([3, 1, 3, 2])).tolist() == [2, 0, 2, 1]
    assert dense_ranks(np.array([1, 1, 0]), np.array([5, 4, 9])).tolist() == [2, 1, 0]
    assert tied_ranks(np.array([1.0, 1.00001, 2.0, np.inf])).tolist() == [0, 0, 1, 2]


def test_recipe_key_changes_with_any_setting():
    keys = {
        ImageRecipe(**change).key for change in ({}, {"columns": 9}, {"reach": 7.0}, {"fade": 0.2}, {"fold": False})
    }
    assert len(keys) == 5


def test_graph_bonds(structures):
    quartz = AtomBondGraph.from_structure(structures["SiO2"])
    assert quartz.n_bonds == 12
    assert sorted(quartz.coordination().tolist()) == [2] * 6 + [4] * 3
