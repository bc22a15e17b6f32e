"""What the layer and the solvers cannot do is refused by name, with a way round that works."""

import pytest
import torch
from torch.func import grad, jacrev, jvp, vjp, vmap

import andersonn as an
from andersonn.solvers import Status


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
def test_function_transforms_are_refused_by_name(layer, transform):
    bare = lambda x: an.fixed_point(lambda z: cell(z, x), torch.zeros_like(x)).z  # noqa: E731
    for f in (layer, bare):
        with pytest.raises(NotImplementedError, match=r"torch\.func transforms.*torch\.autograd\.grad"):
            transform(f)
    assert layer(X).shape == X.shape  # and the layer still works outside


def test_ways_round_transforms_give_what_they_would(layer):
    x = X.double().requires_grad_()
    layer.solver = an.Anderson(rtol=1e-12, max_steps=100)
    jacobian = torch.autograd.functional.jacobian(layer, x)
    z = layer(x).detach()
    slope = 1 - z.square()
    expected = torch.diag((slope / (1 - 0.4 * slope)).flatten()).reshape(4, 3, 4, 3)
    assert torch.allclose(jacobian, expected, atol=1e-8)


def test_complex_states_are_refused_and_the_way_round_is_right():
    f = lambda z: 0.5j * z + 1  # noqa: E731
    z0 = torch.zeros(2, 1, dtype=torch.complex128)
    for state in (z0, torch.zeros(2, 1)):  # complex from the start, or from the first evaluation
        with pytest.raises(TypeError, match="complex states are not supported"):
            an.fixed_point(f, state)
    with pytest.raises(TypeError, match="complex states are not supported"):
        an.Equilibrium(lambda z, x: 0.5j * z + x)(torch.ones(2, 1, dtype=torch.complex64))
    f_real = lambda z: torch.view_as_real(f(torch.view_as_complex(z)))  # noqa: E731
    found = an.fixed_point(f_real, torch.view_as_real(z0), an.Anderson(rtol=1e-12))
    assert (found.status == Status.CONVERGED).all()
    assert torch.allclose(torch.view_as_complex(found.z), torch.full((2, 1), 1 / (1 - 0.5j), dtype=torch.complex128))


def test_states_without_numbers_are_refused():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with pytest.raises(TypeError, match="holds no numbers"):
        an.Equilibrium(cell)(torch.empty(4, 3, device="meta"))
    with FakeTensorMode(), pytest.raises(TypeError, match="holds no numbers"):
        an.Equilibrium(cell)(torch.empty(4, 3))
