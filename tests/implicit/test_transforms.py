"""The layer under torch.func, forward-mode differentiation and batched gradients, against the unrolled twin."""

import copy
import gc
import weakref

import pytest
import torch
from torch import nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.autograd import forward_ad
from torch.autograd.functional import hessian as plain_hessian
from torch.autograd.functional import jacobian as plain_jacobian
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap
from torch.utils._pytree import tree_leaves

from andersonn import Anderson, Equilibrium, ImplicitGradient, NeumannGradient, OneStepGradient, PhantomGradient
from tests.implicit.cells import Tanh, unrolled
from tests.implicit.test_cells_of_all_kinds import KINDS, SOLVER

DOUBLE = torch.float64
X = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
MANY = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(2), dtype=DOUBLE)
CELL = Tanh(3, radius=0.5)


def cubes(f):
    return lambda x: f(x).pow(3).sum()


def twin(x):
    return unrolled(CELL, x, steps=60)


def agree(ours, theirs, rtol=1e-8):
    ours, theirs = tree_leaves(ours), tree_leaves(theirs)
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=rtol, atol=1e-10), (a - b).abs().max()


def dual(f, x):
    with forward_ad.dual_level():
        return tuple(forward_ad.unpack_dual(f(forward_ad.make_dual(x, x.sin()))))


def slopes_of_a_tangent(f):
    x = X.clone().requires_grad_()
    return torch.autograd.grad(dual(f, x)[1].square().sum(), [x, CELL.weight])


def batched_gradients(f):
    x = X.clone().requires_grad_()
    return torch.autograd.grad(f(x), [x, CELL.weight], MANY, is_grads_batched=True)


def vmapped_gradients(f):
    x = X.clone().requires_grad_()
    z = f(x)
    return vmap(lambda v: torch.autograd.grad(z, [x, CELL.weight], v, retain_graph=True))(MANY)


def backward_of_vmap(f):
    x = X.clone().requires_grad_()
    return torch.autograd.grad(vmap(f)(x.view(2, 2, 3)).square().sum(), [x, CELL.weight])


