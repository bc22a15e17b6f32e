"""Fitting a :class:`~andersonn.models.kernel_layer.KernelLayer`, and what it would have answered of each structure without its fold."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from andersonn.models.kernel_layer import (
    KernelLayer,
    covariance,
    in_spreads,
    squared_distances,
    squashed,
    tanimoto,
    thermometer,
)

MOST_EXACT = 5000
"""Structures up to which all are kept; of more, so many at random stand for all (subset of regressors)."""
MOST_KEPT = 3000
MOST_TUNED = 600
"""Structures on which the parameters of the covariance are fitted."""
MOST_FOR_SPREAD = 1024
"""Structures by which an answer knows how unsure it is."""
STEPS = 40
LEAST_NOISE = 1e-3
"""Of the labels, in units of their variance."""
START_SCALE, START_LENGTH, START_NOISE = -0.7, 0.0, -2.0
"""Logarithms of the first guess, to which a weak prior holds the parameters."""
PRIOR = 0.05
CONSTANT = 1e-6
"""A feature with less spread than this is left out."""


@dataclass(frozen=True, eq=False)
class Features:
    """What a last layer can read of n structures.

    Attributes:
        states: of a trained network, ``[n, S]``.
        numbers: descriptors, ``[n, G]``; NaN where there is none.
        fragments: counts, ``[n, F]``.
    """

    states: np.ndarray
    numbers: np.ndarray
    fragments: np.ndarray

    def part(self, name: str) -> Tensor:
        """One of the parts of the covariance, raw."""
        return torch.from_numpy(np.ascontiguousarray(getattr(self, name), dtype=np.float32))

    def of(self, rows: np.ndarray) -> Features:
        """Those of some structures."""
        return Features(self.states[rows], self.numbers[rows], self.fragments[rows])


@dataclass(frozen=True, eq=False)
class Fitted:
    """A last layer and its answers without the fold of each structure.

    Attributes:
        layer: answers for any structure.
        mean: in units of the labels' spread, ``[n, T]``, and
        variance: ``[n]``, of each structure, by the others but for those of its fold.
    """

    layer: KernelLayer
    mean: np.ndarray
    variance: np.ndarray


@dataclass
class _Setting:
    """The parts of a covariance over the training structures."""

    parts: tuple[str, ...]
    buffers: dict[str, Tensor]
    scaled: dict[str, Tensor] = field(default_factory=dict)

    def raw(self, rows: Tensor, others: Tensor) -> list[Tensor]:
        """Squared distances or similarities of each part."""
        found = []
        for part in self.parts:
            compare = tanimoto if part == "fragments" else squared_distances
            found.append(compare(self.scaled[part][rows], self.scaled[part][others]))
        return found

    def total(self, raw: list[Tensor], parameters: Tensor) -> Tensor:
        """Covariance from the raw parts; parameters: logarithms of scales, of lengths, and of the noise."""
        k = len(self.parts)
        terms = (
            covariance(part, each, parameters[i].exp(), parameters[k + i].exp())
            for i, (part, each) in enumerate(zip(self.parts, raw, strict=True))
        )
        return sum(terms, torch.zeros((), dtype=raw[0].dtype))


def fit_kernel(
    features: Features,
    targets: np.ndarray,
    folds: np.ndarray,
    parts: tuple[str, ...],
    edges: np.ndarray,
    seed: int = 0,
    tuned_on: int = MOST_TUNED,
) -> Fitted:
    """Fits the covariance by the likelihood of the targets and the weights in closed form.

    Args:
        features: of n structures.
        targets: with mean 0 and spread 1, ``[n]``; or 1 and −1 for each class, ``[n, C]``.
        folds: number of the fold of each structure, int ``[n]``; those of one fold are answered without each other.
        parts: of the covariance.
        edges: of the masses, in the unit of the targets; empty for classes.
        seed: of the choice of structures where there are many.
        tuned_on: structures at most on which the covariance is fitted.
    """
    y = torch.from_numpy(np.ascontiguousarray(targets.reshape(len(targets), -1))).double()
    setting = _scaled(features, parts)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(y)))
    parameters = _tuned(setting, y, order[:tuned_on])
    kept = torch.arange(len(y)) if len(y) <= MOST_EXACT else order[:MOST_KEPT].sort().values
    everyone = torch.arange(len(y))
    with torch.no_grad():
        likeness = setting.total(setting.raw(everyone, kept), parameters.float()).double()
        noise = parameters[-1].exp() + LEAST_NOISE
        weights, left_out = _solved(likeness, likeness[kept], y, noise, torch.from_numpy(folds))
        chosen = (
            torch.randperm(len(kept), generator=torch.Generator().manual_seed(seed))[:MOST_FOR_SPREAD].sort().values
        )
        own = parameters[: len(parts)].exp().sum()
        of_chosen = likeness[:, chosen]
        variance = _variances(of_chosen, kept[chosen], own, noise, torch.from_numpy(folds))
        inner = of_chosen[kept[chosen]] + noise * torch.eye(len(chosen), dtype=torch.float64)
        factor = torch.linalg.inv(torch.linalg.cholesky(inner))
    values = {"weights": weights, "factor": factor, "chosen": chosen, "noise": noise, "edges": torch.from_numpy(edges)}
    layer = _layer(setting, parameters, kept, values)
    return Fitted(layer, left_out.numpy(), variance.numpy())


def _scaled(features: Features, parts: tuple[str, ...]) -> _Setting:
    """Centers, spreads and scaled features of the training structures."""
    setting = _Setting(parts, {})
    for part in parts:
        raw = features.part(part)
        if part == "fragments":
            kept = torch.nonzero((raw > 0).sum(dim=0) > 1).ravel()
            setting.buffers["fragments_kept"] = kept
            setting.scaled[part] = thermometer(raw[:, kept])
            setting.buffers["fragments_points"] = raw[:, kept].clamp(0, 255).to(torch.uint8)
            continue
        values = squashed(raw) if part == "numbers" else raw
        center, spread = _center_and_spread(values.numpy())
        kept = torch.nonzero(spread > CONSTANT).ravel()
        setting.buffers |= {f"{part}_kept": kept, f"{part}_center": center[kept], f"{part}_spread": spread[kept]}
        setting.scaled[part] = in_spreads(values[:, kept], center[kept], spread[kept])
        setting.buffers[f"{part}_points"] = setting.scaled[part]
    return setting


def _center_and_spread(values: np.ndarray) -> tuple[Tensor, Tensor]:
    """Of each column, of the values that are there; 0 and 0 where none is."""
    there = np.isfinite(values)
    count = np.maximum(there.sum(axis=0), 1)
    center = np.where(there, values, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(there, np.square(values - center), 0.0).sum(axis=0) / count)
    return torch.from_numpy(center.astype(np.float32)), torch.from_numpy(spread.astype(np.float32))


def _tuned(setting: _Setting, y: Tensor, rows: Tensor) -> Tensor:
    """Logarithms of the parameters of the covariance with the greatest likelihood of some of the targets."""
    k = len(setting.parts)
    first = torch.tensor([START_SCALE] * k + [START_LENGTH] * k + [START_NOISE], dtype=torch.float64)
    parameters = first.clone().requires_grad_(True)
    raw = [each.double() for each in setting.raw(rows, rows)]
    targets, eye = y[rows], torch.eye(len(rows), dtype=torch.float64)
    optimizer = torch.optim.LBFGS([parameters], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        whole = setting.total(raw, parameters) + (parameters[-1].exp() + LEAST_NOISE) * eye
        lower = torch.linalg.cholesky(whole)
        solved = torch.cholesky_solve(targets, lower)
        found = 0.5 * (targets * solved).sum() + targets.shape[1] * lower.diagonal().log().sum()
        found = found + PRIOR * targets.shape[1] * (parameters - first).square().sum()
        found.backward()
        return found

    try:
        with torch.enable_grad():
            optimizer.step(loss)
    except torch.linalg.LinAlgError:  # a step into parameters without a positive covariance
        return first
    found = parameters.detach()
    return found if bool(torch.isfinite(found).all()) else first


def _solved(likeness: Tensor, among_kept: Tensor, y: Tensor, noise: Tensor, folds: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the kept structures ``[m, T]``, and answers for all without their folds ``[n, T]``.

    Both the exact process (all are kept) and the subset of regressors are linear in the targets: answers are H y. Without a fold F
    they are y_F − (1 − H_FF)⁻¹ (y − H y)_F.
    """
    n, m = likeness.shape
    if m == n:
        lower = torch.linalg.cholesky(likeness + noise * torch.eye(n, dtype=torch.float64))
        weights = torch.cholesky_solve(y, lower)
        half = torch.linalg.solve_triangular(lower, likeness, upper=False)  # H = half.T @ lower⁻¹
        other = torch.linalg.inv(lower)
    else:
        symmetric = 0.5 * (among_kept + among_kept.T)
        lower = _factored(likeness.T @ likeness + noise * symmetric)
        weights = torch.cholesky_solve(likeness.T @ y, lower)
        half = other = torch.linalg.solve_triangular(lower, likeness.T, upper=False)
    residual = y - likeness @ weights
    left_out = torch.empty_like(y)
    for fold in folds.unique():
        rows = torch.nonzero(folds == fold).ravel()
        hat = half[:, rows].T @ other[:, rows]
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
        found[rows] = (own - explained).clamp(min=0.0) + noise
    return found


def _layer(setting: _Setting, parameters: Tensor, kept: Tensor, values: dict[str, Tensor]) -> KernelLayer:
    """The layer that holds what was fitted."""
    k = len(setting.parts)
    for i, part in enumerate(setting.parts):
        values |= {f"{part}_scale": parameters[i].exp(), f"{part}_length": parameters[k + i].exp()}
        values[f"{part}_points"] = setting.buffers[f"{part}_points"][kept]
        for name in ("kept", "center", "spread"):
            if f"{part}_{name}" in setting.buffers:
                values[f"{part}_{name}"] = setting.buffers[f"{part}_{name}"]
    layer = KernelLayer(setting.parts, {name: tuple(value.shape) for name, value in values.items()})
    for name, value in values.items():
        getattr(layer, name).copy_(value)
    return layer.eval()
