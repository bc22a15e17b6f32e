"""Self-consistent densities of electrons, and steady states of reaction and diffusion."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from andersonn.measuring.problems import FixedPointProblem, Formula, neighbors_on_a_line, normal


def hartree(
    dtype: torch.dtype,
    batch: int,
    seed: int,
    device: str = "cpu",
    grid: int = 32,
    length: float = 10.0,
    pairs: int = 2,
    repulsion: float = 0.7,
) -> FixedPointProblem:
    """Hartree's self-consistent field on a line: density → potential → lowest ``pairs`` orbitals, doubly occupied → density.

    Atomic units; the potential is that of random wells and of the electrons, with the soft Coulomb repulsion
    ``repulsion`` / √(1 + x²); the wave function vanishes at both ends of the box of this length. State ``[batch, grid]``: electrons
    at each point, starting from equal ones. Charge sloshes: the Jacobian has eigenvalues below −1. A solution exists (Brouwer: levels on a
    line are simple, so that the density is continuous).
    """
    place = {"dtype": dtype, "device": device}
    h = length / (grid + 1)
    x = h * torch.arange(1, grid + 1, dtype=torch.float64)
    kinetic = (torch.eye(grid, dtype=torch.float64) - neighbors_on_a_line(grid, dtype=torch.float64) / 2) / h**2
    repel = repulsion / (1 + (x[:, None] - x).square()).sqrt()
    generator = torch.Generator().manual_seed(seed)
    where, depth = torch.rand(2, batch, 3, 1, generator=generator, dtype=torch.float64)
    wells = -((1 + depth) * torch.exp(-((x - length * (0.15 + 0.7 * where)).square()))).sum(dim=1)
    occupied = (2.0 * (torch.arange(grid) < pairs)).double()
    shared = tuple(array.to(**place) for array in (kinetic, repel, torch.eye(grid), occupied))
    return FixedPointProblem(
        Formula(_hartree, shared, (wells.to(**place),)), torch.full((batch, grid), 2 * pairs / grid, **place)
    )


def _hartree(xp: ModuleType, density: Any, kinetic: Any, repel: Any, one: Any, occupied: Any, wells: Any) -> Any:
    potential = wells + density @ repel
    _, orbitals = xp.linalg.eigh(kinetic + potential[..., None] * one)
    return orbitals**2 @ occupied


def modes(grid: int) -> tuple[Tensor, Tensor]:
    """Eigenvectors (columns) and eigenvalues of −Δ on a line of ``grid`` points with walls that let nothing through."""
    minus = torch.diag(neighbors_on_a_line(grid, dtype=torch.float64).sum(dim=1)) - neighbors_on_a_line(
        grid, dtype=torch.float64
    )
    values, vectors = torch.linalg.eigh(minus)
    return vectors, values


def fisher(
    dtype: torch.dtype,
    batch: int,
    seed: int,
    device: str = "cpu",
    grid: int = 24,
    diffusion: float = 4.0,
    step: float = 0.5,
) -> FixedPointProblem:
    """Steady state of u_t = D Δu + u (m(x) − u) on a square with closed walls, by linearly implicit steps:
    u ← (1 − τ D Δ)⁻¹ (u + τ u (m − u)).

    The growth rate m is random, positive in the mean, one for each sample. There are two solutions without negative
    numbers: 0, from which the steps go away, and a positive one.
    """
    place = {"dtype": dtype, "device": device}
    vectors, values = modes(grid)
    damp = 1 / (1 + step * diffusion * (values[:, None] + values))
    growth = 0.1 + 0.3 * normal(seed, batch, grid, grid)
    shared = (vectors.to(**place), damp.to(**place), torch.tensor(step, **place))
    return FixedPointProblem(Formula(_fisher, shared, (growth.to(**place),)), torch.ones(batch, grid, grid, **place))


def _fisher(xp: ModuleType, u: Any, vectors: Any, damp: Any, step: Any, growth: Any) -> Any:
    moved = u + step * u * (growth - u)
    return vectors @ (damp * (vectors.T @ moved @ vectors)) @ vectors.T


def turing(
    dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", grid: int = 64, step: float = 0.5
) -> FixedPointProblem:
    """A Turing pattern of Schnakenberg's reaction on a line with closed ends, u_t = Δu + a − u + u² v,
    v_t = 40 Δv + b − u² v, by steps that are implicit in diffusion; state ``[batch, 2, grid]``.

    The supply a varies along the line, differently in each sample.
    """
    place = {"dtype": dtype, "device": device}
    vectors, values = modes(grid)
    moves = torch.stack([(vectors / (1 + step * d * values)) @ vectors.T for d in (1.0, 40.0)])
    supply = 0.1 * (1 + 0.2 * normal(seed, batch, grid))
    start = torch.tensor([1.0, 0.9], **place).view(1, 2, 1) + (0.05 * normal(seed + 1, batch, 2, grid)).to(**place)
    shared = (moves.to(**place), torch.tensor(step, **place))
    return FixedPointProblem(Formula(_turing, shared, (supply.to(**place),)), start)


def _turing(xp: ModuleType, state: Any, moves: Any, step: Any, supply: Any) -> Any:
    u, v = state[:, 0], state[:, 1]
    reaction = u * u * v
    moved = xp.stack([u + step * (supply - u + reaction), v + step * (0.9 - reaction)], 1)
    return (moves @ moved[..., None])[..., 0]
