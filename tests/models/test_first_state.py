"""The solver's first state: free, learned, and without influence on anything but the number of evaluations."""

import numpy as np
import pytest
import torch

from andersonn.data.store import ImageStore
from andersonn.matter.image import ImageRecipe, NodeNeighborImage
from andersonn.models import EquilibriumNetwork, ImageBatch, ModelConfig
from andersonn.models.config import SolverConfig


@pytest.fixture(scope="module")
def batch(demo_sample):
    recipe = ImageRecipe(columns=8)
    images = [
        NodeNeighborImage.from_structure(structure, recipe) for structure in demo_sample.take(np.arange(0, 200, 20))
    ]
    return ImageBatch.from_store(ImageStore.from_images(images, recipe), np.arange(len(images)))


def network_of(cell, **options):
    torch.manual_seed(0)
    solver = SolverConfig(rtol=1e-5)
    same = {"dropout": 0, "embedding_dropout": 0, "solver": solver}
    return EquilibriumNetwork(ModelConfig(cell=cell, width=12, radial=8, **same, **options), 3)


@pytest.mark.parametrize("cell", ["message", "convolution"])
def test_it_is_what_the_cell_makes_of_zeros(batch, cell):
    network = network_of(cell)
    cell = network.equilibrium.cell
    x = cell.prepare(network.encoder(batch), batch)
    first = cell.initial(x)
    torch.testing.assert_close(first, cell(torch.zeros_like(first), x))
    assert not first.requires_grad


@pytest.mark.parametrize("cell", ["message", "convolution"])
def test_a_learned_one_saves_evaluations_and_changes_no_answer_and_no_gradient(batch, cell):
    plain, learned = network_of(cell), network_of(cell, initializer=True)
    learned.load_state_dict(plain.state_dict(), strict=False)
    guess = learned.equilibrium.initializer
    optimizer = torch.optim.Adam(guess.parameters(), lr=1e-2)
    before = learned(batch).solution.evaluations
    assert before == plain(batch).solution.evaluations
    for _ in range(60):
        learned(batch)
        optimizer.zero_grad()
        learned.equilibrium.initializer_loss().backward()
        optimizer.step()
    found, expected = learned(batch), plain(batch)
    assert found.solution.steps.sum() < expected.solution.steps.sum()
    torch.testing.assert_close(found.scores, expected.scores, rtol=1e-3, atol=1e-4)
    for network, output in ((plain, expected), (learned, found)):
        network.zero_grad()
        output.scores.square().sum().backward()
    gradients = dict(learned.named_parameters())
    for name, parameter in plain.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(gradients[name].grad, parameter.grad, rtol=2e-2, atol=1e-4)
