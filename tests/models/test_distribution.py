"""Masses between edges: sums of classes and the score of a distribution, against numerical integration."""

import numpy as np
import pytest
import torch

from andersonn.models import EquilibriumNetwork, ModelConfig
from andersonn.models.distribution import class_scores, crps, edges_for, positions_of
from andersonn.models.heads import DipoleHead

DOUBLE = torch.float64


def test_edges_rise_follow_the_values_and_hold_the_thresholds():
    rng = np.random.default_rng(0)
    values = np.where(rng.random(5000) < 0.4, 0.0, rng.gamma(2.0, 1.2, 5000))
    edges = edges_for(values, (0.05, 3.0), 0.0, 48)
    assert len(edges) == 48
    assert edges[0] == 0.0
    assert edges[-1] > values.max()
    assert {0.05, 3.0} <= set(edges.tolist())
    assert (np.diff(edges) > 0).all()
    assert ((edges > 1.0) & (edges < 4.0)).sum() > 12  # where the values are, they lie closer
    assert positions_of(edges, (0.05, 3.0)) == tuple(int(np.flatnonzero(edges == cut)[0]) + 1 for cut in (0.05, 3.0))


@pytest.mark.parametrize("values", [[-3.0, 0.0, 0.1, 5.0], [2.0, 2.0, 2.0], [1e-6, 2e-6], [-1e5, 1e5]])
def test_edges_of_quantities_without_a_lowest_value(values):
    values = np.array(values)
    cut = float(np.median(values))
    edges = edges_for(values, (cut,), -np.inf, 16)
    assert edges[0] < values.min()
    assert edges[-1] > values.max()
    assert (np.diff(edges) > 0).all()
    assert cut in edges


def test_a_class_is_a_sum_of_masses():
    scores = torch.randn(7, 12, dtype=DOUBLE)
    masses = scores.softmax(dim=1)
    found = class_scores(scores, (1, 5)).softmax(dim=1)
    for k, part in enumerate((slice(0, 1), slice(1, 5), slice(5, 12))):
        torch.testing.assert_close(found[:, k], masses[:, part].sum(dim=1))


def test_the_score_is_the_integral_of_squares():
    torch.manual_seed(0)
    edges = torch.tensor([0.0, 0.1, 0.5, 1.0, 2.5, 4.0], dtype=DOUBLE)
    scores, values = torch.randn(6, 6, dtype=DOUBLE), torch.tensor([0.0, 0.05, 0.5, 0.7, 3.9, 4.0], dtype=DOUBLE)
    t = np.linspace(0, 4, 400_001)
    for row, value, found in zip(scores, values, crps(scores, edges, values), strict=True):
        cdf = np.interp(t, edges.numpy(), row.softmax(0).cumsum(0).numpy())
        expected = float(torch.trapezoid(torch.from_numpy((cdf - (t >= float(value))) ** 2), torch.from_numpy(t)))
        assert abs(float(found) - expected) < 1e-4
    outside = crps(scores[:1], edges, torch.tensor([9.0], dtype=DOUBLE))
    torch.testing.assert_close(outside, crps(scores[:1], edges, torch.tensor([4.0], dtype=DOUBLE)))


def test_a_certain_distribution_scores_its_distance():
    edges = torch.linspace(0, 10, 1001, dtype=DOUBLE)
    scores = torch.full((1, 1001), -1e4, dtype=DOUBLE)
    scores[0, 300] = 0.0  # all between 2.99 and 3.00
    assert abs(float(crps(scores, edges, torch.tensor([7.0], dtype=DOUBLE))) - 4.0) < 0.01


def test_gradients_of_the_score():
    edges = torch.tensor([0.0, 0.3, 1.0, 2.0], dtype=DOUBLE)
    scores = torch.randn(3, 4, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: crps(s, edges, torch.tensor([0.0, 0.6, 1.7], dtype=DOUBLE)), scores)


def test_a_dipole_has_the_median_of_its_distribution():
    """Also with other widths to both sides, and masses that are far from it are finite."""
    torch.manual_seed(0)
    head = DipoleHead(8, 64, of_distribution=True).double()
    edges = np.linspace(0.0, 20.0, 64)
    head.set_units(1.0, edges[:-1])
    length = torch.tensor([[0.01], [3.0], [19.0]], dtype=DOUBLE)
    scores = head._scores(length, torch.full((3, 1), 0.05, dtype=DOUBLE), torch.full((3, 1), 0.7, dtype=DOUBLE))
    assert torch.isfinite(scores).all()
    cdf = scores.exp().cumsum(dim=1)
    torch.testing.assert_close(cdf[:, -1], torch.ones(3, dtype=DOUBLE))
    for row, value in zip(cdf, length.flatten(), strict=True):
        j = int((row < 0.5).sum())
        assert edges[max(j - 1, 0)] - 1e-9 <= float(value) <= edges[j] + 1e-9


def test_networks_of_one_option_give_masses_and_those_without_it_are_as_before():
    torch.manual_seed(0)
    before = EquilibriumNetwork(ModelConfig(width=16), 3)
    assert before.head[-1].out_features == 3 + 3
    after = EquilibriumNetwork(ModelConfig(width=16, answer="distribution", bins=20), 3)
    assert after.head[-1].out_features == 20
