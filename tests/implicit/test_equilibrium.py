import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from andersonn import Anderson, Equilibrium, ForwardIteration, ImplicitGradient, Status
from andersonn.measure.memory import tape_bytes


class Tanh(nn.Module):
    def __init__(self, width=6, radius=0.7, dtype=torch.float64, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(width, width, generator=generator, dtype=dtype)
        self.weight = nn.Parameter(weight * (radius / torch.linalg.eigvals(weight).abs().max().item()))

    def forward(self, z, x):
        return torch.tanh(z @ self.weight.T + x)


def inputs(width=6, batch=4, dtype=torch.float64):
    return torch.randn(batch, width, generator=torch.Generator().manual_seed(1), dtype=dtype).requires_grad_()


TIGHT = [Anderson(rtol=1e-13, max_steps=300), ForwardIteration(rtol=1e-13, max_steps=2000)]


@pytest.mark.parametrize("solver", TIGHT, ids=str)
def test_gradcheck(solver):
    layer = Equilibrium(Tanh(), solver)

    def run(weight, x):
        return torch.func.functional_call(layer, {"cell.weight": weight}, (x,))

    assert torch.autograd.gradcheck(run, (layer.cell.weight, inputs()))
    assert layer.last.all_converged
    assert layer.last_adjoint.all_converged


def test_gradcheck_with_ragged_samples():
    offsets = torch.tensor([0, 2, 3, 6])
    block = torch.block_diag(*(0.6 * torch.eye(n, dtype=torch.float64).roll(1, 0) for n in (2, 1, 3)))

    class Graph(Tanh):
        def forward(self, z, x):
            return torch.tanh(block @ z @ self.weight.T + x)

    layer = Equilibrium(Graph(width=3), TIGHT[0])

    def run(weight, x):
        return torch.func.functional_call(layer, {"cell.weight": weight}, (x,), {"offsets": offsets})

    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (layer.cell.weight, x))


@pytest.mark.parametrize("solver", TIGHT, ids=str)
def test_gradient_equals_that_of_the_unrolled_network(solver):
    layer, x = Equilibrium(Tanh(radius=0.9), solver), inputs()
    weights = torch.randn(4, 6, dtype=torch.float64)
    (layer(x) * weights).sum().backward()
    implicit = (x.grad.clone(), layer.cell.weight.grad.clone())
    x.grad = layer.cell.weight.grad = None
    z = torch.zeros_like(x)
    for _ in range(800):
        z = layer.cell(z, x)
    (z * weights).sum().backward()
    assert torch.allclose(implicit[0], x.grad, rtol=1e-8)
    assert torch.allclose(implicit[1], layer.cell.weight.grad, rtol=1e-8)


def test_memory_does_not_grow_with_steps():
    """Bytes that autograd keeps for the backward pass, after 2 and after 200 solver steps, and of an unrolled stack."""
    cell, x = Tanh(width=64, radius=0.99), inputs(width=64, batch=32)

    def layer_bytes(steps):
        layer = Equilibrium(cell, ForwardIteration(rtol=0.0, max_steps=steps))
        kept = tape_bytes(lambda: layer(x))
        assert layer.last.evaluations == steps + 1
        return kept

    def stack_bytes(steps):
        def run():
            z = torch.zeros_like(x)
            for _ in range(steps):
                z = cell(z, x)
            return z

        return tape_bytes(run)

    trace = 8 * (32 + 1)  # of a step: a residual for each sample, and the time
    assert layer_bytes(200) - layer_bytes(2) <= 198 * trace
    state = x.numel() * x.element_size()
    assert stack_bytes(200) - stack_bytes(2) >= 198 * state


def test_without_gradients_it_returns_the_solution():
    layer, x = Equilibrium(Tanh(), TIGHT[0]), inputs()
    with torch.no_grad():
        z = layer(x)
    assert not z.requires_grad
    assert torch.equal(z, layer.last.z)
    assert torch.equal(layer(x).detach(), z)
    z.zero_()
    layer(x).mul_(0.0).sum().backward()
    assert layer.last.z.abs().max() > 0


def test_nothing_to_learn_means_nothing_to_solve():
    """Frozen weights and a constant input: no backward pass is attached, though f was recorded with respect to z."""
    layer = Equilibrium(Tanh().requires_grad_(False), TIGHT[0])
    z = layer(inputs().detach())
    assert not z.requires_grad
    assert torch.equal(z, layer.last.z)


def test_no_gradient_is_left_on_the_solution():
    layer, x = Equilibrium(Tanh(), TIGHT[0]), inputs()
    seen = []
    layer.cell.register_forward_pre_hook(lambda cell, arguments: seen.append(arguments[0]))
    layer(x).sum().backward()
    assert seen[-1].requires_grad
    assert all(z.grad is None for z in seen if z.is_leaf)
    assert x.grad is not None


