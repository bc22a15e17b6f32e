import copy
import pickle
import threading

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.utils import parametrize

from andersonn.implicit.equilibrium import Equilibrium
from andersonn.implicit.lipschitz import (
    MonotoneCell,
    MonotoneLinear,
    bound_norm,
    bound_norms,
    bound_rows,
    convolution_bound,
    hold_weights,
    norm_bound,
)
from andersonn.implicit.stability import spectral_radius
from andersonn.solvers import Anderson, FixedPointIteration

DOUBLE = torch.float64


class Tanh(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.linear = linear

    def forward(self, z, x):
        return torch.tanh(self.linear(z) + x)


def attack(module, loss, optimizer, steps=50):
    """Large optimizer steps that push the weights up, with random restarts of direction."""
    optimizer = optimizer(module.parameters())
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=10.0),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=1.0),
}


def jacobian(f, shape):
    """Dense matrix of a linear map of tensors of this shape."""
    n = int(torch.Size(shape).numel())
    basis = torch.eye(n, dtype=DOUBLE).view(n, *shape)
    with torch.no_grad():
        return (f(basis) - f(torch.zeros_like(basis))).flatten(1).T


def matrices():
    generator = torch.Generator().manual_seed(0)
    yield "gaussian", torch.randn(30, 30, generator=generator, dtype=DOUBLE)
    yield "wide", torch.randn(5, 60, generator=generator, dtype=DOUBLE)
    yield "tall", torch.randn(60, 5, generator=generator, dtype=DOUBLE)
    yield "orthogonal", torch.linalg.qr(torch.randn(200, 200, generator=generator, dtype=DOUBLE)).Q
    yield "rank one", torch.outer(torch.arange(1.0, 9, dtype=DOUBLE), torch.ones(4, dtype=DOUBLE))
    yield "nilpotent", torch.diag(torch.ones(11, dtype=DOUBLE), 1)
    yield "huge", 1e140 * torch.randn(9, 9, generator=generator, dtype=DOUBLE)
    yield "minute", 1e-30 * torch.randn(9, 9, generator=generator, dtype=DOUBLE)


@pytest.mark.parametrize(("name", "W"), list(matrices()), ids=lambda v: v if isinstance(v, str) else "")
def test_norm_bound_is_from_above_and_tight(name, W):
    true, bound = torch.linalg.matrix_norm(W, 2), norm_bound(W)
    assert true * (1 - 1e-12) <= bound <= true * min(W.shape) ** (1 / 512) * (1 + 1e-12)


def test_norm_bound_of_batches_complex_and_zero():
    W = torch.randn(3, 2, 4, 5, dtype=torch.complex128)
    assert (norm_bound(W) >= torch.linalg.matrix_norm(W, 2) * (1 - 1e-12)).all()
    assert norm_bound(W).shape == (3, 2)
    zero = torch.zeros(3, 3, requires_grad=True)
    norm_bound(zero).backward()
    assert norm_bound(zero) == 0
    assert zero.grad.isfinite().all()
    assert norm_bound(torch.full((2, 2), 1e30)) == pytest.approx(2e30)
    assert norm_bound(torch.eye(4, dtype=torch.bfloat16)).dtype == torch.float32


