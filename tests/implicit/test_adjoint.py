import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from andersonn import Anderson, Equilibrium, FixedPointIteration, ImplicitGradient
from andersonn.implicit.adjoint import Solved, SubsettableAdjointMap, Tape, adjoint_map, evaluate_recorded
from andersonn.implicit.bound_cell import SubsettableBoundCell
from andersonn.solvers import GMRES
from tests.implicit.cells import TIGHT, Tanh, inputs


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


def test_a_reentrant_checkpoint_is_found_behind_visible_parameters():
    class Mixed(Tanh):
        def forward(self, z, x):
            return 0.1 * self.weight.sum() + checkpoint(super().forward, z, x, use_reentrant=True)

    with pytest.raises(RuntimeError, match="use_reentrant=False"):
        Equilibrium(Mixed(), TIGHT[0])(inputs())


class Boxed(nn.Module):
    """Takes x in an object that the layer does not look into."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, z, x):
        return self.cell(z, x.value)


class Box:
    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize("boxed", [False, True])
def test_reentrant_checkpoints_before_the_layer_do_no_harm(boxed):
    y, cell = inputs(), Tanh().requires_grad_(False)
    layer = Equilibrium(Boxed(cell) if boxed else cell, TIGHT[0])

    def run(reentrant):
        x = checkpoint(torch.sin, y, use_reentrant=reentrant)
        y.grad = None
        layer(Box(x) if boxed else x, z0=torch.zeros_like(y)).sum().backward()
        return y.grad

    assert torch.equal(run(True), run(False))


def tape(cell, x, g, solver, offsets=None):
    f = SubsettableBoundCell(cell, x, g)
    z = solver.solve(f, torch.zeros_like(g), offsets).z
    f, leaf, value = evaluate_recorded(f, z, autocast=False)
    return Tape(f, leaf, value, solver, Solved(z, offsets, solver, lambda *_: None))


def test_the_map_of_some_samples_alone():
    """Rows 1, 2 and 5, then of these the last, must be mapped as in the whole batch."""
    torch.manual_seed(0)
    x, g, u = inputs(batch=6), torch.randn(6, 6, dtype=torch.float64), torch.randn(6, 6, dtype=torch.float64)
    whole = adjoint_map(tape(Tanh(), x, g, TIGHT[0]), g)
    rows, last = torch.tensor([1, 2, 5]), torch.tensor([2])
    part = whole.subset(rows, rows)
    assert torch.allclose(part(u[rows]), whole(u)[rows])
    assert torch.allclose(part.subset(last, last)(u[5:]), whole(u)[5:])
    assert torch.allclose(part.linear(u[rows]), whole.linear(u)[rows])


def test_what_has_changed_is_not_recorded_again():
    cell, x, g = Tanh(), inputs(), torch.ones(4, 6, dtype=torch.float64)
    found = tape(cell, x, g, TIGHT[0])
    assert isinstance(adjoint_map(found, g), SubsettableAdjointMap)
    with torch.no_grad():
        cell.weight.mul_(0.5)
    assert not hasattr(adjoint_map(found, g), "subset")
    found = tape(cell, x, g, TIGHT[0])
    cell.weight = nn.Parameter(cell.weight.detach().clone())
    assert not hasattr(adjoint_map(found, g), "subset")
    found = tape(cell, x, g, TIGHT[0])
    x.data.add_(1.0)  # not counted by autograd: nothing can notice
    x.detach().add_(1.0)
    assert not hasattr(adjoint_map(found, g), "subset")


class Spread(Tanh):
    """Each sample contracts at its own rate, so that they stop one after another; counts the rows it is called with."""

    def __init__(self, **options):
        super().__init__(**options)
        self.rows = 0

    def forward(self, z, x):
        self.rows += len(z)
        return torch.tanh(x["rate"] * (z @ self.weight.T) + x["shift"])


@pytest.mark.parametrize(
    "solver", [Anderson(rtol=1e-11, max_steps=300), FixedPointIteration(rtol=1e-11, max_steps=900)]
)
@pytest.mark.parametrize("adjoint", [None, GMRES(rtol=1e-11, max_steps=100)], ids=["own", "GMRES"])
@pytest.mark.parametrize("offsets", [None, torch.tensor([0, 1, 3, 6, 8])], ids=["dense", "ragged"])
def test_samples_that_have_stopped_change_no_gradient(solver, adjoint, offsets):
    rate = torch.linspace(0.1, 1.0, 8, dtype=torch.float64).unsqueeze(1)
    found = []
    for compact in (False, True):
        torch.manual_seed(0)
        layer = Equilibrium(Spread(radius=0.9), solver, ImplicitGradient(solver=adjoint), compact=compact)
        x = {"rate": rate, "shift": inputs(batch=8)}
        z = layer(x, z0=torch.zeros(8, 6, dtype=torch.float64), offsets=offsets)
        rows = layer.cell.rows
        z.square().sum().backward()
        assert layer.last.all_converged
        assert layer.last_adjoint.all_converged
        found.append((rows, z.detach(), x["shift"].grad, layer.cell.weight.grad))
    (all_rows, *whole), (few_rows, *compacted) = found
    assert few_rows < 0.9 * all_rows
    if adjoint is None:  # GMRES is done after one cycle here
        assert layer.cell.rows > few_rows  # the adjoint recorded evaluations of fewer samples
    for a, b in zip(whole, compacted, strict=True):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-10)
