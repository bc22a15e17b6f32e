"""Class, estimate and interval are read from one distribution, so they agree, wherever the thresholds lie."""

import json
from dataclasses import replace

import numpy as np
import pytest

from andersonn import Scientist, TrainConfig
from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.inference.distribution import DistributionCalibration, Distributions
from andersonn.training.calibration_fitting import fit_distributions
from tests import forked

EDGES = np.array([0.0, 0.05, 0.4, 1.0, 2.0, 3.0, 5.0, 9.0])
GAP = Task("gap", "gap_eV", "eV", ("metal", "small", "large"), (0.05, 3.0), zero_is_class=True, lowest=0.0)
SIZES = {"epochs": 2, "model": {"width": 16, "answer": "distribution", "bins": 24}, "image": {"columns": 6}}


@pytest.fixture(scope="module")
def scores():
    return np.random.default_rng(0).normal(0, 3, (3000, len(EDGES)))


@pytest.fixture(scope="module")
def calibration():
    values = np.random.default_rng(1).gamma(1.0, 1.5, 500)
    return DistributionCalibration.raw(EDGES, values, GAP)


@pytest.mark.parametrize("doubt", [None, 0.3])
@pytest.mark.parametrize(("power", "tail"), [(1.0, 0.05), (0.3, 0.2), (3.0, 0.001)])
@pytest.mark.parametrize("thresholds", [(0.05, 3.0), (0.0, 3.0), (0.7, 0.9), (1e-9, 8.9)])
def test_answers_agree_with_each_other(scores, calibration, power, tail, doubt, thresholds):
    chosen = replace(calibration, power=power, tail=tail, made_doubt=doubt).with_thresholds(thresholds)
    made = np.ones(len(scores), dtype=bool)
    p = chosen.probabilities(scores, made)
    value, interval = chosen.estimates(scores, scores[:, :0], made)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert (p >= 0).all()
    assert (interval[:, 0] <= value).all()
    assert (value <= interval[:, 1]).all()
    at_zero = chosen.distributions(scores, made).cdf[:, 0]
    narrow = interval[:, 1] == interval[:, 0]
    assert (at_zero[narrow] >= 1.0 - tail).all()
    assert ((value == 0.0) == (at_zero >= 0.5)).all()
    # A class with more mass than both tails has a part of the interval.
    low, high = np.array([0.0, *thresholds]), np.array([*thresholds, np.inf])
    for k in range(3):
        sure = p[:, k] > 2 * tail + 1e-9
        assert (interval[sure, 0] <= high[k] + 1e-9).all()
        assert (interval[sure, 1] >= low[k] - 1e-9).all()


def test_doubt_widens_and_does_not_move_the_estimate():
    """Up to the distance of edges, between which distributions are straight."""
    fine, rng = np.linspace(0.0, 9.0, 300), np.random.default_rng(0)
    calibration = DistributionCalibration.raw(fine, rng.gamma(1.0, 1.5, 500), GAP)
    scores = -0.5 * ((fine - rng.uniform(-0.5, 8.0, (2000, 1))) / rng.uniform(0.1, 0.6, (2000, 1))) ** 2
    chosen = replace(calibration, doubt_slope=4.0, doubt_middle=1.0)
    near, far = (chosen.estimates(scores, scores[:, :0], None, np.full(len(scores), d)) for d in (0.01, 3.0))
    moved = np.abs(near[0] - far[0])
    usual = np.interp(near[0], fine, calibration.usual)
    assert moved[(usual > 0.02) & (usual < 0.98)].max() < fine[1]
    widths = [interval[:, 1] - interval[:, 0] for _, interval in (near, far)]
    assert (widths[1] >= widths[0] - 1e-9).mean() > 0.98
    certain = [chosen.probabilities(scores, None, np.full(len(scores), d)).max(axis=1).mean() for d in (0.01, 3.0)]
    assert certain[1] < certain[0] - 0.1


def test_quantiles_are_the_inverse_of_the_distribution(scores):
    found = Distributions.of_scores(EDGES, scores)
    for level in (0.01, 0.3, 0.5, 0.97):
        value = found.quantile(level)
        inside = value > 0
        np.testing.assert_allclose(found.at(value)[inside], level, atol=1e-9)
        assert (found.cdf[~inside, 0] >= level).all()


def test_below_a_cut_and_at_it_differ_at_zero_alone(scores):
    found = Distributions.of_scores(EDGES, scores)
    assert (found.below(0.0) == 0).all()
    np.testing.assert_array_equal(found.below(0.0, or_at=True), found.cdf[:, 0])
    for cut in (-1.0, 0.02, 0.4, 4.0, 9.0, 50.0):
        np.testing.assert_array_equal(found.below(cut), found.below(cut, or_at=True))
        np.testing.assert_allclose(found.below(cut), found.at(np.full(len(scores), cut)))


