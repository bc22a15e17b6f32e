"""The parameters of a last layer's covariance with the greatest likelihood of its targets, by its gradient in closed form."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from andersonn.models.kernel_layer import LINEAR

LEAST_NOISE = 1e-3
"""Of the labels, in units of their variance."""
START_SCALE, START_LENGTH, START_NOISE = -0.7, 0.0, -2.0
"""Logarithms of the first guess, to which a weak prior holds the parameters."""
PRIOR = 0.05
STEPS = 40
ENOUGH = 1e-4
"""Relative change of the likelihood below which no further step is taken."""
FARTHEST = 9.0
"""Of the logarithms from 0."""


def first_guess(parts: tuple[str, ...]) -> Tensor:
    """Logarithms of the scales, of the lengths, and of the noise, float64 ``[2 P + 1]``, before anything is known."""
    k = len(parts)
    return torch.tensor([START_SCALE] * k + [START_LENGTH] * k + [START_NOISE], dtype=torch.float64)


def tuned(parts: tuple[str, ...], raw: list[Tensor], y: Tensor, start: Tensor, steps: int = STEPS) -> Tensor:
    """Logarithms of the parameters with the greatest likelihood, as :func:`first_guess` has them.

    Args:
        parts: of the covariance.
        raw: squared distances or similarities by each part, ``[n, n]``.
        y: targets, float64 ``[n, T]``.
        start: parameters from which the search begins.
        steps: at most.

    Returns:
        ``start``, if nothing better was found.
    """
    from scipy.optimize import fmin_l_bfgs_b

    likelihood = Likelihood(parts, raw, y)
    bounds = [(-FARTHEST, FARTHEST)] * len(start)
    found, _, _ = fmin_l_bfgs_b(
        likelihood, start.numpy(), maxiter=steps, factr=ENOUGH / np.finfo(float).eps, bounds=bounds
    )
    return torch.from_numpy(found) if np.isfinite(found).all() else start


class Likelihood:
    """Minus the logarithm of the likelihood, with the prior, and its gradient.

    With K the covariance with noise, a = K⁻¹ y and T targets, its derivative by a parameter p is ½ ⟨T K⁻¹ − a aᵀ, dK/dp⟩.
    """

    def __init__(self, parts: tuple[str, ...], raw: list[Tensor], y: Tensor) -> None:
        self._y, self._guess = y, first_guess(parts).numpy()
        self._linear = [part in LINEAR for part in parts]
        self._raw = [
            each.double() if linear else (3.0 * each.double()).sqrt()
            for linear, each in zip(self._linear, raw, strict=True)
        ]

    def __call__(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient ``[2 P + 1]`` at parameters as :func:`first_guess` has them."""
        count, targets = len(self._raw), self._y.shape[1]
        noise = float(np.exp(parameters[-1]))
        terms = [self._term(i, parameters[i], parameters[count + i]) for i in range(count)]
        whole = terms[0][0].clone()
        for term, _ in terms[1:]:
            whole += term
        whole.diagonal().add_(noise + LEAST_NOISE)
        lower, failed = torch.linalg.cholesky_ex(whole)
        if int(failed):  # a step into parameters without a positive covariance
            return 1e10, np.zeros(len(parameters))
        inverse = torch.cholesky_inverse(lower)
        weights = inverse @ self._y
        away = parameters - self._guess
        value = 0.5 * float((self._y * weights).sum()) + targets * float(lower.diagonal().log().sum())
        value += PRIOR * targets * float(np.square(away).sum())
        slope = inverse.mul_(targets).addmm_(weights, weights.T, alpha=-1.0)
        gradient = 2.0 * PRIOR * targets * away
        flat = slope.reshape(-1)
        for i, (term, by_length) in enumerate(terms):
            gradient[i] += 0.5 * float(flat @ term.reshape(-1))
            if by_length is not None:
                gradient[count + i] += 0.5 * float(flat @ by_length.reshape(-1))
        gradient[-1] += 0.5 * noise * float(slope.diagonal().sum())
        return value, gradient

    def _term(self, i: int, scale: float, length: float) -> tuple[Tensor, Tensor | None]:
        """A part of the covariance, and its derivative by the logarithm of its length; None if it has none."""
        if self._linear[i]:
            return self._raw[i] * float(np.exp(scale)), None
        root = self._raw[i] * float(np.exp(-length))
        decay = (-root).exp_().mul_(float(np.exp(scale)))
        term = decay * root
        by_length = term * root
        return term.add_(decay), by_length
