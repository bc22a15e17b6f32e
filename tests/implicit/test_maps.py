from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.func import vmap

from andersonn import Anderson, Equilibrium, FixedPointIteration
from andersonn.implicit import NeumannGradient, OneStepGradient, PhantomGradient
from andersonn.implicit.bound_cell import BoundCell, SubsettableBoundCell, cell_map, draws_random_numbers, tensors_of
from tests.implicit.cells import TIGHT, Tanh, inputs, unrolled


class Pair(NamedTuple):
    shift: torch.Tensor
    more: list


class Nested(Tanh):
    def forward(self, z, x):
        return super().forward(z, x.shift * x.more[0]["scale"])


class Selecting(Nested):
    """Says itself how samples are left out of x; the scale is shared by all."""

    def select(self, x, samples, rows):
        self.asked = (samples.tolist(), rows.tolist())
        return Pair(x.shift[rows], x.more)


def tensors_in_a_dict(shared=False):
    scale = torch.rand(1 if shared else 4, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return Pair(inputs(), [{"scale": scale.requires_grad_(), "name": "alloy"}, None])


def test_which_maps_can_leave_samples_out():
    z = torch.zeros(4, 6, dtype=torch.float64)
    for cell, compact, expected in [
        (Nested(), None, BoundCell),
        (Nested(), True, SubsettableBoundCell),
        (Selecting(), None, SubsettableBoundCell),
        (Selecting(), False, BoundCell),
        (nn.Sequential(Nested(), nn.Dropout(0.5)), True, BoundCell),
        (nn.Sequential(Nested(), nn.Dropout(0.5)).eval(), True, SubsettableBoundCell),
        (nn.Sequential(Nested(), nn.Dropout(0.0)), True, SubsettableBoundCell),
    ]:
        f = cell_map(cell, tensors_in_a_dict(), z, None, compact, None)
        assert type(f) is expected
        assert hasattr(f, "subset") == (expected is SubsettableBoundCell)


@pytest.mark.parametrize("cell", [Nested(), Selecting()], ids=["indexed", "select"])
def test_the_map_of_some_samples_alone(cell):
    z, x = torch.randn(4, 6, dtype=torch.float64), tensors_in_a_dict(shared=isinstance(cell, Selecting))
    f = cell_map(cell, x, z, None, True, None)
    rows, last = torch.tensor([0, 3]), torch.tensor([1])
    part = f.subset(torch.tensor([5, 6]), rows)
    assert torch.allclose(part(z[rows]), f(z)[rows])
    assert torch.allclose(part.subset(last, last)(z[3:]), f(z)[3:])
    if isinstance(cell, Selecting):
        part = f.subset(torch.tensor([5, 6]), rows)
        assert cell.asked == ([5, 6], [0, 3])


def test_inputs_that_cannot_be_indexed_are_refused():
    z0 = torch.zeros(4, 6, dtype=torch.float64)
    with pytest.raises(
        ValueError, match=r"to be the state's, 4; x has tensors of shapes \[\(1, 1\)\].*select\(x, samples"
    ):
        Equilibrium(Nested(), compact=True)(tensors_in_a_dict(shared=True), z0=z0)
    with pytest.raises(ValueError, match="x is float without tensors"):
        Equilibrium(Tanh(), compact=True)(0.5, z0=z0)


def test_a_cell_with_select_does_less():
    class Counting(Selecting):
        rows = 0

        def forward(self, z, x):
            self.rows += len(z)
            return super().forward(z, x)

    rows, found = [], []
    for compact in (None, False):
        cell, x = Counting(radius=0.95), tensors_in_a_dict(shared=True)
        z0 = torch.zeros(4, 6, dtype=torch.float64)
        with torch.no_grad():
            x.shift[:2] *= 30.0  # saturated: done at once
            found.append(Equilibrium(cell, FixedPointIteration(rtol=1e-6, max_steps=400), compact=compact)(x, z0=z0))
        rows.append(cell.rows)
    assert rows[0] < 0.7 * rows[1]
    assert torch.allclose(*found, rtol=1e-10)


def test_tensors_of_nests():
    x = tensors_in_a_dict()
    assert [tensor.shape for tensor in tensors_of(x)] == [(4, 6), (4, 1)]
    assert tensors_of("nothing") == []


class Noisy(Tanh):
    """Dropout of the product, drawn anew at every call unless the layer prevents it."""

    def __init__(self, functional=False, **options):
        super().__init__(**options)
        self.dropout = (lambda z: nn.functional.dropout(z, 0.3)) if functional else nn.Dropout(0.3)

    def forward(self, z, x):
        return torch.tanh(self.dropout(z @ self.weight.T) + x)


class Masked(Tanh):
    """The same with a mask held still."""

    def forward(self, z, x):
        return torch.tanh(self.mask * (z @ self.weight.T) + x)


def mask(seed):
    torch.manual_seed(seed)
    return nn.functional.dropout(torch.ones(4, 6, dtype=torch.float64), 0.3)


@pytest.mark.parametrize("functional", [False, True])
def test_dropout_is_frozen_inside_a_solve(functional):
    layer, twin, x = Equilibrium(Noisy(functional), TIGHT[0], freeze_randomness=functional or None), Masked(), inputs()
    twin.mask = mask(3)
    torch.manual_seed(3)
    z = layer(x)
    assert layer.last.all_converged
    after = torch.rand(1)
    weight = torch.linspace(-1, 1, 24, dtype=torch.float64).view(4, 6)
    found = torch.autograd.grad((z * weight).sum(), [x, layer.cell.weight])
    assert layer.last_adjoint.all_converged
    expected = unrolled(twin, x)
    assert torch.allclose(z, expected)
    for ours, true in zip(found, torch.autograd.grad((expected * weight).sum(), [x, twin.weight]), strict=True):
        assert torch.allclose(ours, true, rtol=1e-8)
    mask(3)  # one evaluation
    assert torch.equal(torch.rand(1), after)
    assert not torch.allclose(layer(x), z)


class Part(nn.Module):
    """A cell whose state goes through a module that draws random numbers in training."""

    def __init__(self, part, call):
        super().__init__()
        self.part, self.call = part, call

    def forward(self, z, x):
        return 0.3 * self.call(self.part, z) + x


@pytest.mark.parametrize(
    ("part", "call"),
    [
        (nn.MultiheadAttention(6, 2, dropout=0.5, batch_first=True), lambda part, z: part(z, z, z)[0]),
        (nn.LSTM(6, 6, 2, dropout=0.5, batch_first=True), lambda part, z: part(z)[0]),
        (nn.GRU(6, 6, 2, dropout=0.5, batch_first=True), lambda part, z: part(z)[0]),
        (nn.RReLU(), lambda part, z: part(z)),
        (nn.AlphaDropout(0.2), lambda part, z: part(z)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_modules_that_draw_random_numbers_are_frozen(part, call):
    layer, x = Equilibrium(Part(part.double(), call), Anderson(rtol=1e-10, max_steps=100)), inputs().view(2, 2, 6)
    torch.manual_seed(1)
    z = layer(x)
    assert layer.last.all_converged
    assert (layer(x) - z).norm() > 1e-6  # other numbers in the next solve
    assert type(cell_map(layer.cell, x, z, None, True, None)) is BoundCell  # no sample leaves the batch
    assert draws_random_numbers(layer.cell)
    assert not draws_random_numbers(layer.cell.eval())


def test_modules_that_could_draw_random_numbers_and_do_not():
    for part in (nn.MultiheadAttention(6, 2), nn.LSTM(6, 6, 2), nn.GRU(6, 6), nn.RReLU(0.2, 0.2), nn.Dropout(0.0)):
        assert not draws_random_numbers(nn.Sequential(part))


@torch.no_grad()
def test_lazy_modules_without_gradients():
    layer = Equilibrium(Part(nn.LazyLinear(6).double(), lambda part, z: part(z)), Anderson(rtol=1e-10))
    layer(inputs())
    assert layer.last.all_converged
    layer.cell.part = nn.LazyBatchNorm1d().double()
    with pytest.raises(ValueError, match="lazy modules"):
        layer(inputs())


def test_lazy_modules_need_one_call_of_the_cell_first():
    for lazy in (nn.LazyLinear(6), nn.LazyBatchNorm1d(affine=False)):
        cell, x = Part(lazy.double(), lambda part, z: part(z)), inputs()
        layer = Equilibrium(cell, TIGHT[0])
        for run in (layer, vmap(layer)):
            with pytest.raises(ValueError, match=r"Part has lazy modules.*run the cell once first, as cell\(z, x\)"):
                run(x)
        cell(torch.zeros_like(x), x)  # the way round
        layer(x).sum().backward()
        assert layer.last.all_converged


@pytest.mark.parametrize("gradient", [None, OneStepGradient(), NeumannGradient(200), PhantomGradient(200)], ids=str)
def test_every_rule_sees_the_same_mask(gradient):
    layer, twin, x = Equilibrium(Noisy(radius=0.5), TIGHT[0], gradient), Masked(radius=0.5), inputs()
    twin.mask = mask(4)
    torch.manual_seed(4)
    z = layer(x)
    torch.manual_seed(99)  # what happens between the passes does not matter
    (found,) = torch.autograd.grad(z.sum(), x)
    (expected,) = torch.autograd.grad(Equilibrium(twin, TIGHT[0], gradient)(x).sum(), x)
    assert torch.allclose(found, expected)


def test_second_derivatives_see_the_same_mask():
    layer, twin, x, found = Equilibrium(Noisy(radius=0.5), TIGHT[0]), Masked(radius=0.5), inputs(), []
    twin.mask = mask(5)
    torch.manual_seed(5)
    for z in (layer(x), unrolled(twin, x)):
        (slope,) = torch.autograd.grad(z.square().sum(), x, create_graph=True)
        torch.manual_seed(98)
        found.append(torch.autograd.grad(slope.square().sum(), x)[0])
        after = torch.rand(1)
        torch.manual_seed(98)
        assert torch.equal(torch.rand(1), after)  # a backward pass leaves the generators alone
    assert torch.allclose(*found)


def test_without_freezing_noise_is_the_callers_choice():
    layer = Equilibrium(Noisy(), Anderson(rtol=1e-10, max_steps=30), freeze_randomness=False)
    layer(inputs())
    assert not layer.last.all_converged
    layer.eval()(inputs())
    assert layer.last.all_converged
