"""Estimators that start from shipped weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

import andersonn as an
from andersonn.errors import UsageError

SMILES = ["C" * n + end for n in range(2, 10) for end in ("", "O", "N", "Cl")]
VALUES = np.array([len(smiles) + 3.0 * smiles.endswith("O") for smiles in SMILES])


def test_weights_are_those_of_the_scientist_before_the_first_step():
    start = an.Scientist.load("polarity", geometry="none").bundle
    found = an.EquilibriumRegressor(from_shipped="polarity/none", epochs=1, learning_rate=1e-9).fit(SMILES, VALUES)
    mine, theirs = found.artifact_.weights(), start.weights()
    same = [name for name in theirs if name in mine and mine[name].shape == theirs[name].shape and "head" not in name]
    assert len(same) > 10
    assert all(np.allclose(mine[name], theirs[name], atol=1e-5) for name in same if mine[name].is_floating_point())
    assert found.artifact_.config.image.bonds


def test_fits_and_comes_back_from_a_clone():
    estimator = an.EquilibriumRegressor(from_shipped="polarity/none", epochs=30)
    fitted = clone(estimator).fit(SMILES, VALUES)
    assert np.corrcoef(fitted.predict(SMILES), VALUES)[0, 1] > 0.8
    low, high = fitted.predict_interval(SMILES).T
    assert (low <= high).all()


def test_classes():
    labels = np.where(VALUES > 7, "long", "short")
    fitted = an.EquilibriumClassifier(from_shipped="polarity/none", epochs=30, learning_rate=0.004).fit(SMILES, labels)
    assert fitted.score(SMILES, labels) > 0.8


def test_what_cannot_be_a_start_is_refused():
    with pytest.raises(UsageError, match="vector"):
        an.EquilibriumRegressor(from_shipped="polarity", epochs=1).fit(SMILES, VALUES)
    with pytest.raises(UsageError, match="no_such_folder"):
        an.EquilibriumRegressor(from_shipped="no_such_folder", epochs=1).fit(SMILES, VALUES)
    with pytest.raises(UsageError, match="other options"):
        an.EquilibriumRegressor(from_shipped="polarity/none", epochs=1, width=16).fit(SMILES, VALUES)
