"""The share of pairs of polymorphs that are told apart."""

import numpy as np
import pytest

from polymorphs import pairs_told_apart


def test_pairs_of_a_group_are_counted():
    groups = np.array(["C"] * 4 + ["Si"] * 3 + ["Fe"] * 2)
    metal = np.array([True, True, False, False, True, False, False, True, True])
    score = np.array([0.9, 0.5, 0.6, 0.1, 0.3, 0.3, 0.7, 0.2, 0.4])
    assert pairs_told_apart(score, metal, groups) == pytest.approx([3 / 4, 0.25]), (
        "iron has no other kind, and is left out"
    )


def test_a_composition_alone_tells_nothing():
    groups = np.repeat(["a", "b", "c"], 5)
    metal = np.tile([True, False, False, True, False], 3)
    score = np.repeat([0.1, 0.9, 0.5], 5)
    assert pairs_told_apart(score, metal, groups) == pytest.approx([0.5, 0.5, 0.5])
