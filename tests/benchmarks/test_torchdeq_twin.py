"""The layer that training benchmarks take for torchdeq's gives our layer's answers and gradients, and counts right."""

import copy
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from andersonn.data.store import ImageStore
from andersonn.models import EquilibriumNetwork, ImageBatch, ModelConfig
from andersonn.solvers import Status
from andersonn.structures.image import ImageRecipe, NodeNeighborImage

pytest.importorskip("torchdeq")
PATH = Path(__file__).parents[2] / "benchmarks" / "torchdeq_twin.py"
TIGHT = {"f_tol": 1e-6, "b_tol": 1e-6, "f_max_iter": 200, "b_max_iter": 200}
PAIRS = [("anderson", "anderson"), ("fixed_point_iter", "fixed_point_iter"), ("broyden", "broyden")]


@pytest.fixture(scope="module")
def twin():
    spec = importlib.util.spec_from_file_location("torchdeq_twin", PATH)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torchdeq_twin", module)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def batch(structures):
    recipe = ImageRecipe(fold=False)  # so that structures differ in rows
    chosen = [structures[name] for name in ("NaCl", "SiO2", "SrTiO3", "W")]
    store = ImageStore.from_images([NodeNeighborImage.from_structure(s, recipe) for s in chosen], recipe)
    assert len(set(store.n_rows)) > 2
    return ImageBatch.from_store(store, np.arange(len(chosen)))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = EquilibriumNetwork(ModelConfig(width=16), 3).eval()
    with torch.no_grad():  # so that it takes more than a few steps
        network.equilibrium.cell.mix.mul_(3.0)
    layer = network.equilibrium
    layer.solver = replace(layer.solver, rtol=1e-7, max_steps=500)
    layer.gradient = replace(layer.gradient, rtol=1e-7)
    return network


def twin_of(twin, network, **options):
    other = copy.deepcopy(network)
    other.equilibrium = twin.TorchdeqCore(other.equilibrium.cell, **options)
    return other


def step(network, batch):
    """Scores, and the gradient of a loss by all parameters."""
    network.zero_grad()
    scores = network(batch).scores
    scores.square().sum().backward()
    return scores.detach(), {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("samples", ["structures", "batch"])
@pytest.mark.parametrize("pair", PAIRS)
def test_answers_and_gradients_are_our_layers(twin, network, batch, samples, pair):
    scores, gradients = step(network, batch)
    other = twin_of(twin, network, f_solver=pair[0], b_solver=pair[1], samples=samples, **TIGHT)
    found, theirs = step(other, batch)
    torch.testing.assert_close(found, scores, rtol=1e-4, atol=1e-5)
    assert theirs.keys() == gradients.keys()
    for name, gradient in gradients.items():
        error = (theirs[name] - gradient).norm() / gradient.norm().clamp_min(1e-3)
        assert error < 1e-3, name


def test_rows_as_samples_find_the_same_fixed_point(twin, network, batch):
    scores, _ = step(network, batch)
    found, _ = step(twin_of(twin, network, samples="rows", **TIGHT), batch)
    torch.testing.assert_close(found, scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("samples", ["structures", "batch", "rows"])
@pytest.mark.parametrize("pair", PAIRS)
def test_evaluations_are_counted(twin, network, batch, samples, pair, monkeypatch):
    other = twin_of(twin, network, f_solver=pair[0], b_solver=pair[1], samples=samples)
    layer = other.equilibrium
    calls, products = [], []
    forward, grad = type(layer.cell).forward, torch.autograd.grad

    def watched(cell, z, x):
        calls.append(torch.is_grad_enabled())
        return forward(cell, z, x)

    def counted(*args, **kwargs):
        products.append(1)
        return grad(*args, **kwargs)

    monkeypatch.setattr(type(layer.cell), "forward", watched)
    monkeypatch.setattr(torch.autograd, "grad", counted)
    step(other, batch)
    assert layer.last.evaluations == calls.count(False) >= 3
    assert layer.recorded == calls.count(True) == 2
    assert layer.last_adjoint.evaluations == len(products) >= 3
    assert layer.last.residual.shape == layer.last_adjoint.residual.shape == (len(batch),)
    assert layer.last_adjoint.z.shape == (len(batch.Z), 16)


def test_each_structure_is_judged_on_its_own(twin, network, batch):
    other = twin_of(twin, network, f_tol=1e-4)
    step(other, batch)
    layer = other.equilibrium
    assert layer.last.all_converged
    assert layer.last_adjoint.all_converged
    assert (layer.last.residual < 1e-4).all()
    assert len(set(layer.last.residual.tolist())) > 1
    short = twin_of(twin, network, f_tol=1e-9, f_max_iter=4, b_tol=1e-9, b_max_iter=4)
    step(short, batch)
    for record in (short.equilibrium.last, short.equilibrium.last_adjoint):
        assert (record.status == Status.MAX_STEPS).any()
        assert record.evaluations == 4


def test_without_gradients_it_solves_alone(twin, network, batch):
    other = twin_of(twin, network)
    with torch.no_grad():
        found = other(batch)
    layer = other.equilibrium
    assert found.solution.all_converged
    assert layer.recorded == 0
    assert layer.last_adjoint is None
    assert other.solver_name == "torchdeq-anderson"


def test_state_dicts_load_across_and_copies_forget(twin, network, batch):
    other = twin_of(twin, network)
    assert other.state_dict().keys() == network.state_dict().keys()
    other.load_state_dict(network.state_dict())
    step(other, batch)
    copied = copy.deepcopy(other)  # as an average of weights is made
    assert copied.equilibrium.last is None
    step(copied, batch)


@pytest.mark.parametrize("options", [{"f_solver": "andersen"}, {"b_solver": "newton"}, {"samples": "atoms"}])
def test_misspelt_options(twin, network, options):
    with pytest.raises(ValueError, match="must be one of"):
        twin_of(twin, network, **options)


def test_keys_have_no_store(twin, network, batch):
    layer = twin_of(twin, network).equilibrium
    with pytest.raises(ValueError, match="give no keys"):
        layer.solve(None, keys=["a"])