def test_a_calibration_makes_overconfident_distributions_honest():
    """Values drawn from the distributions, whose log-odds are then trebled."""
    rng = np.random.default_rng(0)
    fine = np.linspace(0.0, 9.0, 40)
    true = Distributions.of_scores(
        fine, rng.normal(0, 1, (6000, 40)) - 0.3 * (np.arange(40) - rng.integers(5, 35, (6000, 1))) ** 2
    )
    values = true.quantile(rng.random(6000))
    sharp = true.sharpened(3.0, 0.0, np.linspace(0, 1, 40))
    given = np.log(np.maximum(np.diff(sharp.cdf, axis=1, prepend=0.0), 1e-300))
    task = replace(GAP, thresholds=(2.0, 5.0), zero_is_class=False)
    raw = DistributionCalibration.raw(fine, values, task)
    half, made = np.arange(6000) < 3000, np.zeros(3000, dtype=bool)
    fitted = fit_distributions(raw, given[half], values[half], task, made)
    assert 0.28 < fitted.power < 0.4
    for calibration, least, most in ((raw, 0.2, 0.75), (fitted, 0.88, 0.92)):
        _, interval = calibration.estimates(given[~half], given[:, :0])
        inside = ((values[~half] >= interval[:, 0]) & (values[~half] <= interval[:, 1])).mean()
        assert least < inside < most
    p, labels = fitted.probabilities(given[~half]), task.class_of(values[~half])
    for k in range(3):
        assert abs(p[:, k].mean() - (labels == k).mean()) < 0.02


def test_a_card_that_is_damaged_is_told(calibration):
    written = json.loads(json.dumps(calibration.as_dict()))
    assert DistributionCalibration.from_dict(written, GAP) == calibration
    for name, value in (("edges", [1, 0, 2]), ("power", -1.0), ("tail", 0.7), ("usual", [0.1]), ("power", True)):
        with pytest.raises(ValueError, match="its calibration"):
            DistributionCalibration.from_dict(written | {name: value}, GAP)
    with pytest.raises(ValueError, match="does not hold"):
        DistributionCalibration.from_dict({"scale": 1.0}, GAP)


@pytest.fixture(scope="module")
def trained(demo_sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("of_distribution") / "model"
    Scientist.train("conduction", demo_sample.take(np.arange(0, len(demo_sample), 4)), TrainConfig.make(SIZES), folder)
    return folder


def test_thresholds_move_after_training(trained, structures):
    scientist = Scientist.load(trained)
    chosen = list(structures.values())
    before, after = scientist.predict(chosen), scientist.with_thresholds((0.5, 1.5)).predict(chosen)
    for old, new in zip(before, after, strict=True):
        assert (old.value, old.interval90) == (new.value, new.interval90)
        assert new.thresholds == (0.5, 1.5)
        assert new.probabilities["metal"] >= old.probabilities["metal"]
    assert any(old.probabilities != new.probabilities for old, new in zip(before, after, strict=True))
    back = scientist.with_thresholds((0.5, 1.5)).with_thresholds(scientist.task.thresholds).predict(chosen)
    assert [answer.probabilities for answer in back] == [answer.probabilities for answer in before]


@pytest.mark.parametrize("thresholds", [(1.0,), (2.0, 1.0), (1.0, 2.0, 3.0), (-1.0, 2.0)])
def test_impossible_thresholds_are_refused(trained, thresholds):
    with pytest.raises(UsageError, match="threshold"):
        Scientist.load(trained).with_thresholds(thresholds)


def test_the_command_line_moves_them(trained, put):
    from andersonn.scientists.conduction import ROCK_SALT

    file = put("NaCl.vasp", ROCK_SALT)
    words = ("predict", "conduction", file, "--model", trained, "--format", "json")
    moved = json.loads(forked.run(*words, "--thresholds", "0.2,1").stdout)
    assert moved["thresholds"] == [0.2, 1.0]
    refused = forked.run(*words, "--thresholds", "low,high")
    assert (refused.returncode, "no numbers" in refused.stderr) == (2, True)


def test_a_training_starts_from_a_model(trained, demo_sample, tmp_path):
    """With no step worth the name the weights stay, and another way of reading structures is refused."""
    sample = demo_sample.take(np.arange(0, len(demo_sample), 4))
    start = Scientist.load(trained)
    config = TrainConfig.make(SIZES | {"epochs": 1, "learning_rate": 1e-9})
    found = Scientist.train("conduction", sample, config, tmp_path / "fine", start=start)
    mine, theirs = found.bundle.weights(), start.bundle.weights()
    assert all(np.allclose(mine[name], theirs[name], atol=1e-5) for name in theirs if "initializer" not in name)
    assert found.bundle.provenance["started_from"]["task"] == "conduction"
    other = TrainConfig.make(SIZES | {"image": {"columns": 7}})
    with pytest.raises(UsageError, match="other options: image"):
        Scientist.train("conduction", sample, other, tmp_path / "other", start=start)


@pytest.mark.parametrize("median", [0.02, 0.5, 3.0, 9.3])
def test_doubt_leaves_estimates_at_both_ends_of_the_training(median):
    """9.3 is beyond all but a thousandth of the labels, 0.02 below nearly all."""
    edges = np.linspace(0.0, 10.0, 501)
    usual = 1.0 - np.exp(-edges / 1.3)
    usual[0], usual[-1] = 1e-4, 1.0
    cdf = 0.5 * (1.0 + np.tanh((edges - median) / 0.008))
    cdf[-1] = 1.0
    found = Distributions(edges, cdf[None]).sharpened(1.0, 0.9, usual)
    assert found.quantile(0.5)[0] == pytest.approx(median, abs=0.05)
    assert found.quantile(0.95)[0] - found.quantile(0.05)[0] > 0.1
