"""The forest of a last layer answers as scikit-learn's does, comes back from its arrays, and is refused where they are no trees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestRegressor

from andersonn.models.forest_layer import ForestLayer, inputs_of
from andersonn.training.forest_fitting import SHARE, fit_forest

EDGES = np.linspace(-4.0, 4.0, 60)


def table(n=150, seed=0):
    random = np.random.default_rng(seed)
    numbers = (random.normal(size=(n, 8)) * [1, 10, 100, 0.1, 1, 1, 1, 0]).astype(np.float32)
    numbers[5, 1] = np.nan
    y = np.tanh(numbers[:, 0]) + (numbers[:, 2] > 20) + 0.1 * random.normal(size=n)
    return numbers, (y - y.mean()) / y.std()


def test_answers_are_those_of_scikit_learn():
    numbers, y = table()
    fitted = fit_forest(numbers, y, np.arange(150) % 5, EDGES, seed=3)
    x = inputs_of(torch.from_numpy(numbers)).numpy()
    expected = RandomForestRegressor(100, max_features=SHARE, random_state=3).fit(x, y)
    other, _ = table(200, seed=1)
    mean, variance = fitted.layer.walked(torch.from_numpy(other))
    inputs = inputs_of(torch.from_numpy(other)).numpy()
    assert np.abs(mean[:, 0].numpy() - expected.predict(inputs)).max() < 1e-5
    each = np.stack([tree.predict(inputs) for tree in expected.estimators_])
    assert np.abs(variance.numpy() - each.var(axis=0)).max() < 1e-5


def test_answers_without_a_fold_did_not_learn_from_it():
    numbers, y = table()
    fitted = fit_forest(numbers, y, np.arange(150) % 5, EDGES, seed=0)
    changed = y.copy()
    changed[::5] += 100.0
    again = fit_forest(numbers, changed, np.arange(150) % 5, EDGES, seed=0)
    assert np.array_equal(fitted.mean[::5], again.mean[::5])
    assert 0.2 < np.sqrt(np.square(fitted.mean[:, 0] - y).mean()) < 0.8
    inside = np.square(fitted.mean[:, 0] - y) < 1.645**2 * fitted.variance
    assert 0.8 < inside.mean() < 0.98


def test_classes_have_shares():
    numbers, y = table()
    labels = np.digitize(y, [-0.5, 0.5])
    fitted = fit_forest(numbers, 2.0 * np.eye(3)[labels] - 1.0, np.arange(150) % 5, np.zeros(0), seed=0)
    assert np.allclose(fitted.mean.sum(axis=1), 1.0)
    assert (fitted.mean.argmax(axis=1) == labels).mean() > 0.6
    scores = fitted.layer(torch.zeros(150, 0), torch.from_numpy(numbers), 0)
    assert (scores.argmax(dim=1).numpy() == labels).mean() > 0.95


def test_a_class_that_a_fold_lacks_has_no_share_there():
    numbers, y = table(60)
    labels, folds = (
        np.where(np.arange(60) < 6, 2, (y > 0).astype(int)),
        np.where(np.arange(60) < 6, 0, np.arange(60) % 4 + 1),
    )
    fitted = fit_forest(numbers, 2.0 * np.eye(3)[labels] - 1.0, folds, np.zeros(0), seed=0)
    assert np.array_equal(fitted.mean[:6, 2], np.zeros(6))


def test_it_comes_back_from_its_arrays():
    numbers, y = table()
    layer = fit_forest(numbers, y, np.arange(150) % 5, EDGES, seed=0).layer
    again = ForestLayer({name: tuple(shape) for name, shape in layer.shapes().items()})
    again.load_state_dict(layer.state_dict())
    descriptors = torch.from_numpy(np.hstack([numbers, np.ones((150, 3), dtype=np.float32)]))
    assert torch.equal(layer(torch.zeros(150, 2), descriptors, 3), again(torch.zeros(150, 2), descriptors, 3))


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("branches", (0, 0), 0),
        ("branches", (0, 1), 10**6),
        ("branches", (0, 0), -1),
        ("feature", 0, 8),
        ("feature", 0, -1),
        ("roots", 0, -1),
        ("roots", 0, 10**6),
    ],
)
def test_arrays_that_are_no_trees_are_refused(name, at, value):
    numbers, y = table(40)
    layer = fit_forest(numbers, y, np.arange(40) % 5, EDGES, seed=0).layer
    layer.check(8)
    layer.get_buffer(name)[at] = value
    with pytest.raises(ValueError, match="forest"):
        layer.check(8)


def test_other_arrays_are_refused():
    with pytest.raises(ValueError, match="arrays"):
        ForestLayer({"feature": (3,), "pickle": (1,)})
