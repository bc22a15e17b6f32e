"""Gradients of samples that the forward solve left unsolved."""

import pytest
import torch
from torch import nn

from andersonn import Anderson, Equilibrium, FixedPointIteration, ImplicitGradient
from andersonn.solvers import GMRES


class Kink(nn.Module):
    """z ↦ relu(slope · z + x), with a slope for each sample if x holds them: without a fixed point if slope ≥ 1 and x > 0."""

    def __init__(self, slope=1.0):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope, dtype=torch.float64))

    def forward(self, z, x):
        slopes, shift = x[:, :1], x[:, 1:]
        return torch.relu(self.slope * slopes * z + shift)

    def initial(self, x):
        return torch.zeros_like(x[:, 1:])


def inputs(*slopes):
    shift = torch.linspace(0.5, 1.5, 3 * len(slopes), dtype=torch.float64).view(-1, 3)
    return torch.cat([torch.tensor(slopes, dtype=torch.float64).unsqueeze(1), shift], dim=1)


@pytest.mark.parametrize("solver", [Anderson(), Anderson("auto"), FixedPointIteration()], ids=["5", "auto", "Picard"])
def test_a_training_finds_back_to_a_map_that_has_a_fixed_point(solver):
    """The derivative of a fixed point that does not exist has the opposite sign, and drives the slope up for ever."""
    x, cell = inputs(1.0, 1.0, 1.0, 1.0), Kink(1.05)
    layer, optimizer = Equilibrium(cell, solver), torch.optim.SGD(cell.parameters(), lr=0.02)
    unsolved = []
    for _ in range(40):
        loss = (layer(x) - 2.0 * x[:, 1:]).square().mean()  # solved by a slope of 0.5
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(cell.parameters(), 1.0)
        optimizer.step()
        unsolved.append(int((~layer.last.converged).sum()))
    assert unsolved[0] == 4
    assert unsolved[-30:] == [0] * 30
    assert float(cell.slope.detach()) == pytest.approx(0.5, abs=0.01)


def gradient_of(layer, x, g):
    x = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(layer(x), x, g)
    return found[:, 1:]


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("adjoint", [None, GMRES(rtol=1e-9)], ids=str)
def test_only_samples_without_a_fixed_point_get_the_gradient_of_one_step(adjoint, compact):
    x, g = inputs(0.5, 1.2, 0.9, 1.05), torch.ones(4, 3, dtype=torch.float64)
    layer = Equilibrium(Kink(), Anderson(rtol=1e-9, max_steps=60), ImplicitGradient(solver=adjoint), compact=compact)
    found = gradient_of(layer, x, g)
    assert layer.last.converged.tolist() == [True, False, True, False]
    assert layer.last_adjoint.all_converged
    assert torch.allclose(found[:, 0], torch.tensor([2.0, 1.0, 10.0, 1.0], dtype=torch.float64), rtol=1e-6)
    joint = Equilibrium(Kink(), Anderson(rtol=1e-9, max_steps=60, joint=True))
    assert torch.allclose(gradient_of(joint, x, g), g)


def test_an_unsolved_sample_of_a_contracting_map_keeps_the_exact_gradient():
    x, g = inputs(0.5, 0.9), torch.ones(2, 3, dtype=torch.float64)
    layer = Equilibrium(Kink(), FixedPointIteration(rtol=1e-9, max_steps=3), ImplicitGradient(Anderson(rtol=1e-9)))
    found = gradient_of(layer, x, g)
    assert not layer.last.converged.any()
    assert torch.allclose(found[:, 0], torch.tensor([2.0, 10.0], dtype=torch.float64), rtol=1e-6)


def test_a_tolerance_of_zero_asks_for_the_exact_gradient():
    """Nobody asked for a tolerance, so that no sample is unsolved."""
    x, g = inputs(1.2), torch.ones(1, 3, dtype=torch.float64)
    layer = Equilibrium(Kink(), FixedPointIteration(rtol=0.0, max_steps=3), ImplicitGradient(Anderson(rtol=1e-9)))
    assert torch.allclose(gradient_of(layer, x, g), -5.0 * g, rtol=1e-6)


def test_batched_and_second_derivatives_follow_the_same_rule():
    x = inputs(0.5, 1.2).requires_grad_()
    layer = Equilibrium(Kink(), Anderson(rtol=1e-9, max_steps=60), ImplicitGradient(rtol=1e-9))
    z = layer(x)
    many = torch.eye(6, dtype=torch.float64).view(6, 2, 3)
    (found,) = torch.autograd.grad(z, x, many, is_grads_batched=True, retain_graph=True)
    assert torch.allclose(found[:, :, 1:], torch.tensor([2.0, 1.0], dtype=torch.float64).view(1, 2, 1) * many)
    (first,) = torch.autograd.grad(z.sum(), x, create_graph=True)
    assert torch.allclose(first[:, 1:].detach()[:, 0], torch.tensor([2.0, 1.0], dtype=torch.float64))
    (second,) = torch.autograd.grad(first[:, 1:].sum(), x)
    # d/da Σ 1 / (1 − a) over three numbers; the gradient of one step does not depend on the slope.
    assert torch.allclose(second[:, 0], torch.tensor([12.0, 0.0], dtype=torch.float64), rtol=1e-5)
