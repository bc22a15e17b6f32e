"""Second derivatives against finite differences and the unrolled twin."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from andersonn import Equilibrium, ImplicitGradient
from andersonn.implicit import NeumannGradient
from tests.implicit.cells import TIGHT, Tanh, inputs, unrolled

DOUBLE = torch.float64


class Rich(nn.Module):
    """A cell with a bias, a parameter that it does not use, and a product of state and input."""

    def __init__(self, width=3):
        super().__init__()
        self.base = Tanh(width, radius=0.5)
        self.bias = nn.Parameter(0.1 * torch.randn(width, generator=torch.Generator().manual_seed(5), dtype=DOUBLE))
        self.idle = nn.Parameter(torch.zeros(2, dtype=DOUBLE))

    def forward(self, z, x):
        return self.base(z, x) + self.bias + 0.1 * z * torch.sigmoid(x)


def agree(ours, theirs, rtol=1e-7):
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=rtol, atol=1e-10), (a - b).abs().max()


@pytest.mark.parametrize("solver", TIGHT, ids=lambda solver: solver.name)
def test_gradgradcheck(solver):
    layer = Equilibrium(Rich(), solver)

    def run(weight, bias, x):
        return torch.func.functional_call(layer, {"cell.base.weight": weight, "cell.bias": bias}, (x,))

    assert torch.autograd.gradgradcheck(run, (layer.cell.base.weight, layer.cell.bias, inputs(3, 2)))
    assert layer.last.all_converged
    assert layer.last_adjoint.all_converged
    # not the layer's own parameters: what functional_call put in their place for the forward pass alone
    weight = (0.9 * layer.cell.base.weight).detach().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda w: run(w * w, layer.cell.bias, inputs(3, 2)).sum(1), (weight,))


def test_gradgradcheck_with_ragged_samples():
    offsets = torch.tensor([0, 2, 3])
    block = torch.block_diag(*(0.6 * torch.eye(n, dtype=DOUBLE).roll(1, 0) for n in (2, 1)))

    class Graph(Tanh):
        def forward(self, z, x):
            return torch.tanh(block @ z @ self.weight.T + x["features"] * x["scale"])

    layer = Equilibrium(Graph(width=2), TIGHT[0])

    def run(weight, features, scale):
        x = {"features": features, "scale": scale}
        z0 = torch.zeros(3, 2, dtype=DOUBLE)
        return torch.func.functional_call(layer, {"cell.weight": weight}, (x, z0), {"offsets": offsets})

    scale = torch.full((1,), 1.1, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradgradcheck(run, (layer.cell.weight, inputs(2, 3), scale))


def critic_losses(layer, head, encoder, y, direct):
    """A gradient penalty as of WGAN-GP, mixed with a first-order loss through the same solve and through another."""
    x = encoder(y)
    score = head(layer(x))
    (slope,) = torch.autograd.grad(score.sum(), y if not direct else x, create_graph=True)
    penalty = (slope.norm(dim=1) - 1).square().mean()
    return penalty + score.mean() + 0.3 * layer(0.5 * x).square().mean()


@pytest.mark.parametrize("direct", [False, True])
def test_gradient_penalty_equals_that_of_the_unrolled_network(direct):
    """x is computed by an encoder from y, and the encoder shares its weights with the cell."""
    torch.manual_seed(0)
    layer, head, y = Equilibrium(Rich(), TIGHT[0]), nn.Linear(3, 1, dtype=DOUBLE), inputs(3, 5)

    def encoder(y):
        return torch.sin(y @ layer.cell.base.weight)

    parameters = [layer.cell.base.weight, layer.cell.bias, *head.parameters()]
    found = []
    for run in (layer, lambda x: unrolled(layer.cell, x, steps=150)):
        loss = critic_losses(run, head, encoder, y, direct)
        found.append([loss, *torch.autograd.grad(loss, [*parameters, y])])
    agree(*found)


def test_backward_with_create_graph_then_backward():
    layer, x = Equilibrium(Rich(), TIGHT[0]), inputs(3)
    with pytest.warns(UserWarning, match="create_graph"):
        layer(x).square().sum().backward(create_graph=True)
    first = x.grad.clone()
    weight = layer.cell.base.weight
    assert layer.cell.idle.grad is None
    (second,) = torch.autograd.grad(x.grad.square().sum() + weight.grad.square().sum(), weight)
    twin = unrolled(layer.cell, x, steps=150).square().sum()
    dx, dw = torch.autograd.grad(twin, [x, weight], create_graph=True)
    agree([first, second], [dx, torch.autograd.grad(dx.square().sum() + dw.square().sum(), weight)[0]])
    x.grad = weight.grad = layer.cell.bias.grad = None  # breaks the cycle of a gradient that holds its own graph


def test_two_layers_one_after_the_other():
    layers, x = [Equilibrium(Tanh(3, 0.5, seed=s), TIGHT[0]) for s in (0, 1)], inputs(3)
    weights = [layer.cell.weight for layer in layers]
    found = []
    for run in (lambda x: layers[1](layers[0](x)), lambda x: unrolled(layers[1].cell, unrolled(layers[0].cell, x))):
        (slope,) = torch.autograd.grad(run(x).square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), [x, *weights]))
    agree(*found)


def test_a_hessian_by_finite_differences():
    layer, x = Equilibrium(Rich(2), TIGHT[0]), inputs(2, 1).detach()
    hessian = torch.autograd.functional.hessian(lambda x: layer(x).pow(3).sum(), x).view(2, 2)
    step = 5e-4  # the solutions are found to 1e-12, which shorter steps would magnify

    def value(a, b):
        return float(layer(x + torch.tensor([[a, b]], dtype=DOUBLE)).pow(3).sum().detach())

    mixed = (value(step, step) - value(step, -step) - value(-step, step) + value(-step, -step)) / (4 * step * step)
    straight = (value(step, 0) - 2 * value(0, 0) + value(-step, 0)) / step**2
    assert float(hessian[0, 1]) == pytest.approx(mixed, abs=1e-5)
    assert float(hessian[0, 0]) == pytest.approx(straight, abs=1e-5)


@pytest.mark.parametrize("kind", ["ignores the state", "ignores the input", "linear"])
def test_degenerate_cells(kind):
    class Cell(Tanh):
        def forward(self, z, x):
            if kind == "ignores the state":
                return torch.sin(x @ self.weight)
            if kind == "ignores the input":
                return torch.tanh(z @ self.weight.T + 0.3)
            return 0.5 * z + x

    layer, x = Equilibrium(Cell(3), TIGHT[0]), inputs(3)
    inner = [layer.cell.weight] if kind == "ignores the input" else [x]
    found = []
    for run in (layer, lambda x: unrolled(layer.cell, x)):
        slopes = torch.autograd.grad(run(x).pow(3).sum(), inner, create_graph=True)
        found.append(torch.autograd.grad(sum(s.square().sum() for s in slopes), inner))
    agree(*found)


def test_a_checkpointed_cell():
    class Frugal(Rich):
        def forward(self, z, x):
            return checkpoint(super().forward, z, x, use_reentrant=False)

    found = []
    for cell in (Frugal(), Rich()):
        x = inputs(3)
        (slope,) = torch.autograd.grad(Equilibrium(cell, TIGHT[0])(x).square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), [x, cell.base.weight]))
    agree(*found)


def test_a_captured_tensor_is_refused_not_ignored():
    scale = torch.tensor(0.8, dtype=DOUBLE, requires_grad=True)

    class Captures(Tanh):
        def forward(self, z, x):
            return super().forward(z, scale * x)

    layer, x = Equilibrium(Captures(), TIGHT[0]), inputs()
    (first,) = torch.autograd.grad(layer(x).sum(), scale)  # first derivatives know everything
    (twin,) = torch.autograd.grad(unrolled(layer.cell, x).sum(), scale)
    assert torch.allclose(first, twin)
    with pytest.raises(RuntimeError, match=r"shape \(\).*pass it through x.*or register it as a parameter"):
        torch.autograd.grad(layer(x).sum(), x, create_graph=True)


def test_an_alias_of_a_parameter_is_refused_not_ignored():
    """The cell uses a parameter by a way that replacing it by a copy does not reach."""

    class Alias(Tanh):
        def forward(self, z, x):
            return torch.tanh(z @ self.kept[0].T + x)

    cell = Alias()
    cell.kept = [cell.weight]
    layer, x = Equilibrium(cell, TIGHT[0]), inputs()
    with pytest.raises(RuntimeError, match="register it as a parameter"):
        torch.autograd.grad(layer(x).sum(), x, create_graph=True)


def test_an_opaque_input_is_refused_not_ignored():
    class Box:
        def __init__(self, value):
            self.value = value

    class Opens(Tanh):
        def forward(self, z, x):
            return super().forward(z, x.value)

    layer, x = Equilibrium(Opens(), TIGHT[0]), inputs()
    layer(Box(x), z0=torch.zeros_like(x)).sum().backward()
    with pytest.raises(RuntimeError, match="pass it through x"):
        torch.autograd.grad(layer(Box(x), z0=torch.zeros_like(x)).sum(), x, create_graph=True)


def test_third_derivatives_are_refused():
    layer, x = Equilibrium(Tanh(), TIGHT[0]), inputs()
    (first,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="first and second derivatives only; drop create_graph"):
        torch.autograd.grad(first.square().sum(), x, create_graph=True)


def test_neumann_refuses_second_derivatives():
    x = inputs()
    with pytest.raises(NotImplementedError, match="use ImplicitGradient"):
        torch.autograd.grad(Equilibrium(Tanh(), gradient=NeumannGradient())(x).sum(), x, create_graph=True)


def test_changes_between_forward_and_second_backward_are_noticed():
    layer, x = Equilibrium(Tanh(), TIGHT[0]), inputs()
    z = layer(x)
    with torch.no_grad():
        layer.cell.weight.mul_(0.5)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(z.sum(), x, create_graph=True)


def test_single_precision():
    cell, x = Rich(), inputs(3)
    (exact,) = torch.autograd.grad(Equilibrium(cell, TIGHT[0])(x).square().sum(), x, create_graph=True)
    (exact,) = torch.autograd.grad(exact.square().sum(), x)
    layer, x = Equilibrium(Rich().float(), TIGHT[0], ImplicitGradient(rtol=1e-6)), x.detach().float().requires_grad_()
    (slope,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    (found,) = torch.autograd.grad(slope.square().sum(), x)
    assert torch.allclose(found.double(), exact, rtol=1e-3, atol=1e-4)
