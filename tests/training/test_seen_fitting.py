from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import andersonn as an
from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.tails import ALL, SEEN
from andersonn.scientists.registry import registered
from andersonn.training.seen_fitting import fit_seen

SETS = Path(str(resources.files("andersonn"))) / "data/sets"


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    table = pq.read_table(SETS / "small_molecules.parquet", columns=["id", "group", "smiles", "dipole_D"])
    path = tmp_path_factory.mktemp("records") / "small.parquet"
    pq.write_table(table.take(np.arange(0, len(table), 3)), path)
    return read_records([path], ("dipole_D",))


def test_intervals_of_the_training_are_narrower_and_still_cover(records):
    bundle = ModelBundle.load(registered()["polarity"].weights)
    fitted, report = fit_seen(bundle, records)
    assert 40 < report.n <= len(records)
    assert report.width < report.width_before
    assert report.covered > 0.8
    effects = dict(fitted.calibration.tails.effects)
    assert 0.005 < np.exp(effects[ALL] + effects[SEEN]) <= fitted.calibration.tails.widest
    assert 0 < len(fitted.trained_on.hashes) <= len(records)


def test_a_model_without_tails_by_kind_is_refused(records):
    bundle = ModelBundle.load(registered()["porosity"].weights)
    with pytest.raises(UsageError, match="do not depend on the kind"):
        fit_seen(bundle, records)


def test_shipped_intervals_cover_measured_values_of_molecules_that_were_trained_on():
    """Measured: A. L. McClellan, Tables of Experimental Dipole Moments (1963), gas phase, D."""
    measured = {"CO": 1.70, "CN": 1.31, "C=O": 2.33, "CC=O": 2.75, "CCl": 1.87, "C#N": 2.98, "N": 1.47, "CC#N": 3.92}
    answers = an.Scientist.load("polarity").predict(list(measured))
    near = [
        a.interval90[0] - 0.3 <= value <= a.interval90[1] + 0.3
        for a, value in zip(answers, measured.values(), strict=True)
    ]
    assert all(near)
    assert sum(a.interval90[1] - a.interval90[0] < 1.2 for a in answers) >= 5
