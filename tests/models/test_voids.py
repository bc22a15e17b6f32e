"""Networks that read the room between atoms beside the graph."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from andersonn.config import TrainConfig
from andersonn.data.records import Records
from andersonn.data.store import ImageStore
from andersonn.errors import UsageError
from andersonn.models import EquilibriumNetwork, ImageBatch, ModelConfig
from andersonn.models.encoder import SEEN, Expansion
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.pores import BY_ATOM, BY_STRUCTURE
from tests.conftest import random_structure

RECIPE = ImageRecipe(columns=8, voids=True)


@pytest.fixture(scope="module")
def store() -> ImageStore:
    rng = np.random.default_rng(0)
    return ImageStore.from_images(
        [NodeNeighborImage.from_structure(random_structure(rng, n), RECIPE) for n in (6, 9, 14)], RECIPE
    )


def scores(voids: str, batch: ImageBatch) -> np.ndarray:
    torch.manual_seed(0)
    with torch.no_grad():
        return EquilibriumNetwork(ModelConfig(width=16, voids=voids), 3).eval()(batch).scores.numpy()


@pytest.mark.parametrize("voids", SEEN)
def test_a_network_reads_what_it_is_told_to(store, voids):
    batch = ImageBatch.from_store(store, np.arange(3))
    plain = scores(voids, batch)
    of_row = replace(batch, of_row=batch.of_row + 1.0)
    assert np.allclose(plain, scores(voids, of_row)) == (not SEEN[voids][0])
    for c, name in enumerate(BY_STRUCTURE):
        of_whole = batch.of_whole.clone()
        of_whole[:, c] += 1.0
        changed = not np.allclose(plain, scores(voids, replace(batch, of_whole=of_whole)), atol=1e-6)
        assert changed == (name in SEEN[voids][1])


def test_expansion():
    lengths = torch.tensor([[3.0, 7.0], [50.0, 0.1]])
    expansion = Expansion(("pld_A", "void_fraction"))
    features = expansion(lengths)
    assert features.shape == (2, expansion.features)
    assert features[0, 2:].argmax() == 6  # 3 Å, in steps of half an Å
    assert features[1, 2:].max() < 1e-6  # wider than any bump: only the scaled value is left
    assert features[1, 0] == 10.0


def test_the_store_keeps_the_voids(store, tmp_path):
    store.save(tmp_path / "store.safetensors")
    read = ImageStore.load(tmp_path / "store.safetensors")
    assert np.array_equal(read.of_row, store.of_row)
    assert read.of_row.shape == (29, len(BY_ATOM))
    assert np.array_equal(read.of_whole, store.of_whole)
    assert read.recipe == RECIPE


def test_a_rejected_record_has_no_voids():
    good = random_structure(np.random.default_rng(1), 5)
    table = pa.table(
        {
            "id": ["crystal", "molecule"],
            "group": ["a", "b"],
            "atomic_numbers": [good.Z.tolist()] * 2,
            "positions": [good.xyz.ravel().tolist()] * 2,
            "cell": [good.cell.ravel().tolist(), None],
        }
    )
    store = ImageStore.build(Records(table, "one crystal, one molecule"), RECIPE, workers=1)
    assert list(store.rejected) == [1]
    assert store.of_whole[0].any()
    assert not store.of_whole[1].any()


def test_options_that_do_not_fit_each_other():
    with pytest.raises(UsageError, match=r"needs image\.voids=true"):
        TrainConfig.make(overrides=["model.voids=all"])
    assert TrainConfig.make(overrides=["model.voids=all", "image.voids=true"]).image.voids
    with pytest.raises(UsageError, match=r"need image\.positions=true"):
        TrainConfig.make(overrides=["model.head=dipole"])
    with pytest.raises(UsageError, match="voids for crystals"):
        ImageRecipe(fold=False, positions=True, voids=True)


def test_stores_hold_only_what_their_recipe_asks_for(tmp_path):
    structure = random_structure(np.random.default_rng(2), 5, periodic=False)
    found = {}
    for recipe in (ImageRecipe(), ImageRecipe(fold=False, positions=True)):
        store = ImageStore.from_images([NodeNeighborImage.from_structure(structure, recipe)], recipe)
        store.save(tmp_path / recipe.key)
        read = ImageStore.load(tmp_path / recipe.key)
        optional = ("position", "charge", "of_row", "of_whole")
        found[recipe.positions] = {name for name in optional if getattr(read, name) is not None}
        batch = ImageBatch.from_store(read, np.arange(1))
        assert found[recipe.positions] == {name for name in optional if getattr(batch, name) is not None}
    assert found == {False: set(), True: {"position", "charge"}}
