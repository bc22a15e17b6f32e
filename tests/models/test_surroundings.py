"""How atoms stand to each other: known crystals by hand, and what must not matter to the numbers."""

import numpy as np
import pytest
import torch

from andersonn.data.store import ImageStore
from andersonn.models.batch import ImageBatch
from andersonn.models.surroundings import FAMILIES, MISSING, OF_ATOM, POOLED, SurroundingNumbers, families
from andersonn.structures.elements import atomic_number
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.structure import Structure
from andersonn.training.moved_atoms import moved

READ = SurroundingNumbers()
FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
NEAREST_A, NEAREST, COORDINATION, POLARITY, LIKE = 0, 1, 5, 9, 11
"""Places among the numbers of an atom."""


def crystal(symbols, fractions, a, cell=FCC):
    Z = np.array([atomic_number()[symbol] for symbol in symbols])
    return Structure(Z, np.array(fractions, dtype=float) @ cell * a, cell * a)


ROCK_SALT = crystal(["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]], 5.641)
DIAMOND = crystal(["C", "C"], [[0, 0, 0], [0.25, 0.25, 0.25]], 3.567)
GRAPHENE = crystal(
    ["C", "C"],
    [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]],
    1.0,
    np.array([[2.46, 0, 0], [-1.23, 2.1304, 0], [0, 0, 6.7]]),
)
COPPER = crystal(["Cu"], [[0, 0, 0]], 3.61)


def batch_of(*structures, columns=8, fold=True):
    recipe = ImageRecipe(columns=columns, fold=fold)
    images = [NodeNeighborImage.from_structure(s, recipe) for s in structures]
    return ImageBatch.from_store(ImageStore.from_images(images, recipe, {}), np.arange(len(images)))


def numbers(structure, **options):
    return READ(batch_of(structure, **options))[0]


def mean_of(found, number, selection=0):
    """The mean of one number of an atom over a selection: 0 all, 1 anions, 2 others, 3 transition metals."""
    return float(found[selection * POOLED * OF_ATOM + number])


def test_rock_salt_by_hand():
    found = numbers(ROCK_SALT)
    assert mean_of(found, NEAREST_A) == pytest.approx(5.641 / 2, abs=1e-3)
    assert mean_of(found, NEAREST) == pytest.approx(5.641 / 2 / (1.66 + 1.02), abs=1e-3)
    assert mean_of(found, COORDINATION) == pytest.approx(6 / (1 + np.exp((1.0525 - 1.25) / 0.05)), abs=2e-3)
    assert mean_of(found, POLARITY) == pytest.approx(0.0, abs=2e-3)  # sodium's and chlorine's cancel
    assert mean_of(found, POLARITY, selection=1) == pytest.approx(0.93 - 3.16, abs=2e-2)
    assert mean_of(found, LIKE) == pytest.approx(0.0, abs=1e-3)
    assert mean_of(found, NEAREST_A, selection=3) == MISSING  # no transition metal


@pytest.mark.parametrize(("structure", "neighbors"), [(DIAMOND, 4), (GRAPHENE, 3), (COPPER, 8)])
def test_bonds_to_the_same_element(structure, neighbors):
    found = numbers(structure)
    assert mean_of(found, COORDINATION) == pytest.approx(neighbors, rel=0.02)  # of copper's twelve eight are shown
    assert mean_of(found, LIKE) == pytest.approx(1.0, abs=2e-3)


def test_bonds_between_families_and_contacts_by_length():
    own, pairs = families(), FAMILIES * (FAMILIES + 1) // 2
    assert own[[1, 11, 26, 57, 30, 14, 33, 16, 9, 2, 18]].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8]
    found = numbers(ROCK_SALT)
    bonds, contacts = found[-pairs - 27 : -27], found[-27:]
    assert bonds.argmax() == FAMILIES + (FAMILIES - 1) - 1  # s block with halogen
    assert bonds.sum() == pytest.approx(mean_of(found, COORDINATION), abs=0.05)
    assert contacts[9:18].sum() == pytest.approx(6.0, abs=1e-2)  # each atom has six of the other kind
    assert contacts[18:27].sum() == pytest.approx(0.0, abs=1e-2)


def rotated(structure, generator):
    turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    return Structure(structure.Z, structure.xyz @ turn, structure.cell @ turn)


