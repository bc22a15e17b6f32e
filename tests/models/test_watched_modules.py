"""Hooks, parametrizations and replaced functions take effect wherever a network could pass a module by."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from andersonn.data.store import ImageStore
from andersonn.models import EquilibriumNetwork, ImageBatch, ModelConfig
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from tests.conftest import random_structure

TABULATED = ("encoder.filter", "encoder.filter.0", "encoder.pixel_from_distance")
CALLED = (*TABULATED, "encoder", "equilibrium", "equilibrium.cell", "equilibrium.cell.to_filter", "head")


@pytest.fixture(scope="module")
def batch():
    rng, recipe = np.random.default_rng(3), ImageRecipe(columns=8)
    structures = [random_structure(rng, n) for n in (2, 5)]
    store = ImageStore.from_images([NodeNeighborImage.from_structure(s, recipe) for s in structures], recipe)
    return ImageBatch.from_store(store, np.arange(len(store)))


def network(**options) -> EquilibriumNetwork:
    torch.manual_seed(0)
    return EquilibriumNetwork(ModelConfig(width=16, **options), 3).eval()


def scores(net, batch):
    with torch.no_grad():
        return net(batch).scores


@pytest.mark.parametrize("options", [{}, {"encoder": "lean"}, {"layers": 2}], ids=str)
@pytest.mark.parametrize("kind", ["forward", "pre", "global"])
def test_hooks_run_at_inference(kind, options, batch):
    net, called = network(**options), []
    before = scores(net, batch)  # and a table is kept
    for name in CALLED:
        part = net.get_submodule(name)
        if kind == "pre":
            part.register_forward_pre_hook(lambda module, inputs, name=name: called.append(name))
        elif kind == "forward":
            part.register_forward_hook(lambda module, inputs, output, name=name: called.append(name))
    handle = None
    if kind == "global":
        names = {part: name for name, part in net.named_modules()}
        handle = nn.modules.module.register_module_forward_hook(lambda part, i, o: called.append(names.get(part)))
    try:
        after = scores(net, batch)
    finally:
        if handle is not None:
            handle.remove()
    assert torch.allclose(after, before, atol=1e-4)
    assert set(CALLED) <= set(called)


@pytest.mark.parametrize("name", TABULATED)
def test_a_hook_changes_what_a_table_would_give(name, batch):
    net = network()
    before = scores(net, batch)
    handle = net.get_submodule(name).register_forward_hook(lambda module, inputs, output: 2 * output)
    assert not torch.allclose(scores(net, batch), before, atol=1e-4)
    handle.remove()
    assert torch.equal(scores(net, batch), before)


@pytest.mark.parametrize("register", ["register_full_backward_hook", "register_full_backward_pre_hook"])
@pytest.mark.parametrize("name", TABULATED[::2])
def test_backward_hooks_of_a_lean_encoder_see_gradients_of_pixels(register, name, batch):
    net, shapes = network(encoder="lean"), []
    getattr(net.get_submodule(name), register)(lambda module, *gradients: shapes.append(gradients[-1][0].shape))
    net(batch).scores.square().sum().backward()
    assert shapes == [(*batch.distance.shape, 16)]


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


class Noisy(nn.Module):
    """What it makes of a weight is no function of the weight."""

    factor = 1.0

    def forward(self, weight):
        return self.factor * weight


class Counted(nn.Linear):
    calls = 0

    def forward(self, input):
        self.calls += 1
        return super().forward(input)


def test_a_parametrization_takes_effect(batch):
    net = network()
    twin = copy.deepcopy(net)
    scores(net, batch)
    parametrize.register_parametrization(net.encoder.filter[0], "weight", Doubled())
    with torch.no_grad():
        twin.encoder.filter[0].weight.mul_(2)
    assert torch.allclose(scores(net, batch), scores(twin, batch), atol=1e-4)
    noisy = Noisy()
    parametrize.register_parametrization(net.encoder.pixel_from_distance, "weight", noisy)
    before = scores(net, batch)
    noisy.factor = 3.0
    assert not torch.allclose(scores(net, batch), before, atol=1e-4)


@pytest.mark.parametrize("norm", [parametrizations.spectral_norm, parametrizations.weight_norm])
def test_norms_of_torch_take_effect(norm, batch):
    net = network()
    scores(net, batch)
    norm(net.encoder.filter[0])
    net.eval()
    with torch.enable_grad():
        exact = net(batch).scores.detach()
    assert torch.allclose(scores(net, batch), exact, atol=1e-4)
    with torch.no_grad():
        for parameter in net.encoder.filter[0].parameters():
            parameter.mul_(1.5 if norm is parametrizations.weight_norm else 1.0)
        changed = net(batch).scores
    assert torch.allclose(changed, exact, atol=1e-4) == (norm is parametrizations.spectral_norm)


@pytest.mark.parametrize("how", ["instance", "class"])
def test_a_replaced_function_is_called_each_time(how, batch):
    net, calls = network(), []
    before = scores(net, batch)
    layer = net.encoder.filter[0]
    if how == "class":
        net.encoder.filter[0] = counted = Counted(layer.in_features, layer.out_features)
        counted.load_state_dict(layer.state_dict())
    else:
        own = layer.forward
        layer.forward = lambda values: calls.append(1) or own(values)
    for _ in range(2):
        assert torch.allclose(scores(net, batch), before, atol=1e-4)
    assert (counted.calls if how == "class" else len(calls)) == 2


def test_a_layer_with_dropout_draws_for_each_pixel(batch):
    net = network(encoder="lean")
    net.encoder.filter = nn.Sequential(net.encoder.filter, nn.Dropout(0.5))
    net.encoder.filter.train()
    with torch.no_grad():
        first, second = (net.encoder(batch).pixels for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("gradients", [False, True], ids=["inference", "gradients"])
def test_what_a_hook_keeps_stays_as_it_was(gradients, batch):
    net, kept = network(), []
    cell = net.equilibrium.cell
    cell.to_filter.register_forward_hook(lambda module, inputs, output: kept.append((output, output.clone())))
    with torch.set_grad_enabled(gradients):
        net(batch)
    (output, copied), *_ = kept
    assert torch.equal(output, copied)


def test_features_are_not_written_by_a_filter_that_returns_its_input(batch):
    net = network()
    net.equilibrium.cell.to_filter = nn.Sequential(nn.Flatten(0, 0))  # a view of what it is given
    with torch.no_grad():
        features = net.encoder(batch)
        copied = features.pixels.clone()
        net.equilibrium.cell.prepare(features, batch)
    assert torch.equal(features.pixels, copied)