def test_bounds_are_differentiable():
    W = torch.randn(3, 2, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(norm_bound, (W,))
    assert torch.autograd.gradgradcheck(norm_bound, (W,))
    kernel = torch.randn(2, 1, 3, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(lambda k: convolution_bound(k, groups=2), (kernel,))


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_bounded_norm_survives_training_that_pushes_it_up(optimizer):
    torch.manual_seed(0)
    limit, x = 0.9, torch.randn(16, 12, dtype=DOUBLE)
    cell = Tanh(bound_norm(nn.Linear(12, 12, dtype=DOUBLE), limit=limit))
    layer = Equilibrium(cell, Anderson(rtol=1e-6, max_steps=400))
    attack(cell, lambda: -layer(x).square().sum() - 10 * torch.linalg.matrix_norm(cell.linear.weight), optimizer)
    stored = torch.linalg.matrix_norm(cell.linear.parametrizations.weight.original, 2)
    seen = torch.linalg.matrix_norm(cell.linear.weight, 2)
    assert stored > 2 * limit  # training did push
    assert 0.97 * limit < seen <= limit * (1 + 1e-9)
    assert spectral_radius(lambda z: cell(z, x), layer(x), iterations=12).max() <= limit * (1 + 1e-9)
    assert layer.last.all_converged
    far = 100 * torch.randn(16, 12, dtype=DOUBLE)  # unique: found from anywhere
    assert torch.allclose(layer(x, z0=far), layer(x), atol=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_bounded_rows_survive_training_that_pushes_them_up(optimizer):
    torch.manual_seed(0)
    limit, x = 0.9, torch.randn(16, 12, dtype=DOUBLE)
    cell = Tanh(bound_rows(nn.Linear(12, 12, dtype=DOUBLE), limit=limit))
    layer = Equilibrium(cell, Anderson(rtol=1e-6, max_steps=400))
    attack(cell, lambda: -layer(x).square().sum() - 10 * cell.linear.weight.abs().sum(), optimizer)
    assert torch.linalg.matrix_norm(cell.linear.parametrizations.weight.original, float("inf")) > 2 * limit
    assert cell.linear.weight.abs().sum(dim=1).max() <= limit * (1 + 1e-12)
    assert spectral_radius(lambda z: cell(z, x), layer(x), iterations=12).max() <= limit * (1 + 1e-9)
    assert layer.last.all_converged


def test_what_is_within_the_limit_is_left_as_it_is():
    for bound in (bound_norm, bound_rows):
        linear = nn.Linear(6, 6)
        nn.init.constant_(linear.weight, 0.1)
        before = linear.weight.detach().clone()
        assert torch.equal(bound(linear, limit=0.9).weight, before)
        assert torch.allclose(bound(nn.Linear(6, 6), limit=1e-3).weight.norm(), torch.tensor(1e-3), rtol=2)
        linear.weight = torch.eye(6) * 3  # an assigned weight is stored, and seen within the limit
        assert torch.allclose(linear.weight, torch.eye(6) * 0.9, rtol=0.01)


CONVOLUTIONS = [
    lambda **options: nn.Conv2d(2, 2, 3, padding=1, **options),
    lambda **options: nn.Conv2d(2, 2, 3, padding=2, dilation=2, **options),
    lambda **options: nn.Conv2d(2, 2, 4, padding=3, stride=2, **options),
    lambda **options: nn.Conv2d(4, 4, 3, padding=1, groups=2, **options),
    lambda **options: nn.Conv2d(3, 2, (1, 5), padding=(0, 2), **options),
    lambda **options: nn.Conv1d(3, 3, 5, padding=2, **options),
    lambda **options: nn.Conv3d(1, 2, 3, padding=1, **options),
    lambda **options: nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, **options),
    lambda **options: nn.ConvTranspose1d(4, 2, 3, groups=2, **options),
]
SIDES = {1: 12, 2: 8, 3: 4}


@pytest.mark.parametrize("make", CONVOLUTIONS)
def test_bounded_convolutions(make):
    torch.manual_seed(0)
    for bound, order in ((bound_norm, 2), (bound_rows, float("inf"))):
        convolution = bound(make(dtype=DOUBLE), limit=0.8)
        attack(convolution, lambda c=convolution: -c.weight.square().sum(), OPTIMIZERS["adam"], steps=15)
        space = SIDES[convolution.weight.dim() - 2]
        shape = (convolution.in_channels, *[space] * (convolution.weight.dim() - 2))
        norm = torch.linalg.matrix_norm(jacobian(convolution, shape), order)
        assert 0.2 < norm <= 0.8 * (1 + 1e-9)  # of strided ones well below


def test_padding_modes():
    circular = bound_norm(nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular", dtype=DOUBLE), limit=0.1)
    assert (
        0.09 < torch.linalg.matrix_norm(jacobian(circular, (2, 12, 12)), 2) <= 0.1 * (1 + 1e-9)
    )  # tight: 7 % and grid
    same = nn.Conv2d(2, 2, 4, padding="same", padding_mode="circular", dtype=DOUBLE)
    assert torch.linalg.matrix_norm(jacobian(bound_norm(same, limit=0.1), (2, 8, 8)), 2) <= 0.1 * (1 + 1e-9)
    with pytest.raises(ValueError, match=r"circular padding=\(1,\) gives more outputs than inputs"):
        bound_norm(nn.Conv1d(2, 2, 1, padding=1, padding_mode="circular"))
    for mode in ("reflect", "replicate"):
        with pytest.raises(ValueError, match=f"'{mode}' has no such bound; use 'zeros' or 'circular', or bound_rows"):
            bound_norm(nn.Conv2d(2, 2, 3, padding=1, padding_mode=mode))
        rows = bound_rows(nn.Conv2d(2, 2, 3, padding=1, padding_mode=mode, dtype=DOUBLE), limit=0.1)
        assert torch.linalg.matrix_norm(jacobian(rows, (2, 6, 6)), float("inf")) <= 0.1 * (1 + 1e-9)


def test_a_matrix_of_any_module_in_half_precision_and_under_autocast():
    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.Parameter(torch.randn(8, 8))

    cell = bound_norm(Cell(), "mix", limit=0.5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = cell.mix
    assert under.dtype == torch.float32
    assert torch.linalg.matrix_norm(under, 2) <= 0.5 * (1 + 1e-6)
    half = bound_norm(nn.Linear(8, 8, dtype=torch.bfloat16), limit=0.1).weight
    assert half.dtype == torch.bfloat16
    assert torch.linalg.matrix_norm(half.float(), 2) <= 0.1 * (1 + 2**-8)


def test_bad_use():
    with pytest.raises(ValueError, match="Linear has no tensor 'wieght'; did you mean 'weight'"):
        bound_norm(nn.Linear(3, 3), "wieght")
    with pytest.raises(ValueError, match=r"'bias' of Linear has shape \(3,\); a bound needs a matrix"):
        bound_rows(nn.Linear(3, 3), "bias")
    with pytest.raises(ValueError, match="limit must be a number, greater than 0"):
        bound_norm(nn.Linear(3, 3), limit=0)
    with pytest.raises(TypeError, match="the module that holds the weight, not Parameter"):
        bound_norm(nn.Linear(3, 3).weight)
    with pytest.raises(ValueError, match="margin must be a number, greater than 0"):
        MonotoneCell(4, margin=0)
    with pytest.raises(ValueError, match="width must be a whole number"):
        MonotoneLinear(0)


def counting(monkeypatch):
    """Counts how often the Gram iteration runs."""
    from andersonn.implicit import lipschitz

    calls, plain = [], lipschitz.norm_bound
    monkeypatch.setattr(lipschitz, "norm_bound", lambda W: calls.append(1) or plain(W))
    return calls


def test_held_weights_are_computed_once_without_gradients_only(monkeypatch):
    calls = counting(monkeypatch)
    cell = Tanh(bound_norm(nn.Linear(5, 5), limit=0.1))
    z, x = torch.zeros(2, 5), torch.ones(2, 5)
    calls.clear()
    with hold_weights(), torch.no_grad():
        first = [cell(z, x) for _ in range(4)]
        assert len(calls) == 1
        with torch.enable_grad():
            assert cell(z, x).requires_grad  # never a weight that was made without
        seen = []
        thread = threading.Thread(target=lambda: seen.append((torch.set_grad_enabled(False), cell(z, x))))
        thread.start()
        thread.join()
        assert len(calls) == 3  # another thread holds nothing
        with hold_weights():
            cell(z, x)
        assert len(calls) == 4
        other = {"linear.parametrizations.weight.original": torch.eye(5)}
        assert not torch.equal(functional_call(cell, other, (torch.ones(2, 5), x)), cell(torch.ones(2, 5), x))
    assert all(torch.equal(first[0], value) for value in first)
    with torch.no_grad():
        cell.linear.parametrizations.weight.original.zero_()
        assert torch.equal(cell(z + 1, x), torch.tanh(cell.linear.bias + x).detach())  # nothing is held outside


def test_a_compiled_cell():
    cell = MonotoneCell(4)
    compiled = torch.compile(cell, backend="eager", fullgraph=True)
    z, x = torch.rand(2, 4), torch.randn(2, 4)
    assert torch.allclose(compiled(z, x), cell(z, x))


@pytest.mark.parametrize("width", [1, 7])
def test_monotone_matrix_for_any_weights(width):
    torch.manual_seed(width)
    linear = MonotoneLinear(width, margin=0.2).double()
    attack(linear, lambda: -linear.matrix().square().sum(), OPTIMIZERS["adam"])
    M = torch.eye(width, dtype=DOUBLE) - linear.matrix()
    assert torch.linalg.eigvalsh((M + M.T) / 2).min() >= 0.2 - 1e-9
    z = torch.randn(3, width, dtype=DOUBLE)
    assert torch.allclose(linear(z), z @ linear.matrix().T)


def test_monotone_matrix_is_exact_under_autocast():
    linear = MonotoneLinear(16)
    plain = linear.matrix(), *linear.step()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert all(torch.equal(a, b) for a, b in zip(plain, (linear.matrix(), *linear.step())))


SHAPES = {"new": (1.0, 1.0), "symmetric": (3.0, 0.0), "skew": (0.0, 3.0), "both": (5.0, 5.0), "zero": (0.0, 0.0)}


@pytest.mark.parametrize(("damping", "turning"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("margin", [0.05, 0.5, 3.0])
def test_monotone_step_contracts_as_promised(damping, turning, margin):
    """The norm of the linear part is the Lipschitz constant before relu; the promise must cover it."""
    torch.manual_seed(0)
    linear = MonotoneLinear(9, margin).double()
    with torch.no_grad():
        linear.damping.mul_(damping)
        linear.turning.mul_(turning)
    M = torch.eye(9, dtype=DOUBLE) - linear.matrix()
    alpha, rate = linear.step()
    true = torch.linalg.matrix_norm(torch.eye(9, dtype=DOUBLE) - alpha * M, 2)
    assert true <= rate + 1e-9 < 1 + 1e-9
    plain = 1 - margin**2 / torch.linalg.matrix_norm(M, 2) ** 2  # of the textbook step m / ‖M‖²
    assert rate**2 <= plain + 0.01


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_monotone_cell_contracts_after_training_that_pushes_it_up(optimizer):
    torch.manual_seed(0)
    cell, x = MonotoneCell(8, margin=0.5).double(), torch.randn(10, 8, dtype=DOUBLE)
    layer = Equilibrium(cell, Anderson(rtol=1e-6, max_steps=20))
    attack(cell, lambda: -layer(x).square().sum() - 20 * torch.linalg.matrix_norm(cell.linear.matrix()), optimizer, 5)
    a, b = 10 * torch.randn(2, 400, 8, dtype=DOUBLE)
    moved = torch.linalg.vector_norm(cell(a, x[:1]) - cell(b, x[:1]), dim=1)
    assert (moved <= cell.rate() * torch.linalg.vector_norm(a - b, dim=1) * (1 + 1e-12)).all()
    assert torch.linalg.matrix_norm(cell.linear.matrix(), 2) > 50


def test_monotone_cell_converges_where_the_plain_iteration_diverges():
    """With its two matrices bounded the rate is bounded too."""
    torch.manual_seed(0)
    cell, x = MonotoneCell(8, margin=0.5).double(), torch.randn(10, 8, dtype=DOUBLE)
    bound_norm(bound_norm(cell.linear, "damping", limit=1.5), "turning", limit=1.0)
    solver = FixedPointIteration(rtol=1e-9, max_steps=3000)

    def solve():
        with hold_weights():
            return solver.solve(lambda z: cell(z, x), torch.zeros_like(x))

    attack(cell, lambda: (cell(solve().z, x) - 5 * x.roll(1)).square().sum(), OPTIMIZERS["adam"], steps=20)
    W, rate, found = cell.linear.matrix().detach(), cell.rate(), solve()
    assert found.all_converged
    assert torch.allclose(found.z, torch.relu(found.z @ W.T + x), atol=1e-6)
    plain = FixedPointIteration(max_steps=500).solve(lambda z: torch.relu(z @ W.T + x), torch.zeros_like(x))
    assert not plain.all_converged
    bound = 1 - 0.5**2 / ((0.5 * (0.5 + 1.5**2)) ** 0.5 + 2.0) ** 2
    assert spectral_radius(lambda z: cell(z, x), found.z, iterations=8).max() <= rate * (1 + 1e-9) < bound**0.5 + 1e-3


def test_gradient_of_the_monotone_layer_is_that_of_its_equation():
    """By implicit differentiation of z = relu(W z + x) itself, α unknown to it."""
    torch.manual_seed(1)
    cell = MonotoneCell(5, margin=0.5).double()
    x = torch.randn(3, 5, dtype=DOUBLE, requires_grad=True)
    z = Equilibrium(cell, Anderson(rtol=1e-12, max_steps=500))(x)
    (dx, dA) = torch.autograd.grad(z.sum(), (x, cell.linear.damping))
    active = torch.diag_embed((z > 0).to(DOUBLE)).detach()
    W = cell.linear.matrix()
    inverse = torch.linalg.inv(torch.eye(5, dtype=DOUBLE) - active @ W.detach())
    u = (torch.ones(3, 1, 5, dtype=DOUBLE) @ inverse @ active).squeeze(1)
    (expected,) = torch.autograd.grad((u * (z.detach() @ W.T)).sum(), cell.linear.damping)
    assert torch.allclose(dx, u, atol=1e-8)
    assert torch.allclose(dA, expected, atol=1e-8)


def test_copies_pickles_and_state_dicts():
    cell = Tanh(bound_norm(nn.Linear(4, 4), limit=0.3))
    other = Tanh(bound_norm(nn.Linear(4, 4), limit=0.3))
    other.load_state_dict(cell.state_dict())
    z = torch.randn(2, 4)
    twins = [copy.deepcopy(cell), other]
    assert all(torch.equal(twin(z, z), cell(z, z)) for twin in twins)
    assert parametrize.is_parametrized(twins[0].linear, "weight")
    monotone = MonotoneCell(4)
    assert torch.equal(pickle.loads(pickle.dumps(monotone))(z, z), monotone(z, z))
    assert "limit=0.3" in str(cell)
    assert "margin=0.1" in str(monotone)


def test_every_layer_of_a_module_is_bounded():
    torch.manual_seed(0)
    cell = nn.Sequential(
        nn.Conv1d(2, 4, 3, padding=1),
        nn.Sequential(nn.Flatten(), nn.Linear(20, 6), nn.GRUCell(6, 6)),
        bound_norm(nn.Linear(6, 6), limit=0.2),
        nn.ConvTranspose1d(2, 2, 3),
    )
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.mul_(10)
    free = cell[1][2].weight_hh
    assert bound_norms(cell, limit=0.7) is cell
    assert torch.linalg.matrix_norm(cell[1][1].weight, 2) <= 0.7 + 1e-6
    assert torch.linalg.matrix_norm(cell[2].weight, 2) <= 0.2 + 1e-6  # it keeps its own
    assert len(cell[2].parametrizations.weight) == 1
    x = torch.randn(1, 2, 50)
    assert cell[3](x).sub(cell[3](0 * x)).norm() <= 0.7 * x.norm()
    assert cell[0](x).sub(cell[0](0 * x)).norm() <= 0.7 * x.norm()
    assert cell[1][2].weight_hh is free
    bound_norms(cell)  # again: nothing is left to bound
    assert len(cell[0].parametrizations.weight) == 1


def test_a_module_that_cannot_be_bounded_is_left_as_it_is():
    cell = nn.Sequential(nn.Linear(3, 3), nn.Conv1d(2, 2, 3, padding=1, padding_mode="reflect"))
    with pytest.raises(ValueError, match="layer '1': .*bound_rows, which allows every padding"):
        bound_norms(cell)
    assert isinstance(cell[0].weight, nn.Parameter)
    with pytest.raises(ValueError, match="no linear or convolutional layer"):
        bound_norms(nn.GRUCell(3, 3))
