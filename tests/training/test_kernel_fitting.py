"""The last layer against a Gaussian process written out, and its answers without a fold against refitting without it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from andersonn.models.kernel_layer import KernelLayer, log_masses, tanimoto, thermometer
from andersonn.training import kernel_fitting
from andersonn.training.kernel_fitting import answers_of_some, fit_kernel
from andersonn.training.likelihood import Likelihood, first_guess, tuned
from andersonn.training.likeness import Features, Likeness

EDGES = np.linspace(-4.0, 4.0, 60)


def features(n, seed=0):
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(n, 5)) * [1.0, 10.0, 100.0, 0.1, 0.0]
    numbers[3, 1] = np.nan
    return Features(random.normal(size=(n, 4)).astype(np.float32), numbers, random.poisson(0.5, size=(n, 30)))


def targets_of(found):
    y = found.states[:, 0] + 0.5 * np.tanh(found.numbers[:, 0]) + 0.2 * found.fragments[:, 0]
    return (y - y.mean()) / y.std()


def answers(fitted, found):
    """Mean and variance by the layer's own steps."""
    descriptors = torch.tensor(np.hstack([found.numbers, found.fragments]), dtype=torch.float32)
    scaled = {
        part: fitted.layer.scaled(part, fitted.layer.read(part, torch.tensor(found.states), descriptors, 30))
        for part in fitted.layer.parts
    }
    likeness = fitted.layer.likeness(scaled).double()
    return likeness, (likeness @ fitted.layer.weights.double())[:, 0].numpy()


@pytest.mark.parametrize(
    "parts", [("states",), ("numbers", "fragments"), ("states", "numbers", "fragments", "contributions")]
)
def test_answers_are_those_of_a_gaussian_process(parts):
    found = features(60)
    y = targets_of(found)
    fitted = fit_kernel(Likeness(found), y, np.arange(60) % 6, parts, EDGES)
    likeness, mean = answers(fitted, found)
    noise = float(fitted.layer.noise)
    expected = likeness.numpy() @ np.linalg.solve(likeness.numpy() + noise * np.eye(60), y)
    assert np.abs(mean - expected).max() < 5e-3
    assert np.corrcoef(mean, y)[0, 1] > 0.8


@pytest.mark.parametrize("parts", [("states", "numbers"), ("numbers", "fragments", "contributions")])
def test_left_out_answers_are_those_of_refitting_without_the_fold(parts):
    found, folds = features(48), np.arange(48) % 4
    y = targets_of(found)
    fitted = fit_kernel(Likeness(found), y, folds, parts, EDGES)
    likeness, _ = answers(fitted, found)
    whole, noise = likeness.numpy(), float(fitted.layer.noise)
    for fold in range(4):
        inside, outside = folds == fold, folds != fold
        inner = whole[np.ix_(outside, outside)] + noise * np.eye(outside.sum())
        cross = whole[np.ix_(inside, outside)]
        mean = cross @ np.linalg.solve(inner, y[outside])
        variance = np.diag(whole)[inside] - np.einsum("ij,ji->i", cross, np.linalg.solve(inner, cross.T)) + noise
        assert np.abs(fitted.mean[inside, 0] - mean).max() < 1e-3
        assert np.abs(fitted.variance[inside] - variance).max() < 1e-3


def test_of_many_structures_some_stand_for_all(monkeypatch):
    found, folds = features(120), np.arange(120) % 4
    y = targets_of(found)
    exact = fit_kernel(Likeness(found), y, folds, ("states",), EDGES)
    monkeypatch.setattr(kernel_fitting, "MOST_EXACT", 100)
    monkeypatch.setattr(kernel_fitting, "MOST_KEPT", 80)
    some = fit_kernel(Likeness(found), y, folds, ("states",), EDGES)
    assert len(some.layer.states_points) == 80
    assert len(exact.layer.states_points) == 120
    assert np.abs(some.mean - exact.mean).mean() < 0.1
    # Without a fold is again what refitting would answer.
    kept = some.layer.weights.shape[0]
    assert kept == 80
    assert np.sqrt(np.square(some.mean[:, 0] - y).mean()) < 0.75


def test_classes_have_a_score_each():
    found = features(90)
    labels = np.digitize(targets_of(found), [-0.5, 0.5])
    fitted = fit_kernel(
        Likeness(found), 2.0 * np.eye(3)[labels] - 1.0, np.arange(90) % 9, ("states", "fragments"), np.zeros(0)
    )
    assert fitted.mean.shape == (90, 3)
    assert not fitted.layer.of_number
    assert (fitted.mean.argmax(axis=1) == labels).mean() > 0.5


def test_a_covariance_that_cannot_be_factored_keeps_the_first_guess(monkeypatch):
    def refuse(matrix):
        return matrix, torch.tensor(1)

    monkeypatch.setattr(torch.linalg, "cholesky_ex", refuse)
    found = features(30)
    fitted = fit_kernel(Likeness(found), targets_of(found), np.arange(30) % 3, ("states",), EDGES)
    assert float(fitted.layer.states_length) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "parts", [("states",), ("numbers", "fragments"), ("states", "numbers", "fragments", "contributions")]
)
def test_the_gradient_of_the_likelihood_is_that_of_differences(parts):
    found = features(25)
    likeness, everyone = Likeness(found), torch.arange(25)
    y = torch.from_numpy(np.stack([targets_of(found), found.states[:, 1]], axis=1)).double()
    likelihood = Likelihood(parts, [likeness.between(part, everyone, everyone) for part in parts], y)
    at = first_guess(parts).numpy() + np.random.default_rng(1).normal(size=2 * len(parts) + 1) * 0.5
    _, slope = likelihood(at)
    for k, step in enumerate(np.eye(len(at)) * 1e-5):
        assert slope[k] == pytest.approx(
            (likelihood(at + step)[0] - likelihood(at - step)[0]) / 2e-5, rel=1e-4, abs=1e-6
        )


