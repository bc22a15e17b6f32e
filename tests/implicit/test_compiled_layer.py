"""Layers with compile=True: gradients, other weights, and what is refused."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from andersonn import Anderson, Equilibrium

pytestmark = pytest.mark.usefixtures("graphs")


class Cell(nn.Module):
    def __init__(self, *more: nn.Module) -> None:
        super().__init__()
        self.inner, self.outer, self.more = nn.Linear(5, 5), nn.Linear(5, 5), nn.Sequential(*more)
        with torch.no_grad():
            self.inner.weight.mul_(0.5)

    def forward(self, z, x):
        return torch.tanh(self.more(self.inner(z)) + self.outer(x))


SOLVER = Anderson(window=2, rtol=1e-5)


def test_training_takes_the_steps_of_the_ordinary_layer(graphs):
    torch.manual_seed(0)
    cell = Cell()
    mine, known = Equilibrium(cell, SOLVER, compile=True), Equilibrium(cell, SOLVER)
    optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
    for _ in range(4):
        x = torch.randn(3, 5, requires_grad=True)
        gradients = []
        for layer in (mine, known):
            optimizer.zero_grad()
            layer(x).square().sum().backward()
            gradients.append([p.grad.clone() for p in cell.parameters()])
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
        assert mine.last.evaluations == known.last.evaluations
        assert mine.last.all_converged
        optimizer.step()
    assert len(graphs) == 1


def test_copies_compile_and_older_pickles_do_not():
    layer = Equilibrium(Cell(), SOLVER, compile=True)
    assert "compile=True" in repr(layer)
    assert copy.deepcopy(layer).compiled
    assert pickle.loads(pickle.dumps(layer)).compiled
    state = layer.__getstate__()
    del state["compiled"]
    older = Equilibrium.__new__(Equilibrium)
    older.__setstate__(state)
    assert older.compiled is False
    assert "compile" not in repr(Equilibrium(Cell()))


def test_what_no_program_does_is_refused_by_name(graphs):
    x = torch.randn(3, 5)
    for more, message in ((nn.Dropout(0.5), "frozen random numbers"), (nn.BatchNorm1d(5), "running statistics")):
        with pytest.raises(NotImplementedError, match=f"{message}.*leave out compile=True"):
            Equilibrium(Cell(more), SOLVER, compile=True)(x)
    layer = Equilibrium(Cell(), SOLVER, compile=True)
    with pytest.raises(NotImplementedError, match="states on the way"):
        layer.states(x, (2,))
    with pytest.raises(NotImplementedError, match="under torch.func transforms"):
        torch.func.vmap(layer)(x.unsqueeze(0))
    with torch.autocast("cpu"), pytest.raises(NotImplementedError, match=r"torch\.autocast"):
        layer(x)
    with pytest.raises(NotImplementedError, match="several parts"):
        Equilibrium(lambda z, x: {"a": 0.5 * z["a"] + x}, SOLVER, compile=True)(x, {"a": x})
    with pytest.raises(TypeError, match="compile must be"):
        Equilibrium(Cell(), compile="yes")
    assert not graphs
