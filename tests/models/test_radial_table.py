"""Functions of a distance read from a table: as near as promised, never of other weights, exact where training needs it."""

import copy
import math

import numpy as np
import pytest
import torch

from andersonn import Scientist
from andersonn.data.store import ImageStore
from andersonn.models import ImageBatch
from andersonn.models.encoder import ImageEncoder, RadialTable
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers import from_smiles
from tests.conftest import random_structure

TASKS = ("conduction", "polarity", "porosity")
SMILES = ("CCO", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CC(=O)Nc1ccc(O)cc1", "N#CC#N", "OS(=O)(=O)O")


def batch_of(structures, recipe) -> ImageBatch:
    store = ImageStore.from_images([NodeNeighborImage.from_structure(s, recipe) for s in structures], recipe)
    return ImageBatch.from_store(store, np.arange(len(store)))


@pytest.fixture
def crystals():
    rng = np.random.default_rng(3)
    return batch_of([random_structure(rng, n) for n in (1, 2, 5, 9)], ImageRecipe(columns=8))


def encoder(**options) -> ImageEncoder:
    torch.manual_seed(0)
    return ImageEncoder(16, 24, **options).eval()


def exactly(net, batch):
    """Without the table, which nothing reads where gradients are recorded."""
    with torch.enable_grad():
        return net(batch)


def relative(found, true) -> float:
    found, true = found.detach(), true.detach()
    return float((found - true).abs().max() / true.abs().max())


@pytest.mark.parametrize("task", TASKS)
def test_shipped_networks_answer_the_same(task, structures):
    scientist = Scientist.load(task)
    recipe, network = scientist.recipe, scientist.bundle.network
    known = [from_smiles(s) for s in SMILES] if task == "polarity" else list(structures.values())
    batch = batch_of(known, recipe)
    exact = network.encoder._read_gaussians
    with torch.no_grad():
        features, answer = network.encoder(batch), network(batch)
        network.encoder._by_distance = lambda d: exact(torch.exp(-d / 2.5) if network.encoder.near else d)
        true, known_answer = network.encoder(batch), network(batch)
    assert 0 < relative(features.rows, true.rows) < 1e-4
    assert relative(features.pixels, true.pixels) < 1e-4
    assert float((answer.scores.softmax(1) - known_answer.scores.softmax(1)).abs().max()) < 1e-4
    assert answer.quantiles.numel() == 0 or relative(answer.quantiles, known_answer.quantiles) < 1e-4


@pytest.mark.parametrize("radial", [4, 24, 96])
@pytest.mark.parametrize("spacing", ["even", "near"])
def test_a_table_is_near_whatever_the_gaussians(radial, spacing):
    torch.manual_seed(1)
    net = ImageEncoder(16, radial, spacing=spacing).eval()
    distance = torch.cat([torch.linspace(0.0, 12.0, 4001), torch.tensor([0.0, 1e3])])
    with torch.no_grad():
        for found, true in zip(net._by_distance(distance), exactly_by_distance(net, distance), strict=True):
            assert relative(found, true) < 2e-5


def exactly_by_distance(net, distance):
    with torch.enable_grad():
        return net._by_distance(distance)


def write_in_place(net):
    net.filter[0].weight.add_(0.1)


def write_behind_the_counter(net):
    net.pixel_from_distance.weight.data[:, 8:] += 1.0


def load(net):
    net.load_state_dict({name: 1.1 * value for name, value in net.state_dict().items()})


def replace_a_parameter(net):
    net.filter[2].bias = torch.nn.Parameter(torch.ones(16))


def move_gaussians(net):
    net.centers.mul_(1.1)


def replace_a_layer(net):
    net.pixel_from_distance = torch.nn.Sequential(torch.nn.Linear(24, 16), torch.nn.SiLU(), torch.nn.Linear(16, 16))


def widen(net):
    net.double()


@pytest.mark.parametrize(
    "change",
    [write_in_place, write_behind_the_counter, load, replace_a_parameter, replace_a_layer, move_gaussians, widen],
)
def test_a_table_is_made_once_and_anew_when_weights_change(change, crystals, monkeypatch):
    net, made = encoder(), []
    tabulated = net._tabulated
    monkeypatch.setattr(net, "_tabulated", lambda: made.append(1) or tabulated())
    with torch.no_grad():
        before = net(crystals)
        assert torch.equal(net(crystals).rows, before.rows)
        assert len(made) == 1
        change(net)
        after = net(crystals)
        net(crystals)
    assert len(made) == 2
    assert relative(after.rows, exactly(net, crystals).rows) < 1e-4
    assert relative(after.pixels, before.pixels) > 1e-3 or change is widen
    assert after.pixels.dtype == next(net.parameters()).dtype


def test_no_distances_have_no_values():
    net = encoder()
    with torch.no_grad():
        assert net._by_distance(torch.zeros(0, 3))[0].shape == (0, 3, 16)


def test_copies_have_their_own_table(crystals):
    net = encoder()
    with torch.no_grad():
        before = net(crystals).rows
        other = copy.deepcopy(net)
        write_in_place(other)
        assert not torch.equal(other(crystals).rows, before)
        assert torch.equal(net(crystals).rows, before)


@pytest.mark.parametrize("mode", ["training", "gradients"])
def test_training_and_gradients_compute_exactly(mode, crystals):
    net = encoder(dropout=0.0)
    net.train(mode == "training")
    with torch.set_grad_enabled(mode == "gradients"):
        found = net._by_distance(crystals.distance)
    gaussians = torch.exp(-net.sharpness * (crystals.distance.unsqueeze(-1) - net.centers) ** 2)
    assert torch.allclose(found[0], net.filter(gaussians), rtol=1e-5, atol=1e-6)
    assert torch.allclose(found[1], net.pixel_from_distance(gaussians), rtol=1e-5, atol=1e-6)
    assert net.table._kept is None


def test_networks_under_autocast_keep_a_table_in_full_precision(crystals):
    net = encoder()
    with torch.no_grad():
        true = net(crystals).rows
        net.table._kept = None
        with torch.autocast("cpu", torch.bfloat16):
            found = net(crystals).rows
    assert net.table._kept.values.dtype == torch.float32
    assert 0 < relative(found.float(), true) < 0.05


def test_a_table_ends_where_the_gaussians_end_and_keeps_nan():
    table = RadialTable(0.7, 6.5, 0.25)
    assert (table.first, table.last) == (0.0, 8.0)
    axis = table.axis(torch.zeros((), dtype=torch.float64))
    found = table.read(torch.stack([axis, axis**2], dim=1), torch.tensor([[0.0, 3.3], [8.0, 9e9], [-1.0, math.nan]]))
    assert torch.allclose(found[:, :, 0].nan_to_num(-5.0), torch.tensor([[0, 3.3], [8, 8], [0, -5.0]]).double())
    assert torch.allclose(found[0, 1], torch.tensor([3.3, 3.3**2]).double(), rtol=1e-5)
    assert found[2, 1].isnan().all()


def test_gradients_reach_the_values_of_a_table():
    table = RadialTable(0.7, 6.5, 2.0)
    values = torch.randn(table.points, 2, dtype=torch.float64, requires_grad=True)
    place = torch.tensor([0.0, 0.001, 3.0, 3.01, 3.0, 40.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: table.read(v, place), values)
