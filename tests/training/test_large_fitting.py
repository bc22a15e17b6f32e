"""Intervals of molecules with a geometry that are larger than those of the training."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.tails import ALL, LARGE, SEEN, Kinds, Tails
from andersonn.scientist import Scientist
from andersonn.training.large_fitting import fit_large

SET = Path(str(resources.files("andersonn"))) / "data/sets/biomolecules.parquet"


@pytest.fixture(scope="module")
def records():
    return read_records([SET], ("dipole_D",))


@pytest.fixture(scope="module")
def bundle():
    """The shipped model without an effect of large molecules."""
    shipped = Scientist.load("polarity").bundle
    tails = shipped.calibration.tails
    kept = replace(tails, effects=tuple(pair for pair in tails.effects if pair[0] != LARGE))
    return replace(shipped, calibration=replace(shipped.calibration, tails=kept))


def test_large_molecules_with_a_geometry_have_a_tail_of_their_own():
    tails = Tails(((ALL, -3.0), ("up to 16 rows", 1.0)), 0.2).with_effect(LARGE, -2.0).with_effect(SEEN, 0.5)
    kinds = Kinds(
        np.array([12, 12, 12, 12]),
        np.zeros(4, dtype=int),
        np.array([False, False, False, True]),
        np.array([False, True, True, True]),
    )
    made = np.array([False, False, True, True])
    expected = np.exp([-2.0, -5.0, -2.0, -2.5])
    np.testing.assert_allclose(tails.of(kinds, np.zeros(4), made), expected)
    np.testing.assert_allclose(tails.of(kinds.part(np.array([1, 0])), np.zeros(2), None), np.exp([-5.0, -2.0]))
    assert Tails.from_dict(tails.as_dict()).as_dict() == tails.as_dict()


def test_what_is_large():
    kinds = Kinds.of([np.array([6] * 9 + [1] * 20), np.array([6] * 10), np.array([1] * 30)])
    assert kinds.large.tolist() == [False, True, False]


def test_half_of_the_scaffolds_tells_how_the_other_is_covered(bundle, records):
    found, report = fit_large(bundle, records)
    assert report.n == 137
    assert report.covered_before < 0.87 < report.covered < 0.95
    assert report.width > report.width_before
    shipped = Scientist.load("polarity").bundle.calibration.tails
    assert dict(found.calibration.tails.effects)[LARGE] == pytest.approx(dict(shipped.effects)[LARGE], abs=0.05)


def test_too_few_and_models_without_kinds_are_refused(bundle, records):
    with pytest.raises(UsageError, match="more than nine heavy atoms"):
        fit_large(bundle, records.take(np.arange(40)))
    plain = replace(bundle, calibration=replace(bundle.calibration, tails=None))
    assert isinstance(plain.calibration, DistributionCalibration)
    with pytest.raises(UsageError, match="do not depend on the kind"):
        fit_large(plain, records)
