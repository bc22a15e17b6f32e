"""Backward passes that compiled autograd records."""

import pytest
import torch
from torch._dynamo import compiled_autograd

from andersonn import (
    Anderson,
    Broyden,
    Equilibrium,
    ImplicitGradient,
    NeumannGradient,
    OneStepGradient,
    PhantomGradient,
)
from tests.implicit.cells import Tanh

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def _fresh():
    yield
    torch._dynamo.reset()


def layer_with(gradient, solver=None):
    torch.manual_seed(0)
    return Equilibrium(Tanh(3, dtype=torch.float32), solver or Anderson(rtol=1e-6), gradient=gradient)


def slopes(layer, x):
    x = x.clone().requires_grad_()
    layer.zero_grad()
    layer(x).square().sum().backward()
    return [x.grad, *(parameter.grad.clone() for parameter in layer.parameters())]


@pytest.mark.parametrize(
    "gradient", [ImplicitGradient(), PhantomGradient(), OneStepGradient()], ids=lambda gradient: type(gradient).__name__
)
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_gradients_are_those_without_it(gradient, backend):
    layer = layer_with(gradient)
    expected = slopes(layer, X) + slopes(layer, 2 * X)
    with compiled_autograd._enable(torch.compile(backend=backend)):
        found = slopes(layer, X) + slopes(layer, 2 * X)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_two_layers_one_after_the_other():
    first, second = layer_with(ImplicitGradient()), layer_with(ImplicitGradient(), Broyden(rtol=1e-6))
    both = torch.nn.Sequential(first, torch.nn.Linear(3, 3), second)
    expected = slopes(both, X)
    with compiled_autograd._enable(torch.compile(backend="eager")):
        found = slopes(both, X)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_series_on_the_tape_is_refused():
    layer = layer_with(NeumannGradient())
    with (
        pytest.raises(NotImplementedError, match="compiled autograd takes the graph"),
        compiled_autograd._enable(torch.compile(backend="eager")),
    ):
        slopes(layer, X)
