"""First and second derivatives of cells of many kinds, by finite differences and against the unrolled twin."""

import pytest
import torch
from torch import nn

from andersonn import Anderson, Equilibrium
from tests.implicit.cells import unrolled

DOUBLE, COMPLEX = torch.float64, torch.complex128
SOLVER = Anderson(rtol=1e-13, max_steps=300)


def parameter(*shape, scale=0.3, dtype=DOUBLE, seed=0):
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return nn.Parameter(scale * values)


class Fourier(nn.Module):
    """Complex parameters multiply the state's spectrum."""

    shape = (2, 5)

    def __init__(self):
        super().__init__()
        self.filter = parameter(3, scale=0.5, dtype=COMPLEX)

    def forward(self, z, x):
        return torch.tanh(0.6 * torch.fft.irfft(self.filter * torch.fft.rfft(z), n=z.shape[-1]) + x)


class ComplexMatrix(nn.Module):
    """A complex matrix on a real state, its value's modulus and phase."""

    shape = (2, 3)

    def __init__(self):
        super().__init__()
        self.weight = parameter(3, 3, dtype=COMPLEX)
        self.shift = parameter(3, dtype=COMPLEX, seed=1)

    def forward(self, z, x):
        w = z.to(COMPLEX) @ self.weight + self.shift
        return 0.4 * torch.tanh(w.real + x) + 0.2 * torch.sin(w.imag) * w.abs().square() / (1 + w.abs().square())


class Eigenvectors(nn.Module):
    """Functions of a symmetric matrix that depends on the state, as in self-consistent fields."""

    shape = (2, 3)

    def __init__(self):
        super().__init__()
        self.hamiltonian = parameter(3, 3, scale=1.0)

    def forward(self, z, x):
        fixed = self.hamiltonian + self.hamiltonian.T + torch.diag(torch.arange(3.0, dtype=DOUBLE))
        energies, orbitals = torch.linalg.eigh(fixed + torch.diag_embed(0.2 * z + x))
        return (orbitals.square() * torch.sigmoid(-energies).unsqueeze(1)).sum(dim=2)


class Hermitian(Eigenvectors):
    """The same with a complex matrix."""

    def __init__(self):
        super().__init__()
        self.hamiltonian = parameter(3, 3, scale=1.0, dtype=COMPLEX)

    def forward(self, z, x):
        fixed = self.hamiltonian + self.hamiltonian.mH + torch.diag(torch.arange(3.0, dtype=DOUBLE))
        energies, orbitals = torch.linalg.eigh(fixed + torch.diag_embed(0.2 * z + x).to(COMPLEX))
        return (orbitals.abs().square() * torch.sigmoid(-energies).unsqueeze(1)).sum(dim=2)


class Convolution(nn.Module):
    shape = (1, 2, 3, 3)

    def __init__(self):
        super().__init__()
        self.kernel, self.bias = parameter(2, 2, 3, 3, scale=0.1), parameter(2)

    def forward(self, z, x):
        return torch.tanh(nn.functional.conv2d(z, self.kernel, self.bias, padding=1) + x)


class Attention(nn.Module):
    shape = (2, 3, 4)

    def __init__(self):
        super().__init__()
        self.mixing = parameter(4, 12)

    def forward(self, z, x):
        q, k, v = (z @ self.mixing).chunk(3, dim=-1)
        return torch.tanh(0.5 * torch.softmax(q @ k.mT / 2, dim=-1) @ v + x)


class Recurrent(nn.Module):
    shape = (2, 3)

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.unit = nn.GRUCell(3, 3).double()

    def forward(self, z, x):
        return 0.7 * self.unit(x, z)


class Graph(nn.Module):
    """Messages along the edges of rings, summed where they arrive."""

    shape = (1, 4, 2)

    def __init__(self):
        super().__init__()
        self.message = parameter(2, 2)

    def forward(self, z, x):
        to = torch.arange(4)
        sums = torch.zeros_like(z).index_add(-2, to, (z @ self.message).index_select(-2, to.roll(1)))
        return torch.tanh(sums + x)


KINDS = [Fourier, ComplexMatrix, Eigenvectors, Hermitian, Convolution, Attention, Recurrent, Graph]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def problem(request):
    """A layer, its input, and its parameters."""
    cell = request.param()
    x = parameter(*cell.shape, seed=3).detach().requires_grad_()
    return Equilibrium(cell, SOLVER), x, dict(cell.named_parameters())


def test_derivatives_by_finite_differences(problem):
    layer, x, named = problem

    def run(x, *weights):
        named_weights = {f"cell.{name}": w for name, w in zip(named, weights, strict=True)}
        return torch.func.functional_call(layer, named_weights, (x,))

    assert torch.autograd.gradcheck(run, (x, *named.values()), fast_mode=True)
    assert torch.autograd.gradgradcheck(run, (x, *named.values()), fast_mode=True)
    assert layer.last.all_converged
    assert layer.last_adjoint.all_converged


def test_derivatives_are_those_of_the_unrolled_twin(problem):
    layer, x, named = problem
    leaves, found = [x, *named.values()], []
    for run in (layer, lambda x: unrolled(layer.cell, x, steps=120)):
        slopes = torch.autograd.grad(run(x).pow(3).sum(), leaves, create_graph=True)
        size = sum(slope.abs().square().sum() for slope in slopes)
        found.append([*slopes, *torch.autograd.grad(size, leaves)])
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-7, atol=1e-10), (ours - theirs).abs().max()
