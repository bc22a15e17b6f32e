"""Fixed-point problems that solvers are measured on: standard ones, and those that a trained network poses."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from andersonn.data.store import ImageStore
from andersonn.implicit.bound_cell import cell_map
from andersonn.measuring.instrumented import require_equilibrium
from andersonn.models import Ensemble, EquilibriumNetwork, ImageBatch, lead, row_batches
from andersonn.solvers import FixedPoint, Solver

GRID = 31
SIZE = 1000
DRIVE = 0.05
"""Standard deviation of b in a tanh map. It is small, so that the spectral radius at the solution stays near that at 0."""


class FixedPointProblem(NamedTuple):
    """z = f(z), to be solved from ``z0``.

    Attributes:
        f: maps states to states of the same shape; no gradients are recorded.
        z0: ``[B, …]``, or ``[R, …]`` with ``offsets``.
        offsets: int64 ``[B + 1]``: sample b owns rows ``offsets[b]`` to ``offsets[b + 1]``; None: a row a sample.
    """

    f: Callable[[Tensor], Tensor]
    z0: Tensor
    offsets: Tensor | None = None

    @property
    def samples(self) -> int:
        """B."""
        return len(self.z0) if self.offsets is None else len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor | None:
        """Rows of each sample, int64 ``[B]``; None if each has one."""
        return None if self.offsets is None else self.offsets.diff()

    def solve(self, solver: Solver) -> FixedPoint:
        """Solves it."""
        return solver.solve(self.f, self.z0, self.offsets)


@torch.no_grad()
def problems(
    network: EquilibriumNetwork | Ensemble, store: ImageStore, indices: np.ndarray, max_rows: int
) -> list[FixedPointProblem]:
    """The problems of the batches that make up ``indices``, as the equilibrium layer poses them: from its own first state, and
    structures that have converged can leave the batch. Of an ensemble, those of its first member.

    Raises:
        UsageError: the network is an explicit stack of layers.
    """
    require_equilibrium(network.config)
    network = lead(network).eval()
    layer: Any = network.equilibrium
    cell, first = layer.cell, layer.initializer or layer.cell.initial
    device = next(network.parameters()).device
    found = []
    for part in row_batches(store.n_rows, indices, max_rows):
        batch = ImageBatch.from_store(store, part).to(device)
        x = cell.prepare(network.encoder(batch), batch)
        z0 = first(x)
        f = cell_map(cell, x, z0, tree=None, compact=None, frozen=None)
        found.append(FixedPointProblem(f, z0, cell.offsets(batch)))
    return found


def relative_residual(z: Tensor, value: Tensor, lengths: Tensor | None = None) -> Tensor:
    """‖f(z) − z‖ / ‖f(z)‖ of each sample, float64 ``[B]``; 0 where f(z) = z = 0. The difference is taken in the precision
    of the state, as solvers take it.
    """
    return relative_size(value - z, value, lengths)


def relative_size(difference: Tensor, value: Tensor, lengths: Tensor | None = None) -> Tensor:
    """‖difference‖ / ‖value‖ of each sample, float64 ``[B]``."""

    def norms(state: Tensor) -> Tensor:
        squares = state.double().flatten(1).square().sum(dim=1)
        if lengths is not None:
            owner = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
            squares = squares.new_zeros(len(lengths)).index_add_(0, owner, squares)
        return squares.sqrt()

    above, below = norms(difference), norms(value)
    return torch.where(above == 0, 0.0, above / below)


class Formula:
    """A map written for torch and for libraries that spell arrays alike: f(z) = formula(xp, z, *shared, *own).

    Args:
        formula: takes the namespace (such as ``torch``) first.
        shared: arrays that all samples share.
        own: arrays with one entry a sample in dimension 0.
    """

    def __init__(self, formula: Callable[..., Any], shared: tuple[Tensor, ...], own: tuple[Tensor, ...]) -> None:
        self.formula, self.shared, self.own = formula, shared, own

    def __call__(self, z: Tensor) -> Tensor:
        """One evaluation."""
        return self.formula(torch, z, *self.shared, *self.own)

    def subset(self, samples: Tensor, rows: Tensor) -> Formula:
        """The map of some samples alone."""
        return Formula(self.formula, self.shared, tuple(array[samples] for array in self.own))


def normal(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64 on the CPU: the same problem in every precision and on every device."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def poisson(dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", grid: int = GRID) -> FixedPointProblem:
    """−Δu = q on the unit square, u = 0 on its rim, five-point stencil: u ← (sum of neighbors + h² q) / 4.

    q is random, one for each sample; the Jacobian is symmetric with radius cos(π h), 0.9952 for 31 × 31 points.
    """
    place: dict[str, Any] = {"dtype": dtype, "device": device}
    source = (normal(seed, batch, grid, grid) / (grid + 1) ** 2).to(**place)
    return FixedPointProblem(
        Formula(_poisson, (neighbors_on_a_line(grid, **place),), (source,)), torch.zeros(batch, grid, grid, **place)
    )


def neighbors_on_a_line(grid: int, **place: Any) -> Tensor:
    """``[grid, grid]``: 1 where two points of a line are next to each other, else 0."""
    ones = torch.ones(grid - 1, **place)
    return torch.diag(ones, 1) + torch.diag(ones, -1)


def _poisson(xp: ModuleType, u: Any, next_: Any, source: Any) -> Any:
    return (next_ @ u + u @ next_ + source) / 4


@cache
def gaussian_matrix(size: int, seed: int) -> Tensor:
    """A random matrix of spectral radius 1, float64; its eigenvalues fill a disk."""
    matrix = normal(seed, size, size)
    return matrix / torch.linalg.eigvals(matrix).abs().max()


def tanh_map(
    dtype: torch.dtype,
    batch: int,
    seed: int,
    device: str = "cpu",
    radius: float = 0.9,
    matrix: Callable[[int, int], Tensor] = gaussian_matrix,
    drive: float = DRIVE,
    scale: float = 1.0,
    size: int = SIZE,
) -> FixedPointProblem:
    """Z ← s tanh(radius · A z / s + b): one random matrix A for all samples, one b for each.

    Args:
        dtype: of the state.
        batch: samples.
        seed: of A; b has the next one.
        device: of the state.
        radius: spectral radius of the Jacobian at z = 0 (if that of A is 1). Above 1 fixed-point iteration does not
            converge there; tanh saturates, so a fixed point exists all the same (Brouwer).
        matrix: ``matrix(size, seed)``, A.
        drive: standard deviation of b.
        scale: s.
        size: unknowns of a sample.
    """
    place: dict[str, Any] = {"dtype": dtype, "device": device}
    A = (radius * matrix(size, seed)).to(**place)
    b = (drive * normal(seed + 1, batch, size)).to(**place)
    s = torch.tensor(scale, **place)
    return FixedPointProblem(Formula(_tanh, (A.T.contiguous(), s), (b,)), torch.zeros(batch, size, **place))


def _tanh(xp: ModuleType, z: Any, transposed: Any, s: Any, b: Any) -> Any:
    return s * xp.tanh((z / s) @ transposed + b)


STANDARD: dict[str, Callable[..., FixedPointProblem]] = {
    "tanh 0.95": partial(tanh_map, radius=0.95),
    "tanh 0.99": partial(tanh_map, radius=0.99),
    "tanh 1.05": partial(tanh_map, radius=1.05, drive=0.1),
    f"Poisson {GRID}²": poisson,
}
"""Name → ``make(dtype, batch, seed, device)``. Numbers are spectral radii."""
