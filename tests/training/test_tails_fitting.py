"""Intervals cover nine in ten of every kind of structure, also where kinds overlap, and answers still agree with themselves."""

import json
from dataclasses import replace

import numpy as np
import pytest

from andersonn.data.tasks import Task
from andersonn.inference.distribution import DistributionCalibration, Distributions
from andersonn.inference.tails import FAMILIES, NAMES, Kinds, Tails
from andersonn.training.tails_fitting import fit_tails, one_tail, widest_tail

GAP = Task("gap", "gap_eV", "eV", ("metal", "small", "large"), (0.05, 3.0), zero_is_class=True, lowest=0.0)
EDGES = np.linspace(0.0, 9.0, 90)
N = 12_000
WIDEST = 0.1


@pytest.fixture(scope="module")
def told():
    """Answers that are too sure where there is fluorine and in large structures, more so where both; half of those of the others
    with a probability of zero. Distributions as told, values, kinds, and whose geometry was generated.
    """
    rng = np.random.default_rng(0)
    kinds = Kinds(rng.choice([3, 12, 90], N), rng.choice([0, 1, 6, len(FAMILIES)], N, p=[0.2, 0.5, 0.02, 0.28]))
    made = (kinds.rows == 12) & (rng.random(N) < 0.3)
    scores = -0.5 * ((EDGES - rng.uniform(1.0, 8.0, (N, 1))) / rng.uniform(0.3, 0.9, (N, 1))) ** 2
    nought = (rng.random(N) < 0.5) & (kinds.family == len(FAMILIES))
    scores[nought, 0] = rng.uniform(1.0, 9.0, nought.sum())
    true = Distributions.of_scores(EDGES, scores)
    power = np.exp(0.5 * (kinds.family == 0) + 0.4 * (kinds.rows == 90) + 0.3 * made)
    return true.sharpened(power[:, None], 0.0, np.linspace(0.0, 1.0, 90)), true.quantile(rng.random(N)), kinds, made


def part_of(found, chosen):
    return Distributions(found.edges, found.cdf[chosen])


def covered(found, values, tails):
    return (found.quantile(tails) <= values) & (values <= found.quantile(1.0 - tails))


def test_every_kind_is_covered(told):
    found, values, kinds, made = told
    half = np.arange(N) < N // 2
    rest, at_zero = part_of(found, ~half), found.cdf[~half, 0]
    fitted = fit_tails(part_of(found, half), values[half], kinds.part(half), made[half], WIDEST)
    inside = covered(rest, values[~half], fitted.of(kinds.part(~half), at_zero, made[~half]))
    alike = covered(rest, values[~half], np.full(len(at_zero), one_tail(part_of(found, half), values[half], WIDEST)))
    open_, kept = at_zero < 0.9, kinds.part(~half)
    both = {
        "fluorides": kept.family == 0, "oxides": kept.family == 1, "others": kept.family == len(FAMILIES),
        "small": kept.rows == 3, "large": kept.rows == 90, "generated": made[~half],
        "large fluorides": (kept.family == 0) & (kept.rows == 90), "small oxides": (kept.family == 1) & (kept.rows == 3),
    }  # fmt: skip
    for name, kind in both.items():
        n = (kind & open_).sum()
        assert n > 250, name
        assert abs(inside[kind & open_].mean() - 0.9) < 3.5 * np.sqrt(0.18 / n), name  # both halves are a sample
    assert alike[both["large fluorides"]].mean() < 0.8
    assert alike[both["small oxides"]].mean() > 0.93


def test_sure_zeros_cover_more_and_nobody_pays_for_it(told):
    found, values, kinds, made = told
    fitted = fit_tails(found, values, kinds, made, WIDEST)
    at_zero, tails = found.cdf[:, 0], fitted.of(kinds, found.cdf[:, 0], made)
    inside, sure = covered(found, values, tails), at_zero >= 0.9
    assert sure.mean() > 0.03
    assert inside[sure].mean() > 0.92
    assert abs(inside[~sure].mean() - 0.9) < 0.01
    width = found.quantile(1.0 - tails) - found.quantile(tails)
    assert (width[~sure] > 0.0).all()


