"""Games, transport and statistics: logit equilibria, Sinkhorn scaling, and EM of a Gaussian mixture."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import torch

from andersonn.measuring.problems import FixedPointProblem, Formula, normal

RANK = 14
MIXTURE, DIMENSIONS, POINTS = 4, 2, 400
LEAST_VARIANCE = 1e-2


def logit_game(
    dtype: torch.dtype,
    batch: int,
    seed: int,
    device: str = "cpu",
    actions: int = 32,
    rationality: float = 4.0,
    zero_sum: bool = False,
) -> FixedPointProblem:
    """Quantal response (R. D. McKelvey and T. R. Palfrey, Games Econ. Behav. 10, 6 (1995)) of two players:
    p ← softmax(λ A q), q ← softmax(λ B p), state ``[batch, 2, actions]``.

    A and B are random, of rank 14, a pair for each sample, λ the rationality. In a zero-sum game B = −Aᵀ; then eigenvalues of the Jacobian
    are imaginary. A solution exists (Brouwer).
    """
    place = {"dtype": dtype, "device": device}

    def payoff(seed: int):
        left, right = normal(seed, batch, actions, RANK), normal(seed + 1, batch, RANK, actions)
        return rationality * left @ right / RANK**0.5

    A = payoff(seed)
    B = -A.mT if zero_sum else payoff(seed + 2)
    own = (torch.stack([A, B], dim=1).contiguous().to(**place),)
    return FixedPointProblem(Formula(_respond, (), own), torch.full((batch, 2, actions), 1 / actions, **place))


def _respond(xp: ModuleType, z: Any, payoffs: Any) -> Any:
    gain = (payoffs @ z[:, [1, 0]][..., None])[..., 0]
    chance = xp.exp(gain - xp.amax(gain, -1)[..., None])
    return chance / xp.sum(chance, -1)[..., None]


def sinkhorn(
    dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", points: int = 60, regularization: float = 0.005
) -> FixedPointProblem:
    """Sinkhorn scaling in the log domain: the potential g / ε of entropic transport between two clouds of points in the unit
    square (squared distances), by one update of each potential; the mean of g is set to 0, which makes it unique.
    """
    place = {"dtype": dtype, "device": device}
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(2, batch, points, 2, generator=generator, dtype=torch.float64)
    places[1] = places[1] ** 1.5
    kernel = -(torch.cdist(places[0], places[1]).square() / regularization)
    masses = torch.rand(2, batch, points, generator=generator, dtype=torch.float64) + 0.1
    masses = (masses / masses.sum(dim=-1, keepdim=True)).log()
    own = tuple(array.to(**place) for array in (kernel, kernel.mT.contiguous(), *masses))
    return FixedPointProblem(Formula(_sinkhorn, (), own), torch.zeros(batch, points, **place))


def _sinkhorn(xp: ModuleType, g: Any, kernel: Any, transposed: Any, log_a: Any, log_b: Any) -> Any:
    f = log_a - _logsumexp(xp, kernel + g[:, None, :])
    g = log_b - _logsumexp(xp, transposed + f[:, None, :])
    return g - xp.mean(g, -1)[..., None]


def _logsumexp(xp: ModuleType, values: Any) -> Any:
    """Over the last dimension."""
    top = xp.amax(values, -1)
    return top + xp.log(xp.sum(xp.exp(values - top[..., None]), -1))


def mixture(dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", distance: float = 2.5) -> FixedPointProblem:
    """EM (A. P. Dempster et al., J. R. Stat. Soc. B 39, 1 (1977)) of a mixture of 4 round Gaussians in the plane, 400 points a sample.

    The clusters have standard deviation 1 and centers on a square of side ``distance``, so they overlap, which makes EM slow. The state, ``[batch, 4, 4]``,
    holds of each component the logarithm of its weight, its center, and the logarithm of its variance, which is kept above 0.01. EM
    never lowers the likelihood and so approaches a fixed point.
    """
    place = {"dtype": dtype, "device": device}
    corners = distance * torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
    which = torch.randint(0, MIXTURE, (batch, POINTS), generator=torch.Generator().manual_seed(seed))
    points = corners[which] + normal(seed + 1, batch, POINTS, DIMENSIONS)
    start = torch.cat(
        [
            torch.full((batch, MIXTURE, 1), -math.log(MIXTURE), dtype=torch.float64),
            points[:, :MIXTURE],
            torch.zeros(batch, MIXTURE, 1, dtype=torch.float64),
        ],
        dim=2,
    )
    return FixedPointProblem(Formula(_em, (), (points.to(**place),)), start.to(**place))


def _em(xp: ModuleType, state: Any, points: Any) -> Any:
    log_weight, centers, log_variance = state[..., 0], state[..., 1:-1], state[..., -1]
    square = xp.sum((points[:, :, None] - centers[:, None]) ** 2, -1)
    score = (log_weight - DIMENSIONS / 2 * log_variance)[:, None] - square / (2 * xp.exp(log_variance)[:, None])
    chance = xp.exp(score - _logsumexp(xp, score)[..., None])  # [batch, points, component]
    total = xp.sum(chance, 1)
    mean = xp.einsum("bpk,bpd->bkd", chance, points) / total[..., None]
    spread = xp.sum((points[:, :, None] - mean[:, None]) ** 2, -1)
    variance = xp.sum(chance * spread, 1) / (DIMENSIONS * total) + LEAST_VARIANCE
    return xp.concatenate([xp.log(total / POINTS)[..., None], mean, xp.log(variance)[..., None]], -1)