WAYS = {
    "grad": lambda f: grad(cubes(f))(X),
    "vjp": lambda f: vjp(f, X)[1](X.sin()),
    "jvp": lambda f: jvp(f, (X,), (X.sin(),)),
    "jacrev": lambda f: jacrev(f)(X),
    "jacfwd": lambda f: jacfwd(f)(X),
    "vmap over batches": lambda f: vmap(f)(X.view(2, 2, 3)),
    "vmap over samples": lambda f: vmap(f)(X),
    "vmap of another dimension": lambda f: vmap(f, in_dims=1, out_dims=1)(MANY),
    "nested vmap": lambda f: vmap(vmap(f))(MANY),
    "forward over reverse": lambda f: hessian(cubes(f))(X),
    "reverse over forward": lambda f: jacrev(jacfwd(cubes(f)))(X),
    "reverse over reverse": lambda f: jacrev(jacrev(cubes(f)))(X),
    "forward over forward": lambda f: jacfwd(jacfwd(cubes(f)))(X),
    "third derivatives": lambda f: grad(cubes(grad(cubes(grad(cubes(f))))))(X),
    "forward mode": lambda f: dual(f, X),
    "reverse over forward mode": slopes_of_a_tangent,
    "is_grads_batched": batched_gradients,
    "vmap of autograd.grad": vmapped_gradients,
    "vectorized jacobian": lambda f: plain_jacobian(f, X, vectorize=True),
    "vectorized jacobian, forward": lambda f: plain_jacobian(f, X, vectorize=True, strategy="forward-mode"),
    "backward of vmap": backward_of_vmap,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_transforms_give_what_they_give_of_the_unrolled_network(way):
    layer = Equilibrium(CELL, SOLVER)
    agree(way(layer), way(twin))
    assert layer.last.all_converged
    assert torch.allclose(layer(X), twin(X))  # and it works outside afterwards


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_records_keep_no_graph_and_no_layer(way):
    layer = Equilibrium(copy.copy(CELL), SOLVER)  # of the same weight
    way(layer)
    for record in (layer.last, layer.last_adjoint):
        assert record is None or not (record.z.requires_grad or is_functorch_wrapped_tensor(record.z))
    seen = weakref.ref(layer), weakref.ref(layer.cell)
    del layer
    gc.collect()
    assert [each() for each in seen] == [None, None]


@pytest.mark.parametrize("x", [X[:1], X[0]], ids=["a batch of one", "a vector"])
def test_forward_over_forward_mode_of_one_sample(x):
    layer = Equilibrium(CELL, SOLVER)
    agree(jacfwd(jacfwd(layer))(x), jacfwd(jacfwd(twin))(x))
    agree(jacfwd(jacfwd(jacfwd(layer)))(x), jacfwd(jacfwd(jacfwd(twin)))(x))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_gradients_of_each_sample_and_their_jacobians(kind):
    """vmap(grad(functional_call)) over parameters, and both Jacobians, of many cells."""
    cell = kind()
    layer, twin_layer = Equilibrium(cell, SOLVER), nn.Module()
    twin_layer.cell, twin_layer.forward = cell, lambda x: unrolled(cell, x, steps=60)
    x = torch.randn(3, *cell.shape, generator=torch.Generator().manual_seed(4), dtype=DOUBLE)
    weights = {name: w.detach() for name, w in layer.named_parameters()}
    for of in (
        lambda module: vmap(grad(lambda w, x: functional_call(module, w, (x,)).square().sum()), (None, 0))(weights, x),
        lambda module: jacrev(lambda x: module(x).sin().sum(-1))(x[0]),
        lambda module: jvp(lambda w: functional_call(module, w, (x[0],)), (weights,), (weights,)),
    ):
        agree(of(layer), of(twin_layer))


def test_a_vmapped_solve_is_one_solve():
    """Of as many samples as all of them, and each stops on its own."""
    layer = Equilibrium(CELL, SOLVER)
    vmap(layer)(MANY)
    assert layer.last.status.shape == (20,)
    assert layer.last.z.shape == (20, 3)


def test_an_ensemble_of_weights():
    weights = torch.stack([CELL.weight.detach(), 0.5 * CELL.weight.detach()])
    layer = Equilibrium(CELL, SOLVER)
    both = vmap(lambda w: functional_call(layer, {"cell.weight": w}, (X,)))(weights)
    for w, z in zip(weights, both, strict=True):
        agree(z, functional_call(layer, {"cell.weight": w}, (X,)))


def test_ragged_samples_and_states_of_several_parts():
    offsets = torch.tensor([0, 1, 4])

    class Parts(Tanh):
        def initial(self, x):
            return {"a": torch.zeros_like(x["a"]), "b": torch.zeros_like(x["a"][:, :1]).to(torch.complex128)}

        def forward(self, z, x):
            a = torch.tanh(z["a"] @ self.weight.T + x["a"] + z["b"].real)
            return {"a": a, "b": 0.3j * z["b"] + a[:, :1] * x["b"]}

    cell = Parts(3, radius=0.4)
    layer = Equilibrium(cell, SOLVER)
    x = {"a": X, "b": torch.tensor(0.2 - 0.3j, dtype=torch.complex128)}

    def value(run):
        def loss(x, weight):
            z = run(x, weight)
            return z["a"].pow(3).sum() + (z["b"] * (1 + 2j)).imag.square().sum()

        return loss

    def ours(x, weight):
        return functional_call(layer, {"cell.weight": weight}, (x,), {"offsets": offsets})

    def theirs(x, weight):
        return unrolled(lambda z, x: functional_call(cell, {"weight": weight}, (z, x)), x, cell.initial(x), steps=60)

    for way in (
        lambda f: grad(value(f), argnums=(0, 1))(x, cell.weight.detach()),
        lambda f: vmap(lambda a: f({"a": a, "b": x["b"]}, cell.weight.detach()))(MANY),
        lambda f: jvp(lambda w: f(x, w)["b"].imag, (cell.weight.detach(),), (cell.weight.detach(),)),
    ):
        agree(way(ours), way(theirs))


def test_a_vector_and_a_number_are_one_sample():
    layer, x = Equilibrium(lambda z, x: torch.tanh(0.5 * z.mean() + x), SOLVER), X[0]
    for each in (x, x[0]):
        theirs = unrolled(lambda z, x: torch.tanh(0.5 * z.mean() + x), each, steps=60)
        agree(layer(each), theirs)
        agree(vmap(layer)(each.expand(3, *each.shape)), theirs.expand(3, *each.shape))
        agree(jacrev(layer)(each), jacfwd(layer)(each))


def test_the_other_rules_under_transforms():
    for rule in (PhantomGradient(steps=60, mixing=1.0), OneStepGradient()):
        layer = Equilibrium(CELL, SOLVER, rule)
        x = X.clone().requires_grad_()
        (plain,) = torch.autograd.grad(cubes(layer)(x), x)
        agree(grad(cubes(layer))(X), plain)
        agree(jvp(layer, (X,), (X.sin(),))[0], layer(X).detach())
        agree(vmap(layer)(MANY), layer(MANY.flatten(0, 1)).detach().view(5, 4, 3))
    with pytest.raises(NotImplementedError, match="NeumannGradient has no rules.*ImplicitGradient"):
        grad(cubes(Equilibrium(CELL, SOLVER, NeumannGradient())))(X)


def test_dropout_and_autocast_under_transforms():
    class Noisy(Tanh):
        def forward(self, z, x):
            return super().forward(nn.functional.dropout(z, 0.5, self.training), x)

    cell = Noisy(3, radius=0.5, dtype=torch.float32)
    layer, found = Equilibrium(cell, Anderson(rtol=1e-5), ImplicitGradient(rtol=1e-5), freeze_randomness=True), []
    for of in (lambda x: torch.autograd.grad(cubes(layer)(x), x)[0], grad(cubes(layer))):
        torch.manual_seed(3)
        found.append(of(X.float().requires_grad_()))
        assert layer.last.all_converged
    agree(*found, rtol=1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        rough = grad(cubes(layer.eval()))(X.float())
    assert rough.dtype == torch.float32
    assert (rough - grad(cubes(layer))(X.float())).norm() < 0.05 * rough.norm()


def test_what_transforms_cannot_do_is_refused_by_name():
    scale = torch.tensor(0.8, dtype=DOUBLE, requires_grad=True)
    with pytest.raises(RuntimeError, match="no derivative under transforms.*pass it through x"):
        grad(cubes(Equilibrium(lambda z, x: torch.tanh(scale * z + x), SOLVER)))(X)
    with pytest.raises(
        NotImplementedError, match="a transformed tensor that the layer does not know; pass it through x"
    ):
        grad(lambda s: Equilibrium(lambda z, x: torch.tanh(s * z + x), SOLVER)(X).sum())(scale.detach())
    with pytest.raises(NotImplementedError, match="a transformed tensor that the layer does not know"):
        vmap(grad(lambda s: Equilibrium(lambda z, x: torch.tanh(s * z + x), SOLVER)(X).sum()))(scale.detach().expand(2))
    with pytest.raises(NotImplementedError, match="a transformed tensor that the layer does not know"):
        dual(lambda s: Equilibrium(lambda z, x: torch.tanh(s * z + x), SOLVER)(X), scale.detach())
    with pytest.raises(NotImplementedError, match=r"torch\.func\.hessian"):
        plain_hessian(cubes(Equilibrium(CELL, SOLVER)), X, vectorize=True)
    layer = Equilibrium(CELL, SOLVER)
    x = X.clone().requires_grad_()
    with pytest.raises(NotImplementedError, match=r"torch\.func\.hessian"):
        torch.autograd.grad(layer(x), x, MANY, is_grads_batched=True, create_graph=True)
