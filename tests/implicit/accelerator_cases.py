"""The layer on a pretend accelerator: a training step reads residuals alone, and diagnoses read little. Counts, never times."""

import pytest
import torch
from torch import nn

import andersonn as an
from tests.pretend_accelerator import PretendAccelerator, host


@pytest.fixture(params=[True, False], ids=["float64", "no float64"])
def device(request):
    with PretendAccelerator(float64=request.param) as entered:
        yield entered


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(32, 32)
        with torch.no_grad():
            self.linear.weight.copy_(torch.linalg.qr(self.linear.weight).Q * 0.8)

    def forward(self, z, x):
        return torch.tanh(self.linear(z) + x)


def gradients(layer, x):
    layer(x).square().mean().backward()
    return [host(parameter.grad) for parameter in layer.parameters()]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compact": True},
        {"gradient": an.ImplicitGradient(solver=an.GMRES(rtol=1e-5))},
        {"gradient": an.ImplicitGradient(solver=an.Broyden(rtol=1e-5))},
        {"gradient": an.NeumannGradient()},
    ],
    ids=str,
)
def test_a_training_step_reads_residuals_alone(device, options):
    x = torch.randn(8, 32, generator=torch.Generator().manual_seed(0))
    solver = an.Anderson(rtol=1e-5, max_steps=200)
    expected = gradients(an.Equilibrium(Cell(), solver, **options), x)
    layer = an.Equilibrium(device.put(Cell()), solver, **options)
    moved = device.put(x)
    device.reset()
    found = gradients(layer, moved)
    adjoint = 0 if layer.last_adjoint is None else layer.last_adjoint.evaluations
    allowed = layer.last.evaluations + adjoint + 6  # GMRES: three more a cycle
    assert device.reads <= allowed, device.places
    assert all(place.startswith("solvers/") for place in device.places), device.places
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("offsets", [None, torch.tensor([0, 2, 3, 8])], ids=["dense", "ragged"])
def test_reads_of_the_spectral_radius_and_of_the_drift_monitor(device, offsets):
    generator = torch.Generator().manual_seed(0)
    weight = torch.linalg.qr(torch.randn(32, 32, generator=generator)).Q * 0.8
    z = torch.randn(8, 32, generator=generator)
    expected = an.spectral_radius(lambda state: torch.tanh(state @ weight + 0.5), z, offsets)
    w, there = device.put(weight), device.put(z)
    cuts = None if offsets is None else device.put(offsets)
    device.reset()
    found = an.spectral_radius(lambda state: torch.tanh(state @ w + 0.5), there, cuts)
    assert device.reads <= 5, device.places
    assert torch.allclose(found, expected, rtol=1e-3)
    monitor = an.DriftMonitor(every=1, limit=10.0)
    solution = an.fixed_point(lambda state: torch.tanh(state @ w + 0.5), there, an.Anderson(rtol=1e-4), cuts)
    device.reset()
    monitor.observe(lambda state: torch.tanh(state @ w + 0.5), solution.z, cuts, solution)
    assert device.reads <= 5, device.places
    assert monitor.history[0].converged == 1.0
