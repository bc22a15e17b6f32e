"""Random maps to check a change of a solver by: each family in eight draws, four to tune on and four to report.

A draw takes its sizes and strengths from its own random numbers, none of them those of the contest's problems. Tune on
:func:`draws` of the half ``"tune"`` alone. A half to report is used up once a change was chosen or refused by it: take
another first seed for the next one; ``docs/experiments.md`` lists those used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch

from andersonn.measuring.problems import FixedPointProblem, Formula, gaussian_matrix, normal
from contest.cells import relu_cell
from contest.games import mixture, sinkhorn
from contest.physics import fisher, modes, turing
from contest.problems import Case, Problem
from contest.random_maps import affine_map, rotation_matrix, triangular_matrix

DRAWS, BATCH = 8, 4
FIRST_SEED = 7000
"""Far from the contest's seeds, 0 to 2, and from those that its problems add to them."""

Draw = Callable[[np.random.Generator], Callable[..., FixedPointProblem]]


def _not_normal(random: np.random.Generator) -> Callable[..., FixedPointProblem]:
    matrix = partial(triangular_matrix, strength=random.uniform(1.0, 4.0))
    return partial(affine_map, radius=random.uniform(0.7, 0.95), matrix=matrix, size=int(random.integers(20, 100)))


def _rotations(random: np.random.Generator) -> Callable[..., FixedPointProblem]:
    size = 2 * int(random.integers(8, 60))
    return partial(affine_map, radius=random.uniform(0.9, 0.99), matrix=rotation_matrix, size=size)


def _mixture(random: np.random.Generator) -> Callable[..., FixedPointProblem]:
    return partial(mixture, distance=random.uniform(1.8, 4.0))


def _turing(random: np.random.Generator) -> Callable[..., FixedPointProblem]:
    return partial(turing, grid=int(random.integers(32, 96)), step=random.uniform(0.2, 0.9))


def _fisher(random: np.random.Generator) -> Callable[..., FixedPointProblem]:
    options = {"diffusion": random.uniform(0.5, 10.0), "step": random.uniform(0.2, 1.5)}
    return partial(fisher, grid=int(random.integers(12, 24)), **options)


def _brusselator(random: np.random.Generator) -> Callable[..., FixedPointProblem]:
    options = {
        "supply": random.uniform(2.0, 4.0),
        "excess": random.uniform(0.7, 1.3),
        "ratio": random.uniform(5.0, 12.0),
    }
    return partial(brusselator, grid=int(random.integers(24, 64)), step=random.uniform(0.05, 0.15), **options)


def _relu(random: np.random.Generator) -> Callable[..., FixedPointProblem]:
    return partial(relu_cell, gain=random.uniform(1.0, 1.7), size=int(random.integers(50, 250)))


def _deep_relu(random: np.random.Generator) -> Callable[..., FixedPointProblem]:
    return partial(deep_relu, gain=random.uniform(0.9, 1.3), size=int(random.integers(30, 120)))


def _sinkhorn(random: np.random.Generator) -> Callable[..., FixedPointProblem]:
    return partial(sinkhorn, points=int(random.integers(20, 80)), regularization=0.003 * 10 ** random.uniform(0.0, 1.0))


FAMILIES: dict[str, Draw] = {
    "not normal": _not_normal,
    "rotations": _rotations,
    "mixture by EM": _mixture,
    "Schnakenberg": _turing,
    "Fisher": _fisher,
    "Brusselator": _brusselator,
    "relu": _relu,
    "two relu layers": _deep_relu,
    "Sinkhorn": _sinkhorn,
}


def draws(half: Literal["tune", "report"], first_seed: int = FIRST_SEED) -> list[Case]:
    """The cases of one half: even draws, or odd ones; of each family, double and single precision in turn.

    Args:
        half: which.
        first_seed: of the random numbers; another one gives other draws. Those of two are different if they are 1,000 apart.
    """
    cases = []
    for number, (family, draw) in enumerate(FAMILIES.items()):
        for i in range(half == "report", DRAWS, 2):
            random = np.random.default_rng([first_seed, number, i])
            make = partial(_shifted, draw(random), first_seed + 100 * i)
            dtype = "float64" if i % 4 < 2 else "float32"
            cases.append(Case(Problem(f"{family} {i}", "held back", make), dtype, BATCH))
    return cases


def _shifted(
    make: Callable[..., FixedPointProblem], by: int, dtype: torch.dtype, batch: int, seed: int, device: str = "cpu"
) -> FixedPointProblem:
    return make(dtype, batch, seed + by, device)


def brusselator(
    dtype: torch.dtype,
    batch: int,
    seed: int,
    device: str = "cpu",
    grid: int = 48,
    step: float = 0.1,
    supply: float = 3.0,
    excess: float = 1.0,
    ratio: float = 8.0,
) -> FixedPointProblem:
    """A pattern of the Brusselator on a line with closed ends, u_t = Δu + a − (b + 1) u + u² v, v_t = d Δv + b u − u² v, by
    steps that are implicit in diffusion; state ``[batch, 2, grid]``.

    b is ``excess`` times the value at which a pattern sets in, (1 + a / √d)², if that is below the onset of oscillations, 1 + a². a
    varies along the line, differently in each sample.
    """
    place = {"dtype": dtype, "device": device}
    vectors, values = modes(grid)
    onset = min((1 + supply / ratio**0.5) ** 2, 1 + supply**2)
    moves = torch.stack([(vectors / (1 + step * d * values)) @ vectors.T for d in (1.0, ratio)])
    fed = supply * (1 + 0.1 * normal(seed, batch, grid))
    start = torch.tensor([supply, excess * onset / supply], **place).view(1, 2, 1)
    start = start + (0.05 * normal(seed + 1, batch, 2, grid)).to(**place)
    shared = (moves.to(**place), torch.tensor(step, **place), torch.tensor(excess * onset, **place))
    return FixedPointProblem(Formula(_brussels, shared, (fed.to(**place),)), start)


def _brussels(xp: ModuleType, state: Any, moves: Any, step: Any, b: Any, a: Any) -> Any:
    u, v = state[:, 0], state[:, 1]
    reaction = u * u * v
    moved = xp.stack([u + step * (a - (b + 1) * u + reaction), v + step * (b * u - reaction)], 1)
    return (moves @ moved[..., None])[..., 0]


def deep_relu(
    dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", gain: float = 1.1, size: int = 80
) -> FixedPointProblem:
    """Z ← relu(B relu(A z + b)), A and B random with spectral radius ``gain``, b of standard deviation 1 for each sample."""
    place = {"dtype": dtype, "device": device}
    A, B = (2**0.5 * gain * gaussian_matrix(size, seed + k).to(**place) for k in (0, 50))
    own = (normal(seed + 1, batch, size).to(**place),)
    return FixedPointProblem(Formula(_two_layers, (A, B), own), torch.zeros(batch, size, **place))


def _two_layers(xp: ModuleType, z: Any, A: Any, B: Any, b: Any) -> Any:
    hidden = z @ A + b
    hidden = xp.where(hidden > 0, hidden, 0.0)
    value = hidden @ B / 2**0.5
    return xp.where(value > 0, value, 0.0)