def test_the_parameters_found_are_of_the_greatest_likelihood(monkeypatch):
    found = features(60)
    likeness, everyone = Likeness(found), torch.arange(60)
    y, parts = torch.from_numpy(targets_of(found)).double()[:, None], ("states", "numbers")
    raw = [likeness.between(part, everyone, everyone) for part in parts]
    best = tuned(parts, raw, y, first_guess(parts))
    likelihood = Likelihood(parts, raw, y)
    assert likelihood(best.numpy())[0] < likelihood(first_guess(parts).numpy())[0] - 5.0
    monkeypatch.setattr("andersonn.training.likelihood.ENOUGH", 1e-12)
    nearest = tuned(parts, raw, y, best, 500)
    assert likelihood(best.numpy())[0] == pytest.approx(likelihood(nearest.numpy())[0], abs=0.05)
    assert np.abs(likelihood(nearest.numpy())[1]).max() < 1e-3


def test_the_layer_is_as_unsure_as_the_process():
    found, parts = features(60), ("states", "numbers", "fragments", "contributions")
    fitted = fit_kernel(Likeness(found.of(np.arange(40))), targets_of(found)[:40], np.arange(40) % 4, parts, EDGES)
    layer, new = fitted.layer, found.of(np.arange(40, 60))
    descriptors = torch.tensor(np.hstack([new.numbers, new.fragments]), dtype=torch.float32)
    scaled = {part: layer.scaled(part, layer.read(part, torch.tensor(new.states), descriptors, 30)) for part in parts}
    points = {part: layer.points(part) for part in parts}
    among, cross = layer.likeness(points).double().numpy(), layer.likeness(scaled).double().numpy()
    inner = among + float(layer.noise) * np.eye(40)
    own = layer.own(scaled).double().numpy()
    expected = own - np.einsum("ij,ji->i", cross, np.linalg.solve(inner, cross.T)) + float(layer.noise)
    found_scores = layer(torch.tensor(new.states), descriptors, 30)
    mean = torch.from_numpy(cross @ layer.weights.double().numpy())
    masses = layer.scores(mean, torch.from_numpy(expected)).exp().float()
    assert float((masses - found_scores.exp().float()).abs().max()) < 0.02
    assert np.allclose(np.diag(among), layer.own(points).numpy(), atol=1e-4)


def test_some_structures_are_answered_as_if_they_were_alone():
    found, folds = features(80), np.arange(80) % 5
    y = targets_of(found)
    likeness = Likeness(found)
    fitted = fit_kernel(likeness, y, folds, ("states",), EDGES)
    rows = np.random.default_rng(2).permutation(80)[:40]
    mean = answers_of_some(likeness, rows, y[rows], folds[rows], ("states",), fitted.parameters, 300)
    alone = fit_kernel(Likeness(found.of(rows)), y[rows], folds[rows], ("states",), EDGES)
    assert np.abs(mean - alone.mean).max() < 0.05  # centers and spreads are those of all structures


def test_identical_structures_do_no_harm():
    found = features(20)
    twice = Features(*(np.concatenate([getattr(found, name)] * 2) for name in ("states", "numbers", "fragments")))
    y = targets_of(twice)
    fitted = fit_kernel(
        Likeness(twice), y, np.arange(40) % 5, ("states", "numbers", "fragments", "contributions"), EDGES
    )
    assert np.isfinite(fitted.mean).all()
    assert (fitted.variance > 0).all()


def test_masses_are_those_of_a_normal_distribution():
    from scipy.stats import norm

    mean, variance = torch.tensor([0.3, -50.0, 50.0]), torch.tensor([0.25, 1.0, 1.0])
    edges = torch.tensor(EDGES, dtype=torch.float32)
    masses = log_masses(mean, variance, edges).exp().numpy()
    assert np.allclose(masses.sum(axis=1), 1.0, atol=1e-5)
    expected = np.diff(norm.cdf(EDGES, 0.3, 0.5), prepend=0.0)
    assert np.abs(masses[0] - expected).max() < 1e-4
    assert masses[1, 0] == pytest.approx(1.0)
    assert masses[2, -1] == pytest.approx(1.0)


def test_tanimoto_of_counts_is_shared_over_either():
    first, second = torch.tensor([[2.0, 0.0, 1.0]]), torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    found = tanimoto(thermometer(first), thermometer(second))
    assert found.tolist() == [[pytest.approx(2.0 / 4.0), 0.0]]


def test_layer_comes_back_from_its_weights():
    found = features(30)
    layer = fit_kernel(
        Likeness(found), targets_of(found), np.arange(30) % 3, ("states", "fragments", "contributions"), EDGES
    ).layer
    again = KernelLayer(layer.parts, {name: tuple(shape) for name, shape in layer.shapes().items()})
    again.load_state_dict(layer.state_dict())
    states, descriptors = torch.tensor(found.states), torch.tensor(np.hstack([found.numbers, found.fragments])).float()
    assert torch.equal(layer(states, descriptors, 30), again(states, descriptors, 30))
