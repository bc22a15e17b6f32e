"""Fitting a :class:`~andersonn.models.kernel_layer.KernelLayer`, and what it would have answered of each structure without its fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from andersonn.models.forest_layer import ForestLayer
from andersonn.models.kernel_layer import KernelLayer, covariance
from andersonn.training.likelihood import LEAST_NOISE, first_guess, tuned
from andersonn.training.likeness import Likeness

MOST_EXACT = 5000
"""Structures up to which all are kept; of more, so many at random stand for all (subset of regressors)."""
MOST_KEPT = 3000
MOST_TUNED = 600
"""Structures on which the parameters of the covariance are fitted."""
MOST_FOR_SPREAD = 1024
"""Structures by which an answer knows how unsure it is."""
FIRST_TUNED = 200
"""Of these, structures on which they are fitted first, where there are twice as many."""
FEW_STEPS = 10


@dataclass(frozen=True, eq=False)
class Fitted:
    """A last layer and its answers without the fold of each structure.

    Attributes:
        layer: answers for any structure.
        mean: in units of the labels' spread, ``[n, T]``, and
        variance: ``[n]``, of each structure, by the others but for those of its fold.
        parameters: logarithms of scales, of lengths, and of the noise, as :mod:`andersonn.training.likelihood` has them.
    """

    layer: KernelLayer | ForestLayer
    mean: np.ndarray
    variance: np.ndarray
    parameters: Tensor


def fit_kernel(
    likeness: Likeness,
    targets: np.ndarray,
    folds: np.ndarray,
    parts: tuple[str, ...],
    edges: np.ndarray,
    seed: int = 0,
    tuned_on: int = MOST_TUNED,
    start: Tensor | None = None,
) -> Fitted:
    """Fits the covariance by the likelihood of the targets and the weights in closed form.

    Args:
        likeness: of n structures.
        targets: with mean 0 and spread 1, ``[n]``; or 1 and −1 for each class, ``[n, C]``.
        folds: number of the fold of each structure, int ``[n]``; those of one fold are answered without each other.
        parts: of the covariance.
        edges: of the masses, in the unit of the targets; empty for classes.
        seed: of the choice of structures where there are many.
        tuned_on: structures at most on which the covariance is fitted.
        start: parameters from which their search begins, as of another fit.
    """
    n = len(likeness)
    y = _columns(targets)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n))
    parameters = _tuned(likeness, parts, y, order[:tuned_on], start)
    kept = torch.arange(n) if n <= MOST_EXACT else order[:MOST_KEPT].sort().values
    whole = _covariance_of(likeness, parts, parameters, torch.arange(n), kept)
    noise, numbers = parameters[-1].exp() + LEAST_NOISE, torch.from_numpy(folds)
    chosen = torch.randperm(len(kept), generator=torch.Generator().manual_seed(seed))[:MOST_FOR_SPREAD].sort().values
    if len(kept) == n:
        weights, left_out, variance = _exact(whole, y, noise, numbers)
    else:
        weights, left_out = _by_some(whole, whole[kept], y, noise, numbers)
        variance = None
    of_chosen = whole[:, chosen]
    if variance is None or len(chosen) < n:
        own = sum(parameters[i].exp() * likeness.own(part).double() for i, part in enumerate(parts))
        variance = _variances(of_chosen, kept[chosen], torch.as_tensor(own), noise, numbers)
    inner = of_chosen[kept[chosen]] + noise * torch.eye(len(chosen), dtype=torch.float64)
    factor = torch.linalg.inv(torch.linalg.cholesky(inner))
    values = {"weights": weights, "factor": factor, "chosen": chosen, "noise": noise, "edges": torch.from_numpy(edges)}
    layer = _layer(likeness, parts, parameters, kept, values)
    return Fitted(layer, left_out.numpy(), variance.numpy(), parameters)


def answers_of_some(
    likeness: Likeness, rows: np.ndarray, targets: np.ndarray, folds: np.ndarray, parts: tuple[str, ...], start: Tensor, tuned_on: int
) -> np.ndarray:  # fmt: skip
    """What a last layer fitted to some structures answers of each of them without its fold, in units of their spread, ``[r, T]``.

    Args:
        likeness: of n structures.
        rows: some of them, ``[r]``, no more than :data:`MOST_EXACT`.
        targets: of these, as for :func:`fit_kernel`.
        folds: of these.
        parts: of the covariance.
        start: parameters from which their search begins; it is short.
        tuned_on: structures at most on which the covariance is fitted.
    """
    y, some = _columns(targets), torch.from_numpy(rows)
    parameters = tuned(parts, _raw(likeness, parts, some[:tuned_on]), y[:tuned_on], start, FEW_STEPS)
    whole = _covariance_of(likeness, parts, parameters, some, some)
    return _exact(whole, y, parameters[-1].exp() + LEAST_NOISE, torch.from_numpy(folds))[1].numpy()


def _columns(targets: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(targets.reshape(len(targets), -1))).double()


def _covariance_of(
    likeness: Likeness, parts: tuple[str, ...], parameters: Tensor, rows: Tensor, others: Tensor
) -> Tensor:
    """Covariance of some structures with others, float64 ``[rows, others]``, by logarithms of scales and lengths."""
    k = len(parts)
    scales, lengths = parameters[:k].exp().float(), parameters[k : 2 * k].exp().float()
    terms = (
        covariance(part, likeness.between(part, rows, others), scales[i], lengths[i]) for i, part in enumerate(parts)
    )
    return sum(terms, torch.zeros((), dtype=torch.float32)).double()


def _raw(likeness: Likeness, parts: tuple[str, ...], rows: Tensor) -> list[Tensor]:
    return [likeness.between(part, rows, rows) for part in parts]


def _tuned(likeness: Likeness, parts: tuple[str, ...], y: Tensor, rows: Tensor, start: Tensor | None) -> Tensor:
    """Parameters of the covariance, first by some of the rows, then by all of them."""
    found = first_guess(parts) if start is None else start
    if start is None and len(rows) >= 2 * FIRST_TUNED:
        found = tuned(parts, _raw(likeness, parts, rows[:FIRST_TUNED]), y[rows[:FIRST_TUNED]], found)
    return tuned(parts, _raw(likeness, parts, rows), y[rows], found)


def _exact(whole: Tensor, y: Tensor, noise: Tensor, folds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights ``[n, T]``; answers for all without their folds ``[n, T]``, and the variance of these ``[n]``.

    With P the inverse of the covariance with noise, the answers without a fold F are y_F − P_FF⁻¹ (P y)_F with covariance P_FF⁻¹.
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(whole + noise * torch.eye(len(whole), dtype=torch.float64)))
    weights = inverse @ y
    left_out, variance = torch.empty_like(y), torch.empty(len(y), dtype=torch.float64)
    for fold in folds.unique():
        rows = torch.nonzero(folds == fold).ravel()
        apart = torch.linalg.inv(inverse[rows][:, rows])
        left_out[rows] = y[rows] - apart @ weights[rows]
        variance[rows] = apart.diagonal().clamp(min=float(noise))
    return weights, left_out, variance


def _by_some(likeness: Tensor, among_kept: Tensor, y: Tensor, noise: Tensor, folds: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the kept structures ``[m, T]``, and answers for all without their folds ``[n, T]``: the subset of regressors.

    It is linear in the targets: answers are H y. Without a fold F they are y_F − (1 − H_FF)⁻¹ (y − H y)_F.
    """
    symmetric = 0.5 * (among_kept + among_kept.T)
    lower = _factored(likeness.T @ likeness + noise * symmetric)
    weights = torch.cholesky_solve(likeness.T @ y, lower)
    half = torch.linalg.solve_triangular(lower, likeness.T, upper=False)
    residual = y - likeness @ weights
    left_out = torch.empty_like(y)
    for fold in folds.unique():
        rows = torch.nonzero(folds == fold).ravel()
        hat = half[:, rows].T @ half[:, rows]
        eye = torch.eye(len(rows), dtype=torch.float64)
        left_out[rows] = y[rows] - torch.linalg.solve(eye - hat, residual[rows])
    return weights, left_out


