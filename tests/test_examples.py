"""The examples run and show what they say; the framework's public names and a compiled cell work."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import andersonn
from andersonn import Anderson, Equilibrium, Status, bound_norm

pytestmark = pytest.mark.usefixtures("one_thread")
EXAMPLES = Path(__file__).parent.parent / "examples"


def run_main(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main()


def test_poisson():
    numbers = run_main("poisson")
    assert numbers["anderson_error"] < 1e-6
    assert numbers["anderson_evaluations"] < 100
    assert numbers["forward_error"] > 1e-3
    assert numbers["forward_evaluations"] > 1000


def test_logistic_regression():
    numbers = run_main("logistic_regression")
    assert numbers["difference"] < 1e-5
    assert numbers["anderson"] < numbers["forward"] / 5
    assert 5 * numbers["fewest"] < numbers["most"]


def test_image_deq():
    numbers = run_main("image_deq")
    assert numbers["accuracy"] > 0.85
    assert 1 < numbers["evaluations"] <= 26
    assert 1 < numbers["adjoint"] <= 26
    assert 0.3 < numbers["radius"] < 1.1


def test_implicit_gnn():
    numbers = run_main("implicit_gnn")
    assert numbers["accuracy"] >= 0.85
    assert numbers["status"] == Status.CONVERGED
    assert 0.2 < numbers["radius"] <= 0.951


def test_multiscale_deq():
    numbers = run_main("multiscale_deq")
    assert numbers["accuracy"] > 0.85
    assert 1 < numbers["evaluations"] <= 31


def test_second_derivatives():
    numbers = run_main("second_derivatives")
    assert numbers["error"] < 1e-8
    assert abs(numbers["slope"]) < 1e-8
    assert numbers["curvature"] > 1e-3


def test_as_a_program():
    done = subprocess.run([sys.executable, EXAMPLES / "poisson.py"], capture_output=True, text=True, check=True)
    assert "anderson: error" in done.stdout
    assert "1 of 1 converged" in done.stdout


def test_every_example_is_tested():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= tested


def test_examples_are_short():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) < 80, path.name


def test_every_public_name_has_one_home_and_loads_from_it():
    named = [name for names in andersonn._HOME.values() for name in names]
    assert sorted(named) == sorted(andersonn.__all__)
    for module, names in andersonn._HOME.items():
        for name in names:
            assert getattr(andersonn, name) is getattr(importlib.import_module(module), name), name


def test_the_framework_is_exported_whole():
    internal = {"Layout", "Nest", "PyTree"}
    rooms = {*andersonn.solvers.__all__, *andersonn.implicit.__all__} - internal
    assert rooms <= set(andersonn.__all__)
    for name in rooms:
        home = andersonn.solvers if name in andersonn.solvers.__all__ else andersonn.implicit
        assert getattr(andersonn, name) is getattr(home, name)


def test_a_misspelt_name_gets_a_suggestion():
    with pytest.raises(AttributeError, match="did you mean 'bound_norm'"):
        andersonn.bound_nrom  # noqa: B018


class Cell(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = bound_norm(nn.Linear(width, width), limit=0.7)

    def forward(self, z, x):
        return torch.tanh(self.linear(z) + x)


def check_compiled(backend):
    torch.manual_seed(0)
    cell, x = Cell(6), torch.randn(3, 6, requires_grad=True)
    solver = Anderson(rtol=1e-6)
    plain, compiled = Equilibrium(cell, solver), Equilibrium(torch.compile(cell, backend=backend), solver)
    found = []
    for layer in (plain, compiled):
        cell.zero_grad()
        z = layer(x)
        z.square().sum().backward()
        found.append([z.detach(), x.grad.clone(), cell.linear.parametrizations.weight.original.grad.clone()])
        x.grad = None
        assert layer.last.all_converged
    for ours, theirs in zip(*found):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_compiled_cell_traced_by_autograd():
    check_compiled("aot_eager")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_a_compiled_cell():
    check_compiled("inductor")