def test_threads_get_their_own_records():
    layer = Equilibrium(Tanh(radius=0.9), Anderson(rtol=1e-10, max_steps=200))
    batches = [inputs(batch=n).detach() for n in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(torch.no_grad()(layer.solve), batches))
    for batch, (z, solution) in zip(batches, found, strict=True):
        assert torch.equal(z, solution.z)
        assert len(solution.status) == len(batch)


def test_copies_leave_records_behind():
    layer, x = Equilibrium(Tanh(), TIGHT[0]), inputs()
    layer(x).sum().backward()
    twin = copy.deepcopy(layer)
    assert twin.last is None
    assert twin.last_adjoint is None
    assert torch.equal(twin(x), layer(x))


def test_status_of_an_unfinished_solve_is_kept():
    layer = Equilibrium(Tanh(radius=0.99), Anderson(max_steps=1, rtol=1e-12))
    layer(inputs()).sum().backward()
    assert (layer.last.status == Status.MAX_STEPS).all()
    assert (layer.last_adjoint.status == Status.MAX_STEPS).all()


def test_adjoint_options():
    gradient = ImplicitGradient(rtol=0.5, max_steps=7)
    assert gradient.adjoint_solver(Anderson(window=3)) == Anderson(window=3, rtol=0.5, max_steps=7)
    plain = ImplicitGradient(solver=ForwardIteration())
    assert isinstance(plain.adjoint_solver(Anderson()), ForwardIteration)
    with pytest.raises(TypeError, match="did you mean 'max_steps'"):
        ImplicitGradient(max_step=3)
    loose = Equilibrium(Tanh(radius=0.9), TIGHT[0], gradient)
    loose(inputs()).sum().backward()
    assert loose.last_adjoint.evaluations < 8


@pytest.mark.parametrize("solver", [Anderson(rtol=0.0, atol=1e-4), Anderson(rtol=1e-8, atol=1e-4)])
def test_gradients_are_linear_in_the_scale_of_the_loss(solver):
    """The absolute tolerance of the forward problem says nothing about the adjoint."""
    layer, x = Equilibrium(Tanh(radius=0.9), solver), inputs()
    found = []
    for scale in (1.0, 1e-6):
        x.grad = None
        (scale * layer(x)).sum().backward()
        found.append(x.grad / scale)
        assert layer.last_adjoint.evaluations > 3
    assert torch.allclose(*found, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_inside_a_cell(reentrant):
    class Frugal(Tanh):
        def forward(self, z, x):
            return checkpoint(super().forward, z, x, use_reentrant=reentrant)

    layer, x = Equilibrium(Frugal(), TIGHT[0]), inputs().detach()
    if reentrant:
        with pytest.raises(RuntimeError, match="use_reentrant=False"):
            layer(x)
        return
    layer(x).sum().backward()
    plain = Equilibrium(Tanh(), TIGHT[0])
    plain(x).sum().backward()
    assert torch.allclose(layer.cell.weight.grad, plain.cell.weight.grad)


def test_a_cell_that_ignores_the_state():
    class Constant(nn.Module):
        def forward(self, z, x):
            return x

    x = inputs()
    Equilibrium(Constant())(x).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_warm_start_takes_fewer_steps():
    layer, x = Equilibrium(Tanh(radius=0.95), Anderson(rtol=1e-8, max_steps=200)), inputs()
    with torch.no_grad():
        z = layer(x)
        cold = layer.last.evaluations
        layer(x + 1e-6, z0=z)
    assert layer.last.evaluations < cold


def test_first_state():
    class Shy(nn.Module):
        def forward(self, z, x):
            return torch.tanh(0.5 * z + x["value"])

    with pytest.raises(TypeError, match="give z0"):
        Equilibrium(Shy())({"value": torch.ones(2, 3)})
    assert Equilibrium(Shy())({"value": torch.ones(2, 3)}, z0=torch.zeros(2, 3)).shape == (2, 3)


def test_double_backward_is_refused_not_wrong():
    layer, x = Equilibrium(Tanh(), TIGHT[0]), inputs()
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        torch.autograd.grad(layer(x).sum(), x, create_graph=True)


def test_training_lowers_a_loss():
    torch.manual_seed(0)
    layer = nn.Sequential(Equilibrium(Tanh(dtype=torch.float32)), nn.Linear(6, 1))
    x, y = torch.randn(64, 6), torch.randn(64, 1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        loss = (layer(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    assert "solver=Anderson" in repr(layer)
