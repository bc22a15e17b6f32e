"""Weights as files; the multiscale example gives what torchdeq gives, values and gradients."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from andersonn import Anderson, Equilibrium, ImplicitGradient, bound_norm, load_weights, save_weights

EXAMPLE = Path(__file__).parents[2] / "examples/multiscale_deq.py"


class Cell(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = bound_norm(nn.Linear(width, width))
        self.tied = nn.Linear(width, width, bias=False)
        self.tied.weight = self.linear.parametrizations.weight.original

    def forward(self, z, x):
        return torch.tanh(self.linear(z) + self.tied(x))


def test_weights_come_back(tmp_path):
    torch.manual_seed(0)
    first, second, x = Equilibrium(Cell(5)), Equilibrium(Cell(5)), torch.randn(3, 5)
    assert not torch.equal(first(x), second(x))
    save_weights(first, tmp_path / "new" / "layer.safetensors")
    load_weights(second, tmp_path / "new" / "layer.safetensors")
    assert torch.equal(first(x), second(x))
    second(x).sum().backward()
    assert second.cell.tied.weight is second.cell.linear.parametrizations.weight.original


def test_weights_that_do_not_fit_leave_the_module_as_it_is(tmp_path):
    path = tmp_path / "layer.safetensors"
    save_weights(Equilibrium(Cell(5)), path)
    for other, message in (
        (Equilibrium(Cell(4)), r"is \(5,.*\) in .* and \(4,.*\) in the module"),
        (nn.Sequential(nn.Linear(2, 2)), r"lacks 0.bias, 0.weight and has cell"),
    ):
        before = {name: value.clone() for name, value in other.state_dict().items()}
        with pytest.raises(ValueError, match=message):
            load_weights(other, path)
        assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())
    path.write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match="is no file of weights"):
        load_weights(Equilibrium(Cell(5)), path)
    with pytest.raises(FileNotFoundError):
        load_weights(Equilibrium(Cell(5)), tmp_path / "none")


@pytest.fixture
def multiscale():
    spec = importlib.util.spec_from_file_location("multiscale_deq", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    return module.Multiscale(4, 8).double()


def gradients(cell, z, x):
    cell.zero_grad()
    x.grad = None
    (z["fine"].square().mean() + z["coarse"].sin().mean()).backward()
    return [x.grad.clone(), *(p.grad.clone() for p in cell.parameters())]


def test_a_multiscale_model_gives_what_torchdeq_gives(multiscale):
    torchdeq = pytest.importorskip("torchdeq")
    x = torch.randn(3, 4, 8, 8, dtype=torch.float64, requires_grad=True)
    layer = Equilibrium(multiscale, Anderson(rtol=1e-9, max_steps=200), ImplicitGradient(rtol=1e-9))
    ours = layer(x)
    assert layer.last.all_converged
    mine = gradients(multiscale, ours, x)

    deq = torchdeq.get_deq(
        f_solver="anderson", b_solver="anderson", f_tol=1e-9, b_tol=1e-9, f_max_iter=200, b_max_iter=200,
        f_stop_mode="rel", b_stop_mode="rel", ift=True,
    )  # fmt: skip

    def f(fine, coarse):
        return tuple(multiscale({"fine": fine, "coarse": coarse}, x).values())

    found, _ = deq(f, tuple(multiscale.initial(x).values()))
    theirs = dict(zip(("fine", "coarse"), found[-1]))
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-6, atol=1e-7)
    for a, b in zip(mine, gradients(multiscale, theirs, x)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-8)