@pytest.mark.parametrize("structure", [ROCK_SALT, DIAMOND, GRAPHENE, COPPER])
def test_a_rotation_a_supercell_another_order_and_no_folding_change_nothing(structure):
    whole = numbers(structure)
    assert whole.shape == (READ.features,)
    assert torch.isfinite(whole).all()
    generator = np.random.default_rng(0)
    order = generator.permutation(2 * len(structure.Z))
    twice = Structure(
        np.tile(structure.Z, 2)[order],
        np.concatenate([structure.xyz, structure.xyz + structure.cell[2]])[order],
        structure.cell * [[1.0], [1.0], [2.0]],
    )
    for same in (rotated(structure, generator), twice, rotated(twice, generator)):
        torch.testing.assert_close(numbers(same), whole, atol=1e-6, rtol=0)
    torch.testing.assert_close(numbers(twice, fold=False), whole, atol=1e-6, rtol=0)


def test_the_batch_and_a_row_without_neighbors_change_nothing():
    alone = crystal(["He"], [[0, 0, 0]], 1.0, np.eye(3) * 30.0)
    together = READ(batch_of(ROCK_SALT, alone, GRAPHENE))
    for k, one in enumerate((ROCK_SALT, alone, GRAPHENE)):
        assert torch.equal(numbers(one), together[k])
    assert mean_of(together[1], COORDINATION) == pytest.approx(0.0, abs=2e-3)
    assert torch.isfinite(numbers(ROCK_SALT, columns=1)).all()


def test_compression_is_seen_and_elements_exchanged_too():
    found = numbers(ROCK_SALT)
    pressed = numbers(Structure(ROCK_SALT.Z, ROCK_SALT.xyz * 0.92, ROCK_SALT.cell * 0.92))
    assert mean_of(pressed, NEAREST) == pytest.approx(0.92 * mean_of(found, NEAREST), abs=2e-3)
    assert mean_of(pressed, COORDINATION) > mean_of(found, COORDINATION)
    other = numbers(crystal(["K", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]], 5.641))
    assert mean_of(other, NEAREST) < mean_of(found, NEAREST)


HALF_HEUSLER = crystal(["Ti", "Ni", "Sn"], [[0, 0, 0], [0.25, 0.25, 0.25], [0.5, 0.5, 0.5]], 5.92)


def moved_by(structure, far, generator):
    strain = np.eye(3) + generator.normal(0.0, far / 3.0, (3, 3))
    xyz = structure.xyz @ strain + generator.normal(0.0, far, structure.xyz.shape)
    return Structure(structure.Z, xyz, structure.cell @ strain)


@pytest.mark.parametrize("structure", [ROCK_SALT, DIAMOND, GRAPHENE, HALF_HEUSLER])
@pytest.mark.parametrize("far", [1e-4, 1e-3])
def test_atoms_moved_a_little_move_no_number_far(structure, far):
    """Where shells are no more equally far by symmetry, their neighbors are let in with weights near zero."""
    whole, generator = numbers(structure), np.random.default_rng(1)
    for _ in range(5):
        found = numbers(moved_by(structure, far, generator))
        assert (found - whole).abs().max() < 0.003 + 50.0 * far


@pytest.mark.parametrize("far", [1e-4, 1e-3, 1e-2])
def test_a_close_packing_that_is_a_little_distorted_keeps_neighbors(far):
    """Its twelve neighbors are more than are shown, and each is about as near as the first that is left out."""
    whole, found = numbers(COPPER), numbers(moved_by(COPPER, far, np.random.default_rng(2)))
    assert mean_of(found, NEAREST_A) == pytest.approx(mean_of(whole, NEAREST_A), abs=0.002 + 4.0 * far)
    assert mean_of(found, COORDINATION) > 3.0
    assert mean_of(found, LIKE) == pytest.approx(1.0, abs=2e-3)


def test_a_contact_between_two_lengths_counts_partly_for_each():
    for a in np.linspace(5.0, 6.5, 7):
        found = numbers(crystal(["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]], a))[-27:]
        assert found[9:18].sum() == pytest.approx(6.0, abs=1e-2)
        assert (found[9:18] > 0.01).sum() <= 2


def test_moved_copies_keep_labels_and_differ_by_seed(demo_sample):
    chosen = np.array([3, 0, 7])
    one, other, again = (moved(demo_sample, chosen, seed) for seed in (1, 2, 1))
    assert one.label("band_gap_eV").tolist() == demo_sample.label("band_gap_eV")[chosen].tolist()
    assert [one[k].id for k in range(3)] == [demo_sample[int(k)].id for k in chosen]
    for k, place in enumerate(chosen.tolist()):
        before = demo_sample[place]
        assert np.array_equal(one[k].Z, before.Z)
        assert np.array_equal(one[k].xyz, again[k].xyz)
        assert not np.allclose(one[k].xyz, other[k].xyz)
        np.testing.assert_allclose(one[k].cell, before.cell, rtol=0.06, atol=0.3)
        fractions = one[k].xyz @ np.linalg.inv(one[k].cell) - before.xyz @ np.linalg.inv(before.cell)
        assert 0.0 < np.abs((fractions - fractions.round()) @ before.cell).max() < 0.15
