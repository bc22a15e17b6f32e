"""How atoms fill a crystal, without a probe of pores, and networks that read it."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from andersonn.config import TrainConfig
from andersonn.data.records import Records
from andersonn.data.store import ImageStore
from andersonn.errors import InputError, UsageError
from andersonn.models import EquilibriumNetwork, ImageBatch, ModelConfig
from andersonn.models.encoder import FILLED
from andersonn.scientists.registry import find
from andersonn.structures.filling import BY_ATOM, DENSITY, RADII, WHOLE, Filling
from andersonn.structures.graph import AtomBondGraph
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.pores import Voids
from andersonn.structures.structure import Structure
from andersonn.training.dataset import prepare
from andersonn.training.trainer import Trainer
from tests.conftest import random_structure

RECIPE = ImageRecipe(columns=8, filling=True)


def structure_of(atoms: Atoms) -> Structure:
    return Structure(atoms.numbers, atoms.positions, atoms.cell.array)


def of(atoms: Atoms) -> Filling:
    return Filling.of(AtomBondGraph.from_structure(structure_of(atoms)))


def image_of(structure: Structure, **options) -> NodeNeighborImage:
    return NodeNeighborImage.from_structure(structure, replace(RECIPE, **options))


def batch_of(structures: list[Structure]) -> ImageBatch:
    images = [image_of(structure) for structure in structures]
    return ImageBatch.from_store(ImageStore.from_images(images, RECIPE), np.arange(len(images)))


def scores(filling: str, batch: ImageBatch) -> np.ndarray:
    torch.manual_seed(0)
    with torch.no_grad():
        return EquilibriumNetwork(ModelConfig(width=16, filling=filling), 3).eval()(batch).scores.numpy()


def test_salt_is_as_dense_as_in_the_handbook():
    salt = dict(zip(WHOLE, of(bulk("NaCl", "rocksalt", a=5.6402)).by_structure, strict=True))
    assert salt["mass_g_cm3"] == pytest.approx(2.164, abs=0.002)
    assert salt["atoms_per_nm3"] == pytest.approx(8 / 0.56402**3, rel=1e-5)
    assert (salt["coordination"], salt["coordination_spread"]) == (6.0, 0.0)
    assert salt["room_A3"] == pytest.approx(0.56402**3 / 8 * 1000 * (1 - salt["packing"]), rel=1e-5)


def test_surroundings_are_as_dense_as_the_crystal_and_to_no_side_in_copper():
    found = of(bulk("Cu", "fcc", a=3.61))
    by_atom, whole = (
        dict(zip(names, values, strict=True))
        for names, values in ((BY_ATOM, found.by_atom[0]), (WHOLE, found.by_structure))
    )
    # The atom itself is not counted: what it lacks to the density is one atom at the full weight.
    itself = 1000.0 / (32 * np.pi / 105 * RADII[-1] ** 3)
    assert by_atom["near_10"] + itself == pytest.approx(whole["atoms_per_nm3"], rel=0.02)
    assert by_atom["packed_10"] / by_atom["near_10"] == pytest.approx(
        whole["packing"] / whole["atoms_per_nm3"], rel=1e-5
    )
    assert max(by_atom[f"one_sided_{radius:g}"] for radius in RADII) < 1e-6


def test_an_atom_at_the_rim_of_a_void_has_its_neighbors_to_one_side():
    slab = Atoms("Cu4", [[0, 0, z] for z in (0.0, 2.5, 5.0, 7.5)], cell=[2.5, 2.5, 40.0])
    found = dict(zip(BY_ATOM, of(slab).by_atom.T, strict=True))
    assert found["one_sided_8"][0] == pytest.approx(found["one_sided_8"][3], rel=1e-5)
    assert found["one_sided_8"][0] > 3 * found["one_sided_8"][1]
    assert found["near_8"][0] < found["near_8"][1]


def test_channels_change_smoothly_where_a_neighbor_leaves():
    def pair(distance: float) -> np.ndarray:
        return of(Atoms("Ar2", [[0, 0, 0], [0, 0, distance]], cell=[40.0] * 3)).by_atom

    for radius in RADII:
        assert np.allclose(pair(radius - 1e-4)[:, :2], pair(radius + 1e-4)[:, :2], atol=1e-4)
    assert not pair(max(RADII) + 0.1).any()


def test_no_order_of_atoms_and_no_choice_of_cell_matters():
    atoms = bulk("ZnS", "wurtzite", a=3.82, c=6.26)
    atoms.rattle(0.1, seed=0)
    plain, order = of(atoms), [2, 0, 3, 1]
    assert np.allclose(of(atoms[order]).by_atom, plain.by_atom[order], rtol=1e-4)
    assert np.allclose(of(atoms[order]).by_structure, plain.by_structure)
    large = of(atoms.repeat((2, 1, 3)))
    assert np.allclose(large.by_atom, np.tile(plain.by_atom, (6, 1)), rtol=1e-4, atol=1e-6)
    assert np.allclose(large.by_structure, plain.by_structure, rtol=1e-5)
    turned = atoms.copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    assert np.allclose(of(turned).by_atom, plain.by_atom, rtol=1e-4, atol=1e-6)


def test_densities_are_those_beside_the_voids():
    structure = random_structure(np.random.default_rng(3), 7)
    assert np.allclose(image_of(structure).of_whole[: len(DENSITY)], Voids.of(structure).by_structure[: len(DENSITY)])


def test_they_come_after_oxidation_states_and_before_descriptors():
    structure = random_structure(np.random.default_rng(4), 6)
    alone, image = image_of(structure), image_of(structure, oxidation=True, descriptors="composition")
    recipe = image.recipe
    assert len(image.of_whole) == len(recipe.graph_channels)
    start = recipe.graph_channels.index(WHOLE[0])
    assert np.array_equal(image.of_whole[start : start + len(WHOLE)], alone.of_whole)
    start = recipe.node_channels.index(BY_ATOM[0])
    assert np.array_equal(image.of_row[:, start:], alone.of_row)


@pytest.mark.parametrize("filling", FILLED)
def test_a_network_reads_what_it_is_told_to(filling):
    batch = batch_of([random_structure(np.random.default_rng(k), 6) for k in range(3)])
    plain, (by_atom, whole) = scores(filling, batch), FILLED[filling]
    for names, read, values in ((BY_ATOM, by_atom, "of_row"), (WHOLE, whole, "of_whole")):
        for c, name in enumerate(names):
            changed = getattr(batch, values).clone()
            changed[:, c] += 1.0
            same = np.allclose(plain, scores(filling, replace(batch, **{values: changed})), atol=1e-6)
            assert same == (name not in read)


@pytest.mark.parametrize("filling", ["whole", "by_atom"])
def test_a_supercell_is_answered_the_same(filling):
    structures = [random_structure(np.random.default_rng(k), 6) for k in range(2)]
    doubled = [structure_of(Atoms(s.Z, s.xyz, cell=s.cell, pbc=True).repeat((1, 2, 1))) for s in structures]
    assert np.allclose(scores(filling, batch_of(structures)), scores(filling, batch_of(doubled)), atol=1e-4)


def test_without_the_option_nothing_is_new():
    config = ModelConfig(width=16)
    assert config.filling == "none"
    old = {name: value for name, value in config.model_dump().items() if name != "filling"}
    assert ModelConfig.model_validate(old) == config
    assert not any("whole" in name for name in EquilibriumNetwork(config, 3).state_dict())
    assert ImageRecipe(columns=12).key == "6003ce6f6f65a705"
    assert replace(RECIPE, filling=False).key != RECIPE.key


def test_what_does_not_go_together_is_refused():
    with pytest.raises(UsageError, match=r"needs image\.filling=true"):
        TrainConfig.make(overrides=["model.filling=whole"])
    for other in ({"voids": True}, {"positions": True, "fold": False}):
        with pytest.raises(UsageError, match=r"image\.filling is for crystals"):
            ImageRecipe(filling=True, **other)
    with pytest.raises(UsageError, match="bonds alone"):
        ImageRecipe(filling=True, bonds=True, fold=False)
    with pytest.raises(InputError, match="no unit cell"):
        image_of(random_structure(np.random.default_rng(5), 4, periodic=False))


def test_density_is_learned_from_them():
    """Argon in cubes that differ in nothing but their edge, which is beyond the reach of the image."""
    edges = np.random.default_rng(0).uniform(3.6, 6.0, 160)
    table = pa.table(
        {
            "id": [f"a{k}" for k in range(len(edges))],
            "group": [f"g{k}" for k in range(len(edges))],
            "atomic_numbers": pa.array([[18]] * len(edges), pa.list_(pa.uint8())),
            "positions": pa.array([[0.0, 0.0, 0.0]] * len(edges), pa.list_(pa.float32())),
            "cell": pa.array([[e, 0, 0, 0, e, 0, 0, 0, e] for e in edges], pa.list_(pa.float32())),
            "pld_A": np.where(edges < 4.4, 1.0, np.where(edges < 5.2, 5.0, 9.0)),
        }
    )
    options = ["image.columns=4", "image.reach=3", "image.filling=true", "model.width=16", "model.layers=2", "strain=0"]
    options += ["epochs=30", "weight_decay=0", "learning_rate=0.02", "max_images=32", "split.validation=0.3"]
    task, accuracy = find("porosity").task, {}
    for filling in ("none", "whole"):
        config = TrainConfig.make(overrides=[*options, f"model.filling={filling}"])
        trainer = Trainer(prepare(Records.of(table, "argon"), task, config), task, config)
        while not trainer.done:
            last = trainer.run_epoch()
        accuracy[filling] = last["validation_accuracy"]
    assert accuracy["whole"] > 0.85
    assert accuracy["none"] < 0.7
