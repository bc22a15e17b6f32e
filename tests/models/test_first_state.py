"""The solver's first state: free, learned, and without influence on anything but the number of evaluations."""

import numpy as np
import pytest
import torch

from andersonn.data.store import ImageStore
from andersonn.models import EquilibriumNetwork, ImageBatch, ModelConfig
from andersonn.models.config import SolverConfig
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.training.first_state import fit_first_state


@pytest.fixture(scope="module")
def images(demo_sample):
    recipe = ImageRecipe(columns=8)
    images = [
        NodeNeighborImage.from_structure(structure, recipe) for structure in demo_sample.take(np.arange(0, 200, 20))
    ]
    store = ImageStore.from_images(images, recipe)
    return store, ImageBatch.from_store(store, np.arange(len(images)))


def network_of(cell, **options):
    torch.manual_seed(0)
    solver = SolverConfig(rtol=1e-5)
    same = {"dropout": 0, "embedding_dropout": 0, "solver": solver}
    return EquilibriumNetwork(ModelConfig(cell=cell, width=12, radial=8, **same, **options), 3)


@pytest.mark.parametrize("cell", ["message", "convolution"])
def test_it_is_what_the_cell_makes_of_zeros(images, cell):
    _, batch = images
    network = network_of(cell)
    cell = network.equilibrium.cell
    x = cell.prepare(network.encoder(batch), batch)
    first = cell.initial(x)
    torch.testing.assert_close(first, cell(torch.zeros_like(first), x))
    assert not first.requires_grad


@pytest.mark.parametrize("cell", ["message", "convolution"])
def test_a_fitted_one_saves_evaluations_and_changes_no_answer(images, cell):
    store, batch = images
    plain, learned = network_of(cell), network_of(cell, initializer=True)
    learned.load_state_dict(plain.state_dict(), strict=False)
    before = learned(batch).solution
    assert before.evaluations == plain(batch).solution.evaluations
    fit_first_state(learned.eval(), store, np.arange(len(store.n_rows)), seed=0)
    found, expected = learned(batch), plain(batch)
    assert found.solution.steps.sum() < expected.solution.steps.sum()
    assert found.solution.trace.residual[0].mean() < 0.7 * expected.solution.trace.residual[0].mean()
    torch.testing.assert_close(found.scores, expected.scores, rtol=1e-3, atol=1e-4)


def test_it_is_no_parameter_to_train():
    network = network_of("message", initializer=True)
    trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    assert not any("initializer" in name for name in trained)
