"""The layer where PyTorch captures graphs, or follows shapes alone."""

import copy

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import grad, hessian, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from andersonn import Anderson, Equilibrium
from andersonn.solvers import Status
from tests.implicit.cells import Tanh

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.head = nn.Linear(3, 3), nn.Linear(3, 1)
        self.layer = Equilibrium(Tanh(3, dtype=torch.float32), Anderson(rtol=1e-5))

    def forward(self, x):
        return self.head(self.layer(self.encoder(x)))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network()


@pytest.fixture(autouse=True)
def _fresh():
    yield
    torch._dynamo.reset()


def slopes(network):
    loss = network(X).square().sum()
    return [loss.detach(), *torch.autograd.grad(loss, list(network.parameters()))]


def test_compiled_networks_solve_between_two_graphs(network):
    counter = CompileCounterWithBackend("eager")
    expected = slopes(network)
    compiled = torch.compile(network, backend=counter)
    for ours, theirs in zip(slopes(compiled), expected, strict=True):
        assert torch.allclose(ours, theirs)
    assert network.layer.last.all_converged
    slopes(compiled)
    assert counter.frame_count == 2  # before the layer and after it, compiled once


def test_a_compiled_cell(network):
    expected = slopes(network)
    counter = CompileCounterWithBackend("eager")
    network.layer.cell = torch.compile(network.layer.cell, backend=counter, fullgraph=True)
    for ours, theirs in zip(slopes(network), expected, strict=True):
        assert torch.allclose(ours, theirs)
    assert 1 <= counter.frame_count <= 2  # with gradients and without


def test_what_cannot_be_captured_is_refused_by_name(network):
    with pytest.raises(Exception, match=r"leave out fullgraph=True.*Equilibrium\(torch.compile\(cell\)\)"):
        torch.compile(network, backend="eager", fullgraph=True)(X)
    with pytest.raises(
        NotImplementedError, match=r"torch\.export, torch\.jit, .* cannot hold.*a fixed number of times"
    ):
        torch.export.export(network, (X,), strict=False)
    with pytest.raises(NotImplementedError, match=r"torch\.export, torch\.jit, .* cannot hold"):
        torch.jit.trace(network, (X,))


def test_graphs_that_make_fx_records_are_refused_by_name(network):
    layer = network.layer
    for record in (lambda: torch.func.linearize(layer, X), lambda: make_fx(layer)(X), lambda: make_fx(vmap(layer))(X)):
        with pytest.raises(
            NotImplementedError, match=r"make_fx and torch\.func\.linearize cannot hold.*torch\.func\.jvp"
        ):
            record()
    x = X.clone().requires_grad_()
    z = layer(x)
    with pytest.raises(NotImplementedError, match=r"make_fx and torch\.func\.linearize cannot hold"):
        make_fx(lambda v: torch.autograd.grad(z, x, v, retain_graph=True))(X)
    linear = Equilibrium(lambda z, x: 0.5 * z + x, Anderson(rtol=1e-6))
    assert torch.allclose(torch.func.jvp(linear, (X,), (X,))[1], 2 * X)  # the way round


@pytest.mark.parametrize("way", [grad, hessian, lambda f: vmap(grad(f))])
def test_transforms_inside_a_compiled_function(network, way):
    def run(x):
        return way(lambda x: network.layer(x).square().sum())(x)

    compiled = torch.compile(run, backend="eager")
    for _ in range(2):
        assert torch.allclose(compiled(X), run(X), atol=1e-6)


def second(layer, x):
    (slope,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    return torch.autograd.grad(slope.square().sum(), x)[0]


def batched(layer, x):
    return torch.autograd.grad(layer(x), x, torch.stack([X, X.sin()]), is_grads_batched=True)[0]


@pytest.mark.parametrize("way", [second, batched])
def test_backward_passes_inside_a_compiled_function(network, way):
    x = X.clone().requires_grad_()
    found = torch.compile(lambda x: way(network.layer, x), backend="aot_eager")(x)
    assert torch.allclose(found, way(network.layer, x))


def test_the_way_round_export(network):
    class Unrolled(nn.Module):
        def __init__(self, cell, evaluations):
            super().__init__()
            self.cell, self.evaluations = cell, evaluations

        def forward(self, x):
            z = torch.zeros_like(x)
            for _ in range(self.evaluations):
                z = self.cell(z, x)
            return z

    exported = torch.export.export(Unrolled(network.layer.cell, 60), (X,), strict=False)
    assert torch.allclose(exported.module()(X), network.layer(X), atol=1e-4)


def test_shapes_without_numbers(network):
    empty = copy.deepcopy(network).to("meta")
    y = empty(X.to("meta"))
    assert y.device.type == "meta"
    assert y.shape == (4, 1)
    y.sum().backward()
    assert empty.layer.cell.weight.grad.shape == (3, 3)
    _, solution = empty.layer.solve(X.to("meta"))
    assert solution.status.tolist() == [Status.UNJUDGED] * 4
    assert solution.residual.isnan().all()
    assert solution.evaluations == 0
    with FakeTensorMode(allow_non_fake_inputs=True):
        z, solution = network.layer.solve(torch.empty(5, 3))
        assert z.shape == (5, 3)
        assert solution.status.dtype == torch.int8
    tree = {"a": torch.zeros(2, 3, device="meta"), "b": torch.zeros(2, device="meta", dtype=torch.complex64)}
    z = Equilibrium(lambda z, x: {"a": torch.tanh(z["a"]), "b": 0.5 * z["b"]})(None, z0=tree)
    assert z["b"].dtype == torch.complex64
    with pytest.raises(ValueError, match="must keep both"):
        Equilibrium(lambda z, x: z[:, :2])(X.to("meta"))


def test_solvers_alone_refuse_states_without_numbers():
    with pytest.raises(TypeError, match="holds no numbers"):
        Anderson().solve(torch.cos, X.to("meta"))