def _factored(matrix: Tensor) -> Tensor:
    """Cholesky factor ``[m, m]`` of a matrix that is positive but for rounding: as little is added to its diagonal as must be.

    Raises:
        torch.linalg.LinAlgError: even a thousandth of its mean does not help.
    """
    mean = float(matrix.diagonal().mean())
    for share in (0.0, 1e-10, 1e-8, 1e-6, 1e-5, 1e-4):
        try:
            return torch.linalg.cholesky(matrix + share * mean * torch.eye(len(matrix), dtype=matrix.dtype))
        except torch.linalg.LinAlgError:
            continue
    return torch.linalg.cholesky(matrix + 1e-3 * mean * torch.eye(len(matrix), dtype=matrix.dtype))


def _variances(of_chosen: Tensor, chosen: Tensor, own: Tensor, noise: Tensor, folds: Tensor) -> Tensor:
    """Variance of the answer of each structure by the chosen ones that are not of its fold, ``[n]``."""
    found = torch.empty(len(of_chosen), dtype=torch.float64)
    for fold in folds.unique():
        rows = torch.nonzero(folds == fold).ravel()
        others = torch.nonzero(folds[chosen] != fold).ravel()
        inner = of_chosen[chosen[others]][:, others] + noise * torch.eye(len(others), dtype=torch.float64)
        lower = torch.linalg.cholesky(inner)
        explained = torch.linalg.solve_triangular(lower, of_chosen[rows][:, others].T, upper=False).square().sum(dim=0)
        found[rows] = (own[rows] - explained).clamp(min=0.0) + noise
    return found


def _layer(
    likeness: Likeness, parts: tuple[str, ...], parameters: Tensor, kept: Tensor, values: dict[str, Tensor]
) -> KernelLayer:
    """The layer that holds what was fitted."""
    k = len(parts)
    for i, part in enumerate(parts):
        values |= {f"{part}_scale": parameters[i].exp(), f"{part}_length": parameters[k + i].exp()}
        values |= likeness.buffers(part)
        if f"{part}_points" in values:
            values[f"{part}_points"] = values[f"{part}_points"][kept]
    layer = KernelLayer(parts, {name: tuple(value.shape) for name, value in values.items()})
    for name, value in values.items():
        getattr(layer, name).copy_(value)
    return layer.eval()
