"""Growing a :class:`~andersonn.models.forest_layer.ForestLayer`, and what it would have answered of each structure without its fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from andersonn.models.forest_layer import ForestLayer, inputs_of
from andersonn.training.kernel_fitting import Fitted

TREES, FEW_TREES = 100, 40
"""Of the forest that learns from all structures, and of those that leave a fold out."""
SHARE = 0.33
"""Of the descriptors, looked at for a division; the square root of their number where there are classes."""
LEAST_SQUARES = 1e-6
LEAST_NOISE, MOST_SHARE = 0.01, 10.0
"""What is the same everywhere is at least so much of the mean squared error; the variance of the trees counts at most so often."""


def fit_forest(
    numbers: np.ndarray, targets: np.ndarray, folds: np.ndarray, edges: np.ndarray, seed: int, trees: int = TREES
) -> Fitted:
    """A forest on all structures, and the answers of others, of fewer trees, that leave out each fold.

    Args:
        numbers: descriptors, ``[n, G]``; NaN where there is none.
        targets: with mean 0 and spread 1, ``[n]``; or 1 and −1 for each class, ``[n, C]``.
        folds: number of the fold of each structure, int ``[n]``.
        edges: of the masses, in the unit of the targets; empty for classes.
        seed: of the trees.
        trees: of the forest on all; with 0 there is none, and the layer is that of the last fold.
    """
    y = targets.reshape(len(targets), -1)
    mean, variance, layer = np.zeros(y.shape), np.zeros(len(y)), None
    for fold in np.unique(folds):
        inside = folds == fold
        layer = _grown(numbers[~inside], y[~inside], edges, FEW_TREES, seed)
        mean[inside], variance[inside] = _walked(layer, numbers[inside])
    share, noise = _spread(np.square(y - mean)[:, 0], variance)
    if trees or layer is None:
        layer = _grown(numbers, y, edges, max(trees, 1), seed)
    layer.get_buffer("noise").fill_(noise)
    layer.get_buffer("share").fill_(share)
    return Fitted(layer.eval(), mean, share * variance + noise, torch.zeros(0))


def _spread(squares: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    """Share and noise, so that ``share · variance + noise`` is the variance under which the errors are likeliest. Where a few
    errors are large and most are small, the trees often agree on the small ones: these then get narrow intervals.

    Args:
        squares: of the errors of answers without folds, ``[n]``.
        variance: of their trees, ``[n]``.
    """
    from scipy.optimize import minimize

    usual = max(float(squares.mean()), LEAST_SQUARES)
    bounds = ((np.log(1e-3), np.log(MOST_SHARE)), (np.log(LEAST_NOISE * usual), np.log(2.0 * usual)))

    def loss(logs: np.ndarray) -> float:
        whole = np.exp(logs[0]) * variance + np.exp(logs[1])
        return float((np.log(whole) + squares / whole).mean())

    found = minimize(loss, (np.log(0.5), np.log(0.5 * usual)), method="Nelder-Mead", bounds=bounds)
    share, noise = np.exp(found.x).tolist()
    return share, noise


def _walked(layer: ForestLayer, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = layer.walked(torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.float32)))
    return mean.double().numpy(), variance.double().numpy()


def _grown(numbers: np.ndarray, y: np.ndarray, edges: np.ndarray, trees: int, seed: int) -> ForestLayer:
    """The layer of a forest that scikit-learn grows."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    x = inputs_of(torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.float32))).numpy()
    labels = y.shape[1] > 1
    kind = RandomForestClassifier if labels else RandomForestRegressor
    forest = kind(trees, max_features="sqrt" if labels else SHARE, random_state=seed, n_jobs=1)
    forest.fit(x, y.argmax(axis=1) if labels else y[:, 0])
    classes = forest.classes_ if labels else np.zeros(1, dtype=np.int64)
    arrays = _arrays([each.tree_ for each in forest.estimators_], classes, y.shape[1])
    arrays |= {"noise": np.zeros(()), "share": np.ones(()), "edges": edges}
    layer = ForestLayer({name: tuple(value.shape) for name, value in arrays.items()})
    for name, value in arrays.items():
        layer.get_buffer(name).copy_(torch.from_numpy(np.asarray(value)))
    layer.check(x.shape[1])
    return layer


def _arrays(trees: list[Any], classes: np.ndarray, columns: int) -> dict[str, np.ndarray]:
    """Trees of scikit-learn, one behind the other."""
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])
    branches, values = [], []
    for start, tree in zip(starts, trees, strict=False):
        pair = np.stack([tree.children_left, tree.children_right], axis=1).astype(np.int64)
        branches.append(np.where(pair < 0, -1, pair + start))
        value = np.zeros((tree.node_count, columns))
        value[:, classes] = tree.value[:, 0, :]
        values.append(value / value.sum(axis=1, keepdims=True) if columns > 1 else value)
    threshold = np.concatenate([tree.threshold for tree in trees])
    single = threshold.astype(np.float32)
    # scikit-learn compares numbers in single precision with thresholds in double: these are rounded down, so that nothing changes side.
    single = np.where(single > threshold, np.nextafter(single, np.float32(-np.inf)), single)
    return {
        "feature": np.maximum(np.concatenate([tree.feature for tree in trees]), 0).astype(np.int64),
        "threshold": single,
        "branches": np.concatenate(branches),
        "value": np.concatenate(values).astype(np.float32),
        "roots": starts[:-1].astype(np.int64),
    }
