"""Intervals of molecules with a geometry that differ from those of QM9."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.tails import ALL, FEW, GIVEN, LARGE, MADE_FEW, UNUSUAL, Kinds, Tails
from andersonn.scientist import Scientist
from andersonn.training.given_fitting import fit_few_made, fit_given

SETS = Path(str(resources.files("andersonn"))) / "data/sets"


@pytest.fixture(scope="module")
def records():
    return read_records([SETS / "biomolecules.parquet"], ("dipole_D",))


@pytest.fixture(scope="module")
def bundle():
    """The shipped model without effects of given geometries."""
    shipped = Scientist.load("polarity").bundle
    tails = shipped.calibration.tails
    kept = replace(tails, effects=tuple(pair for pair in tails.effects if pair[0] not in GIVEN))
    return replace(shipped, calibration=replace(shipped.calibration, tails=kept))


def test_molecules_with_a_geometry_that_qm9_lacks_have_tails_of_their_own():
    usual = Tails(((ALL, -3.0), ("up to 16 rows", 1.0)), 0.2)
    tails = usual.with_effect(LARGE, -2.0).with_effect(UNUSUAL, -1.0).with_effect(FEW, -0.5)
    kinds = Kinds(
        np.array([12, 12, 12, 12, 12, 12]),
        np.zeros(6, dtype=int),
        np.array([9, 10, 10, 10, 5, 6]),
        np.array([False, True, True, True, True, False]),
    )
    made = np.array([False, False, True, True, False, False])
    expected = np.exp([-2.0, -5.0, -2.0, -2.0, -4.0, -3.5])
    np.testing.assert_allclose(tails.of(kinds, np.zeros(6), made), expected)
    np.testing.assert_allclose(tails.of(kinds.part(np.array([4, 0])), np.zeros(2), None), np.exp([-4.0, -2.0]))
    assert Tails.from_dict(tails.as_dict()).as_dict() == tails.as_dict()
    assert Tails.from_dict(tails.as_dict() | {"molecule of the training": 0.5}).as_dict() == tails.as_dict()


def test_what_is_large_and_what_is_small():
    kinds = Kinds.of(
        [np.array([6] * 9 + [1] * 20), np.array([6] * 10), np.array([6] * 6 + [1] * 14), np.array([17, 1])]
    )
    assert kinds.heavy.tolist() == [9, 10, 6, 1]
    assert kinds.given(None)[LARGE].tolist() == [False, True, False, False]
    assert kinds.given(None)[FEW].tolist() == [False, False, True, False]


def test_what_is_unusual():
    kinds = Kinds.of([np.array([6, 1, 9, 8, 7]), np.array([6, 17]), np.array([35, 35]), np.array([5, 1, 1, 1])])
    assert kinds.unusual.tolist() == [False, True, True, True]
    assert kinds.part(np.array([1, 0])).unusual.tolist() == [True, False]
    made = np.array([False, True, False, False])
    assert kinds.given(made)[UNUSUAL].tolist() == [False, False, True, True]
    assert kinds.given(None)[UNUSUAL].tolist() == [False, True, True, True]


def test_half_of_the_scaffolds_tells_how_the_other_is_covered(bundle, records):
    found, report = fit_given(bundle, records, LARGE)
    assert report.n == 137
    assert report.covered_before < 0.87 < report.covered < 0.95
    assert report.width > report.width_before
    shipped = Scientist.load("polarity").bundle.calibration.tails
    assert dict(found.calibration.tails.effects)[LARGE] == pytest.approx(dict(shipped.effects)[LARGE], abs=0.05)


def test_too_few_and_models_without_kinds_are_refused(bundle, records):
    with pytest.raises(UsageError, match="more than 9 heavy atoms"):
        fit_given(bundle, records.take(np.arange(40)), LARGE)
    plain = replace(bundle, calibration=replace(bundle.calibration, tails=None))
    assert isinstance(plain.calibration, DistributionCalibration)
    with pytest.raises(UsageError, match="do not depend on the kind"):
        fit_given(plain, records, LARGE)


@pytest.mark.parametrize("kind", [UNUSUAL, FEW])
def test_one_side_alone_is_used_of_files_of_the_training(bundle, kind):
    files = [SETS / f"{name}.parquet" for name in ("common_chemicals", "small_molecules")]
    common = read_records(files, ("dipole_D",))
    found, report = fit_given(bundle, common, kind, "validation")
    held = bundle.config.split.sides(np.asarray(common.groups, dtype=str)) == "validation"
    Zs = common.table["atomic_numbers"].to_pylist()
    other = np.array([not {*Z} <= {1, 6, 7, 8, 9} for Z in Zs])
    few = np.array([sum(z > 1 for z in Z) <= 6 for Z in Zs])
    assert report.n == np.count_nonzero(held & (other if kind == UNUSUAL else few & ~other))
    assert report.covered_before < report.covered
    shipped = Scientist.load("polarity").bundle.calibration.tails
    assert dict(found.calibration.tails.effects)[kind] == pytest.approx(dict(shipped.effects)[kind], abs=0.05)


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Small molecules as SMILES."""
    table = pq.read_table(SETS / "small_molecules.parquet", columns=["id", "group", "smiles", "dipole_D"])
    path = tmp_path_factory.mktemp("records") / "small.parquet"
    pq.write_table(table, path)
    return read_records([path], ("dipole_D",))


def test_small_molecules_with_a_generated_geometry_have_narrower_intervals_that_cover(bundle, generated):
    usual = replace(bundle.calibration, few_power=None, few_doubt=None)
    effects = tuple(pair for pair in usual.tails.effects if pair[0] != MADE_FEW)
    plain = replace(bundle, calibration=replace(usual, tails=replace(usual.tails, effects=effects)))
    found, report = fit_few_made(plain, generated)
    assert report.n >= 50
    assert report.width < report.width_before
    assert 0.8 < report.covered < report.covered_before
    assert (found.calibration.few_power, found.calibration.few_doubt) != (usual.made_power, usual.made_doubt)
    again = DistributionCalibration.from_dict(found.calibration.as_dict(), bundle.task)
    assert again.as_dict() == found.calibration.as_dict()
    with pytest.raises(UsageError, match="generated geometry of up to 6"):
        fit_few_made(plain, generated.take(np.arange(30)))


def test_only_small_ones_that_were_generated_are_told_apart(bundle):
    calibration = replace(bundle.calibration, few_power=1.0, few_doubt=0.0, doubt_slope=None)
    scores = np.random.default_rng(0).normal(size=(4, len(calibration.edges)))
    kinds = Kinds.of([np.array([6] * n + [1]) for n in (6, 7, 6, 7)])
    made = np.array([True, True, False, False])
    assert kinds.few_made(made).tolist() == [True, False, False, False]
    assert kinds.few_made(None).tolist() == [False] * 4
    known = calibration.distributions(scores, made, None, kinds)
    unknown = calibration.distributions(scores, made)
    same = [np.array_equal(a, b) for a, b in zip(known.cdf, unknown.cdf, strict=True)]
    assert same == [False, True, True, True]
    np.testing.assert_allclose(known.quantile(0.5), unknown.quantile(0.5), atol=1e-5)


@pytest.mark.parametrize(("name", "value"), [("few_doubt", 1.0), ("few_power", -1.0), ("few_doubt", "0")])
def test_impossible_values_are_refused(bundle, name, value):
    with pytest.raises(ValueError, match=name):
        DistributionCalibration.from_dict(bundle.calibration.as_dict() | {name: value}, bundle.task)
