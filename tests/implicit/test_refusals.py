"""What the layer and the solvers cannot do is refused by name, with a way round that works."""

import pytest
import torch
from torch.func import grad, jacrev, jvp, vjp, vmap

import andersonn as an


def cell(z, x):
    return torch.tanh(0.4 * z + x)


@pytest.fixture
def layer():
    return an.Equilibrium(cell, solver=an.Anderson(rtol=1e-6, max_steps=100))


X = torch.linspace(-1, 1, 12).reshape(4, 3)
TRANSFORMS = {
    "grad": lambda f: grad(lambda x: f(x).sum())(X),
    "vjp": lambda f: vjp(f, X),
    "jvp": lambda f: jvp(f, (X,), (X,)),
    "jacrev": lambda f: jacrev(f)(X),
    "vmap": lambda f: vmap(f)(X),
    "gradients of samples": lambda f: vmap(grad(lambda x: f(x[None]).sum()))(X),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_function_transforms_of_bare_solvers_are_refused_by_name(layer, transform):
    with pytest.raises(NotImplementedError, match=r"torch\.func transforms.*Use Equilibrium"):
        transform(lambda x: an.fixed_point(lambda z: cell(z, x), torch.zeros_like(x)).z)
    transform(layer)  # the way round


def test_warm_starts_are_refused_under_transforms():
    layer = an.Equilibrium(cell, warm_starts=an.WarmStarts())
    with pytest.raises(NotImplementedError, match="call the layer without keys"):
        vmap(lambda x: layer(x, keys=[0, 1]))(X.view(2, 2, 3))


def test_ways_round_transforms_give_what_they_would(layer):
    x = X.double().requires_grad_()
    layer.solver = an.Anderson(rtol=1e-12, max_steps=100)
    jacobian = torch.autograd.functional.jacobian(layer, x)
    z = layer(x).detach()
    slope = 1 - z.square()
    expected = torch.diag((slope / (1 - 0.4 * slope)).flatten()).reshape(4, 3, 4, 3)
    assert torch.allclose(jacobian, expected, atol=1e-8)
