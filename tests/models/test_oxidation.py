"""Networks that read oxidation states."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from andersonn.config import TrainConfig
from andersonn.data.store import ImageStore
from andersonn.errors import UsageError
from andersonn.models import EquilibriumNetwork, ImageBatch, ModelConfig
from andersonn.models.encoder import Expansion, graph_channels, node_channels
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from tests.conftest import random_structure


@pytest.mark.parametrize("voids", ["none", "all"])
def test_a_network_reads_every_channel(voids):
    config = ModelConfig(width=16, oxidation=True, voids=voids)
    recipe = ImageRecipe(columns=8, oxidation=True, voids=voids == "all")
    assert node_channels(config) == recipe.node_channels
    assert graph_channels(config) == recipe.graph_channels
    rng = np.random.default_rng(0)
    images = [NodeNeighborImage.from_structure(random_structure(rng, n), recipe) for n in (5, 8)]
    batch = ImageBatch.from_store(ImageStore.from_images(images, recipe), np.arange(2))
    torch.manual_seed(0)
    network = EquilibriumNetwork(config, 3).eval()
    with torch.no_grad():
        plain = network(batch).scores
        for name in ("of_row", "of_whole"):
            for c in range(getattr(batch, name).shape[1]):
                changed = getattr(batch, name).clone()
                changed[:, c] += 1.0
                assert not torch.allclose(plain, network(replace(batch, **{name: changed})).scores, atol=1e-6)


def test_each_state_has_its_own_feature():
    expansion = Expansion(("oxidation_state", "state_rarity"))
    features = expansion(torch.tensor([[-4.0, 0.5], [3.0, 0.0], [8.0, 0.0]]))
    assert features.shape == (3, expansion.features)
    assert features[:, 2:].argmax(dim=1).tolist() == [0, 7, 12]


def test_images_and_network_go_together():
    for half in ("image.oxidation=true", "model.oxidation=true"):
        with pytest.raises(UsageError, match="go together"):
            TrainConfig.make(overrides=[half])
    both = TrainConfig.make(overrides=["image.oxidation=true", "model.oxidation=true"])
    assert both.image.oxidation