def test_answers_agree_with_each_other(told):
    """Within the distribution that is told: the estimate in its interval, the class in it, and thresholds do not move it."""
    found, values, kinds, made = told
    scores = np.log(np.maximum(np.diff(found.cdf, axis=1, prepend=0.0), 1e-300))
    fitted = fit_tails(found, values, kinds, made, WIDEST)
    calibration = replace(DistributionCalibration.raw(EDGES, values, GAP), tails=fitted)
    value, interval = calibration.estimates(scores, scores[:, :0], made, None, kinds)
    assert ((interval[:, 0] <= value) & (value <= interval[:, 1])).all()
    top = calibration.probabilities(scores, made).argmax(axis=1)
    low, high = np.array([0.0, *GAP.thresholds]), np.array([*GAP.thresholds, np.inf])
    assert ((interval[:, 0] <= high[top]) & (interval[:, 1] >= low[top])).all()
    moved = calibration.with_thresholds((0.5, 2.0)).estimates(scores, scores[:, :0], made, None, kinds)
    np.testing.assert_array_equal(moved[1], interval)
    unknown = calibration.estimates(scores, scores[:, :0], made)[1]
    np.testing.assert_allclose(unknown[:, 0], found.quantile(calibration.tail), atol=1e-9)


def test_a_kind_of_few_records_stays_near_the_others(told):
    """Of iodides there are 240; cut to eight, none of which is covered, they are told apart by little."""
    found, values, kinds, made = told
    few = np.flatnonzero(kinds.family == 6)
    chosen = np.concatenate([np.flatnonzero(kinds.family != 6), few[:8]])
    values = values.copy()
    values[few] = 9.0
    found, kinds, made = part_of(found, chosen), kinds.part(chosen), made[chosen]
    effects = dict(fit_tails(found, values[chosen], kinds, made, WIDEST).effects)
    assert -3.0 < effects["with I"] < -0.5
    assert "with Br" not in effects  # there is none


def test_too_few_are_not_told_apart(told):
    found, values, kinds, made = told
    few = np.flatnonzero(found.cdf[:, 0] < 0.5)[:900]
    assert fit_tails(part_of(found, few), values[few], kinds.part(few), made[few], WIDEST) is None


def test_without_a_least_value_tails_may_be_wider():
    assert widest_tail(GAP) == WIDEST
    assert widest_tail(replace(GAP, zero_is_class=False, lowest=-np.inf)) > WIDEST


def test_kinds_of_structures():
    kinds = Kinds.of([np.array([11, 17]), np.array([6, 8, 9]), np.array([14] * 41), np.array([1, 7, 1, 6, 1])])
    assert kinds.rows.tolist() == [2, 3, 41, 5]
    assert [(*FAMILIES, "others")[k] for k in kinds.family] == ["Cl", "F", "others", "N"]
    members = kinds.members(np.array([0.0, 0.05, 0.3, 0.99]), np.array([False, False, False, True]))
    said = [[name for name, has in zip(NAMES, row, strict=True) if has] for row in members]
    assert said[0] == ["all", "up to 4 rows", "with Cl", "zero below 0.01"]
    assert said[2] == ["all", "more rows", "other elements", "zero below 0.5"]
    assert said[3] == ["all", "up to 8 rows", "with N", "zero likely", "generated geometry"]


def test_what_is_written_is_read(told):
    found, values, kinds, made = told
    calibration = DistributionCalibration.raw(EDGES, values, GAP)
    calibration = replace(calibration, tails=fit_tails(found, values, kinds, made, WIDEST))
    written = json.loads(json.dumps(calibration.as_dict()))
    assert DistributionCalibration.from_dict(written, GAP) == calibration
    wrong = (
        {"widest": 0.1},
        {"widest": 0.5, "all": 0.0},
        {"widest": 0.1, "all": 0.0, "with Xx": 1.0},
        [1.0],
        {"all": 0.0},
    )
    for tails in (*wrong, {"widest": 0.1, "all": "wide"}):
        with pytest.raises(ValueError, match="tails"):
            DistributionCalibration.from_dict(written | {"tails": tails}, GAP)


def test_models_with_tails_by_size_still_load(told):
    _, values, kinds, _ = told
    written = json.loads(json.dumps(DistributionCalibration.raw(EDGES, values, GAP).as_dict()))
    by_size = [[4, 0.1], [8, 0.09], [16, 0.08], [40, 0.07], [100_000, 0.04]]
    old = DistributionCalibration.from_dict(written | {"tail_by_size": by_size}, GAP)
    tails = old.tails.of(kinds, np.zeros(N), None)
    for rows, tail in ((3, 0.1), (12, 0.08), (90, 0.04)):
        np.testing.assert_allclose(tails[kinds.rows == rows], tail)
    for wrong in ([[4, 0.1]], [[4, 0.7], *by_size[1:]], "wide", [[1, 0.1], *by_size[1:]]):
        with pytest.raises(ValueError, match="tail_by_size"):
            DistributionCalibration.from_dict(written | {"tail_by_size": wrong}, GAP)


def test_tails_stay_within_bounds():
    tails = Tails((("all", 2.0), ("with F", -40.0)), 0.1)
    found = tails.of(Kinds(np.array([3, 3]), np.array([0, 1])), np.zeros(2), None)
    np.testing.assert_allclose(found, [1e-4, 0.1])
