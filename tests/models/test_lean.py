"""The lean network: nothing but sums at pixels, the same in training as in prediction, as bounded as the full one."""

import numpy as np
import pytest
import torch
from torch import nn

from andersonn.config import config_of
from andersonn.implicit import spectral_radius
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import ImageBatch, ModelConfig
from andersonn.scientists.conduction import CONDUCTION, SCIENTIST
from andersonn.training.run import train
from tests.conftest import random_structure
from tests.models.test_networks import network, store_of


@pytest.fixture(scope="module")
def batch(structures):
    rng = np.random.default_rng(0)
    store = store_of([*structures.values(), *(random_structure(rng, n) for n in (1, 4, 9))])
    return ImageBatch.from_store(store, np.arange(len(store)))


def lean(**options):
    return network("message", encoder="lean", dropout=0, embedding_dropout=0, **options)


def test_no_layer_reads_pixels(batch, monkeypatch):
    """Not counted by hooks: a network with hooks takes the way without tables."""
    found, shapes, linear = {}, [], nn.functional.linear
    monkeypatch.setattr(nn.functional, "linear", lambda x, *rest: shapes.append(x.dim()) or linear(x, *rest))
    for kind in ("full", "lean"):
        net = network("message", encoder=kind)
        with torch.no_grad():
            net.encoder._tabulated()
            del shapes[:]
            net(batch)
        found[kind] = shapes.count(3)
    assert found == {"full": 1, "lean": 0}


def test_training_is_of_the_function_that_predicts(batch):
    net = lean()
    with torch.no_grad():
        predicted = net(batch).scores
    trained = net.train()(batch).scores
    assert torch.allclose(trained, predicted, atol=1e-5)


def test_gradients_through_the_table_are_those_of_the_functions(batch):
    gradients = []
    for table in (True, False):
        net = lean().train()
        if not table:
            net.encoder._by_distance = net.encoder._read_gaussians
        net(batch).scores.square().sum().backward()
        gradients.append({name: p.grad for name, p in net.named_parameters() if p.grad is not None})
    assert (
        gradients[0].keys() == gradients[1].keys() >= {"encoder.filter.0.weight", "encoder.pixel_from_distance.weight"}
    )
    for name, found in gradients[0].items():
        size = gradients[1][name].abs().max()
        assert (found - gradients[1][name]).abs().max() <= 1e-3 * size + 1e-6, name


@pytest.mark.parametrize("gain", [0.5, 0.9])
def test_its_cell_is_a_contraction_whatever_the_weights(gain, batch):
    net = lean(gain=gain)
    cell = net.equilibrium.cell
    with torch.no_grad():
        for p in cell.parameters():
            p.mul_(100.0)
        x, offsets = cell.prepare(net.encoder(batch), batch), cell.offsets(batch)
        z = net.equilibrium(x, offsets=offsets)
    assert net.equilibrium.last.all_converged
    assert (spectral_radius(lambda z: cell(z, x), z, offsets, iterations=20) <= gain * 1.001).all()


def test_distances_that_want_gradients_get_them(batch):
    net = lean()
    distance = batch.distance.clone().requires_grad_()
    values = net.encoder._by_distance(distance)[1]
    (gradient,) = torch.autograd.grad(values.sum(), distance)
    step = 1e-2
    with torch.no_grad():
        ahead, behind = (net.encoder._by_distance(batch.distance + s)[1].sum(dim=2) for s in (step, -step))
    assert torch.allclose(gradient, (ahead - behind) / (2 * step), atol=0.05 * float(gradient.abs().max()))


def test_it_is_for_messages_alone():
    with pytest.raises(ValueError, match="lean is for model.cell=message"):
        ModelConfig(encoder="lean", cell="convolution")


def test_options_of_before_are_of_the_full_network():
    options = ModelConfig().model_dump()
    del options["encoder"]
    assert ModelConfig.model_validate(options) == ModelConfig(encoder="full")


def test_a_lean_model_is_trained_saved_and_loaded(demo_sample, tmp_path):
    words = [
        "epochs=1",
        "model.width=12",
        "image.columns=6",
        "model.radial=8",
        "model.encoder=lean",
        "model.gain=1.5",
        "device=cpu",
    ]
    config = config_of(SCIENTIST, overrides=words)
    records = demo_sample.take(np.arange(0, len(demo_sample), 8))
    bundle = train(CONDUCTION, records, config, tmp_path / "model")
    again = ModelBundle.load(tmp_path / "model")
    assert again.config.model.encoder == "lean"
    weights = again.weights()
    assert not any("to_filter" in name for name in weights)
    assert all(torch.equal(value, weights[name]) for name, value in bundle.weights().items())
