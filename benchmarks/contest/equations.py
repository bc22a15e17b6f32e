"""Equations as fixed points: Bratu by Jacobi sweeps, a decision process by value iteration, a logistic
regression by gradient descent.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch

from andersonn.measuring.problems import GRID, FixedPointProblem, Formula, neighbors_on_a_line, normal

STATES, ACTIONS, SUCCESSORS = 200, 4, 5


def bratu(dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", grid: int = GRID) -> FixedPointProblem:
    """−Δu = λ eᵘ, otherwise as :func:`andersonn.measuring.problems.poisson`, on the lower branch; λ rises over the samples to 6 (fold at 6.81)."""
    place = {"dtype": dtype, "device": device}
    strength = torch.linspace(1, 6, batch + 1, dtype=torch.float64)[1:] / (grid + 1) ** 2
    strength = strength.view(batch, 1, 1).to(**place)
    return FixedPointProblem(
        Formula(_bratu, (neighbors_on_a_line(grid, **place),), (strength,)), torch.zeros(batch, grid, grid, **place)
    )


def _bratu(xp: ModuleType, u: Any, next_: Any, strength: Any) -> Any:
    return (next_ @ u + u @ next_ + strength * xp.exp(u)) / 4


def value_iteration(
    dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", discount: float = 0.95, states: int = STATES
) -> FixedPointProblem:
    """V(s) ← max_a [R(s, a) + γ Σ P(s'|s, a) V(s')] of a random decision process (a Garnet: each state and action leads
    to five states); rewards are random, one set for each sample. The Jacobian's radius is γ.
    """
    place = {"dtype": dtype, "device": device}
    pairs = states * ACTIONS
    to = normal(seed, pairs, states).argsort(dim=1)[:, :SUCCESSORS]
    chance = normal(seed + 1, pairs, SUCCESSORS).square()
    P = torch.zeros(pairs, states, dtype=torch.float64).scatter_(1, to, chance / chance.sum(dim=1, keepdim=True))
    rewards = normal(seed + 2, batch, states, ACTIONS).to(**place)
    shared = ((discount * P.T).contiguous().to(**place),)
    return FixedPointProblem(Formula(_backup, shared, (rewards,)), torch.zeros(batch, states, **place))


def _backup(xp: ModuleType, V: Any, discounted: Any, rewards: Any) -> Any:
    return xp.amax(rewards + (V @ discounted).reshape(rewards.shape), -1)


def logistic_regression(dtype: torch.dtype, batch: int, seed: int, device: str = "cpu") -> FixedPointProblem:
    """The step w ← w − ∇L(w) / K of gradient descent on a ridge-penalized logistic regression on the Wisconsin breast cancer data
    (569 × 30, standardized, and a constant). The penalty falls over the samples from 0.1 to 0.001 (0.01 for one sample); K
    is the gradient's Lipschitz constant. Real data: ``seed`` is not used.
    """
    from sklearn.datasets import load_breast_cancer

    place = {"dtype": dtype, "device": device}
    features, target = load_breast_cancer(return_X_y=True)
    X = torch.from_numpy((features - features.mean(axis=0)) / features.std(axis=0))
    X = torch.cat([X, torch.ones(len(X), 1, dtype=torch.float64)], dim=1)
    penalty = torch.logspace(-1, -3, batch, dtype=torch.float64) if batch > 1 else torch.full((1,), 0.01).double()
    step = (1 / (torch.linalg.matrix_norm(X, 2).square() / (4 * len(X)) + penalty)).unsqueeze(1).to(**place)
    shared = tuple(t.contiguous().to(**place) for t in (X.T, X / len(X), torch.from_numpy(target).double()))
    own = (penalty.unsqueeze(1).to(**place), step)
    return FixedPointProblem(Formula(_descent, shared, own), torch.zeros(batch, X.shape[1], **place))


def _descent(xp: ModuleType, w: Any, features: Any, averaging: Any, target: Any, penalty: Any, step: Any) -> Any:
    chance = 1 / (1 + xp.exp(-(w @ features)))
    return w - step * ((chance - target) @ averaging + penalty * w)
