"""Networks in every floating dtype: single and double precision and autocast answer, others are refused by name."""

import copy

import numpy as np
import pytest
import torch
from rdkit.Chem import MolFromSmiles

from andersonn import Scientist
from andersonn.data.store import ImageStore
from andersonn.errors import UsageError
from andersonn.models import Ensemble, EquilibriumNetwork, ImageBatch, ModelConfig
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers import from_smiles
from andersonn.structures.readers.molecules.bonds_alone import graph_of
from tests.conftest import random_structure

VARIANTS = {
    "message": {},
    "convolution": {"cell": "convolution"},
    "lean": {"encoder": "lean"},
    "initializer": {"initializer": True},
    "layers": {"layers": 3, "tied": False},
    "voids": {"voids": "all", "oxidation": True},
    "dipole": {"head": "dipole", "directions": 4, "spacing": "near"},
}
SMILES = ("CCO", "N#CC#N", "Cn1cnc2c1c(=O)n(C)c(=O)n2C")
SHIPPED = ("conduction", "polarity", "polarity by bonds", "porosity")


def batch_of(structures, recipe) -> ImageBatch:
    store = ImageStore.from_images([NodeNeighborImage.from_structure(s, recipe) for s in structures], recipe)
    return ImageBatch.from_store(store, np.arange(len(store)))


@pytest.fixture(scope="module")
def molecules():
    return [from_smiles(smiles) for smiles in SMILES]


@pytest.fixture(scope="module")
def crystals():
    rng = np.random.default_rng(3)
    return [random_structure(rng, n) for n in (1, 2, 5, 9)]


@pytest.fixture(scope="module", params=[*SHIPPED, *VARIANTS])
def posed(request, molecules, crystals):
    """A network, a batch for it, and its answers in single precision."""
    network, batch = made(request.param, molecules, crystals)
    return network, batch, answers(network, batch, False)


def made(name, molecules, crystals):
    if name in SHIPPED:
        task, _, bonds = name.partition(" by ")
        scientist = Scientist.load(task, geometry="none" if bonds else None)
        structures = molecules if task == "polarity" else crystals
        if bonds:
            structures = [graph_of(MolFromSmiles(smiles)) for smiles in SMILES]
        return scientist.bundle.network, batch_of(structures, scientist.recipe)
    torch.manual_seed(0)
    options = VARIANTS[name]
    network = EquilibriumNetwork(ModelConfig(width=16, **options), 3).eval()
    if "directions" in options:
        return network, batch_of(molecules, ImageRecipe(columns=8, positions=True, fold=False))
    return network, batch_of(crystals, ImageRecipe(columns=8, voids="voids" in options, oxidation="voids" in options))


def answers(network, batch, gradients: bool):
    network.zero_grad()
    with torch.set_grad_enabled(gradients):
        output = network(batch)
        if gradients:
            output.scores.float().square().mean().backward()
    assert output.solution.status.max() <= 0 or hasattr(network.equilibrium, "layers")
    return output.scores.detach()


@pytest.mark.parametrize("gradients", [False, True], ids=["inference", "gradients"])
def test_double_precision_gives_the_same_answers(posed, gradients):
    network, batch, expected = posed
    double = copy.deepcopy(network).double()
    found = answers(double, batch, gradients)
    assert found.dtype == torch.float64
    assert torch.allclose(
        found.softmax(1).float(), expected.softmax(1), atol=2e-3
    )  # as far apart as solves to 1e-3 are


@pytest.mark.parametrize(("low", "gradients"), [(torch.bfloat16, True), (torch.float16, False)])
def test_autocast_gives_nearly_the_same_answers(posed, low, gradients):
    network, batch, expected = posed
    with torch.autocast("cpu", low):
        found = answers(network, batch, gradients)
    assert torch.allclose(found.float().softmax(1), expected.softmax(1), atol=0.05)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.complex64])
def test_other_dtypes_are_refused_with_the_way_round(posed, dtype):
    network, batch, _ = posed
    other = copy.deepcopy(network).to(dtype)
    with pytest.raises(UsageError, match=r"weights are \w+.*float32 or float64") as refusal:
        other(batch)
    assert "autocast" in refusal.value.hint
    with pytest.raises(UsageError, match="float32 or float64"):
        Ensemble([other, other])(batch)


def test_a_batch_is_read_in_the_precision_of_the_weights(posed):
    network, batch, expected = posed
    double = batch.in_precision_of(torch.zeros((), dtype=torch.float64))
    assert double.distance.dtype == torch.float64
    assert torch.equal(answers(network, double, False), expected)
