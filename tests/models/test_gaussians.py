"""Gaussians of distances and counts: their values, and that none is subnormal, which processors are slow at."""

import math

import pytest
import torch

from andersonn.models.encoder import ImageEncoder
from andersonn.models.gaussians import ENDED, gaussians


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_against_the_formula(dtype):
    found = gaussians(torch.tensor([[0.3, -1.0]], dtype=dtype), torch.tensor([0.0, 0.5, 2.0], dtype=dtype), 1.5)
    expected = [[[math.exp(-1.5 * (v - c) ** 2) for c in (0.0, 0.5, 2.0)] for v in (0.3, -1.0)]]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_none_is_subnormal_and_tails_are_zero(dtype):
    found = gaussians(torch.linspace(0.0, 30.0, 20_001, dtype=dtype), torch.linspace(0.0, 3.0, 7, dtype=dtype), 1.0)
    assert found[found > 0].min() > ENDED
    assert (found == 0).any()


def test_not_a_number_stays_so():
    assert gaussians(torch.tensor([math.nan]), torch.tensor([0.0]), 1.0).isnan().all()


def test_gradients_of_values():
    values = torch.tensor([0.3, 1.4], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: gaussians(v, torch.linspace(0, 2, 5, dtype=torch.float64), 2.0), values)


@pytest.mark.parametrize("spacing", ["even", "near"])
def test_what_an_encoder_multiplies_is_not_subnormal(spacing, monkeypatch):
    encoder = ImageEncoder(8, 24, spacing=spacing)
    seen = []
    encoder.filter.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    distance = torch.linspace(0.5, 12.0, 5_000)
    encoder._by_distance(distance)
    (found,) = seen
    assert found.shape == (5_000, 24)
    assert not ((found != 0) & (found.abs() < torch.finfo(found.dtype).tiny)).any()
